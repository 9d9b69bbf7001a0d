"""The trials of one process: take the next settings of a study, train, tell their value, until done."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import Trial, TrialState

from pipeline.errors import DarkroomError, StudyError, WorkersError, one_line
from pipeline.search import study as studies
from pipeline.search.dead_trials import Nameless, take_up_silent
from pipeline.search.settings import Settings, round_value
from pipeline.search.space import Space
from pipeline.search.study import Address

_POLL_S = 1.0  # while other processes run the last trials

Report = Callable[[int, float], None]  # step (from 1) and value; ends the trial early by an exception
Objective = Callable[[int, Settings, Report], float]  # of the trial's number and settings


@dataclass(frozen=True)
class Search:
    """How the trials of a study are chosen, and how many there are.

    Attributes:
        n_steps: how often a trial reports, at most.
        n_free: reports before a trial may be ended early.
    """

    space: Space
    metric: str
    sampler: str
    pruner: str
    n_trials: int
    n_steps: int
    n_free: int
    seed: int


def run_trials(
    address: Address, search: Search, objective: Objective, *, owner: str, number: int = 0
) -> None:
    """Run trials of a study until `search.n_trials` are finished, by this process and all others.

    A trial that fails with a DarkroomError is recorded with its reason. On any other exception, as on
    Ctrl+C, and where the cluster that it runs on fails, the trial is queued again.

    Args:
        owner: a name of this process that no other has.
        number: of this process among those of one command; it seeds the choice.

    Raises:
        StudyError: the database cannot be used.
        WorkersError: the cluster cannot work.
    """
    pruner = studies.choose_pruner(search.pruner, n_steps=search.n_steps, n_free=search.n_free)
    study = studies.open_study(address, metric=search.metric, pruner=pruner)
    distributions = search.space.to_distributions()
    nameless = Nameless(study)
    with studies.translate_errors(address):
        while True:
            trials = studies.list_trials(study)
            n_finished = sum(trial.state.is_finished() for trial in trials)
            if n_finished >= search.n_trials:
                return
            if len(trials) >= search.n_trials and all(t.state != TrialState.WAITING for t in trials):
                time.sleep(_POLL_S)  # if the process of a running one dies, it is taken up here
                take_up_silent(study)
                nameless.take_up()
                continue
            seed = studies.seed_of(search.seed, len(study.get_trials(deepcopy=False)), number)
            study.sampler = studies.choose_sampler(search.sampler, distributions, seed=seed)
            _Taken(study, search, objective, owner).run()


class _Taken:
    """The next trial of a study, as this process runs it."""

    def __init__(self, study: Study, search: Search, objective: Objective, owner: str) -> None:
        self._study, self._search, self._objective, self._owner = study, search, objective, owner
        self._trial: Trial | None = None

    def run(self) -> None:
        """Take it, and tell how it ended."""
        try:
            self._study.optimize(self._try, n_trials=1, catch=(_GivenUpError,))
        except optuna.exceptions.UpdateFinishedTrialError:
            return  # this process slept so long that another has taken the trial up
        except BaseException as error:
            if self._trial is not None:
                trial = self._study.get_trials(deepcopy=False)[self._trial.number]
                # SQLite ignores Optuna's lock of a row, so two processes can take one trial from the queue.
                if isinstance(error, ValueError) and trial.state.is_finished():
                    return
                studies.put_back(self._study, trial, is_killed=False)
            raise

    def _try(self, trial: Trial) -> float:
        trial.set_user_attr(studies.OWNER, self._owner)
        if studies.is_surplus(self._study, trial.number, self._search.n_trials):
            trial.set_user_attr(studies.WHY, studies.SURPLUS)
            raise _GivenUpError
        self._trial = trial
        given = trial.user_attrs.get(studies.SETTINGS)
        settings = given or {
            key: round_value(_suggest(trial, key, distribution))
            for key, distribution in self._search.space.to_distributions().items()
        }
        started_s = time.monotonic()
        try:
            value = self._objective(trial.number, settings, self._make_report(trial))
            if not math.isfinite(value):
                raise StudyError(f"the {self._search.metric} is {value:g}")
        except WorkersError:
            raise  # no fact about the settings
        except DarkroomError as error:
            trial.set_user_attr(studies.WHY, one_line(error))
            raise _GivenUpError from error
        finally:
            trial.set_user_attr("seconds", round(time.monotonic() - started_s, 3))
        return value

    def _make_report(self, trial: Trial) -> Report:
        def report(step: int, value: float) -> None:
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        return report


class _GivenUpError(Exception):
    """The trial has no value; why is written beside it."""


def _suggest(trial: Trial, key: str, distribution: Any) -> Any:
    """A value for a key, as the sampler chooses it."""
    kinds = optuna.distributions
    if isinstance(distribution, kinds.CategoricalDistribution):
        return trial.suggest_categorical(key, distribution.choices)
    if isinstance(distribution, kinds.IntDistribution):
        return trial.suggest_int(key, distribution.low, distribution.high, log=distribution.log)
    return trial.suggest_float(key, distribution.low, distribution.high, log=distribution.log)
