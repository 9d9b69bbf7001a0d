"""Trials whose process is dead: they are queued again, with the same settings, so that none is lost."""

import time
import warnings

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.search.study import GRACE_S, OF, OWNER, WHY, put_back


def release(study: Study, owner: str) -> None:
    """Take the trial that a killed process of this machine had, and queue it again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.user_attrs.get(OWNER) == owner:
            fail_and_queue(study, trial)


def fail_and_queue(study: Study, trial: FrozenTrial) -> None:
    """End a trial whose process is dead, and queue it again, unless another process has done so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)
        try:
            study.tell(trial.number, state=TrialState.FAIL)
        except ValueError:  # it is finished
            return
    put_back(study, trial)


def recover(study: Study) -> None:
    """Queue what a kill left between the end of a trial and its return to the queue."""
    trials = study.get_trials(deepcopy=False)
    returned = {trial.user_attrs.get(OF) for trial in trials}
    for trial in trials:
        if trial.state == TrialState.FAIL and WHY not in trial.user_attrs and trial.number not in returned:
            put_back(study, trial, is_killed=False)


def take_up_silent(study: Study) -> None:
    """Queue trials again whose processes, on whatever machine, have given no sign of life for too long."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


class Nameless:
    """Trials that run without an owner: their process was killed before its first sign of life.

    Optuna compares signs of life, so that it would wait for such a trial for ever. Clocks of hosts may
    differ, so only the time since this process saw such a trial first counts.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._seen_s: dict[int, float] = {}

    def take_up(self) -> None:
        """Queue those again that have been so for as long as a trial may be silent."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if OWNER in trial.user_attrs:
                continue
            first_s = self._seen_s.setdefault(trial.number, time.monotonic())
            if time.monotonic() - first_s >= GRACE_S:
                fail_and_queue(self._study, trial)
