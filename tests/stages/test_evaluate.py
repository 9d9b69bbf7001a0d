"""evaluate: known answers of a classifier with weights set by hand."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import DataError, ModelError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.runs import Untracked
from pipeline.stages import evaluate
from pipeline.tables import PREDICTIONS, read_table

Develop = Callable[..., Paths]
ParamsOf = Callable[..., Params]

NAMES = ["light", "dark", "odd"]
LIGHT, DARK = 230, 20


def make(
    develop: Develop, folder: Path, root: Path, shades: list[int], y: list[int], names: list[str] = NAMES
) -> Paths:
    """Test pictures of these shades and classes, three dark training pictures, and the classifier."""
    train_y, train = [1, 1, 0], [DARK] * 3
    pictures = np.array(shades + train, np.uint8)[:, None, None, None].repeat(8, axis=1).repeat(8, axis=2)
    paths = develop(root, pictures, y + train_y, ["test"] * len(shades) + ["train"] * 3, names)
    shutil.copytree(folder, paths.classifier)
    return paths


@pytest.fixture
def project(develop: Develop, classifier_folder: Path, tmp_path: Path) -> Paths:
    """Six light pictures, one of which counts as dark, and three dark ones, one of which counts as light."""
    shades = [LIGHT] * 6 + [DARK] * 3
    return make(develop, classifier_folder, tmp_path, shades, [0] * 5 + [1] + [1, 1, 0])


@pytest.fixture(scope="module")
def params(params_of: ParamsOf) -> Params:
    return params_of(evaluate={"n_bootstrap": 400, "n_sheet": 4})


def outputs(paths: Paths) -> dict[str, bytes]:
    folder = paths.stage("evaluate")
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_scores(project: Paths, params: Params) -> None:
    metrics = evaluate.main(params, project, Untracked())
    assert metrics["n_test"] == 9
    assert metrics["accuracy"] == pytest.approx(7 / 9)
    assert metrics["balanced_accuracy"] == pytest.approx((5 / 6 + 2 / 3) / 2)
    assert metrics["majority_accuracy"] == pytest.approx(3 / 9)  # most training pictures are dark
    assert metrics["class/light/precision"] == pytest.approx(5 / 6)
    assert metrics["class/dark/recall"] == pytest.approx(2 / 3)
    assert metrics["class/dark/f1"] == pytest.approx(2 / 3)
    assert metrics["class/dark/support"] == 3
    assert metrics["accuracy/low"] < metrics["accuracy"] < metrics["accuracy/high"]
    assert metrics["class/dark/recall/low"] < 2 / 3 <= metrics["class/dark/recall/high"]
    assert metrics["log_loss"] > 0.5


def test_a_class_that_does_not_occur_has_no_scores(project: Paths, params: Params) -> None:
    metrics = evaluate.main(params, project, Untracked())
    assert {name: value for name, value in metrics.items() if "odd" in name} == {"class/odd/support": 0}
    assert not any(np.isnan(value) for value in metrics.values())


def test_predictions(project: Paths, params: Params) -> None:
    evaluate.main(params, project, Untracked())
    rows = read_table(project.predictions, PREDICTIONS).to_pylist()
    assert [row["id"] for row in rows] == [f"id-{i:03d}" for i in range(9)]
    assert [row["y_pred"] for row in rows] == [0] * 6 + [1] * 3
    assert [row["y_true"] for row in rows] == [0] * 5 + [1, 1, 1, 0]
    assert np.array([row["y_prob"] for row in rows]).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_confusion_table(project: Paths, params: Params) -> None:
    evaluate.main(params, project, Untracked())
    with project.confusion.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert rows[5] == {"actual": "dark", "predicted": "light"}


def test_twice_the_same_bytes(project: Paths, params: Params) -> None:
    first_metrics = evaluate.main(params, project, Untracked())
    first = outputs(project)
    assert sorted(first) == [
        "confusion.csv",
        "figures/class_f1.png",
        "figures/confusion.png",
        "figures/sheet_right.png",
        "figures/sheet_wrong.png",
        "predictions.parquet",
    ]
    assert evaluate.main(params, project, Untracked()) == first_metrics
    assert outputs(project) == first


def test_nothing_wrong(develop: Develop, classifier_folder: Path, params: Params, tmp_path: Path) -> None:
    paths = make(develop, classifier_folder, tmp_path, [LIGHT, DARK], [0, 1])
    metrics = evaluate.main(params, paths, Untracked())
    assert metrics["accuracy"] == metrics["accuracy/low"] == 1
    sheet = paths.figures("evaluate") / "sheet_wrong.png"
    assert len(sheet.read_bytes()) < len((paths.figures("evaluate") / "sheet_right.png").read_bytes())


def test_order_of_wrong_answers(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most confident first, and no more than asked for."""
    from pipeline.feed import Pictures, read_part

    sheets: dict[str, Any] = {}
    monkeypatch.setattr(
        "pipeline.figures.sheet", lambda pictures, captions, **more: sheets.update({more["title"]: captions})
    )
    test = read_part("test", split_path=project.split, manifest_path=project.clean_manifest)
    wrong = 1 - test.y
    confidence = np.linspace(0.6, 0.99, 9, dtype=np.float32)
    y_prob = np.where(np.arange(3) == wrong[:, None], confidence[:, None], (1 - confidence[:, None]) / 2)
    pictures = Pictures((project.shards, test))
    evaluate.draw_sheets(pictures, y_prob, NAMES, n=3, folder=project.figures("evaluate"))
    assert sheets == {
        "Right answers: there are none among 9 test pictures": [],
        "Wrong answers, the most confident first: 3 of 9 (9 test pictures)": [
            "light\n→ dark, 99%",
            "dark\n→ light, 94%",
            "dark\n→ light, 89%",
        ],
    }


def test_no_test_picture(develop: Develop, classifier_folder: Path, params: Params, tmp_path: Path) -> None:
    paths = make(develop, classifier_folder, tmp_path, [], [])
    with pytest.raises(DataError, match=r"no test picture; raise split\.test"):
        evaluate.main(params, paths, Untracked())


def test_a_classifier_of_other_classes(
    develop: Develop, classifier_folder: Path, params: Params, tmp_path: Path
) -> None:
    paths = make(develop, classifier_folder, tmp_path, [LIGHT], [0], names=["light", "dark"])
    with pytest.raises(
        ModelError, match=r"knows the classes light, dark, odd, classes\.json holds light, dark;"
    ):
        evaluate.main(params, paths, Untracked())
