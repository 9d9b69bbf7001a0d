"""The table and the plots of a study: history, importance, parallel coordinates, slices."""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from pipeline.figures.trials import (
    Scale,
    Trials,
    draw_history,
    draw_importance,
    draw_parallel,
    draw_slices,
)
from pipeline.search import study as studies
from pipeline.search.space import Dimension, Space
from pipeline.storage import write_whole

_N_TO_TELL = 4  # whole trials, before importance means anything


def write_trials(study: Study, path: Path) -> None:
    """Write one line a trial: number, value, how it ended, seconds, and its settings."""
    trials = studies.list_finished(study)
    keys = list(dict.fromkeys(key for trial in trials for key in studies.read_settings(trial)))
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("trial", "value", "ended", "seconds", *keys))
        for trial in trials:
            settings = studies.read_settings(trial)
            seconds = trial.user_attrs.get("seconds", "")
            values = (settings.get(key, "") for key in keys)
            table.writerow((trial.number, studies.read_value(trial), describe_end(trial), seconds, *values))


def describe_end(trial: FrozenTrial) -> str:
    """How a trial ended: whole, early and after how many epochs or folds, or why it failed."""
    if trial.state == TrialState.PRUNED:
        return f"early, after {trial.last_step}"
    return str(trial.user_attrs.get(studies.WHY, "failed")) if trial.state == TrialState.FAIL else "whole"


def draw_study(study: Study, space: Space, metric: str, folder: Path) -> None:
    """Draw history.png, slices.png, parallel.png and, from four whole trials on, importance.png."""
    found = [
        trial
        for trial in studies.list_finished(study)
        if studies.read_value(trial) is not None and studies.read_settings(trial).keys() >= set(space.keys)
    ]
    is_whole = np.array([trial.state == TrialState.COMPLETE for trial in found], np.bool_)
    if not is_whole.any():
        return
    trials = Trials(
        np.array([trial.number for trial in found]),
        np.array([studies.read_value(trial) for trial in found], np.float64),
        is_whole,
        study.direction == StudyDirection.MAXIMIZE,
        metric.replace("_", " "),
    )
    scales = [
        _scale(dimension, [studies.read_settings(one)[dimension.key] for one in found])
        for dimension in space.dimensions
    ]
    draw_history(trials, folder / "history.png")
    draw_slices(trials, scales, folder / "slices.png")
    draw_parallel(trials, scales, folder / "parallel.png")
    if shares := measure_importance(study, space):
        draw_importance(list(shares), list(shares.values()), folder / "importance.png")


def measure_importance(study: Study, space: Space) -> dict[str, float]:
    """How much each key matters, the most first; {} while there is too little to tell.

    By PED-ANOVA: Watanabe, Bansal and Hutter 2023, arXiv:2304.10255.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sampled = [trial.params for trial in complete if trial.params]
    varied = [key for key in space.keys if len({str(params.get(key)) for params in sampled}) > 1]
    if len(sampled) < _N_TO_TELL or not varied or len({trial.value for trial in complete}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is new, or that trials are few: the figure is a rough guide
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=varied)


def _scale(dimension: Dimension, values: Sequence[Any]) -> Scale:
    """A dimension as an axis; values outside it lie at its ends."""
    if dimension.kind == "choice":
        n = len(dimension.values)
        ticks = [((i + 0.5) / n, str(value)) for i, value in enumerate(dimension.values)]
        place = {str(value): at for (at, _), value in zip(ticks, dimension.values, strict=True)}
        return Scale(dimension.key, np.array([place.get(str(value), 0.0) for value in values]), ticks)
    ticks = [(dimension.find_position(value), f"{value:.3g}") for value in dimension.list_steps(3)]
    return Scale(dimension.key, np.array([_place(dimension, value) for value in values]), ticks)


def _place(dimension: Dimension, value: Any) -> float:
    """Where a value lies on the axis; nan for a word in place of a number, as `default`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return dimension.find_position(value) if is_number else np.nan
