"""The table and the plots of a study."""

import csv
from pathlib import Path

from pipeline.search import study as studies
from pipeline.search.plots import describe_end, draw_study, measure_importance, write_trials
from pipeline.search.trials import run_trials
from tests.search import toys


def test_a_study_becomes_a_table_and_plots(tmp_path: Path) -> None:
    address = toys.find_address(tmp_path)
    study = studies.open_study(address, metric="accuracy")
    draw_study(study, toys.SPACE, "accuracy", tmp_path / "none")
    assert not (tmp_path / "none").exists(), "there is nothing to draw yet"
    studies.queue(study, [toys.BEST, toys.BEST | {"train.batch_size": 99}], is_inside=toys.SPACE.contains)
    run_trials(address, toys.make_search("random", "none", n_trials=8), toys.learn, owner="me")
    run_trials(address, toys.make_search("random", "asha", n_trials=24), toys.learn, owner="me")
    write_trials(study, tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert float(rows[0]["value"]) == 1.0
    assert {row["ended"] for row in rows} >= {"whole", "early, after 1"}
    draw_study(study, toys.SPACE, "accuracy", tmp_path / "plots")
    names = {"history.png", "slices.png", "parallel.png", "importance.png"}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == names
    assert set(measure_importance(study, toys.SPACE)) == set(toys.SPACE.keys)


def test_how_a_trial_ended_is_said(tmp_path: Path) -> None:
    address = toys.find_address(tmp_path)
    run_trials(address, toys.make_search(n_trials=1), toys.learn, owner="me")
    (trial,) = studies.open_study(address, metric="accuracy").trials
    assert describe_end(trial) == "whole"
