"""dead_trials: what a killed process had is queued again, once; test_study and test_trials hold the rest."""

from pathlib import Path

import pytest

from pipeline.search import dead_trials
from pipeline.search import study as studies
from pipeline.search.trials import run_trials
from tests.search import toys


def test_a_trial_whose_process_died_before_it_said_who_it_is_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no sign of life that could be too old, so the others waited for it for ever."""
    monkeypatch.setattr(dead_trials, "GRACE_S", 2)
    address = toys.find_address(tmp_path)
    study = studies.open_study(address, metric="accuracy")
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        study.ask()
    run_trials(address, toys.make_search(n_trials=3), toys.learn, owner="me")
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    dead_trials.fail_and_queue(study, study.trials[0])
    assert len(study.trials) == 4, "another process has queued it already"
