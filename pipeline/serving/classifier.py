"""A trained classifier as a folder: `model.keras`, and `classifier.json` with what it takes to use it.

One code path for evaluation, `darkroom predict` and the served model: batches of one fixed size, so that
a picture's probabilities do not depend on what it is predicted with.
"""

import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.backend.inference import BATCH_SIZE, outputs_of
from pipeline.errors import ModelError, one_line
from pipeline.images import canonical
from pipeline.images.picture import Fit, Resample
from pipeline.paths import written_whole

Uint8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

_MODEL, _SETTINGS = "model.keras", "classifier.json"


@dataclass(frozen=True)
class Settings:
    """How bytes become the pictures that the network was trained on, and what its outputs mean."""

    class_names: tuple[str, ...]
    image_hw: tuple[int, int]
    channels: int
    fit: Fit
    resample: Resample
    equalise: int
    formats: tuple[str, ...]
    max_pixels: int
    test_mirror: bool  # answers are the mean over a picture and its mirror image

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Raises ValueError where keys are missing or unknown."""
        if values.keys() != {field.name for field in fields(cls)}:
            raise ValueError(f"its keys are {', '.join(sorted(values))}")
        frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**frozen)


class Classifier:
    """A network with its settings; made by `load`."""

    def __init__(self, model: Any, settings: Settings) -> None:
        self._model = model
        self.settings = settings

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the columns of the predictions."""
        return self.settings.class_names

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a classifier folder.

        Raises:
            ModelError: the folder is missing or damaged, or its two files do not belong together.
        """
        if not (folder / _MODEL).is_file() or not (folder / _SETTINGS).is_file():
            raise ModelError(
                f"{folder} is not a classifier ({_MODEL} and {_SETTINGS}); run `dvc repro train`"
            )
        import keras

        try:
            settings = Settings.from_json(json.loads((folder / _SETTINGS).read_text(encoding="utf-8")))
            model = keras.saving.load_model(folder / _MODEL, compile=False)
        except (ValueError, KeyError, TypeError, AttributeError, OSError, zipfile.BadZipFile) as error:
            raise ModelError(f"{folder} is damaged: {one_line(error)}; run `dvc checkout`") from None
        shapes = ((None, *settings.image_hw, settings.channels), (None, len(settings.class_names)))
        if (model.input_shape, model.output_shape) != shapes:
            raise ModelError(
                f"{folder}: {_SETTINGS} wants {shapes}, {_MODEL} has"
                f" {(model.input_shape, model.output_shape)}; run `dvc checkout`"
            )
        return cls(model, settings)

    def without_mirror(self) -> Self:
        """The same network with answers of each picture alone, whatever `test_mirror` says."""
        return type(self)(self._model, replace(self.settings, test_mirror=False))

    def predict_bytes(self, encoded: Sequence[bytes]) -> Float32:
        """Class probabilities [n, n_classes] of encoded images, each developed as in the clean stage.

        Raises:
            ImageError: one of them cannot be decoded.
        """
        y_prob = [
            self.predict_pictures(np.stack([self.develop(data) for data in encoded[i : i + BATCH_SIZE]]))
            for i in range(0, len(encoded), BATCH_SIZE)
        ]
        return np.concatenate([np.empty((0, len(self.class_names)), np.float32), *y_prob])

    def develop(self, encoded: bytes) -> Uint8:
        """The canonical picture [height, width, channels] of an encoded image, as in the clean stage.

        Raises:
            ImageError: it cannot be decoded.
        """
        how = {k: v for k, v in asdict(self.settings).items() if k not in ("class_names", "test_mirror")}
        return canonical(encoded, **how)

    def predict_pictures(self, pictures: Uint8) -> Float32:
        """Class probabilities [n, n_classes] of canonical pictures, uint8 [n, height, width, channels]."""
        y_prob = outputs_of(self._model, pictures)
        if self.settings.test_mirror:
            y_prob = (y_prob + outputs_of(self._model, pictures[:, :, ::-1])) / np.float32(2)
        return y_prob


def save_classifier(model: Any, settings: Settings, folder: Path) -> None:
    """Write a classifier folder from a `keras.Model`; each file appears whole."""
    folder.mkdir(parents=True, exist_ok=True)
    # Keras insists on the ending .keras, so the model is written in a folder of its own and moved.
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        model.save(Path(scratch) / _MODEL)
        (Path(scratch) / _MODEL).replace(folder / _MODEL)
    with written_whole(folder / _SETTINGS) as temporary:
        text = json.dumps(asdict(settings), indent=1, sort_keys=True, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
