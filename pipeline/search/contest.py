"""Whether the winner of a search is better than params.yaml: both are trained again, with several seeds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from optuna.study import Study

from pipeline.errors import StudyError
from pipeline.evidence.intervals import Interval
from pipeline.search import study as studies
from pipeline.search.luck import bound_resampled
from pipeline.search.settings import Settings

SEED = "train.seed"
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Contest:
    """The scores of the winner and of params.yaml, with the same seeds [n_seeds]."""

    metric: str
    winner: npt.NDArray[np.float64]
    base: npt.NDArray[np.float64]

    @property
    def gain(self) -> Interval:
        """What the winner gains, with the t interval of the differences; a gain is above 0."""
        sign = 1 if self.metric == "accuracy" else -1
        gain = sign * (self.winner - self.base)
        return bound_resampled(gain, test_share=0.0, confidence=_CONFIDENCE)

    def describe(self) -> str:
        """In a sentence."""
        gain, low, high = self.gain
        scale, unit = (100, " points") if self.metric == "accuracy" else (1, "")
        digits = 1 if self.metric == "accuracy" else 4
        scores = [
            f"{values.mean() * scale:.{digits}f}{'%' if scale == 100 else ''}" for values in self._both()
        ]
        ends = (
            "no interval, as all seeds differ alike"
            if math.isnan(low)
            else f"{_CONFIDENCE:.0%} interval {low * scale:+.{digits}f} to {high * scale:+.{digits}f}"
        )
        said = "better, by more than luck" if low > 0 else "that may be luck" if gain > 0 else "no better"
        better = "" if self.metric == "accuracy" else "lower is better; "
        return (
            f"over {len(self.base)} seeds the winner's {self.metric} is {scores[0]}, that of params.yaml "
            f"{scores[1]} ({better}gain {gain * scale:+.{digits}f}{unit}, {ends}): {said}"
        )

    def _both(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return self.winner, self.base


def list_entries(both: Iterable[Settings], first_seed: int, n_seeds: int) -> list[Settings]:
    """The settings of every training of a contest, the seeds from `first_seed` on."""
    return [settings | {SEED: first_seed + number} for number in range(n_seeds) for settings in both]


def read_contest(study: Study, winner: Settings, base: Settings, metric: str) -> Contest:
    """The result of a study whose trials are the trainings of a contest.

    Raises:
        StudyError: one of the trainings failed; says why.
    """
    found: dict[int, dict[str, float]] = {}
    for trial in studies.list_finished(study):
        settings = studies.read_settings(trial)
        seed = int(settings.pop(SEED))
        who = "winner" if settings == winner else "base" if settings == base else ""
        if not who:
            continue
        if trial.value is None:
            raise StudyError(f"the {who} failed with seed {seed}: {trial.user_attrs.get(studies.WHY, '')}")
        found.setdefault(seed, {})[who] = trial.value
    whole = [scores for _, scores in sorted(found.items()) if len(scores) == 2]
    return Contest(metric, *(np.array([scores[who] for scores in whole]) for who in ("winner", "base")))
