"""`darkroom compare --ablate`: what a person reads and gets, Ctrl+C, and what is refused in one line."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.cli.ablation_table import make_table
from pipeline.evidence.intervals import Interval
from pipeline.paths import Paths
from pipeline.search.effects import Effect
from pipeline.tracking import connection
from pipeline.yaml_file import read_yaml
from tests.search.rows import write_no_extra

Darkroom = Callable[..., tuple[int, str, str]]
SMALL = {"model": "conv1", "epochs": 1, "batch_size": 8, "precision": "float32", "ema": 0.0}


@pytest.fixture
def developed(
    project: Paths,
    tmp_path: Path,
    develop: Callable[..., Paths],
    tracking_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Paths:
    """A project that has run as far as augment, with an experiment of the test's own."""
    y = np.arange(24) % 2
    pictures = np.repeat(120 * y, 64).reshape(-1, 8, 8, 1).astype(np.uint8)
    made = develop(tmp_path / "made", pictures, y, ["train"] * 16 + ["val"] * 8, ["black", "grey"])
    write_no_extra(made)
    shutil.copytree(made.root / "data", project.root / "data", dirs_exist_ok=True)
    values = read_yaml(project.params)
    values["train"].update(SMALL)
    YAML().dump(values, project.params)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(tracking_root))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"of-{abs(hash(request.node.name))}")
    return project


def list_runs(root: Path) -> list[Any]:
    client = connection.connect(root)
    experiment = client.get_experiment_by_name(connection.name_experiments().search)
    assert experiment
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


def test_what_each_change_brought_is_said_and_written(darkroom: Darkroom, developed: Paths) -> None:
    files = ("--csv", developed.root / "a.csv", "--png", developed.root / "a.png")
    code, said, error = darkroom("compare", "--ablate", "augment,ema", "--seeds", "2", *files)
    assert code == 0, error
    assert "none: as it is" in said
    assert (
        "so it is in params.yaml already" in said.replace("\n", " ").replace("│", "") or "not trained" in said
    )
    assert "each setting: 2 trainings, asked 8 validation pictures; 95% intervals" in said
    with (developed.root / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["change"] for row in rows] == ["none: as it is", "augment", "ema"]
    assert (developed.root / "a.png").read_bytes().startswith(b"\x89PNG")
    runs = list_runs(developed.root)
    assert [run.info.run_name for run in runs] == [
        "ablate conv1",
        *(f"{name}, seed {seed}" for seed in (0, 1) for name in ("as it is", "augment")),
    ]
    assert runs[0].data.params["ablate.changes"] == "augment,ema"


def test_nothing_is_trained_where_nothing_is_altered(darkroom: Darkroom, developed: Paths) -> None:
    code, said, _ = darkroom("compare", "--ablate", "ema,label_smoothing")
    assert code == 0
    assert said.count("not trained") == 2
    assert "intervals" not in said


def test_ctrl_c_is_one_line_and_what_is_done_is_kept(
    darkroom: Darkroom, developed: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.search.ablation import OnValidation, Validated

    answers = iter([Validated(np.ones(8), 1.0)])

    def train(self: OnValidation, plan: Any, train: Any, run: Any, steps: Any) -> Any:
        if (answer := next(answers, None)) is None:
            raise KeyboardInterrupt
        next(steps)
        return answer

    monkeypatch.setattr(OnValidation, "train", train)
    code, said, error = darkroom("compare", "--ablate", "augment")
    assert (code, said) == (130, "")
    where = connection.name_experiments().search
    assert error.splitlines()[-1] == f"interrupted after 1 of 6 trainings; they are in MLflow, in {where}"
    assert [run.info.status for run in list_runs(developed.root)] == ["KILLED", "FINISHED", "KILLED"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--ablate", "rotatoin"], "--ablate: 'rotatoin' is not known (did", id="a word"),
        pytest.param(["--ablate", "imperfect"], "--ablate imperfect: augment.imperfect", id="stage"),
        pytest.param(
            ["--ablate", "ema", "--seeds", "1"], "one seed does not tell what is luck", id="one seed"
        ),
        pytest.param(
            ["last", "--ablate", "ema"], "--ablate trains by params.yaml: it takes no rows", id="a row"
        ),
        pytest.param(["--ablate", "augment", "--folds", "20"], "20 folds need 20 groups", id="folds"),
        pytest.param(
            ["--ablate", "augment", "--png", "params.yaml/a.png"], "params.yaml cannot be written", id="file"
        ),
        pytest.param(["--seeds", "3"], "--seeds and --folds belong to --ablate", id="without"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[str], said: str, darkroom: Darkroom, developed: Paths
) -> None:
    code, _, error = darkroom("compare", *words)
    assert code == 1
    last = error.splitlines()[-1]
    assert last.startswith(f"error: {said}")


def test_before_the_first_run_it_says_what_to_do(darkroom: Darkroom, project: Paths) -> None:
    code, _, error = darkroom("compare", "--ablate", "augment")
    assert code == 1
    assert error.count("\n") == 1
    assert "dvc repro" in error


def test_a_line_a_change() -> None:
    effects = [
        Effect("dropout", "dropout 0.2 to 0", 0.9, Interval(-0.021, -0.03, -0.012)),
        Effect("ema", "", idle="the same as x"),
    ]
    table = make_table(Effect("none: as it is", "", 0.921), effects)
    assert [list(column.cells) for column in table.columns] == [
        ["none: as it is", "dropout", "ema"],
        ["", "dropout 0.2 to 0", ""],
        ["92.1%", "90.0%", ""],
        ["", "-2.1 (-3.0 to -1.2)", ""],
        ["", "worse so, more than luck", "not trained: the same as x"],
    ]


def test_how_each_setting_fits_has_a_column_where_it_is_known() -> None:
    effects = [Effect("augment", "off", 0.9, Interval(-0.012, -0.03, 0.01), learnt=0.999)]
    table = make_table(Effect("none: as it is", "", 0.912, learnt=0.93), effects)
    assert table.columns[3].header == "fit (gap)"
    assert list(table.columns[3].cells) == ["healthy (2)", "healthy (10)"]
