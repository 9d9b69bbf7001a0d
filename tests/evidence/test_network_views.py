"""Views of a network: which pictures and maps are chosen."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.backend.anatomy import trace_steps
from pipeline.evidence.network_views import show_heat, show_layers, write_answer
from tests.evidence.conftest import ExaminationOf
from tests.evidence.networks import build_conv, examine_network

LIGHT, DARK = 230, 20


@pytest.mark.parametrize(
    "y",
    [
        pytest.param([0, 1] * 6, id="some wrong"),
        pytest.param([0], id="one picture"),
        pytest.param([2] * 3, id="none right"),
    ],
)
def test_views_of_a_convolution(examination_of: ExaminationOf, tmp_path: Path, y: list[int]) -> None:
    examined = examine_network(examination_of([LIGHT] * len(y), y), build_conv())
    steps = trace_steps(examined.classifier.network, examined.pictures.gather(np.array([0]))[0])
    view = show_heat(examined, steps, tmp_path / "gradcam.png")
    assert view.figure == tmp_path / "gradcam.png"
    assert view.figure.is_file()
    views = show_layers(examined, steps, tmp_path)
    assert [one.figure for one in views] == [tmp_path / "feature_maps.png", tmp_path / "filters.png"]


def test_no_convolution(examination_of: ExaminationOf, tmp_path: Path) -> None:
    examined = examination_of([LIGHT, DARK], [0, 0])
    steps = trace_steps(examined.classifier.network, examined.pictures.gather(np.array([0]))[0])
    view = show_heat(examined, steps, tmp_path / "gradcam.png")
    assert view.figure is None
    assert "This network has no convolution" in view.words
    assert show_layers(examined, steps, tmp_path) == []
    assert list(tmp_path.glob("*.png")) == []


def test_an_answer_in_words(examination_of: ExaminationOf) -> None:
    examined = examination_of([LIGHT, DARK], [0, 0])
    assert write_answer(examined, 0) == "light, 100%"
    assert write_answer(examined, 1) == "light\n→ dark, 100%"
