"""The registered model: the file that MLflow stores, loads and serves (models from code).

The input is a list, a one-dimensional array, or a DataFrame with a column `image` (or with one column). It
holds encoded pictures (bytes, or base64 text as `mlflow models serve` receives them), `pathlib.Path`s, or
uint8 arrays of any size (h, w, c). An array of pictures of one size, uint8 (n, h, w, c), will do, too.

A text is base64 and nothing else. No request holds a `Path`, so no request can name a file of the machine.

The output is a DataFrame with one row per picture, in the order given: `answer`, `class`, `probability`,
`reason` and one column of probabilities per class, under its name. `answer` is the class; or `review`, where
the model is not sure enough and a person should look. A picture that cannot be used has a `reason`, and None
in all other columns: MLflow would write a NaN into its JSON, which is none. The others have no reason (None).
A class that is itself called like one of these has the column `answer (class)` and so on.
"""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from pipeline.backend.gpu_memory import limit_gpus
from pipeline.backend.inference import switch_on_onednn
from pipeline.characters import cut
from pipeline.errors import DataError, ImageError
from pipeline.refusals import Refusal
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import make_decoders

_COLUMNS = ("answer", "class", "probability", "reason")
_IMAGE = "image"  # the column of pictures
_URL_SAFE = re.compile(r"[A-Za-z0-9\s]*[-_][A-Za-z0-9_\s-]*={0,2}\s*")
_MAX_FILE_BYTES = 640 << 20  # as of a file of the source


class ShapeError(DataError, MlflowException):
    """The input is of another shape. MLflow's server says so with the code 400, and without a traceback."""

    def __init__(self, message: str) -> None:
        MlflowException.__init__(self, message, error_code=INVALID_PARAMETER_VALUE)


