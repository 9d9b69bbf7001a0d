"""The study of a search: where its trials are kept, for any number of processes, and who chooses the next.

A study lies in SQLite or behind any URL that SQLAlchemy knows. Processes that name the same study share it. A
trial that a process takes is alive while the process says so. A trial whose process was killed is taken up
again by another, with the same settings, so none is lost.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.errors import StudyError, one_line
from pipeline.search.gaussian_process import GaussianProcessSampler, Kind
from pipeline.search.settings import Settings, round_value
from pipeline.search.terms import Terms
from pipeline.seeds import hash_to_seed
from pipeline.storage import make_folder

WHY, SETTINGS, OWNER = "why", "settings", "owner"  # attributes of a trial
_TERMS, _NOTES = "terms", "notes"  # attributes of a study
_KILLED, OF, SURPLUS = "killed", "of", "surplus"
_FIXED = "fixed_params"  # where Optuna keeps the settings of a queued trial
_MAX_KILLS = 3  # of the processes of one trial
_BEAT_S, GRACE_S = 10, 60  # seconds between signs of life, and without one until a trial counts as killed
_MADE_TWICE = ("already exist", "unique", "duplicate")  # what databases say of a table or row made twice
_WAIT_S = 60  # for another process to leave the database
_REDUCTION = 3  # of the trials that go on at each step of ASHA and Hyperband


@dataclass(frozen=True)
class Address:
    """Where a study is: the URL of its database, and its name there."""

    url: str
    name: str

    def describe(self) -> str:
        """In words, without a password."""
        return f"{self.name!r} in {hide_password(self.url)}"


def hide_password(url: str) -> str:
    """The URL of a database without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).set(query={}).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "the given URL"


