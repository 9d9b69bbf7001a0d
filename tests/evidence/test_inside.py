"""Looking inside: every figure, with words on how to read it; and collections that have little to show."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.pictures import read_part
from pipeline.evidence.examination import Finding, examine
from pipeline.evidence.inside import look_inside
from pipeline.images.recipe import Recipe
from pipeline.paths import Paths
from pipeline.serving.classifier import Classifier
from pipeline.serving.settings import Settings
from tests.evidence.conftest import ExaminationOf
from tests.evidence.networks import build_conv, examine_network

Develop = Callable[..., Paths]

LIGHT, DARK = 230, 20
FIGURES = ["embedding.png", "feature_maps.png", "filters.png", "gradcam.png", "sheet_random.png"]
SCRIPTS = ["Photo", "中文", "عربي", "Ελληνικά", "a\nb", r"$\bad{$", "<b>&", "हिन्दी"]


def look(examination_of: ExaminationOf, folder: Path, *, is_wanted: bool = True) -> Finding:
    examined = examine_network(examination_of([LIGHT, DARK, 100] * 8, [0, 1, 2] * 8), build_conv())
    return look_inside(examined, is_wanted=is_wanted, seed=0, folder=folder)


def test_every_figure_with_words(examination_of: ExaminationOf, tmp_path: Path) -> None:
    finding = look(examination_of, tmp_path / "figures")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == FIGURES
    page = "\n".join(finding.lines)
    assert page.count("<h3") == page.count("<p>") == page.count("<img") == len(FIGURES)
    assert (finding.title, dict(finding.metrics)) == ("Looking inside", {})


def test_twice_the_same_bytes(examination_of: ExaminationOf, tmp_path: Path) -> None:
    first = look(examination_of, tmp_path / "figures")
    files = {path: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert list(look(examination_of, tmp_path / "figures").lines) == list(first.lines)
    assert {path: path.read_bytes() for path in files} == files


def test_off(examination_of: ExaminationOf, tmp_path: Path) -> None:
    look(examination_of, tmp_path / "figures")
    (tmp_path / "figures" / "confusion.png").write_bytes(b"of others")
    assert look(examination_of, tmp_path / "figures", is_wanted=False) == Finding()
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["confusion.png"]


def test_a_network_without_convolutions(examination_of: ExaminationOf, tmp_path: Path) -> None:
    finding = look_inside(examination_of([LIGHT], [0]), is_wanted=True, seed=0, folder=tmp_path / "figures")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "embedding.png",
        "sheet_random.png",
    ]
    assert "no convolution" in "\n".join(finding.lines)


@pytest.mark.parametrize(
    ("shape", "n", "n_classes"),
    [
        pytest.param((8, 8, 1), 1, 3, id="one picture"),
        pytest.param((8, 8, 3), 6, 2, id="fewer than t-SNE looks at"),
        pytest.param((1, 1, 1), 12, 3, id="pictures of one pixel"),
        pytest.param((1, 9, 3), 12, 3, id="pictures of one row"),
        pytest.param((8, 8, 3), 400, 200, id="many classes in many scripts"),
    ],
)
def test_odd_collections(
    develop: Develop, tmp_path: Path, shape: tuple[int, int, int], n: int, n_classes: int
) -> None:
    names = [f"{SCRIPTS[i % len(SCRIPTS)]} {i}" for i in range(n_classes)]
    pictures = np.random.default_rng(0).integers(0, 256, (n, *shape), np.uint8)
    y = np.arange(n) % n_classes
    paths = develop(tmp_path, pictures, y, ["test"] * n, names)
    recipe = Recipe(shape[:2], shape[2], "stretch", "bicubic", 0, ("PNG",), 1000)
    classifier = Classifier(build_conv(n_classes, shape), Settings(tuple(names), recipe, test_mirror=False))
    test = read_part("test", split_path=paths.split, manifest_path=paths.clean_manifest)
    examined = examine(classifier, test, paths.shards)
    folder = tmp_path / "figures"
    finding = look_inside(examined, is_wanted=True, seed=0, folder=folder)
    page = "\n".join(finding.lines)
    assert page.count("<img") == len(list(folder.iterdir())) >= 4
    assert ("There is none" in page) == (shape[:2] == (1, 1))


def test_one_class_is_answered_to_all(examination_of: ExaminationOf, tmp_path: Path) -> None:
    examined = examine_network(examination_of([LIGHT] * 20, [0, 1] * 10), build_conv())
    assert len(set(examined.y_pred)) == 1
    look_inside(examined, is_wanted=True, seed=0, folder=tmp_path / "figures")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == FIGURES
