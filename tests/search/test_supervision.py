"""Processes that are watched: replaced when killed, stopped with whoever watches, heard when they fail."""

import sys
from pathlib import Path

import pytest
from optuna.study import Study

from pipeline.errors import StudyError, WorkersError
from pipeline.search import study as studies
from pipeline.search.supervision import share_cores, watch_trials
from pipeline.search.worker import Job
from tests.search import toys

# A stand-in for a worker: it takes one toy trial a line of its count, and dies before the second.
CODE = """#!{python}
import json, os, pathlib, signal, sys, time
job = json.loads(sys.stdin.readline())
starts = pathlib.Path({folder!r}) / "starts"
starts.open("a").write("x")
sys.path.insert(0, {repo!r})
{body}
"""
DIE_ONCE = """
from pipeline.search.study import Address
from pipeline.search.trials import run_trials
from tests.search import toys
def learn(number, settings, report):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return toys.learn(number, settings, report)
search = toys.make_search(n_trials=job["n_trials"])
run_trials(Address(job["url"], job["study"]), search, learn, owner=job["owner"])
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    address = toys.find_address(tmp_path)
    return Job(str(tmp_path), address.url, address.name, "random", "none", 0, 4, "toys", "")


@pytest.fixture
def study(job: Job) -> Study:
    return studies.open_study(job.address, metric="accuracy")


def stand_in(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch, repo: Path) -> None:
    path = folder / "python"
    path.write_text(CODE.format(python=sys.executable, folder=str(folder), repo=str(repo), body=body))
    path.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(path))


def test_a_killed_process_is_replaced_and_its_trial_taken_up(
    job: Job, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo: Path
) -> None:
    stand_in(tmp_path, DIE_ONCE, monkeypatch, repo)
    finished = list(watch_trials(job, study, 1, tmp_path / "logs"))
    assert sorted(trial.number for trial in finished) == [0, 2, 3, 4]
    assert study.trials[2].params == study.trials[1].params
    assert (tmp_path / "starts").read_text() == "xx"
    assert list(watch_trials(job, study, 1, tmp_path / "logs")) == []
    assert (tmp_path / "starts").read_text() == "xx", "nothing is started where nothing is left"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("sys.exit('ERROR the study is gone')", StudyError, "^the study is gone$"),
        ("os.kill(os.getpid(), signal.SIGKILL)", WorkersError, r"ended 5 times \(code -9\)"),
    ],
)
def test_what_ends_a_process_for_good_is_one_line(
    body: str,
    kind: type[Exception],
    said: str,
    job: Job,
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    repo: Path,
) -> None:
    stand_in(tmp_path, body, monkeypatch, repo)
    with pytest.raises(kind, match=said):
        list(watch_trials(job, study, 1, tmp_path / "logs"))


def test_whoever_stops_watching_stops_the_processes(
    job: Job, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo: Path
) -> None:
    slow = DIE_ONCE.replace("os.kill(os.getpid(), signal.SIGKILL)", "time.sleep(60)")
    stand_in(tmp_path, slow, monkeypatch, repo)
    watched = watch_trials(job, study, 1, tmp_path / "logs")
    assert next(watched).number == 0
    while len(study.trials) < 2 or not study.trials[1].params:
        pass
    watched.close()
    waiting = [trial for trial in study.trials if trial.state.name == "WAITING"]
    assert [trial.params for trial in waiting] == [study.trials[1].params]


@pytest.mark.parametrize(
    ("cores", "n_workers", "shared"),
    [([0, 1], 2, [(0,), (1,)]), ([0, 1, 2, 3, 4], 2, [(0, 2, 4), (1, 3)]), ([3], 2, [(3,), (3,)])],
)
def test_cores_are_shared(cores: list[int], n_workers: int, shared: list[tuple[int, ...]]) -> None:
    assert [share_cores(cores, number, n_workers) for number in range(n_workers)] == shared
