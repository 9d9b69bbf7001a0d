"""Tasks of a Ray cluster: what they need of a machine, what comes back, and a task that tells as it goes."""

import pickle
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.errors import DarkroomError, WorkersError, one_line
from pipeline.workers import gate
from pipeline.workers.cluster import check_answers, describe_cluster, find_address
from pipeline.workers.process import WorkerDiedError

T = TypeVar("T")
R = TypeVar("R")

LOOK_S = 5.0  # how often the cluster is looked at while nothing comes
_KILLS = 3  # of a stream's process or machine, until it is given up


@dataclass(frozen=True)
class Needs:
    """What a task takes of a machine while it runs."""

    n_cores: int = 1
    n_gpus: int = 0


def fit_needs(ray: Any, needs: Needs) -> Needs:
    """What a task asks of the cluster as it is now: no more cores than its largest machine has.

    Raises:
        WorkersError: no machine has so many GPUs.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    n_gpus = max((int(one.get("GPU", 0)) for one in machines), default=0)
    if n_gpus < needs.n_gpus:
        raise WorkersError(
            f"no machine of the Ray cluster has {needs.n_gpus} GPU, as this one has; start its Ray with "
            "--num-gpus, or set DARKROOM_DEVICE=cpu"
        )
    n_cores = max((int(one.get("CPU", 0)) for one in machines), default=0)
    return Needs(max(1, min(needs.n_cores, n_cores)), needs.n_gpus)


def make_task(ray: Any, function: Callable[..., Any], needs: Needs, **options: Any) -> Any:
    """A function of `gate` as a task that any machine of the cluster may do.

    Args:
        needs: as `fit_needs` gives them.
        options: further ones of `ray.remote`.
    """
    ray.cloudpickle.register_pickle_by_value(gate)
    taken = {"num_cpus": needs.n_cores, "num_gpus": needs.n_gpus, "scheduling_strategy": "SPREAD"}
    return ray.remote(**taken, **options)(function)


def open_answer(what: str, host: str, body: bytes) -> tuple[str, Any]:
    """The machine, and what it has answered.

    Raises:
        Exception: what was raised there.
        WorkersError: the machine is refused.
    """
    if what == gate.REFUSED:
        raise WorkersError(
            f"the machine {host} of the Ray cluster is refused: {body.decode()}; install the same "
            "version there, or share the folder of the project, or take it out with `ray stop`"
        )
    found = pickle.loads(body)
    if what == gate.DONE:
        return host, found
    if isinstance(found, DarkroomError):
        raise type(found)(f"on the machine {host} of the Ray cluster: {found}")
    raise found


def report_end(ray: Any, why: str) -> WorkersError:
    """The error of a task that the cluster does not finish.

    Args:
        why: what Ray says.
    """
    try:
        what = f"it has {describe_cluster(ray)} now; see `ray status`, and their memory and disks"
    except Exception:  # noqa: BLE001 - whatever Ray raises where it has ended
        what = "the Ray of this machine has ended: start it again"
    return WorkersError(
        f"the Ray cluster does not finish a task: {why.rstrip('.')}; {what}, and repeat the command"
    )


def stream_from_cluster(
    ray: Any, function: Callable[[T], Iterator[R]], given: T, *, needs: Needs
) -> Generator[R, None, None]:
    """What `function(given)` yields on a machine of the cluster, as it comes; closing the iterator stops it.

    A machine or process that dies costs the whole call again, and what came already is not repeated: the
    function must yield the same each time.

    Args:
        ray: as `join_cluster` gives it.

    Raises:
        Exception: whatever `function` raised; as `open_answer`.
        WorkerDiedError: its process died again and again.
        WorkersError: the cluster is away, or does not finish it.
    """
    options = {"max_retries": _KILLS, "num_returns": "streaming"}
    task = make_task(ray, gate.stream_through_gate, fit_needs(ray, needs), **options)
    code, _ = gate.hash_code()
    told = task.remote(code, pickle.dumps((function, given)))
    try:
        while True:
            while not ray.wait([told], timeout=LOOK_S)[0]:
                check_answers(find_address())
            try:
                answer = ray.get(next(told))
            except StopIteration:
                return
            yield open_answer(*answer)[1]
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise WorkerDiedError(f"its process was killed on the Ray cluster: {one_line(error)}") from None
    except ray.exceptions.RayError as error:
        raise report_end(ray, one_line(error)) from None
    except BaseException:  # closed early, too
        with suppress(Exception):
            ray.cancel(told)
        raise
