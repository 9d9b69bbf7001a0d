"""A trained classifier in use, the same for evaluation, `darkroom predict` and the served model.

Pictures are answered in batches of one fixed size (`backend/inference.py` says what that promises).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.backend.inference import compute_outputs, switch_on_onednn
from pipeline.errors import ModelError
from pipeline.serving.model_file import load_network
from pipeline.serving.settings import MODEL_FILE, REPAIR, SETTINGS_FILE, Settings, read_settings

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

    @property
    def network(self) -> Any:
        """The `keras.Model`: uint8 pictures to class probabilities; for those who look inside."""
        return self._model

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a classifier folder.

        Raises:
            ModelError: the folder is missing or damaged, or its two files do not belong together.
        """
        settings = read_settings(folder)
        switch_on_onednn()
        model = load_network(folder / MODEL_FILE)
        shapes = ((None, *settings.recipe.picture_shape), (None, len(settings.class_names)))
        if (model.input_shape, model.output_shape) != shapes:
            raise ModelError(
                f"{folder}: {SETTINGS_FILE} wants {shapes}, {MODEL_FILE} has"
                f" {(model.input_shape, model.output_shape)}; {REPAIR}"
            )
        return cls(model, settings)

    def without_mirror(self) -> Self:
        """The same network, answering each picture without its mirror image, whatever `test_mirror` says."""
        return type(self)(self._model, replace(self.settings, test_mirror=False))

    def predict_pictures(self, pictures: Uint8) -> Float32:
        """Class probabilities [n, n_classes] of developed pictures, uint8 [n, height, width, channels]."""
        y_prob = compute_outputs(self._model, pictures)
        if self.settings.test_mirror:
            y_prob = (y_prob + compute_outputs(self._model, pictures[:, :, ::-1])) / np.float32(2)
        return y_prob
