"""One process of a search: `python -m pipeline.search.worker`, with its job as a line of JSON on stdin.

It runs trials until the study is done. It ends as on Ctrl+C when stdin ends, because then whoever started it
is gone. What it says goes to stderr; the last line is the reason where it ends with 1.
"""

import json
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna import TrialPruned

from pipeline.backend.device import set_up_device
from pipeline.errors import DarkroomError
from pipeline.paths import Paths
from pipeline.search import study as studies
from pipeline.search.distant_trials import DistantScorer
from pipeline.search.settings import Settings, apply
from pipeline.search.space import parse_space
from pipeline.search.terms import Terms
from pipeline.search.trials import Report, Search, run_trials
from pipeline.tracking.connection import use_experiment
from pipeline.tracking.runs import Run, Tracked
from pipeline.tracking.search_runs import open_search_run
from pipeline.tracking.views import TRIAL_TAG
from pipeline.workers import is_on_cluster
from pipeline.workers.cluster import join_cluster
from pipeline.yaml_file import read_yaml

if TYPE_CHECKING:
    from pipeline.search.trials import Objective

_LINE = "%(levelname)s %(message)s"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker process is told.

    Attributes:
        root: the project's folder.
        n_trials: of the study, by all processes.
        machine: where a cluster runs the trials: what its machines must be like; see `describe_machine`.
        owner: a name of the process that no other has.
        number: of the process among those of its command.
        cores: numbers of the processor cores that it may use; (): all.
        experiment: the name of the experiments in MLflow.
        parent: the id of the run in MLflow below which the trials lie; "": none.
    """

    root: str
    url: str
    study: str
    sampler: str
    pruner: str
    seed: int
    n_trials: int
    experiment: str
    parent: str
    machine: Mapping[str, Any] | None = None
    owner: str = ""
    number: int = 0
    cores: tuple[int, ...] = ()

    @property
    def address(self) -> studies.Address:
        """Of the study."""
        return studies.Address(self.url, self.study)

    def to_line(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def work(job: Job) -> None:
    """Run trials of a study until all are done."""
    paths = Paths(Path(job.root))
    study = studies.open_study(job.address, metric="accuracy")
    terms = studies.read_terms(study, job.address)
    space = parse_space(terms.space)
    values = read_yaml(paths.params) | dict(terms.values)
    search = Search(
        space=space,
        metric=terms.metric,
        sampler=job.sampler,
        pruner=job.pruner,
        n_trials=job.n_trials,
        n_steps=count_steps(terms, values),
        n_free=count_free_steps(terms, values),
        seed=job.seed,
    )
    with open_scorer(job, paths, terms, values) as scorer:
        objective = record(scorer, job, terms, values)
        run_trials(job.address, search, objective, owner=job.owner, number=job.number)


@contextmanager
def open_scorer(job: Job, paths: Paths, terms: Terms, values: dict[str, Any]) -> "Iterator[Objective]":
    """What trains and scores: this process, or the cluster that it joins for that."""
    if is_on_cluster():
        with join_cluster() as ray:
            yield DistantScorer(ray, paths, terms, values, job.machine)
        return
    set_up_device()  # before Keras is imported
    from pipeline.search.scores import Scorer

    yield Scorer(paths, terms, values)


def count_steps(terms: Terms, values: dict[str, Any]) -> int:
    """How often a trial reports at most: once a fold, or once an epoch."""
    if terms.folds:
        return terms.folds
    return sum(int(_find_largest(name, terms, values)) for name in ("epochs", "fine_tune_epochs"))


def count_free_steps(terms: Terms, values: dict[str, Any]) -> int:
    """How often a trial reports before its learning rate has risen, and once more; 1 with folds."""
    return 1 if terms.folds else math.ceil(_find_largest("warmup_epochs", terms, values)) + 1


def _find_largest(name: str, terms: Terms, values: dict[str, Any]) -> float:
    """The largest value that a number of the section train may have."""
    asked = terms.space.get(f"train.{name}")
    return float(max(next(iter(asked.values()))) if asked else values["train"][name])


def record(objective: "Objective", job: Job, terms: Terms, values: dict[str, Any]) -> "Objective":
    """An objective whose every trial is a run in MLflow, below that of the search."""
    use_experiment(job.experiment)
    parent = _find_parent(job)
    name = terms.logged_metric

    def try_settings(number: int, settings: Settings, report: Report) -> float:
        changed = apply({key: values[key] for key in terms.values}, settings)
        params = {f"{section}.{key}": value for section in changed for key, value in changed[section].items()}
        early = None
        with open_search_run(Path(job.root), f"{job.study} {number}", params, parent=parent) as run:

            def report_too(step: int, value: float) -> None:
                run.log_metrics({name: value}, step)
                report(step, value)

            try:
                value = objective(number, settings, report_too)
                run.set_tags({TRIAL_TAG: "complete"})
            except TrialPruned as pruned:
                early = pruned
                run.set_tags({TRIAL_TAG: "ended early"})
            except DarkroomError as error:
                run.set_tags({TRIAL_TAG: f"failed: {error}"})
                raise
        if early:
            raise early
        return value

    return try_settings


def _find_parent(job: Job) -> Run | None:
    from pipeline.tracking.connection import connect

    return Tracked(connect(Path(job.root)), job.parent) if job.parent else None


def _end_with_stdin(stop: Callable[[], None]) -> None:
    sys.stdin.read()
    stop()


def main() -> None:
    """Read the job and work; an error that the user can put right is the last line, with exit code 1."""
    job = Job(**json.loads(sys.stdin.readline()))
    for number in (signal.SIGTERM, signal.SIGINT):  # in a script's background, SIGINT is ignored at first
        signal.signal(number, signal.default_int_handler)
    stop = lambda: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    threading.Thread(target=_end_with_stdin, args=(stop,), daemon=True).start()
    if job.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job.cores)
    logging.basicConfig(level=logging.WARNING, format=_LINE)  # to a file; its last line is read
    try:
        work(job)
    except DarkroomError as error:
        _log.error("%s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
