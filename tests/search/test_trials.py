"""The trials of a process: none is lost, none runs twice, and each ends with a value or a reason."""

import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from pipeline.errors import ModelError
from pipeline.search import dead_trials
from pipeline.search import study as studies
from pipeline.search.study import Address
from pipeline.search.trials import Report, run_trials
from tests.search import toys


@pytest.fixture
def address(tmp_path: Path) -> Address:
    return toys.find_address(tmp_path)


def read(address: Address) -> Any:
    return studies.open_study(address, metric="accuracy")


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp"])
@pytest.mark.parametrize("pruner", ["none", "asha", "hyperband"])
def test_every_sampler_and_pruner_runs_as_many_as_asked(sampler: str, pruner: str, address: Address) -> None:
    run_trials(address, toys.make_search(sampler, pruner, n_trials=12), toys.learn, owner="me")
    trials = studies.list_finished(read(address))
    assert len(trials) == 12
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert any(trial.state == TrialState.PRUNED for trial in trials) == (pruner != "none")
    assert all(toys.SPACE.contains(studies.read_settings(trial)) for trial in trials)


def test_a_search_that_is_continued_tries_what_one_in_one_go_would(tmp_path: Path) -> None:
    found = []
    for name, parts in (("whole", [8]), ("parts", [3, 5, 8])):
        address = toys.find_address(tmp_path, name)
        for n_trials in parts:
            run_trials(address, toys.make_search("tpe", n_trials=n_trials), toys.learn, owner="me")
        found.append([studies.read_settings(trial) for trial in read(address).trials])
    assert found[0] == found[1]
    assert len({str(settings) for settings in found[0]}) == 8


def test_a_trial_that_another_process_took_too_and_finished_first_is_let_be(address: Address) -> None:
    def learn(number: int, settings: dict[str, Any], report: Report) -> float:
        if number == 0:
            read(address).tell(number, 0.75)
        return 0.5

    run_trials(address, toys.make_search(n_trials=2), learn, owner="me")
    assert [trial.value for trial in read(address).trials] == [0.75, 0.5]


def test_what_fails_says_why_and_the_search_continues(address: Address) -> None:
    def learn(number: int, settings: dict[str, Any], report: Report) -> float:
        if number == 1:
            raise ModelError("the loss is nan in epoch 1")
        return math.nan if number == 2 else 0.5

    run_trials(address, toys.make_search(n_trials=4), learn, owner="me")
    said = [trial.user_attrs.get(studies.WHY) for trial in studies.list_finished(read(address))]
    assert said == [None, "the loss is nan in epoch 1", "the accuracy is nan", None]


def test_ctrl_c_in_a_trial_loses_nothing(address: Address) -> None:
    def learn(number: int, settings: dict[str, Any], report: Report) -> float:
        if number == 1:
            raise KeyboardInterrupt
        return 0.5

    with pytest.raises(KeyboardInterrupt):
        run_trials(address, toys.make_search(n_trials=3), learn, owner="me")
    run_trials(address, toys.make_search(n_trials=3), learn, owner="me")
    trials = read(address).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[2].params == trials[1].params
    assert len(studies.list_finished(read(address))) == 3


CODE = """
import sys, time
from pipeline.search.study import Address
from pipeline.search.trials import run_trials
from tests.search import toys

def learn(number, settings, report):
    time.sleep(float(sys.argv[2]))
    return toys.learn(number, settings, report)

run_trials(Address(sys.argv[1], "toy"), toys.make_search(n_trials=12), learn, owner=sys.argv[3])
"""


def start(address: Address, seconds: float, owner: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", CODE, address.url, str(seconds), owner])


def test_processes_share_a_study_and_take_up_what_a_killed_one_left(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read(address)
    killed = start(address, 60, "killed")
    n_keys = len(toys.SPACE.to_distributions())
    while not any(len(trial.params) == n_keys for trial in study.get_trials(deepcopy=False)):
        time.sleep(0.1)
    killed.kill()
    killed.wait()
    dead_trials.release(study, "killed")
    others = [start(address, 0.05, str(number)) for number in range(2)]
    assert [other.wait() for other in others] == [0, 0]
    trials = studies.list_finished(study)
    assert len(trials) == 12
    assert {trial.user_attrs[studies.OWNER] for trial in trials} <= {"0", "1"}
    assert studies.read_settings(study.trials[0]) in map(studies.read_settings, trials)
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