@contextmanager
def translate_errors(address: Address) -> Iterator[None]:
    """Turn what a database says that is away, locked or none into a StudyError of one line."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError, OSError) as error:
        cause = error.__cause__ or error
        why = one_line(getattr(cause, "orig", None) or cause)
        advice = (
            "move the file away, or wait until another program lets it go"
            if address.url.startswith("sqlite")
            else "start its database, or correct the URL"
        )
        raise StudyError(
            f"the study {address.describe()} cannot be used: {why}; {advice}, or name another with --storage"
        ) from None


def open_study(address: Address, *, metric: str, sampler: Any = None, pruner: Any = None) -> Study:
    """Open a study, or begin it.

    Raises:
        StudyError: the database cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    direction = StudyDirection.MAXIMIZE if metric == "accuracy" else StudyDirection.MINIMIZE
    with translate_errors(address):
        study = optuna.create_study(
            storage=_open_storage(address),
            study_name=address.name,
            direction=direction,
            sampler=sampler or optuna.samplers.RandomSampler(),
            pruner=pruner or optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
    if study.directions != [direction]:
        raise StudyError(
            f"the study {address.describe()} looks for something else; name another with --study"
        )
    return study


def agree(study: Study, terms: Terms, address: Address) -> None:
    """Write the terms into a new study; of an old one, raise StudyError if its terms are others."""
    if _TERMS not in study.user_attrs:
        study.set_user_attr(_TERMS, terms.to_json())
    elif difference := read_terms(study, address).find_difference(terms):
        raise StudyError(
            f"the study {address.describe()} was begun with other settings: {difference}; take the change "
            "back, or begin another study with --study NAME"
        )


def read_terms(study: Study, address: Address) -> Terms:
    """The terms that a study was begun with.

    Raises:
        StudyError: another version of Darkroom wrote them.
    """
    try:
        return Terms(**study.user_attrs[_TERMS])
    except TypeError:
        raise StudyError(
            f"the study {address.describe()} is of another version of Darkroom; name another with --study"
        ) from None


def note(study: Study, name: str, value: str) -> None:
    """Keep a text with a study, such as the id of its run in MLflow."""
    study.set_user_attr(f"{_NOTES}.{name}", value)


def read_note(study: Study, name: str) -> str:
    """A text that was kept with a study; "" if there is none."""
    return str(study.user_attrs.get(f"{_NOTES}.{name}", ""))


def choose_sampler(name: str, distributions: Mapping[str, Kind], *, seed: int) -> Any:
    """Optuna's sampler by its name in params.yaml. A grid is queued as a whole, so it needs none."""
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    if name == "gp":
        return GaussianProcessSampler(distributions, seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def choose_pruner(name: str, *, n_steps: int, n_free: int) -> Any:
    """Optuna's pruner by its name in params.yaml, for trials that report up to `n_steps` times.

    Args:
        n_free: reports before a trial may be ended, as while the learning rate still rises.
    """
    first = max(1, n_free, n_steps // _REDUCTION**2)
    if name == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=_REDUCTION)
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=first, max_resource=max(first, n_steps), reduction_factor=_REDUCTION
        )
    return optuna.pruners.NopPruner()


def seed_of(seed: int, n_trials: int, owner: int) -> int:
    """The seed of one choice: it depends on how far the study is, so a continued search repeats none."""
    return hash_to_seed(f"{seed}/{n_trials}/{owner}")


def queue(study: Study, many: Iterable[Settings], *, is_inside: Callable[[Settings], bool]) -> None:
    """Queue settings that are not in the study yet.

    Args:
        is_inside: whether settings lie in the space; a sampler learns nothing from others.
    """
    known = [read_settings(trial) for trial in study.get_trials(deepcopy=False)]
    for settings in many:
        if settings in known:
            continue
        if is_inside(settings):
            study.enqueue_trial(settings)
        else:
            study.enqueue_trial({}, user_attrs={SETTINGS: settings})


def read_settings(trial: FrozenTrial) -> Settings:
    """The settings of a trial; {} while they are not chosen yet."""
    if given := trial.user_attrs.get(SETTINGS):
        return dict(given)
    chosen = trial.params or trial.system_attrs.get(_FIXED, {})
    return {key: round_value(value) for key, value in chosen.items()}


def put_back(study: Study, trial: FrozenTrial, *, is_killed: bool = True) -> None:
    """Queue the settings of a trial that did not end by itself; give it up the third time it was killed."""
    n_kills = trial.user_attrs.get(_KILLED, 0) + is_killed
    is_over = n_kills >= _MAX_KILLS
    why = {WHY: f"its process was killed {_MAX_KILLS} times"} if is_over else {}
    kept = {SETTINGS: trial.user_attrs[SETTINGS]} if SETTINGS in trial.user_attrs else {}
    fixed = {_FIXED: trial.system_attrs[_FIXED]} if _FIXED in trial.system_attrs else {}
    study.add_trial(
        create_trial(
            state=TrialState.FAIL if is_over else TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=kept | why | {_KILLED: n_kills, OF: trial.number},
            system_attrs=fixed,
        )
    )


def list_trials(study: Study) -> list[FrozenTrial]:
    """The trials that count: those that were queued again, or were one too many, do not."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.FAIL or trial.user_attrs.get(WHY, SURPLUS) != SURPLUS
    ]


def list_finished(study: Study) -> list[FrozenTrial]:
    """The trials that have a value, were ended early, or failed for good."""
    return [trial for trial in list_trials(study) if trial.state.is_finished()]


def is_surplus(study: Study, number: int, n_trials: int) -> bool:
    """Whether a trial is one too many: two processes may have taken the last one together."""
    return sum(trial.number < number for trial in list_trials(study)) >= n_trials


def read_value(trial: FrozenTrial) -> float | None:
    """The value of a trial; of one that was ended early, its last; None if it has none."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    steps = trial.intermediate_values
    return steps[max(steps)] if steps else None


def find_best(study: Study) -> FrozenTrial | None:
    """The complete trial with the best value; the earliest of several; None before the first."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not done:
        return None
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    return min(done, key=lambda trial: (sign * float(trial.value or 0), trial.number))


def _open_storage(address: Address) -> RDBStorage:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        found = make_url(address.url)
    except ValueError as error:  # a port that is no number
        raise StudyError(f"--storage is not the URL of a database: {one_line(error)}") from None
    is_sqlite = found.get_backend_name() == "sqlite"
    if is_sqlite and found.database in (None, "", ":memory:"):
        raise StudyError("--storage: a database in memory cannot be shared by processes; name a file")
    if is_sqlite and found.database:
        make_folder(Path(found.database).parent)
    for pause_s in (0.2, 1.0, 3.0, None):
        try:
            return _make_storage(address.url, is_sqlite=is_sqlite)
        except SQLAlchemyError as error:  # another process makes the same tables at the same moment
            if pause_s is None or not any(word in str(error).lower() for word in _MADE_TWICE):
                raise
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")


def _make_storage(url: str, *, is_sqlite: bool) -> RDBStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return RDBStorage(
            url,
            engine_kwargs={"connect_args": {"timeout": _WAIT_S}} if is_sqlite else {"pool_pre_ping": True},
            heartbeat_interval=_BEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=put_back,
        )