class ImageClassifier(PythonModel):
    """Decoding, EXIF rotation, resizing, the network and the class names in one: what was evaluated."""

    # MLflow takes type hints of `predict` for a schema, and no schema holds bytes, paths and arrays alike.
    # Without hints it warns at every load, unless this is set. If MLflow drops the name, only the warning
    # returns.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Load the classifier folder, which is the model's artifact "classifier"."""
        self.load(Path(context.artifacts["classifier"]))

    def load(self, folder: Path, rule: Path | None = None) -> None:
        """Load a classifier folder. Pictures are decoded in worker processes, which start when one comes.

        Args:
            rule: the file with the rule of its answers; None: the one in the folder, if there is one.
        """
        switch_on_onednn()  # before anything imports Keras
        limit_gpus()
        self.classifier = Classifier.load(folder, rule, seal="")  # MLflow does not say which version this is
        self.decoders = make_decoders(self.classifier.settings.recipe)

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The answers, one row per picture. Raises ShapeError if the input is of another shape."""
        pictures = self._develop(_list_items(model_input))
        is_read = np.array([not isinstance(picture, Refusal) for picture in pictures], bool)
        names = self.classifier.class_names
        y_prob = np.full((len(pictures), len(names)), np.nan, np.float32)
        if is_read.any():
            y_prob[is_read] = self.classifier.predict_pictures(
                np.stack([picture for picture in pictures if not isinstance(picture, Refusal)])
            )
        table = pd.DataFrame(y_prob, columns=name_columns(names))
        classes = [names[row.argmax()] if ok else None for row, ok in zip(y_prob, is_read, strict=True)]
        reasons = [str(one) if isinstance(one, Refusal) else None for one in pictures]
        named = self.classifier.name_answers(y_prob)
        answers = [answer if ok else None for answer, ok in zip(named, is_read, strict=True)]
        front = (answers, classes, y_prob.max(axis=1), reasons)
        for place, (column, values) in enumerate(zip(_COLUMNS, front, strict=True)):
            kind = None if column == "probability" else object
            table.insert(place, column, pd.Series(values, dtype=kind))
        return table if is_read.all() else table.astype(object).where(table.notna(), None)

    def explain(self, encoded: bytes, class_name: str = "") -> dict[str, Any]:
        """What in an encoded picture spoke for a class; of its likeliest one, where none is named.

        Returns:
            `class`, `heat` (rows of values from 0 to 1, which cover the picture) and `picture` (what the
            network saw: a PNG as base64); or `reason`, where there is nothing to show.
        """
        from pipeline.backend.anatomy import trace_steps
        from pipeline.images.picture import encode_png
        from pipeline.serving.attribution import attribute

        (picture,) = self._develop([encoded])
        if isinstance(picture, Refusal):
            return {"reason": str(picture)}
        names, pictures = self.classifier.class_names, picture[None]
        asked = class_name or names[self.classifier.predict_pictures(pictures)[0].argmax()]
        network = self.classifier.network
        heat = attribute(network, trace_steps(network, picture), pictures, np.array([names.index(asked)]))
        if heat is None:
            return {"reason": "this network has no convolution that knows where it saw something"}
        shown = base64.b64encode(encode_png(picture)).decode("ascii")
        return {"class": asked, "heat": heat[0].round(4).tolist(), "picture": shown}

    def _develop(self, items: Sequence[Any]) -> list[Any]:
        """The developed picture of each item, or why there is none."""
        encoded = [_encode_or_refuse(item) for item in items]
        readable = [one for one in encoded if not isinstance(one, Refusal)]
        developed = iter(self.decoders.answer(readable, n_bytes=len))
        return [one if isinstance(one, Refusal) else next(developed) for one in encoded]


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
        case list() | tuple():
            return list(model_input)
        case pd.DataFrame():
            # Where two columns are called `image`, this is no Series, and refused below.
            column = model_input[_IMAGE] if _IMAGE in model_input else model_input.squeeze(axis=1)
            if isinstance(column, pd.Series) and _holds_no_numbers(column):
                return list(column)
        case pd.Series() if _holds_no_numbers(model_input):
            return list(model_input)
        case np.ndarray() if _holds_pictures(model_input):
            return list(model_input)
        case np.ndarray() if model_input.ndim == 1 or (model_input.ndim == 2 and model_input.shape[1] == 1):
            if _holds_no_numbers(pd.Series(model_input.ravel())):
                return list(model_input.ravel())
        case {"image": images, **others} if not others:
            return _list_items(images)
    raise ShapeError(
        f"the input of the model must be a list of pictures, a DataFrame with the column {_IMAGE!r}, or a "
        f"uint8 array (n, h, w, c), got {_describe_input(model_input)}; put a single picture into a list"
    )


def _describe_input(model_input: Any) -> str:
    kind, shape = type(model_input).__name__, getattr(model_input, "shape", None)
    said = kind + (f" of shape {shape}" if shape is not None else "")
    if isinstance(model_input, np.ndarray | pd.Series):
        said += f" and type {model_input.dtype}"
    if isinstance(model_input, pd.DataFrame) and model_input.shape[1] == 1:
        said += f" and type {model_input.dtypes.iloc[0]}"
    if isinstance(model_input, dict | pd.DataFrame) and list(model_input):
        said += f" with {', '.join(cut(repr(name), 50) for name in list(model_input)[:5])}"
    return said


def _holds_no_numbers(column: "pd.Series[Any]") -> bool:
    """Whether a column holds things, as pictures are. Nothing but gaps is read as numbers, and is none."""
    return column.dtype.kind in "OUS" or not column.notna().any()


def _holds_pictures(array: Any) -> bool:
    return bool(array.ndim == 4 and array.dtype == np.uint8 and array.shape[3] in (1, 3))


def _encode_or_refuse(item: Any) -> bytes | Refusal:
    try:
        return _encode(item)
    except ImageError as error:
        return error.refusal


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
        return _decode_base64(item)
    if isinstance(item, Path):
        return _read_file(item)
    said = f"{type(item).__name__}; bytes, base64 text, a pathlib.Path or a uint8 array are allowed"
    raise ImageError("not_an_image", said)


def _decode_base64(text: str) -> bytes:
    """The bytes of a base64 text, which may have line breaks, as the command `base64` writes them."""
    try:
        return base64.b64decode(b"".join(text.encode("ascii").split()), validate=True)
    except ValueError:
        pass
    if text.startswith("data:"):
        fault = "a data: URL; give what stands behind its comma"
    elif _URL_SAFE.fullmatch(text):
        fault = 'url-safe base64; give base64 with "+" and "/" in place of "-" and "_"'
    else:
        fault = f"the text {cut(repr(text[:200]), 50)} is not base64; from Python, a file is a pathlib.Path"
    raise ImageError("unreadable", fault)


def _read_file(path: Path) -> bytes:
    """The bytes of a regular file, since a device or a pipe may never end."""
    try:
        if path.is_file() and path.stat().st_size <= _MAX_FILE_BYTES:
            return path.read_bytes()
    except (OSError, ValueError):
        pass
    detail = f"{cut(repr(str(path)), 100)} is not a file of up to {_MAX_FILE_BYTES:,} bytes"
    raise ImageError("unreadable", detail)


set_model(ImageClassifier())
