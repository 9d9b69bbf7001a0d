"""The ordered map on a Ray cluster: as `ordered_map`, with the same results.

A chunk is a task of one core. It travels as its carrier packs it (a slice of a source as names, not as
bytes), together with the hash of the code. A machine with other code is refused by name. A
machine that dies costs its chunks again: Ray repeats tasks, and what Ray gives up is sent again here.
"""

import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from pipeline.errors import one_line
from pipeline.workers import gate
from pipeline.workers.chunks import Later, cut_chunks
from pipeline.workers.cluster import check_answers, count_cores, find_address, join_cluster, tell_cluster
from pipeline.workers.errands import ByValue, Carrier, Errand
from pipeline.workers.ray_tasks import LOOK_S, Needs, fit_needs, make_task, open_answer, report_end

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

_CHUNKS_AHEAD = 2  # per task that the cluster can run at once
_RETRIES = 20  # of a task by Ray: each is a machine or a process that died
_PAUSES_S: tuple[float, ...] = (1.0, 5.0, 15.0)  # before a chunk that Ray gave up is sent again
_CORES_S = 10.0  # for how long its size is believed

_log = logging.getLogger(__name__)


class Arrived(NamedTuple, Generic[K, R]):
    """The result of an item, what its carrier noted, and the machine that it comes from."""

    ticket: K
    result: R
    note: Any
    host: str


def map_on_cluster(
    function: Callable[[Any], R],
    items: Iterable[tuple[K, T]],
    *,
    n_bytes: Callable[[T], int],
    chunk_items: int = 64,
    max_seconds: float | None = None,
    lost: Callable[[Any, str], R] | None = None,
    carrier: Carrier | None = None,
    describe: Callable[[], Mapping[str, str]] | None = None,
    needs: Needs | None = None,
) -> Iterator[Arrived[K, R]]:
    """Results in the order of items, a bounded number of chunks ahead.

    Args:
        carrier: how items travel; None: as they are.
        describe: see `errands.Errand`.
        needs: of a chunk; where no machine has so many cores, all of one machine. None: one core.
        others: as of `ordered_map`; `function` and `lost` take items as the carrier unpacks them.

    Raises:
        Exception: as `ordered_map`.
        WorkersError: also if the cluster is away, or a machine of it has other code.
    """
    carried = carrier or ByValue()
    errand = Errand(function, max_seconds, lost, carried, describe, describe() if describe else None)
    with join_cluster() as ray:
        tell_cluster(ray)
        office = _Office(ray, pickle.dumps(errand), carried, needs or Needs())
        window: deque[_Sent[K]] = deque()
        for chunk in cut_chunks(items, n_bytes, chunk_items):
            window.append(office.send([ticket for ticket, _ in chunk], [item for _, item in chunk]))
            if len(window) > _CHUNKS_AHEAD * office.count_hands():
                yield from office.receive(window.popleft(), window)
        while window:
            yield from office.receive(window.popleft(), window)


@dataclass
class _Sent(Generic[K]):
    """A chunk on its way."""

    tickets: list[K]
    items: list[Any]
    ref: Any


class _Office:
    """Sends chunks to a cluster, and waits for what comes back."""

    def __init__(self, ray: Any, errand: bytes, carrier: Carrier, needs: Needs) -> None:
        needs = fit_needs(ray, needs)
        self._n_cores = needs.n_cores
        self._task = make_task(ray, gate.pass_gate, needs, max_retries=_RETRIES, retry_exceptions=False)
        self._ray, self._errand, self._carrier = ray, errand, carrier
        self._code, _ = gate.hash_code()
        self._cores = (-_CORES_S, 0)

    def count_hands(self) -> int:
        """How many tasks the cores of the cluster, as it is now, can do at once; 1 if it has none."""
        if time.monotonic() - self._cores[0] > _CORES_S:
            before, n_cores = self._cores[1], count_cores(self._ray)
            self._cores = (time.monotonic(), n_cores)
            if n_cores < before:
                _log.warning(
                    "the Ray cluster has lost %d of %d cores; what was done on them is done again",
                    *(before - n_cores, before),
                )
            if not n_cores:
                _log.warning("the Ray cluster has no core to work with; waiting for a machine")
        return max(1, self._cores[1] // self._n_cores)

    def send(self, tickets: list[K], items: list[Any]) -> _Sent[K]:
        """Send a chunk."""
        return _Sent(tickets, items, self._submit(items))

    def receive(self, sent: _Sent[K], others: Iterable[_Sent[Any]]) -> Iterator[Arrived[K, Any]]:
        """The results of a chunk; what was killed is done again, when the others are done."""
        host, answer = self._wait(sent)
        for ticket, item, (note, result) in zip(sent.tickets, sent.items, answer, strict=True):
            if not isinstance(result, Later):
                yield Arrived(ticket, result, note, host)
                continue
            for other in others:
                self._look_after(other.ref)
            alone = _Sent([ticket], [item], self._submit([item], is_alone=True))
            place, ((again, last),) = self._wait(alone, is_alone=True)
            yield Arrived(ticket, last, again, place)

    def _submit(self, items: list[Any], *, is_alone: bool = False) -> Any:
        packed = pickle.dumps(self._carrier.pack(items), protocol=pickle.HIGHEST_PROTOCOL)
        return self._task.remote(self._code, self._errand, packed, is_alone=is_alone)

    def _wait(self, sent: _Sent[Any], *, is_alone: bool = False) -> tuple[str, list[tuple[Any, Any]]]:
        """The machine, and notes and results of a chunk, sent again as long as that may help."""
        for pause_s in (*_PAUSES_S, None):
            self._look_after(sent.ref)
            try:
                return open_answer(*self._ray.get(sent.ref))
            except self._ray.exceptions.RayError as error:
                is_hopeless = isinstance(error, self._ray.exceptions.RayTaskError)
                why = one_line(getattr(error, "cause", None) or error)
            if pause_s is None or is_hopeless:
                break
            _log.warning("a task is sent again, since its machine or process was lost: %s", why)
            time.sleep(pause_s)
            sent.ref = self._submit(sent.items, is_alone=is_alone)
        raise report_end(self._ray, why)

    def _look_after(self, ref: Any) -> None:
        """Wait for a task, as long as the cluster answers."""
        while not self._ray.wait([ref], timeout=LOOK_S, fetch_local=True)[0]:
            check_answers(find_address())
            self.count_hands()
