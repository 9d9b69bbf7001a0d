"""A study: its terms, its database, and trials that are taken up again."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from pipeline.errors import StudyError
from pipeline.search import dead_trials
from pipeline.search import study as studies
from pipeline.search.study import Address
from pipeline.search.terms import Terms
from pipeline.search.trials import run_trials
from tests.search import toys
from tests.search.test_terms import TERMS

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")  # trials that no one runs


@pytest.fixture
def address(tmp_path: Path) -> Address:
    return toys.find_address(tmp_path / "new folder")


def test_a_study_keeps_its_terms_and_refuses_others(address: Address) -> None:
    study = studies.open_study(address, metric="accuracy")
    studies.agree(study, TERMS, address)
    again = studies.open_study(address, metric="accuracy")
    studies.agree(again, TERMS, address)
    assert studies.read_terms(again, address).to_json() == TERMS.to_json()
    other = Terms(TERMS.space, 5, TERMS.metric, TERMS.data, TERMS.values)
    with pytest.raises(StudyError, match=r"was begun with .* tune.folds is 5, and was 0; .* --study NAME"):
        studies.agree(again, other, address)


def test_settings_are_queued_once(address: Address) -> None:
    study = studies.open_study(address, metric="accuracy")
    other = toys.BEST | {"train.seed": 3}
    for _ in range(2):
        studies.queue(study, [toys.BEST, other], is_inside=toys.SPACE.contains)
    assert [studies.read_settings(trial) for trial in study.trials] == [toys.BEST, other]
    run_trials(address, toys.make_search(n_trials=2), toys.learn, owner="me")
    assert [studies.read_settings(trial) for trial in study.trials] == [toys.BEST, other]
    assert [trial.value for trial in study.trials] == [1.0, 1.0]


def test_what_was_killed_is_taken_up_again_and_given_up_the_third_time(address: Address) -> None:
    study = studies.open_study(address, metric="accuracy")
    settings = {}
    for number in range(3):
        trial = study.ask(dict(toys.SPACE.to_distributions()))
        trial.set_user_attr(studies.OWNER, "gone")
        settings[number] = trial.params
        dead_trials.release(study, "another")
        assert study.trials[number].state == TrialState.RUNNING
        dead_trials.release(study, "gone")
    assert settings[0] == settings[1] == settings[2]
    (last,) = studies.list_finished(study)
    assert last.user_attrs[studies.WHY] == "its process was killed 3 times"
    assert [trial.state.name for trial in study.trials] == ["FAIL"] * 4


def test_one_too_many_is_noticed(address: Address) -> None:
    study = studies.open_study(address, metric="accuracy")
    numbers = [study.ask().number for _ in range(3)]
    assert [studies.is_surplus(study, number, 2) for number in numbers] == [False, False, True]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_best_is_complete_and_the_earliest_of_equals(metric: str, address: Address) -> None:
    study = studies.open_study(address, metric=metric)
    assert studies.find_best(study) is None
    for value in (0.5, 0.7, 0.7, 0.5):
        study.tell(study.ask(), value)
    early = study.ask()
    early.report(0.9 if metric == "accuracy" else 0.1, 1)
    study.tell(early, state=TrialState.PRUNED)
    best = studies.find_best(study)
    assert best
    assert best.number == (1 if metric == "accuracy" else 0)
    assert studies.read_value(study.trials[-1]) in (0.9, 0.1)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@127.0.0.1:1/studies", "cannot be used"),
        ("no url", "cannot be used"),
        ("sqlite:////proc/none/studies.db", "cannot be written"),
    ],
)
def test_a_database_that_is_away_is_one_line_without_a_password(url: str, said: str) -> None:
    with pytest.raises(Exception, match=said) as error:
        studies.open_study(Address(url, "toy"), metric="accuracy")
    assert type(error.value).__name__ in ("StudyError", "StorageError")
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_locked_database_is_one_line(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "_WAIT_S", 0.1)
    study = studies.open_study(address, metric="accuracy")
    path = address.url.removeprefix("sqlite:///")
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StudyError, match="database is locked"), studies.translate_errors(address):
            studies.note(study, "a", "b")
        other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize("name", ["none", "asha", "hyperband"])
def test_a_pruner_leaves_the_first_reports_free(name: str, address: Address) -> None:
    pruner = studies.choose_pruner(name, n_steps=20, n_free=3)
    study = studies.open_study(address, metric="accuracy", pruner=pruner)
    ended = {}
    for number in range(8):
        trial = study.ask()
        for step in range(1, 21):
            trial.report(1 - number / 10, step)
            if trial.should_prune():
                ended[number] = step
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, 1 - number / 10)
    assert bool(ended) == (name != "none")
    assert all(step >= 3 for step in ended.values())


def test_what_a_kill_left_between_two_steps_is_queued(address: Address) -> None:
    study = studies.open_study(address, metric="accuracy")
    trial = study.ask(dict(toys.SPACE.to_distributions()))
    study.tell(trial, state=TrialState.FAIL)  # as `release` begins
    for _ in range(2):
        dead_trials.recover(study)
    assert [one.state.name for one in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[1].params == trial.params


def test_a_study_of_another_kind_is_refused(address: Address) -> None:
    study = studies.open_study(address, metric="accuracy")
    with pytest.raises(StudyError, match="looks for something else"):
        studies.open_study(address, metric="log_loss")
    study.set_user_attr("terms", {"a": 1})
    with pytest.raises(StudyError, match="is of another version of Darkroom"):
        studies.agree(study, TERMS, address)


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@localhost:abc/x", "sqlite://", "mysql+pymysql://h/x?password=secret"]
)
def test_a_url_that_cannot_be_says_so_without_its_password(url: str) -> None:
    with pytest.raises(StudyError) as error:
        studies.open_study(Address(url, "toy"), metric="accuracy")
    assert "secret" not in str(error.value)
    assert "processes of the search" not in str(error.value)


OPEN = """
import sys, time
from pipeline.search.study import Address, open_study
while time.time() < float(sys.argv[2]):
    pass
print(open_study(Address(sys.argv[1], "toy"), metric="accuracy").study_name)
"""


def test_processes_that_begin_one_study_at_once_share_it(address: Address) -> None:
    start = str(time.time() + 6)
    command = [sys.executable, "-c", OPEN, address.url, start]
    begun = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in begun] == ["toy\n"] * 3
