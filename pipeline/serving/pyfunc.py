"""The registered model: the file that MLflow stores, loads and serves (models from code).

The input is a list, a one-dimensional array, or the first column of a DataFrame. It holds encoded pictures
(bytes, or base64 text as `mlflow models serve` receives them), paths, or uint8 arrays of any size (h, w, c).
An array of pictures of one size, uint8 (n, h, w, c), will do, too. The output is a DataFrame with one row per
picture, in the order given: `class`, `probability` and one column of probabilities per class, under its name.
A class that is itself called `class` or `probability` has the column `class (class)` or
`probability (class)`.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from pipeline.characters import cut
from pipeline.errors import DataError, ImageError
from pipeline.serving.classifier import Classifier

_COLUMNS = ("class", "probability")
_MAX_FILE_BYTES = 640 << 20  # as of a file of the source


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
        table = pd.DataFrame(y_prob, columns=name_columns(names))
        table.insert(0, _COLUMNS[0], [names[i] for i in y_prob.argmax(axis=1)])
        table.insert(1, _COLUMNS[1], y_prob.max(axis=1))
        return table


def name_columns(class_names: Sequence[str]) -> list[str]:
    """A column for each class: its name, or that with " (class)" behind it where another column has it."""
    columns: list[str] = []
    for name in class_names:
        column = name
        while column in _COLUMNS or (column != name and column in class_names):
            column += " (class)"
        columns.append(column)
    return columns


def _list_items(model_input: Any) -> list[Any]:
    match model_input:
        case pd.DataFrame() if model_input.shape[1]:
            return list(model_input.iloc[:, 0])
        case pd.Series() | list() | tuple():
            return list(model_input)
        case np.ndarray() if model_input.ndim == 1 or _holds_pictures(model_input):
            return list(model_input)
        case np.ndarray() if model_input.dtype == object and model_input.ndim == 2 and model_input.shape[1]:
            return list(model_input[:, 0])
    shape = getattr(model_input, "shape", None)
    got = type(model_input).__name__ + (f" of shape {shape}" if shape else "")
    raise DataError(
        "the input of the model must be a list of pictures, a DataFrame with a column of them, or a uint8 "
        f"array (n, h, w, c), got {got}; put a single picture into a list"
    )


def _holds_pictures(array: Any) -> bool:
    return bool(array.ndim == 4 and array.dtype == np.uint8 and array.shape[3] in (1, 3))


def _encode(item: Any) -> bytes:
    if isinstance(item, bytes | bytearray):
        return bytes(item)
    if isinstance(item, np.ndarray):
        from pipeline.images.picture import encode_png

        is_picture = item.ndim == 2 or (item.ndim == 3 and item.shape[2] in (1, 3))
        if item.dtype != np.uint8 or not is_picture or not item.size:
            raise ImageError("not_an_image", f"an array {item.shape} of {item.dtype}; uint8 (h, w, c) is one")
        return encode_png(item)
    if isinstance(item, str):
        try:
            return base64.b64decode(item, validate=True)
        except ValueError:
            return _read_file(Path(item))
    if isinstance(item, Path):
        return _read_file(item)
    said = f"{type(item).__name__}; bytes, base64 text, a path or a uint8 array are allowed"
    raise ImageError("not_an_image", said)


def _read_file(path: Path) -> bytes:
    """The bytes of a regular file, since a device or a pipe may never end."""
    try:
        if path.is_file() and path.stat().st_size <= _MAX_FILE_BYTES:
            return path.read_bytes()
    except (OSError, ValueError):
        pass
    detail = f"{cut(repr(str(path)), 100)} is neither base64 nor a file of up to {_MAX_FILE_BYTES:,} bytes"
    raise ImageError("unreadable", detail)


set_model(ImageClassifier())
