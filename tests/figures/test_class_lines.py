"""class_lines: every line and its name are there, as text, and at most ten."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.figures.class_lines import draw_class_lines

ODD_NAMES = ["Photo", r"costs $\bad{$", "中文", "a\nb"]
X = np.array([0.0, 0.25, 1.0])


def draw(names: list[str], path: Path, *, is_chance_diagonal: bool = True) -> bytes:
    lines = [(X, X ** (1 / (i + 1))) for i in range(len(names))]
    draw_class_lines(
        lines,
        names,
        is_chance_diagonal=is_chance_diagonal,
        title="ROC of $x_{ and 中文",
        axes_names=("false", "found"),
        path=path,
    )
    return path.read_bytes()


@pytest.mark.parametrize("is_chance_diagonal", [True, False])
def test_each_class_has_its_line_and_its_name(
    is_chance_diagonal: bool, saved: list[Figure], tmp_path: Path
) -> None:
    png = draw(ODD_NAMES, tmp_path / "x.png", is_chance_diagonal=is_chance_diagonal)
    assert struct.unpack(">2I", png[16:24]) == (640, 540)
    (axes,) = saved[0].axes
    assert len(axes.lines) == len(ODD_NAMES) + is_chance_diagonal
    for i in range(4):
        drawn: Any = axes.lines[i].get_xydata()
        assert drawn == pytest.approx(np.stack([X, X ** (1 / (i + 1))], axis=1))
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [*ODD_NAMES[:3], "a b"]
    assert draw(ODD_NAMES, tmp_path / "y.png", is_chance_diagonal=is_chance_diagonal) == png


def test_ten_lines_at_most_and_none_at_all(saved: list[Figure], tmp_path: Path) -> None:
    draw([f"class {i}" for i in range(12)], tmp_path / "x.png")
    assert len(saved[0].axes[0].lines) == 10 + 1
    draw([], tmp_path / "x.png")
    assert saved[1].axes[0].get_legend() is None
