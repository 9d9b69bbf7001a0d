"""The registered model: the file that MLflow stores, loads and serves (models from code).

The input is a list, an array or the first column of a DataFrame. It holds encoded pictures (bytes, or base64
text as `mlflow models serve` receives them), paths, or uint8 arrays of any size (h, w, c). The output is a
DataFrame with one row per picture, in the order given: `class`, `probability` and one column of probabilities
per class.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from pipeline.serving.classifier import Classifier


class ImageClassifier(PythonModel):
    """Decoding, EXIF rotation, resizing, the network and the class names in one: what was evaluated."""

    # MLflow takes type hints of `predict` for a schema, and no schema holds bytes, paths and arrays alike.
    # Without hints it warns at every load, unless this is set. If MLflow drops the name, only the warning
    # returns.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Load the classifier folder, which is the model's artifact "classifier"."""
        self.classifier = Classifier.load(Path(context.artifacts["classifier"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The answers, one row per picture; raises ImageError, with the reason, if one cannot be decoded."""
        y_prob = self.classifier.predict_bytes([_encode(item) for item in _list_items(model_input)])
        names = self.classifier.class_names
        table = pd.DataFrame(y_prob, columns=list(names))
        table.insert(0, "class", [names[i] for i in y_prob.argmax(axis=1)])
        table.insert(1, "probability", y_prob.max(axis=1))
        return table


def _list_items(model_input: Any) -> list[Any]:
    if isinstance(model_input, pd.DataFrame):
        return list(model_input.iloc[:, 0])
    return list(model_input)


def _encode(item: Any) -> bytes:
    if isinstance(item, bytes | bytearray):
        return bytes(item)
    if isinstance(item, np.ndarray):
        from pipeline.images.picture import encode_png

        return encode_png(item)
    if isinstance(item, str):
        try:
            return base64.b64decode(item, validate=True)
        except binascii.Error:
            return Path(item).read_bytes()
    return Path(item).read_bytes()


set_model(ImageClassifier())
