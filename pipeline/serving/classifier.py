"""A trained classifier in use, the same for evaluation, `darkroom predict` and the served model.

Pictures are answered in batches of one fixed size (`backend/inference.py` says what that promises).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.backend.inference import BATCH_SIZE, compute_outputs, switch_on_onednn
from pipeline.errors import ImageError, ModelError, one_line
from pipeline.images.picture import develop
from pipeline.paths import load_json
from pipeline.serving.model_file import load_network
from pipeline.serving.settings import MODEL_FILE, SETTINGS_FILE, Settings

Uint8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


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
        if not (folder / MODEL_FILE).is_file() or not (folder / SETTINGS_FILE).is_file():
            raise ModelError(
                f"{folder} is not a classifier ({MODEL_FILE} and {SETTINGS_FILE}); run `dvc repro train`"
            )
        switch_on_onednn()
        try:
            settings = Settings.from_json(load_json(folder / SETTINGS_FILE))
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ModelError(f"{folder} is damaged: {one_line(error)}; run `dvc checkout`") from None
        model = load_network(folder / MODEL_FILE)
        shapes = ((None, *settings.recipe.picture_shape), (None, len(settings.class_names)))
        if (model.input_shape, model.output_shape) != shapes:
            raise ModelError(
                f"{folder}: {SETTINGS_FILE} wants {shapes}, {MODEL_FILE} has"
                f" {(model.input_shape, model.output_shape)}; run `dvc checkout`"
            )
        return cls(model, settings)

    def without_mirror(self) -> Self:
        """The same network, answering each picture without its mirror image, whatever `test_mirror` says."""
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
        """The picture [height, width, channels] of an encoded image, as in the clean stage.

        Raises:
            ImageError: it cannot be decoded, or there is not enough memory to do it.
        """
        try:
            return develop(encoded, self.settings.recipe)
        except MemoryError:
            raise ImageError("unreadable", "there is not enough memory to decode it") from None

    def predict_pictures(self, pictures: Uint8) -> Float32:
        """Class probabilities [n, n_classes] of developed pictures, uint8 [n, height, width, channels]."""
        y_prob = compute_outputs(self._model, pictures)
        if self.settings.test_mirror:
            y_prob = (y_prob + compute_outputs(self._model, pictures[:, :, ::-1])) / np.float32(2)
        return y_prob
