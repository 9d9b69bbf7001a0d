"""`darkroom synthesize`: what a person reads, what is kept, and what is refused in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli.synthesize import describe, make_table
from pipeline.collection.synthetic import read_synthetic
from pipeline.paths import Paths
from pipeline.synthesis.judge import Copying, Distance
from pipeline.synthesis.request import ask
from pipeline.synthesis.verdict import Likeness
from pipeline.tracking import connection

Darkroom = Callable[..., tuple[int, str, str]]


@pytest.fixture
def developed(
    project: Paths, tmp_path: Path, develop: Callable[..., Paths], classifier_folder: Path
) -> Paths:
    """Ten training pictures of each class, and a classifier that tells them apart."""
    y = np.arange(24) % 2
    noise = np.random.default_rng(0).integers(0, 40, (24, 8, 8, 1))
    pictures = (noise + 200 * (1 - y[:, None, None, None])).astype(np.uint8)
    splits = ["train"] * 20 + ["val", "val", "test", "test"]
    made = develop(tmp_path / "made", pictures, y, splits, ["light", "dark"])
    shutil.copytree(made.root / "data", project.root / "data", dirs_exist_ok=True)
    shutil.copytree(classifier_folder, project.classifier)
    return project


def test_pictures_sheets_and_figures(
    darkroom: Darkroom, developed: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The features are the classifier's here: EfficientNet-Lite0 takes its time at 224 x 224."""
    monkeypatch.setattr("pipeline.synthesis.feed._MIN_BATCHES", 2)
    monkeypatch.setattr("pipeline.models.efficientnet_lite0.PACKAGE", "no_such_package_of_weights")
    words = ("synthesize", "light", "-n", "5", "--epochs", "2", "--sheet-every", "1")
    code, said, error = darkroom(*words)
    assert code == 0, error
    for text in ("KID", "the classifier says this class", "data/synthetic/pictures"):
        assert text in said
    (made,) = read_synthetic(developed.synthetic)
    assert (made.class_name, made.pictures.shape) == ("light", (5, 8, 8, 1))
    assert made.learned_from == tuple(f"id-{i:03d}" for i in range(0, 20, 2))
    (folder,) = developed.synthetic_sheets.iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"epoch_0001.png", "epoch_0002.png", "nearest.png", "samples.png"}
    client = connection.connect(developed.root)
    experiment = client.get_experiment_by_name("digits-search")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["synthesize.class"] == "light"
    assert {"kid", "kid_deviation", "kid_real", "close_share", "accepted_made"} <= run.data.metrics.keys()
    assert len(client.get_metric_history(run.info.run_id, "critic_loss")) == 2
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"pictures", "sheets"}
    code, said, error = darkroom(*words[:3], "9", *words[4:])
    assert code == 0, error
    assert "continuing after epoch 2" in error
    (again,) = read_synthetic(developed.synthetic)
    assert len(again) == 9
    assert np.array_equal(again.pictures[:5], made.pictures)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["lihgt"], "there is no class 'lihgt' (did you mean light?)", id="class"),
        pytest.param(["light", "-n", "0"], "Invalid value for '-n'", id="none"),
        pytest.param(["light", "-n", "many"], "Invalid value for '-n'", id="no number"),
        pytest.param([], "Missing argument 'CLASS'", id="nothing"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], said: str, darkroom: Darkroom, developed: Paths) -> None:
    code, _, error = darkroom("synthesize", *words)
    assert code
    assert said in error
    assert "Traceback" not in error
    assert not developed.synthetic.exists()


def test_before_the_first_run_it_says_what_to_do(darkroom: Darkroom, project: Paths) -> None:
    code, _, error = darkroom("synthesize", "circle")
    assert code == 1
    assert "dvc repro" in error
    assert error.count("\n") == 1


def test_ctrl_c_says_that_it_continues(
    darkroom: Darkroom, developed: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.synthesis.feed._MIN_BATCHES", 2)
    monkeypatch.setattr("pipeline.synthesis.verdict.draw_samples", stop)
    code, _, error = darkroom("synthesize", "light", "--epochs", "2", "--sheet-every", "1")
    assert code
    assert "the same command continues after the last whole epoch" in error
    assert "Traceback" not in error
    assert not developed.synthetic.exists()


def test_a_full_disk_is_one_line_and_loses_nothing(
    darkroom: Darkroom, developed: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is a file stands for a disk that takes nothing."""
    monkeypatch.setattr("pipeline.synthesis.feed._MIN_BATCHES", 2)
    developed.synthetic.parent.mkdir(parents=True)
    developed.synthetic.write_text("in the way")
    code, _, error = darkroom("synthesize", "light", "--epochs", "1")
    assert code == 1
    assert "error: " in error.splitlines()[-1]
    assert "cannot be written" in error.splitlines()[-1]
    assert developed.synthetic.read_text() == "in the way"
    developed.synthetic.unlink()
    code, _, error = darkroom("synthesize", "light", "--epochs", "1")
    assert code == 0, error
    assert "continuing after epoch 1" in error


def test_what_is_missing_is_said(developed: Paths) -> None:
    request = ask(developed, "light")
    said = " ".join(describe(request, None, "there is no classifier yet"))
    assert "pip install 'darkroom[pretrained]'" in said
    assert "no verdict of the classifier: there is no classifier yet" in said
    assert make_table(None, "none").row_count == 0
    copies = Likeness("eye", Distance(0, 0, 4), Distance(0, 0, 4), Copying(0.0, 9.0, 0.9))
    assert "close copies: 10 pictures are too few" in " ".join(describe(request, copies, {}))
