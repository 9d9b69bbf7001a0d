"""The ordered map on a real Ray cluster of two raylets: results, faults, machines refused or lost."""

import math
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.collection import distant_files
from pipeline.collection.known_files import KnownFiles, Task, map_files
from pipeline.errors import ParamsError, SourceError, WorkersError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import containers, open_source
from pipeline.workers.cluster import find_address
from pipeline.workers.engine import ENGINE_VARIABLE, is_on_cluster
from pipeline.workers.ray_map import Arrived, map_on_cluster
from tests.collection.test_known_files import Lengths, measure
from tests.ray_cluster import Cluster, choose_cluster, find_port, start_cluster
from tests.test_new_batch import KINDS, LABELS, make_file, run

pytestmark = pytest.mark.slow

ParamsOf = Callable[..., Params]


def do(function: Callable[[Any], Any], items: list[Any], **options: Any) -> list[Arrived[int, Any]]:
    return list(map_on_cluster(function, enumerate(items), n_bytes=lambda _: 1, chunk_items=3, **options))


def act(what: str) -> str:
    """What an item says: an answer, a bug, a crash, no end, or a kill from outside."""
    match what:
        case "bug":
            raise ZeroDivisionError("an item with a bug")
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "endless":
            while True:
                pass
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    return what * 2


def explain(item: str, why: str) -> str:
    return f"{item}: {why}"


def test_results_come_in_order_and_from_a_bounded_window(cluster: Cluster) -> None:
    taken = 0

    def items() -> Iterator[tuple[str, float]]:
        nonlocal taken
        for i in range(300):
            taken = i
            yield f"ticket {i}", float(i)

    arrived = map_on_cluster(math.sqrt, items(), n_bytes=lambda _: 1, chunk_items=2)
    next(arrived)
    assert taken < 30
    assert [(one.ticket, one.result) for one in arrived] == [
        (f"ticket {i}", math.sqrt(i)) for i in range(1, 300)
    ]


def test_what_ends_a_worker_costs_one_item(cluster: Cluster) -> None:
    items = ["a", "crash", "b", "c", "endless", "d", "e"]
    found = [one.result for one in do(act, items, max_seconds=0.3, lost=explain)]
    assert found[1] == "crash: reading it crashed its process (SIGSEGV)"
    assert found[4] == "endless: reading it took longer than 0.3 s of computing time"
    assert [found[i] for i in (0, 2, 3, 5, 6)] == ["aa", "bb", "cc", "dd", "ee"]


def test_what_is_killed_from_outside_is_tried_alone_and_then_given_up(cluster: Cluster) -> None:
    found = [one.result for one in do(act, ["a", "killed", "b", "c"], lost=explain)]
    assert found == ["aa", "killed: its process was killed, as happens when memory runs out", "bb", "cc"]


def test_a_bug_comes_back_with_the_trace_of_its_machine(cluster: Cluster) -> None:
    with pytest.raises(ZeroDivisionError, match="an item with a bug") as caught:
        do(act, ["a", "bug"])
    assert any("in act" in note for note in caught.value.__notes__)


def test_a_machine_that_would_get_other_results_is_refused(cluster: Cluster) -> None:
    with pytest.raises(WorkersError, match=r"on the machine .* Pillow .*-one in place of .*-other"):
        do(math.sqrt, [4.0], describe=describe_by_folder)


def describe_by_folder() -> dict[str, str]:
    """Another answer on the cluster, which runs in a folder of its own."""
    return {"Pillow": "the-other" if Path("pyproject.toml").exists() else "the-one"}


def test_a_cluster_that_is_away_is_named_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_cluster(f"127.0.0.1:{find_port()}", monkeypatch)
    with pytest.raises(WorkersError, match=r"at 127\.0\.0\.1:\d+ does not answer: .*unset DARKROOM_ENGINE"):
        do(math.sqrt, [4.0])


@pytest.mark.parametrize("said", ["ray://1.2.3.4:10001", "nowhere", ":1", "host:0", "host:99999"])
def test_an_address_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", said)
    with pytest.raises(ParamsError, match="must be host:port"):
        find_address()


@pytest.mark.parametrize(("said", "expected"), [("", False), ("local", False), ("ray", True)])
def test_the_machine_chooses_the_engine(
    said: str, *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENGINE_VARIABLE, said)
    assert is_on_cluster() is expected


def test_another_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_VARIABLE, "spark")
    with pytest.raises(ParamsError, match="DARKROOM_ENGINE must be local or ray, got 'spark'"):
        is_on_cluster()


