"""How probabilities become an answer: a temperature, and a probability below which a person decides.

`evaluate` chooses both and writes them into answers.json. A registered model holds that file beside its
network.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError, one_line
from pipeline.json_file import load_json
from pipeline.storage import write_whole

Float32 = npt.NDArray[np.float32]

ANSWERS_FILE = "answers.json"
NEVER = 2.0  # a probability that no answer reaches
_SMALLEST = 1e-7


@dataclass(frozen=True)
class AnswerRule:
    """When a model answers, and how sure it says it is.

    Attributes:
        temperature: what logits are divided by (Guo et al. 2017, arXiv:1706.04599). Above 1, probabilities
            come nearer to each other. No answer changes.
        min_probability: below it the answer is `review`: a person should look. 0: the model always answers.
        chosen_on: which answers both were chosen on; none: neither was chosen.
    """

    temperature: float = 1.0
    min_probability: float = 0.0
    chosen_on: Literal["out_of_fold", "val", "none"] = "none"

    def temper(self, y_prob: Float32) -> Float32:
        """Probabilities [n, n_classes] at the temperature."""
        if self.temperature == 1:
            return y_prob
        return temper(y_prob, self.temperature)

    def untemper(self, y_prob: Float32) -> Float32:
        """Probabilities [n, n_classes] as the network gave them, from tempered ones."""
        return replace(self, temperature=1 / self.temperature).temper(y_prob)

    def is_answered(self, y_prob: Float32) -> npt.NDArray[np.bool_]:
        """Whether the model answers by itself [n], by tempered probabilities [n, n_classes]."""
        return np.asarray(y_prob.max(axis=1) >= self.min_probability)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The rule from the file's JSON, which may hold more.

        Raises:
            KeyError, TypeError, ValueError: a key is missing, or a value is not allowed.
        """
        temperature, least = float(values["temperature"]), float(values["min_probability"])
        if not (math.isfinite(temperature) and temperature > 0 and math.isfinite(least) and least >= 0):
            raise ValueError("temperature must be above 0 and min_probability at least 0")
        return cls(temperature, least, values["chosen_on"])


def temper(y_prob: Float32, temperature: float) -> Float32:
    """Probabilities [n, n_classes] whose logits are divided by a temperature."""
    logits = np.log(np.maximum(y_prob.astype(np.float64), _SMALLEST)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    tempered: Float32 = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return tempered


def name_review(class_names: tuple[str, ...]) -> str:
    """The answer that asks for a person: `review`, or a longer word where a class has that name."""
    name = "review"
    while name in class_names:
        name = f"ask for {name}"
    return name


def read_rule(file: Path) -> AnswerRule:
    """The rule of a file; that of a model that always answers where there is no file.

    Raises:
        ModelError: the file is damaged.
    """
    if not file.is_file():
        return AnswerRule()
    try:
        return AnswerRule.from_json(load_json(file))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"{file} is damaged: {one_line(error)}; run `dvc repro -f evaluate`") from None


def write_rule(rule: AnswerRule, more: dict[str, Any], file: Path) -> None:
    """Write a rule, with what else is known of it."""
    with write_whole(file) as temporary:
        text = json.dumps(asdict(rule) | more, indent=1, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")
