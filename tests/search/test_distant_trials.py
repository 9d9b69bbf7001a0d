"""Trials on a cluster: those of one machine bit for bit, though one dies; what fails is said in one line."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.backend.device import describe_machine, set_up_device
from pipeline.errors import StudyError, WorkersError
from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.search import distant_trials, worker
from pipeline.search import study as studies
from pipeline.search.distant_trials import Collection, score_steps
from pipeline.search.terms import Terms, make_terms
from pipeline.search.worker import Job
from pipeline.training.workplace import Workplace
from pipeline.workers.process import WorkerDiedError
from pipeline.workers.ray_tasks import stream_from_cluster
from pipeline.yaml_file import read_yaml
from tests.ray_cluster import Cluster, choose_cluster, find_port, start_cluster
from tests.search import toys

Begin = Callable[[str], Job]


@pytest.fixture
def begin(augmented: Paths, params_values: dict[str, Any]) -> Begin:
    """`begin("a")`: the job of a new study with that name, of three trials; the worst is ended early."""
    params_values["tune"]["space"] = {"train.learning_rate": {"log": [1e-9, 0.1]}}
    params_values["train"]["epochs"] = 3
    YAML().dump(params_values, augmented.params)
    values = read_yaml(augmented.params)

    def begin(name: str) -> Job:
        address = toys.find_address(augmented.root, name)
        study = studies.open_study(address, metric="accuracy")
        studies.agree(study, make_terms(values, check_params(values, "params.yaml"), augmented), address)
        queued = [{"train.learning_rate": rate} for rate in (0.01, 0.03, 1e-9)]
        studies.queue(study, queued, is_inside=lambda _: True)
        chosen: dict[str, Any] = {"sampler": "random", "pruner": "asha", "seed": 0, "n_trials": 3}
        named: dict[str, Any] = {
            "experiment": "toys",
            "parent": "",
            "owner": "me",
            "machine": describe_machine(),
        }
        return Job(str(augmented.root), address.url, address.name, **chosen, **named)

    set_up_device()
    return begin


def list_trials(job: Job) -> list[tuple[Any, ...]]:
    """What is to be the same wherever trials run."""
    trials = studies.open_study(job.address, metric="accuracy").trials
    return [(one.state.name, one.params, one.value, one.intermediate_values) for one in trials]


@pytest.mark.slow
def test_trials_on_a_cluster_have_the_same_bits_though_a_machine_dies(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, far = begin("alone"), begin("far")
    worker.work(alone)
    killed: list[Any] = []
    with start_cluster(0) as cluster:
        for n_cores in (0, 1, 1):  # so that no trial runs beside the head
            cluster.start_node(n_cores=n_cores)
        choose_cluster(cluster.address, monkeypatch)

        def lose(*args: Any, **options: Any) -> Iterator[Any]:
            for number, one in enumerate(stream_from_cluster(*args, **options)):
                yield one
                if number == 2 and not killed:
                    killed.append(find_busy(cluster))
                    cluster.kill_node(killed[0])

        monkeypatch.setattr(distant_trials, "stream_from_cluster", lose)
        worker.work(far)
    assert killed
    assert list_trials(far) == list_trials(alone)
    assert {state for state, *_ in list_trials(far)} == {"COMPLETE", "PRUNED"}


def find_busy(cluster: Cluster) -> Any:
    """The raylet that runs a trial."""
    (busy,) = [node for node in cluster.nodes if "ray::stream_through_gate" in cluster.list_titles(node)]
    return busy


@pytest.mark.slow
def test_a_machine_that_is_unlike_ends_the_search_and_no_trial(cluster: Cluster, begin: Begin) -> None:
    job = begin("unlike")
    with pytest.raises(
        WorkersError, match=r"on the machine \S+ of the Ray cluster: .* keras .* in place of 0"
    ):
        worker.work(replace(job, machine=describe_machine() | {"keras": "0"}))
    assert [state for state, *_ in list_trials(job)] == ["FAIL", "WAITING", "WAITING", "WAITING"]
    assert not studies.list_finished(studies.open_study(job.address, metric="accuracy"))


def test_a_cluster_that_is_away_is_one_line(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_cluster(f"127.0.0.1:{find_port()}", monkeypatch)
    job = begin("away")
    with pytest.raises(WorkersError, match=r"the Ray cluster at 127\.0\.0\.1:\d+ does not answer"):
        worker.work(job)
    assert [state for state, *_ in list_trials(job)] == ["WAITING"] * 3


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        ([], WorkersError, "cannot begin a trial: its process was killed; look at the memory and the disks"),
        ([(-1, 0.0)], StudyError, "^its process was killed$"),
        ([(-1, 0.0), (1, 0.5)], StudyError, "^its process was killed$"),
    ],
)
def test_a_trial_that_kills_its_process_fails_and_one_that_never_began_does_not(
    told: list[tuple[int, float]], kind: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> Iterator[Any]:
        yield from told
        raise WorkerDiedError("its process was killed")

    monkeypatch.setattr(distant_trials, "stream_from_cluster", die)
    scorer = distant_trials.DistantScorer(None, Paths(Path()), make_none(), {}, describe_machine())
    with pytest.raises(kind, match=said):
        scorer(0, {}, lambda *_: None)


def make_none() -> Terms:
    return Terms({}, 0, "accuracy", {}, {})


N_STEPS = 1000


def test_whoever_stops_listening_stops_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def train(_: int, settings: Any, report: Any) -> float:
        for step in range(1, N_STEPS):
            time.sleep(0.01)
            steps.append(step)
            report(step, 0.5)
        return 1.0

    monkeypatch.setattr(distant_trials, "_find_scorer", lambda _: train)
    told = score_steps((Collection(Paths(Path()), make_none(), {}, Workplace("", {}, {}, 1)), {}))
    assert [next(told), next(told)] == [(-1, 0.0), (1, 0.5)]
    told.close()  # type: ignore[attr-defined]
    distant_trials._trainer.submit(int).result()
    assert len(steps) < N_STEPS - 1