def test_ray_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(WorkersError, match="install Darkroom's extra `ray`"):
        do(math.sqrt, [4.0])


def test_a_machine_with_other_code_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pipeline

    shutil.copytree(Path(pipeline.__file__).parent, tmp_path / "pipeline")
    with (tmp_path / "pipeline" / "labels.py").open("a") as file:
        file.write("\n# an edit\n")
    monkeypatch.chdir(tmp_path)  # Ray shows its workers the folder of whoever asks
    with start_cluster(0) as cluster:
        cluster.start_node(code=tmp_path)
        choose_cluster(cluster.address, monkeypatch)
        with pytest.raises(
            WorkersError, match=r"the machine \S+ of the Ray cluster is refused: it runs another"
        ):
            do(math.sqrt, [4.0])


def slow_double(item: tuple[str, str]) -> str:
    """Says in a file that it was called, and takes a while."""
    folder, name = item
    (Path(folder) / f"{name}-{time.monotonic_ns()}").touch()
    time.sleep(0.05)
    return name * 2


def test_a_machine_that_dies_costs_its_slices_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [(str(tmp_path), str(i)) for i in range(200)]
    with start_cluster(2) as cluster:
        choose_cluster(cluster.address, monkeypatch)
        found = []
        for one in map_on_cluster(slow_double, enumerate(items), n_bytes=lambda _: 1, chunk_items=4):
            found.append((one.ticket, one.result))
            if one.ticket == 40:
                cluster.kill_node(cluster.nodes[1])
        assert found == [(i, str(i) * 2) for i in range(200)]
    assert len(list(tmp_path.iterdir())) <= 200 + 2 * 3 * 4


def test_what_another_machine_cannot_read_is_an_error_with_its_name(
    cluster: Cluster, tmp_path: Path, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is gone for all is the file's fault; one that comes back for this process is not."""
    for i in range(6):
        file = tmp_path / "raw" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * i)
    aside = tmp_path / "raw" / "a" / "2.png"
    held = aside.read_bytes()
    source = open_source(tmp_path / "raw", params_of().data)
    task = Task(measure, lambda record: (record.data, record.key), (b"", ""), chunk_items=4)
    with KnownFiles(None) as known:
        aside.unlink()  # both see that: it is the file's own fault
        lengths = {record.key: record.refusal for record, _ in map_files(source, task, Lengths(known), known)}
        assert [key for key, refusal in lengths.items() if refusal] == ["a/2.png"]
        original = containers.Container.read

        def read(self: Any, entries: Any, recall: Any = None) -> Any:
            if recall is None:
                aside.write_bytes(held)
            return original(self, entries, recall)

        monkeypatch.setattr(containers.Container, "read", read)
        with pytest.raises(SourceError, match=r"the machine \S+ of the Ray cluster cannot read a/2.png"):
            list(map_files(source, task, Lengths(known), known))
        shutil.move(tmp_path / "raw", tmp_path / "moved")
        with pytest.raises(SourceError, match=r"raw is not there on \S+; every machine"):
            list(map_files(source, task, Lengths(known), known))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_stages_write_the_same_bytes_though_a_machine_dies(
    kind: str, tmp_path: Path, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, raw = random.Random(5), tmp_path / "raw"
    for i in range(240):
        file = raw / LABELS[i % 3] / f"{i:03}{Path(KINDS[i % len(KINDS)]).suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(make_file(rng, KINDS[i % len(KINDS)]))
    if kind == "zip":
        raw = Path(shutil.make_archive(str(raw), "zip", raw))
    params = params_of(
        data={"source": str(raw)},
        validate={"min_images_per_class": 1, "max_unreadable_share": 0.99},
        clean={"image_hw": [10, 12]},
    )
    local, far = Paths(tmp_path / "local"), Paths(tmp_path / "far")
    for paths in (local, far):
        paths.root.mkdir()
    expected = run(local, params)
    with start_cluster(2) as cluster:
        choose_cluster(cluster.address, monkeypatch)
        lose_a_node(cluster, after=20, monkeypatch=monkeypatch)
        found = run(far, params)
        assert cluster.nodes[1].poll() is not None
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def lose_a_node(cluster: Cluster, *, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill a node of the cluster when so many results of the first stage have come."""
    original = map_on_cluster

    def lose(*args: Any, **options: Any) -> Iterator[Any]:
        for i, one in enumerate(original(*args, **options | {"chunk_items": 5})):
            yield one
            if i == after and cluster.nodes[1].poll() is None:
                cluster.kill_node(cluster.nodes[1])

    monkeypatch.setattr(distant_files, "map_on_cluster", lose)
