"""Figures of the evidence: what they hold, with odd names, many classes and missing parts."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.figures.confusion import draw_confusions
from pipeline.figures.embedding_map import draw_embedding
from pipeline.figures.feature_maps import LayerMaps, draw_feature_maps
from pipeline.figures.heat import Glow, draw_heat
from pipeline.figures.robustness_curves import Curve, draw_robustness

ODD_NAMES = ["Photo", r"costs $\bad{$", "中文", "عربي", "a\nb"]
RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (16, 12, 3), np.uint8)


def read_size(path: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def test_a_curve_for_each_alteration(saved: list[Figure], tmp_path: Path) -> None:
    curves = [Curve(f"alteration {i}", [1, 0.5, i / 10], [0.9, 0.4, 0], [1, 0.6, 1]) for i in range(7)]
    draw_robustness(curves, chance=0.3, title="Accuracy", path=tmp_path / "a.png")
    drawn = [axes for axes in saved[0].axes if axes.lines]
    assert [axes.get_title(loc="left") for axes in drawn] == [curve.name for curve in curves]
    for axes, curve in zip(drawn, curves, strict=True):
        lines: list[Any] = list(axes.lines)
        assert list(lines[0].get_ydata()) == list(curve.values)
        assert list(lines[1].get_ydata()) == [0.3, 0.3]
    named = [any(label.get_visible() for label in axes.get_xticklabels()) for axes in drawn]
    assert named == [False, False, True, True, True, True, True]


@pytest.mark.parametrize("k", [1, 5, 200])
def test_two_confusions(k: int, saved: list[Figure], tmp_path: Path) -> None:
    names = (ODD_NAMES * 40)[:k]
    clean, altered = 10 * np.eye(k, dtype=int), np.ones((k, k), int)
    draw_confusions({"clean": clean, "altered": altered}, names, title="t", path=tmp_path / "a.png")
    first, second, _ = saved[0].axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("clean", "altered")
    assert np.allclose(np.asarray(first.images[0].get_array()), np.eye(k))
    assert np.allclose(np.asarray(second.images[0].get_array()), 1 / k)
    cells = [text.get_text() for text in second.texts]
    assert cells == ([f"{100 / k:.0f}"] * k**2 if k < 25 else [])
    assert max(read_size(tmp_path / "a.png")) <= 2100


def test_a_class_without_a_picture_is_empty(saved: list[Figure], tmp_path: Path) -> None:
    matrix = np.array([[3, 1], [0, 0]])
    draw_confusions({"clean": matrix}, ["a", "b"], title="t", path=tmp_path / "a.png")
    assert np.asarray(saved[0].axes[0].images[0].get_array()).tolist() == [[0.75, 0.25], [0, 0]]


def test_heat_lies_over_its_picture(saved: list[Figure], tmp_path: Path) -> None:
    heat = np.zeros((2, 2), np.float32)
    heat[0, 1] = 1
    glows = [Glow(PICTURE, "as it is"), Glow(PICTURE, r"for $\bad{$", heat)]
    draw_heat([("Errors", glows), ("Right", glows * 5)], title="t", path=tmp_path / "a.png")
    images: list[Any] = list(saved[0].axes[0].images)
    assert len(images) == 12 + 6
    plain, grey, over = images[:3]
    assert np.array_equal(np.asarray(plain.get_array()), PICTURE)
    assert grey.get_extent() == over.get_extent()
    assert np.asarray(over.get_array())[..., 3].tolist() == [[0, pytest.approx(0.7)], [0, 0]]
    assert [text.get_text() for text in saved[0].texts][:4] == ["t", "Errors", "as it is", r"for $\bad{$"]


def test_maps_go_from_black_to_white(saved: list[Figure], tmp_path: Path) -> None:
    maps = np.stack([np.arange(6.0).reshape(2, 3), np.full((2, 3), 7.0)]).astype(np.float32)
    layer = LayerMaps("conv", maps, 16)
    draw_feature_maps(PICTURE, [layer, layer], title=r"$\bad{$", path=tmp_path / "a.png")
    images: list[Any] = list(saved[0].axes[0].images)
    assert len(images) == 1 + 4
    assert np.asarray(images[1].get_array())[..., 0].tolist() == [[0, 51, 102], [153, 204, 255]]
    assert np.asarray(images[2].get_array()).max() == 0
    said = [text.get_text() for text in saved[0].texts]
    assert said[1:3] == ["the picture", "conv: the 2 busiest of 16 maps, 2 x 3"]


@pytest.mark.parametrize("k", [1, 5, 12, 200])
def test_points_by_class_with_errors_ringed(k: int, saved: list[Figure], tmp_path: Path) -> None:
    y = np.arange(400) % k
    is_right = np.arange(400) % 10 > 0
    points = RNG.standard_normal((400, 2))
    draw_embedding(
        [("one", points), ("other", None)],
        y,
        is_right,
        ODD_NAMES * 40,
        title="t",
        path=tmp_path / "a.png",
    )
    first, second = saved[0].axes
    *of_classes, wrong = first.collections
    assert len(of_classes) == k
    assert np.allclose(np.asarray(wrong.get_offsets()), points[::10])
    assert np.allclose(np.asarray(of_classes[0].get_offsets()), points[y == 0])
    assert [text.get_text() for text in second.texts] == ["too few different pictures"]
    legend = [text.get_text() for text in saved[0].legends[0].get_texts()]
    assert len(legend) == (k if k <= 20 else 0) + 1
    assert legend[-1] == "answered wrong"
