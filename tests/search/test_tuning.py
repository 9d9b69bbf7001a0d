"""A search as a whole, in studies whose trials are told by hand: only what is new is trained."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.errors import ParamsError, StudyError
from pipeline.paths import Paths
from pipeline.search import study as studies
from pipeline.search import tuning
from pipeline.search.plots import draw_study
from pipeline.search.settings import Settings
from pipeline.search.trials import Report, Search, run_trials
from pipeline.search.tuning import Tuning, list_best
from pipeline.search.worker import Job
from pipeline.tracking.connection import connect
from tests.search import toys

Values = dict[str, Any]
SPACE = {"train.learning_rate": {"log": [0.001, 0.1]}, "train.dropout": {"float": [0.0, 0.5]}}


def learn(_: int, settings: Settings, report: Report) -> float:
    """Best at a dropout of 0.3; a seed adds its luck."""
    return float(
        0.9
        - (settings["train.dropout"] - 0.3) ** 2
        + settings.get("train.seed", 0) * settings["train.dropout"] / 1000
    )


@pytest.fixture
def tune(augmented: Paths, params_values: Values, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`tune(sampler="grid")`: a search whose trials run here, by `learn`."""

    made: list[Tuning] = []

    def watch(job: Job, study: Any, n_workers: int, logs: Path) -> Any:
        search = Search(made[-1].space, "accuracy", job.sampler, job.pruner, job.n_trials, 1, 1, job.seed)
        run_trials(job.address, search, learn, owner="me")
        yield from ()

    def tune(**asked: Any) -> Tuning:
        params_values["tune"] |= {"space": SPACE, "trials": 6} | asked
        params_values["train"] |= {"dropout": 0.1, "learning_rate": 0.01}
        YAML().dump(params_values, augmented.params)
        address = toys.find_address(augmented.root, "tune")
        made.append(Tuning.read(augmented, address, n_trials=None, n_workers=1))
        return made[-1]

    monkeypatch.setattr(tuning, "watch_trials", watch)
    return tune


def test_the_settings_of_params_yaml_are_tried_first(tune: Any, augmented: Paths) -> None:
    study = tune().look()
    trials = studies.list_finished(study)
    assert studies.read_settings(trials[0]) == {"train.learning_rate": 0.01, "train.dropout": 0.1}
    assert len(trials) == 6
    assert (augmented.stage("search") / "tune" / "history.png").is_file()
    again = tune().look()
    assert len(studies.list_finished(again)) == 6, "nothing is left to do"
    client = connect(augmented.root)
    experiment = client.get_experiment_by_name(tune().experiment)
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["n_trials"] == 6
    assert run.info.status == "FINISHED"
    assert any("darkroom-trials" in tag for tag in experiment.tags)


def test_a_grid_tries_all_of_it(tune: Any) -> None:
    study = tune(sampler="grid", pruner="asha").look()
    found = [tuple(studies.read_settings(trial).values()) for trial in studies.list_finished(study)]
    assert len(found) == len(set(found)) == 26  # 5 x 5, and params.yaml


def test_refining_tries_the_neighbours_of_the_winner(tune: Any) -> None:
    search = tune()
    best = studies.find_best(search.look())
    assert best
    refined = search.refine()
    assert len(studies.list_finished(refined)) == 9
    better = studies.find_best(refined)
    assert better
    assert better.value
    assert best.value
    assert better.value >= best.value


@pytest.mark.parametrize("name", ["..", "", "a/b", "a\nb", "[bold]x[/]", "x" * 300])
def test_a_name_that_is_no_name_is_refused_before_anything_starts(
    name: str, tune: Any, augmented: Paths
) -> None:
    tune()
    with pytest.raises(ParamsError, match=r"--study: .* allowed"):
        Tuning.read(augmented, toys.find_address(augmented.root, name), n_trials=None, n_workers=1)


def test_a_default_that_is_no_number_can_be_beaten(tune: Any, augmented: Paths) -> None:
    search = tune()
    search.values["train"]["dropout"] = "default"
    study = studies.open_study(search.address, metric="accuracy")
    studies.queue(study, [search.base], is_inside=search.space.contains)
    run_trials(search.address, make_search(search), lambda *_: 0.5, owner="me")
    draw_study(study, search.space, "accuracy", augmented.root / "plots")
    assert (augmented.root / "plots" / "parallel.png").is_file()


def make_search(search: Tuning) -> Search:
    return Search(search.space, "accuracy", "random", "none", 3, 1, 1, 0)


def test_all_right_is_said_to_be_the_ceiling(tune: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "learn", lambda *_: 1.0)
    search = tune()
    assert search.describe_ceiling(search.look()).startswith("trial 0 has all pictures right")
    assert "15 validation pictures" in search.describe_pictures()
    assert "tune.folds" in search.describe_pictures()


def test_without_a_winner_it_says_what_to_do(tune: Any) -> None:
    with pytest.raises(StudyError, match="has no winner: run darkroom tune first"):
        tune().refine()


def test_the_winner_competes_over_seeds_and_is_applied(tune: Any, augmented: Paths) -> None:
    search = tune(trials=12)
    study = search.look()
    contest = search.compete(study, 3)
    assert contest is not None
    assert len(contest.base) == 3
    assert contest.gain.low > 0
    assert search.compete(study, 2) is not None, "fewer seeds are a part of them"
    before = augmented.params.read_text()
    winner = search.apply(study)
    after = augmented.params.read_text()
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert len(changed) == 2
    assert Tuning.read(augmented, search.address, n_trials=None, n_workers=1).base == winner
    search.apply(study)
    assert augmented.params.read_text() == after, "applied twice is applied once"


def test_an_edit_meanwhile_is_not_overwritten(tune: Any, augmented: Paths) -> None:
    search = tune(trials=12)
    study = search.look()
    augmented.params.write_text(augmented.params.read_text().replace("dropout: 0.1", "dropout: 0.2"))
    with pytest.raises(ParamsError, match="was changed during the search"):
        search.apply(study)


def test_where_params_yaml_wins_there_is_no_contest(tune: Any) -> None:
    search = tune(space={"train.dropout": {"choice": [0.1]}}, sampler="grid")
    assert search.compete(search.look(), 3) is None


def test_another_space_is_another_study(tune: Any) -> None:
    tune().look()
    with pytest.raises(StudyError, match=r"tune\.space\.train\.dropout"):
        tune(space=SPACE | {"train.dropout": {"float": [0.0, 0.4]}}).look()


def test_the_best_come_first_and_whole_ones_before_others(tune: Any) -> None:
    study = tune(trials=8).look()
    values = [trial.value or 0.0 for trial in list_best(study, 3)]
    assert values == sorted(values, reverse=True)
    assert len(values) == 3


def test_all_failed_is_one_line(tune: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "learn", lambda *_: float("nan"))
    search = tune()
    study = search.look()
    with pytest.raises(StudyError, match="all its trials failed, the last one with: the accuracy is nan"):
        search.compete(study, 2)
