"""The winner against params.yaml: paired by seed, and in words that do not promise too much."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError, StudyError
from pipeline.search import contest
from pipeline.search import study as studies
from pipeline.search.contest import Contest
from pipeline.search.settings import Settings
from pipeline.search.trials import Report, run_trials
from tests.search import toys

BASE = toys.BEST | {"train.batch_size": 2}


def test_both_are_trained_with_each_seed_and_compared_by_seed(tmp_path: Path) -> None:
    address = toys.find_address(tmp_path)
    entries = contest.list_entries((toys.BEST, BASE), 5, 3)
    assert [entry[contest.SEED] for entry in entries] == [5, 5, 6, 6, 7, 7]

    def learn(_: int, settings: Settings, report: Report) -> float:
        return toys.score(settings) + int(settings[contest.SEED]) / 100

    study = studies.open_study(address, metric="accuracy")
    studies.queue(study, entries, is_inside=toys.SPACE.contains)
    run_trials(address, toys.make_search(n_trials=6), learn, owner="me")
    found = contest.read_contest(study, toys.BEST, BASE, "accuracy")
    np.testing.assert_allclose(found.winner, [1.05, 1.06, 1.07])
    np.testing.assert_allclose(found.winner - found.base, 0.25)


def test_a_training_that_fails_is_named(tmp_path: Path) -> None:
    def learn(_: int, settings: Settings, report: Report) -> float:
        raise ModelError("the loss is nan")

    address = toys.find_address(tmp_path)
    study = studies.open_study(address, metric="accuracy")
    studies.queue(study, contest.list_entries((toys.BEST, BASE), 0, 2), is_inside=toys.SPACE.contains)
    run_trials(address, toys.make_search(n_trials=4), learn, owner="me")
    with pytest.raises(StudyError, match="the winner failed with seed 0: the loss is nan"):
        contest.read_contest(study, toys.BEST, BASE, "accuracy")


@pytest.mark.parametrize(
    ("metric", "winner", "base", "said"),
    [
        ("accuracy", [0.92, 0.93, 0.91], [0.90, 0.91, 0.88], "+2.3 points"),
        ("accuracy", [0.92, 0.93, 0.91], [0.90, 0.91, 0.88], "better, by more than luck"),
        ("accuracy", [1.0, 1.0, 1.0], [0.5, 0.5, 0.5], "no interval, as all seeds differ alike"),
        ("accuracy", [0.92, 0.90, 0.91], [0.90, 0.91, 0.90], "that may be luck"),
        ("accuracy", [0.90, 0.90, 0.90], [0.90, 0.91, 0.90], "no better"),
        ("log_loss", [0.20, 0.21, 0.19], [0.30, 0.31, 0.28], "lower is better; gain +0.0967"),
        ("log_loss", [0.20, 0.21, 0.19], [0.30, 0.31, 0.28], "better, by more than luck"),
    ],
)
def test_the_sentence(metric: str, winner: list[float], base: list[float], said: str) -> None:
    found = Contest(metric, np.array(winner), np.array(base))
    assert said in found.describe()
    assert f"over {len(base)} seeds" in found.describe()
