"""Trials on the machines of a cluster; the study stays with the process that asks.

Importing this imports no Keras.
"""

import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError, StudyError, WorkersError
from pipeline.paths import Paths
from pipeline.search.settings import Settings
from pipeline.search.terms import Terms
from pipeline.training.workplace import Workplace
from pipeline.workers.process import WorkerDiedError
from pipeline.workers.ray_tasks import Needs, stream_from_cluster

if TYPE_CHECKING:
    from pipeline.search.trials import Objective, Report

_BEGUN, _END = -1, 0  # in place of a step: the process is ready; the value is that of the trial
_LISTEN_S = 0.2  # a thread that waits for longer does not hear that it is cancelled

_trainer = ThreadPoolExecutor(1)  # all of Keras in one thread: what it keeps, it keeps by thread
_scorers: dict["Collection", "Objective"] = {}  # the scorer of this process


@dataclass(frozen=True)
class Collection:
    """What all trials of a study have in common, as `Scorer` takes it."""

    paths: Paths
    terms: Terms
    values: Mapping[str, Any]
    place: Workplace

    def __hash__(self) -> int:
        return hash(self.paths)


class DistantScorer:
    """As `Scorer`, but a machine of the cluster trains.

    Args:
        ray: as `join_cluster` gives it.
        machine: as of `Workplace.describe`.
    """

    def __init__(
        self,
        ray: Any,
        paths: Paths,
        terms: Terms,
        values: Mapping[str, Any],
        machine: Mapping[str, Any] | None,
    ) -> None:
        self._ray = ray
        self._collection = Collection(paths, terms, values, Workplace.describe(machine))

    def __call__(self, number: int, settings: Settings, report: "Report") -> float:
        """The score of settings. `report` may end the training early, by an exception.

        Raises:
            StudyError: the trial kills its process again and again.
            WorkersError: the cluster cannot work; the settings are not at fault.
        """
        place, step, value = self._collection.place, _END, float("nan")
        needs = Needs(place.n_cores, place.n_gpus)
        told = stream_from_cluster(self._ray, score_steps, (self._collection, settings), needs=needs)
        try:
            with closing(told):
                for step, value in told:
                    if step > _END:
                        report(step, value)
        except WorkerDiedError as death:
            if step == _END:
                raise WorkersError(
                    f"the Ray cluster cannot begin a trial: {death}; look at the memory and the disks of its "
                    "machines (`ray status`), and repeat the command"
                ) from None
            raise StudyError(str(death)) from None
        except StorageError as error:
            raise WorkersError(str(error)) from None
        return value


def score_steps(asked: tuple[Collection, Settings]) -> Iterator[tuple[int, float]]:
    """Steps and values as a trial reports them, and its score behind them; for a process of the cluster.

    What comes first says that the process is ready.

    Raises:
        WorkersError: this machine would compute other bits.
        Exception: as `Scorer`.
    """
    told: queue.SimpleQueue[tuple[int, float]] = queue.SimpleQueue()
    is_stopped = threading.Event()

    def report(step: int, value: float) -> None:
        told.put((step, value))
        if is_stopped.is_set():
            raise _StoppedError

    collection, settings = asked
    scorer = _trainer.submit(_find_scorer, collection).result()
    yield _BEGUN, 0.0
    training = _trainer.submit(scorer, 0, settings, report)
    try:
        while not training.done() or not told.empty():
            try:
                yield told.get(timeout=_LISTEN_S)
            except queue.Empty:
                continue
        yield _END, training.result()
    finally:
        is_stopped.set()


class _StoppedError(Exception):
    """Nobody waits for the trial any more."""


def _find_scorer(collection: Collection) -> "Objective":
    if collection not in _scorers:
        collection.place.enter()
        from pipeline.search.scores import Scorer

        _scorers[collection] = Scorer(collection.paths, collection.terms, dict(collection.values))
    return _scorers[collection]
