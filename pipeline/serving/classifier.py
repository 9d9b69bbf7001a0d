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
from pipeline.serving.answer_rule import ANSWERS_FILE, AnswerRule, name_review, read_rule
from pipeline.serving.model_file import load_network
from pipeline.serving.seal import check_seal
from pipeline.serving.settings import MODEL_FILE, REPAIR, SETTINGS_FILE, Settings, read_settings

Uint8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

_ALWAYS = AnswerRule()


class Classifier:
    """A network with its settings and the rule of its answers; made by `load`."""

    def __init__(self, model: Any, settings: Settings, rule: AnswerRule = _ALWAYS) -> None:
        self._model = model
        self.settings, self.rule = settings, rule

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the columns of the predictions."""
        return self.settings.class_names

    @property
    def network(self) -> Any:
        """The `keras.Model`: uint8 pictures to class probabilities; for those who look inside."""
        return self._model

    @classmethod
    def load(cls, folder: Path, answers: Path | None = None, *, seal: str | None = None) -> Self:
        """Read a classifier folder, once its files are what its seal says, if it has one.

        Args:
            answers: the file with the rule of its answers; None: the one in the folder, if there is one.
            seal: what the registry knows of its seal, as `check_seal` takes it.

        Raises:
            ModelError: the folder is missing or damaged, or its files do not belong together.
        """
        check_seal(folder, seal)
        rule = read_rule(answers or folder / ANSWERS_FILE)
        settings = read_settings(folder)
        switch_on_onednn()
        model = load_network(folder / MODEL_FILE)
        shapes = ((None, *settings.recipe.picture_shape), (None, len(settings.class_names)))
        if (model.input_shape, model.output_shape) != shapes:
            raise ModelError(
                f"{folder}: {SETTINGS_FILE} wants {shapes}, {MODEL_FILE} has"
                f" {(model.input_shape, model.output_shape)}; {REPAIR}"
            )
        return cls(model, settings, rule)

    def without_mirror(self) -> Self:
        """The same network, answering each picture without its mirror image, whatever `test_mirror` says."""
        return type(self)(self._model, replace(self.settings, test_mirror=False), self.rule)

    def with_rule(self, rule: AnswerRule) -> Self:
        """The same network, answering by another rule."""
        return type(self)(self._model, self.settings, rule)

    def name_answers(self, y_prob: Float32) -> list[str]:
        """The answer of each row of tempered probabilities [n, n_classes]: a class, or `review`."""
        review = name_review(self.class_names)
        best, is_answered = y_prob.argmax(axis=1), self.rule.is_answered(y_prob)
        return [self.class_names[i] if ok else review for i, ok in zip(best, is_answered, strict=True)]

    def predict_pictures(self, pictures: Uint8) -> Float32:
        """Class probabilities [n, n_classes] of developed pictures, uint8 [n, height, width, channels].

        They are at the temperature of the rule.
        """
        y_prob = compute_outputs(self._model, pictures)
        if self.settings.test_mirror:
            y_prob = (y_prob + compute_outputs(self._model, pictures[:, :, ::-1])) / np.float32(2)
        return self.rule.temper(y_prob)
