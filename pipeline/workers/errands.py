"""What a process of the cluster does with a chunk of items: it gives them to a worker process of its own.

So a file that crashes or stalls its decoder costs itself, there as here, and the limits of time are the same.
"""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.errors import WorkersError
from pipeline.workers.chunks import Later, finish_chunk, try_alone
from pipeline.workers.process import Worker

_hired: dict[bytes, Worker] = {}  # the worker of this process, by the errand that it was started for


class Carrier(Protocol):
    """How items travel; it is pickled."""

    def pack(self, items: list[Any]) -> Any:
        """What travels in place of some items; it is pickled."""

    def unpack(self, packed: Any) -> list[tuple[Any, Any]]:
        """The items again, as the function takes them, each with a note for the one who sent it."""


class ByValue:
    """Items that travel as they are."""

    def pack(self, items: list[Any]) -> Any:
        """The items."""
        return items

    def unpack(self, packed: Any) -> list[tuple[Any, Any]]:
        """The items, without notes."""
        return [(item, None) for item in packed]


@dataclass(frozen=True)
class Errand:
    """What is done with all items of a call.

    Attributes:
        function, max_seconds, lost: as of `ordered_map`.
        describe: tells what the results depend on beside the code, such as versions of libraries; a machine
            where it tells something else than `expected` does no work.
    """

    function: Callable[[Any], Any]
    max_seconds: float | None
    lost: Callable[[Any, str], Any] | None
    carrier: Carrier
    describe: Callable[[], Mapping[str, str]] | None = None
    expected: Mapping[str, str] | None = None


def do_errand(errand: bytes, chunk: bytes, *, is_alone: bool) -> bytes:
    """The pickled notes and results of a chunk, in the order of its items.

    Args:
        errand: a pickled Errand.
        chunk: the pickled form of what its carrier has packed.
        is_alone: the chunk is one item whose worker was killed, and nothing else runs.

    Raises:
        Exception: as `ordered_map`; WorkersError also where this machine would get other results.
    """
    task: Errand = pickle.loads(errand)
    if task.describe and task.expected is not None:
        check_same(task.describe(), task.expected)
    if errand not in _hired:
        while _hired:
            _, old = _hired.popitem()
            old.kill()
            old.close()
        _hired[errand] = Worker(task.function, task.max_seconds)
    found = task.carrier.unpack(pickle.loads(chunk))
    items = [item for item, _ in found]
    if is_alone:
        results = [try_alone(_hired[errand], Later(items[0]), task.lost)]
    else:
        results = finish_chunk(_hired[errand], items, task.lost)
    results = [Later(None) if isinstance(one, Later) else one for one in results]
    answer = [(note, result) for (_, note), result in zip(found, results, strict=True)]
    return pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)


def check_same(here: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise WorkersError if this machine has other values than expected, of which results depend."""
    if others := [name for name in {**expected, **here} if here.get(name) != expected.get(name)]:
        said = ", ".join(f"{name} {here.get(name)} in place of {expected.get(name)}" for name in others)
        raise WorkersError(f"it would get other results: it has {said}")
