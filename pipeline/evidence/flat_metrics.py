"""Scores as flat metrics: a name with "/" is a detail, the others are what people compare."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval
from pipeline.evidence.metrics import SCORES, Scores
from pipeline.labels import metric_name


def flatten_overall(scores: Scores) -> dict[str, float]:
    """The scores that a promotion may go by, with their intervals; the others are details.

    Undefined ones are left out.
    """
    flat: dict[str, float] = {}
    for name, one in scores.overall.items():
        flat |= one.flatten(name if name in SCORES else f"overall/{name}")
    return {name: value for name, value in flat.items() if not np.isnan(value)}


def flatten_others(accuracies: Mapping[str, Interval]) -> dict[str, float]:
    """Accuracies on other pictures or by other means; their intervals are details."""
    flat = {name: one.value for name, one in accuracies.items()}
    for name, one in accuracies.items():
        flat |= {f"overall/{end}": value for end, value in one.flatten(name).items() if end != name}
    return flat


def flatten_classes(
    scores: Scores, class_names: Sequence[str], support: npt.NDArray[np.int64]
) -> dict[str, float]:
    """The class scores, "class/<name>/<score>"; undefined scores are left out."""
    flat: dict[str, float] = {}
    for index, name in enumerate(class_names):
        flat[metric_name("class", name, "support")] = int(support[index])
        for score_name, of_classes in scores.of_classes.items():
            found = of_classes[index].flatten(metric_name("class", name, score_name))
            flat |= {key: value for key, value in found.items() if not np.isnan(value)}
    return flat
