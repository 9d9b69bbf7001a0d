"""What a search tried, as pictures: what the figures hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.figures import drawing
from pipeline.figures import trials as figures
from pipeline.figures.trials import Scale, Trials

SCALES = [
    Scale("train.learning_rate", np.array([0.0, 0.5, 1.0]), [(0, "0.001"), (0.5, "0.01"), (1, "0.1")]),
    Scale("augment.flip", np.array([0.25, 0.25, 0.75]), [(0.25, "none"), (0.75, "$both$")]),
]
TRIALS = Trials(
    np.array([0, 2, 5]), np.array([0.5, 0.9, 0.1]), np.array([True, True, False]), True, "accuracy"
)

Drawn = Callable[[], Any]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """The last figure that was saved."""
    kept: list[Any] = []
    save = drawing.save

    def keep(figure: Any, path: Path) -> None:
        save(figure, path)
        kept.append(figure)

    monkeypatch.setattr(figures, "save", keep)
    return lambda: kept[-1]


def test_the_history_shows_each_trial_and_the_best_so_far(drawn: Drawn, tmp_path: Path) -> None:
    figures.draw_history(TRIALS, tmp_path / "a.png")
    (axes,) = drawn().axes
    whole, early = (points.get_offsets().tolist() for points in axes.collections)
    assert whole == [[0, 0.5], [2, 0.9]]
    assert early == [[5, 0.1]]
    assert axes.lines[0].get_ydata().tolist() == [0.5, 0.9]


def test_where_low_is_better_the_best_falls(drawn: Drawn, tmp_path: Path) -> None:
    loss = Trials(np.arange(3), np.array([0.5, 0.9, 0.1]), np.ones(3, bool), False, "log loss")
    figures.draw_history(loss, tmp_path / "a.png")
    assert drawn().axes[0].lines[0].get_ydata().tolist() == [0.5, 0.5, 0.1]
    assert loss.rank.tolist() == [0.5, 0.0, 1.0]


def test_slices_show_each_key_with_its_values(drawn: Drawn, tmp_path: Path) -> None:
    figures.draw_slices(TRIALS, SCALES, tmp_path / "a.png")
    assert [axes.get_xlabel() for axes in drawn().axes] == ["train.learning_rate", "augment.flip"]
    labels = [text.get_text() for text in drawn().axes[1].get_xticklabels()]
    assert labels == ["none", "$both$"]


def test_parallel_lines_are_whole_trials_and_the_best_is_the_darkest(drawn: Drawn, tmp_path: Path) -> None:
    figures.draw_parallel(TRIALS, SCALES, tmp_path / "a.png")
    (axes,) = drawn().axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [line.get_ydata().tolist() for line in lines] == [[0.0, 0.25, 0.0], [0.5, 0.25, 1.0]]
    assert lines[0].get_alpha() < lines[1].get_alpha()
    assert {"0.1", "$both$", "0.9"} <= {text.get_text() for text in axes.texts}


def test_importance_names_the_shares(drawn: Drawn, tmp_path: Path) -> None:
    figures.draw_importance(["train.learning_rate", "augment.flip"], [0.75, 0.25], tmp_path / "a.png")
    (axes,) = drawn().axes
    assert [text.get_text() for text in axes.texts] == ["75%", "25%"]


@pytest.mark.parametrize("n", [1, 2, 9])
def test_any_number_of_keys_fits(n: int, tmp_path: Path) -> None:
    scales = [Scale(f"train.a_rather_long_name_{i}", np.zeros(3), [(0, "1e-05")]) for i in range(n)]
    figures.draw_slices(TRIALS, scales, tmp_path / "a.png")
    figures.draw_parallel(TRIALS, scales, tmp_path / "b.png")
    figures.draw_importance([scale.name for scale in scales], [1 / n] * n, tmp_path / "c.png")
