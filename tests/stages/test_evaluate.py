"""evaluate: known answers of a classifier with weights set by hand."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.collection.shards import ShardWriter
from pipeline.errors import DataError, ModelError
from pipeline.images.recipe import Recipe
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.runner import Metrics
from pipeline.serving.settings import Settings, save_classifier
from pipeline.stages import evaluate
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.extra import EXTRA
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import build_table, read_table, write_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tracking.runs import Untracked
from pipeline.training.history import CURVES, Row, write_history
from tests.browser import CHROMIUM, look_at

Develop = Callable[..., Paths]
ParamsOf = Callable[..., Params]

NAMES = ["light", "dark", "odd"]
LIGHT, DARK = 230, 20
HISTORY: list[Row] = [
    dict.fromkeys(CURVES, 0.5) | {"epoch": epoch, "val_loss": loss, "val_accuracy": accuracy}
    for epoch, loss, accuracy in ((1.0, 0.5, 0.5), (2.0, 0.25, 0.75), (3.0, 0.75, 0.875))
]


def make(
    develop: Develop, folder: Path, root: Path, shades: list[int], y: list[int], names: list[str] = NAMES
) -> Paths:
    """Test pictures of these shades and classes, three dark training pictures, and the classifier."""
    train_y, train = [1, 1, 0], [DARK] * 3
    pictures = np.array(shades + train, np.uint8)[:, None, None, None].repeat(8, axis=1).repeat(8, axis=2)
    paths = develop(root, pictures, y + train_y, ["test"] * len(shades) + ["train"] * 3, names)
    shutil.copytree(folder, paths.classifier)
    write_history(HISTORY, paths.history)
    write_no_folds(paths)
    write_copies(paths, [], [])
    return paths


def write_no_folds(paths: Paths) -> None:
    """What train writes where it made no answers out of fold."""
    for file in (paths.out_of_fold, paths.label_answers):
        write_table(OUT_OF_FOLD.empty_table(), file)


def write_copies(paths: Paths, shades: list[int], y: list[int]) -> None:
    """Imperfect copies of the first pictures, of these shades and classes."""
    rows = [
        {"id": f"id-{i:03d}", "copy": -1, "class_index": c, "shard": 0, "row": i} for i, c in enumerate(y)
    ]
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), paths.imperfect / "manifest.parquet")
    with ShardWriter(paths.imperfect, len(y), (8, 8, 1), 100) as writer:
        for row, shade in enumerate(shades):
            writer.write(0, row, np.full((8, 8, 1), shade, np.uint8))


SHADES, Y = [LIGHT] * 6 + [DARK] * 3, [0] * 5 + [1] + [1, 1, 0]


@pytest.fixture
def project(develop: Develop, classifier_folder: Path, tmp_path: Path) -> Paths:
    """Six light pictures, one of which counts as dark, and three dark ones, one of which counts as light."""
    return make(develop, classifier_folder, tmp_path, SHADES, Y)


@pytest.fixture(scope="module")
def params(params_of: ParamsOf) -> Params:
    return params_of(evaluate={"n_bootstrap": 400, "n_sheet": 4})


@pytest.fixture(scope="module")
def evaluated(
    develop: Develop, classifier_folder: Path, params: Params, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Paths, Metrics]:
    """The same project, evaluated; to be read only."""
    paths = make(develop, classifier_folder, tmp_path_factory.mktemp("evaluated"), SHADES, Y)
    return paths, evaluate.main(params, paths, Untracked())


def read_outputs(paths: Paths) -> dict[str, bytes]:
    folder = paths.stage("evaluate")
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_scores(evaluated: tuple[Paths, Metrics]) -> None:
    _, metrics = evaluated
    assert metrics["n_test"] == 9
    assert metrics["accuracy"] == pytest.approx(7 / 9)
    assert metrics["balanced_accuracy"] == pytest.approx((5 / 6 + 2 / 3) / 2)
    assert metrics["majority_accuracy"] == pytest.approx(6 / 9)  # always "light"
    assert metrics["class/light/precision"] == pytest.approx(5 / 6)
    assert metrics["class/dark/recall"] == pytest.approx(2 / 3)
    assert metrics["class/dark/f1"] == pytest.approx(2 / 3)
    assert metrics["class/dark/support"] == 3
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    assert metrics["class/dark/recall_low"] < 2 / 3 <= metrics["class/dark/recall_high"]
    assert metrics["log_loss"] > 0.5


def test_a_class_that_does_not_occur_has_no_scores(evaluated: tuple[Paths, Metrics]) -> None:
    _, metrics = evaluated
    assert {name: value for name, value in metrics.items() if "odd" in name} == {"class/odd/support": 0}
    assert not any(np.isnan(value) for value in metrics.values())


def test_imperfect_pictures(project: Paths, params: Params) -> None:
    """Of the originals 7 of 9 are answered right; of the copies 6, those of the two others among them."""
    plain = evaluate.main(params, project, Untracked())
    assert not [name for name in plain if name.startswith(("imperfect", "mixed", "unmirrored"))]
    first = project.predictions.read_bytes()
    write_copies(project, [DARK] * 3 + [LIGHT] * 2 + [DARK] * 3 + [LIGHT], [0] * 5 + [1] + [1, 1, 0])
    metrics = evaluate.main(params, project, Untracked())
    assert metrics["imperfect_accuracy"] == pytest.approx(6 / 9)
    assert metrics["mixed_accuracy"] == pytest.approx(13 / 18)
    for name in ("imperfect_accuracy", "mixed_accuracy"):
        assert 0 < metrics[f"overall/{name}_low"] < metrics[name] < metrics[f"overall/{name}_high"] <= 1
    assert {name: metrics[name] for name in plain} == plain
    assert project.predictions.read_bytes() == first


@pytest.mark.parametrize(
    "y",
    [
        pytest.param([0] * 5 + [1], id="not of all"),
        pytest.param([1] + [0] * 4 + [1] + [1, 1, 0], id="of other classes"),
    ],
)
def test_imperfect_pictures_of_another_split(project: Paths, params: Params, y: list[int]) -> None:
    write_copies(project, [LIGHT] * len(y), y)
    with pytest.raises(DataError, match=r"not hold a copy of each test picture; run `dvc repro augment`"):
        evaluate.main(params, project, Untracked())


def test_near_duplicates_widen_every_interval_of_the_stage(project: Paths, params: Params) -> None:
    """All scores stay what they were; what the test set can tell does not."""
    write_copies(project, [DARK] * 3 + [LIGHT] * 2 + [DARK] * 3 + [LIGHT], [0] * 5 + [1] + [1, 1, 0])
    apart = evaluate.main(params, project, Untracked())
    rows = read_table(project.clean_manifest, CLEAN_MANIFEST).to_pylist()
    for i in (0, 1, 2, 3, 4, 6, 7):  # three things: what was answered right
        rows[i]["duplicate_group"] = f"id-{i // 3:03d}"
    write_table(build_table(rows, CLEAN_MANIFEST, sort_by="id"), project.clean_manifest)
    together = evaluate.main(params, project, Untracked())
    names = [name for name in apart if not name.endswith(("_low", "_high")) and "limits/" not in name]
    assert {name: together[name] for name in names} == {name: apart[name] for name in names}
    for name in ("accuracy", "macro_f1", "overall/imperfect_accuracy", "overall/mixed_accuracy"):
        widths = [found[f"{name}_high"] - found[f"{name}_low"] for found in (apart, together)]
        assert widths[1] > widths[0], name


def test_a_classifier_that_mirrors(develop: Develop, params: Params, tmp_path: Path) -> None:
    """It knows light from dark by the left half; a picture whose halves differ needs both views."""
    import keras

    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    )
    model.add(keras.layers.Dense(3, activation="softmax"))
    left = np.zeros((8, 8))
    left[:, :4] = 1 / 32
    weights = np.stack([8 * left, -8 * left, 0 * left], axis=-1).reshape(64, 3)
    model.layers[-1].set_weights([weights, np.array([-4.0, 4.0, -9.0])])
    pictures = np.full((4, 8, 8, 1), LIGHT, np.uint8)
    pictures[1, :, :4] = 110  # a little dark on the left, very light on the right
    paths = develop(tmp_path, pictures, [0] * 4, ["test"] * 3 + ["train"], NAMES)
    write_copies(paths, [], [])
    write_history(HISTORY, paths.history)
    write_no_folds(paths)
    recipe = Recipe((8, 8), 1, "stretch", "bicubic", equalise=0, formats=("PNG",), max_pixels=1000)
    save_classifier(model, Settings(tuple(NAMES), recipe, test_mirror=True), paths.classifier)
    metrics = evaluate.main(params, paths, Untracked())
    assert metrics["accuracy"] == 1
    assert metrics["unmirrored_accuracy"] == pytest.approx(2 / 3)
    assert metrics["overall/unmirrored_accuracy_low"] < 2 / 3


def test_predictions(evaluated: tuple[Paths, Metrics]) -> None:
    project, _ = evaluated
    rows = read_table(project.predictions, PREDICTIONS).to_pylist()
    assert [row["id"] for row in rows] == [f"id-{i:03d}" for i in range(9)]
    assert [row["y_pred"] for row in rows] == [0] * 6 + [1] * 3
    assert [row["y_true"] for row in rows] == [0] * 5 + [1, 1, 1, 0]
    assert np.array([row["y_prob"] for row in rows]).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_confusion_table(evaluated: tuple[Paths, Metrics]) -> None:
    project, _ = evaluated
    with project.confusion.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert rows[5] == {"actual": "dark", "predicted": "light"}


def test_twice_the_same_bytes(project: Paths, params: Params) -> None:
    first_metrics = evaluate.main(params, project, Untracked())
    first = read_outputs(project)
    assert sorted(first) == [
        "answers.json",
        "class_scores.csv",
        "confusion.csv",
        "figures/class_f1.png",
        "figures/confusion.png",
        "figures/confusion_altered.png",
        "figures/curves.png",
        "figures/embedding.png",
        "figures/precision_recall.png",
        "figures/reliability.png",
        "figures/robustness.png",
        "figures/robustness_examples.png",
        "figures/roc.png",
        "figures/sheet_labels.png",
        "figures/sheet_random.png",
        "figures/sheet_right.png",
        "figures/sheet_wrong.png",
        "figures/slices.png",
        "model_card.json",
        "model_card.md",
        "predictions.parquet",
        "report.html",
        "robustness.csv",
        "slices.csv",
        "suspect_labels.csv",
        "threshold_curves.csv",
        "training_facts.json",
    ]
    assert evaluate.main(params, project, Untracked()) == first_metrics
    assert read_outputs(project) == first


def test_parts_that_are_switched_off(project: Paths, params_of: ParamsOf, params: Params) -> None:
    """Their figures are gone, the table is there with its head alone, and the other numbers are the same."""
    whole = evaluate.main(params, project, Untracked())
    off = params_of(
        evaluate={"n_bootstrap": 400, "n_sheet": 4, "robustness": 0, "inside": False, "slices": False}
        | {"label_audit": False}
    )
    metrics = evaluate.main(off, project, Untracked())
    assert {name: whole[name] for name in metrics} == metrics
    assert {name.partition("/")[0] for name in set(whole) - set(metrics)} == {
        *("robust_accuracy", "robustness", "overall", "slices", "labels"),
    }
    drawn = {path.stem for path in project.figures("evaluate").iterdir()}
    always = {"class_f1", "confusion", "curves", "precision_recall", "reliability", "roc", "slices"}
    assert drawn == always | {"sheet_right", "sheet_wrong"}
    assert project.robustness.read_text() == "alteration,severity,accuracy,low,high,n\n"
    page = project.report.read_text(encoding="utf-8")
    assert "Altered pictures" not in page
    assert "Looking inside" not in page
    assert "Labels that may be wrong" not in page
    assert len(project.suspect_labels.read_text().splitlines()) == 1


def test_no_history(project: Paths, params: Params) -> None:
    project.history.unlink()
    with pytest.raises(DataError, match=r"history\.csv does not exist; run `dvc repro train`"):
        evaluate.main(params, project, Untracked())


def test_nothing_wrong(develop: Develop, classifier_folder: Path, params: Params, tmp_path: Path) -> None:
    paths = make(develop, classifier_folder, tmp_path, [LIGHT, DARK], [0, 1])
    metrics = evaluate.main(params, paths, Untracked())
    assert metrics["accuracy"] == metrics["accuracy_high"] == 1
    assert metrics["accuracy_low"] == pytest.approx(0.158, abs=1e-3)  # of 2
    sheet = paths.figures("evaluate") / "sheet_wrong.png"
    assert len(sheet.read_bytes()) < len((paths.figures("evaluate") / "sheet_right.png").read_bytes())


@pytest.mark.parametrize(
    ("shades", "y"),
    [
        pytest.param([LIGHT], [0], id="right"),
        pytest.param([LIGHT], [1], id="wrong"),
        pytest.param([LIGHT] * 4, [0, 1, 0, 1], id="always one class"),
    ],
)
def test_little_is_asked_or_known(
    shades: list[int], y: list[int], develop: Develop, classifier_folder: Path, params: Params, tmp_path: Path
) -> None:
    """Whatever is not defined is left out of the metrics and shown as missing."""
    paths = make(develop, classifier_folder, tmp_path, shades, y)
    metrics = evaluate.main(params, paths, Untracked())
    assert not any(np.isnan(value) for value in metrics.values())
    assert metrics["overall/brier_low"] <= metrics["overall/brier"] <= metrics["overall/brier_high"]
    assert ("overall/macro_roc_auc" in metrics) == (len(set(y)) > 1)
    page = paths.report.read_text(encoding="utf-8")
    assert "<th>odd</th><td>none</td>" in page
    assert "nan" not in page.split("base64")[0]
    assert "the test pictures differ in no fact of their files" in page


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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width_px", [1100, 390])
def test_the_report_in_a_browser(width_px: int, evaluated: tuple[Paths, Metrics], tmp_path: Path) -> None:
    """Every figure loads, nothing is asked of anybody but the verdict, and nothing is cut on a phone."""
    paths, _ = evaluated
    seen = look_at(paths.report, root=paths.root, width_px=width_px, folder=tmp_path)
    assert seen.n_images > 12
    assert seen.broken == []
    assert seen.asked == ["data/promote/verdict.js"]
    assert seen.too_wide == []
    assert seen.headings[:3] == ["Results: digits", "May I rely on it?", "What that rests on"]
    assert seen.verdict is not None
    assert seen.verdict.startswith("Not decided yet")
