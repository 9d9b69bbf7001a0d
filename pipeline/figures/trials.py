"""What a search tried, as pictures: its history, what mattered, each key by itself, all keys together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import BLUE, GREY, ORANGE, new_figure, save, shorten, simplify_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]

_A_ROW = 3  # slices beside each other


@dataclass(frozen=True)
class Scale:
    """One key of a search as an axis.

    Attributes:
        position: of each trial's value, from 0 to 1 [n_trials].
        ticks: positions on the axis, and what is written there.
    """

    name: str
    position: Floats
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Trials:
    """The trials that have a value.

    Attributes:
        number: in the study [n].
        value: of each; of one that was ended early, its last [n].
        is_whole: whether it was not ended early [n].
        is_better_high: whether a larger value is better.
        metric: what the value is.
    """

    number: npt.NDArray[np.integer[Any]]
    value: Floats
    is_whole: Flags
    is_better_high: bool
    metric: str

    @property
    def rank(self) -> Floats:
        """0 for the worst value and 1 for the best [n]."""
        values = self.value if self.is_better_high else -self.value
        place = np.searchsorted(np.unique(values), values)  # equal values are equally good
        rank: Floats = place / max(int(place.max()), 1)
        return rank


def draw_history(trials: Trials, path: Path) -> None:
    """Draw the value of each trial, in their order, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8, 4)
    axes = figure.add_subplot()
    _scatter(axes, trials.number, trials)
    whole = trials.value[trials.is_whole]
    best = (np.maximum if trials.is_better_high else np.minimum).accumulate(whole)
    axes.step(trials.number[trials.is_whole], best, where="post", color=ORANGE, label="best so far")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(trials.metric)
    axes.set_title(f"{len(trials.value):,} trials", loc="left")
    axes.legend(frameon=False, loc="best")
    save(figure, path)


def draw_importance(names: Sequence[str], shares: Sequence[float], path: Path) -> None:
    """Draw how much of the values' spread each key explains, the most first."""
    figure = new_figure(8, 1.2 + 0.35 * len(names))
    axes = figure.add_subplot()
    bars = axes.barh(range(len(names)), shares, color=BLUE)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=3)
    axes.set_yticks(range(len(names)), [shorten(name, 40) for name in names], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, max(*shares, 0.01) * 1.12)
    axes.set_xlabel("share of importance")
    axes.set_title("What mattered", loc="left")
    simplify_axes(axes)
    save(figure, path)


def draw_slices(trials: Trials, scales: Sequence[Scale], path: Path) -> None:
    """Draw the value against each key by itself."""
    n_columns = min(_A_ROW, len(scales))
    n_rows = -(-len(scales) // n_columns)
    figure = new_figure(3.4 * n_columns + 0.6, 3 * n_rows + 0.4)
    first = None
    for number, scale in enumerate(scales):
        axes = figure.add_subplot(n_rows, n_columns, number + 1, sharey=first)
        first = first or axes
        _scatter(axes, scale.position, trials)
        axes.set_xticks([at for at, _ in scale.ticks], [text for _, text in scale.ticks], parse_math=False)
        axes.set_xlim(-0.06, 1.06)
        axes.set_xlabel(shorten(scale.name, 40), parse_math=False)
        if number % n_columns == 0:
            axes.set_ylabel(trials.metric)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside upper left", ncols=2)
    save(figure, path)


def draw_parallel(trials: Trials, scales: Sequence[Scale], path: Path) -> None:
    """Draw each whole trial as a line through all keys; the better, the darker."""
    figure = new_figure(max(6.0, 1.7 * (len(scales) + 1)), 4.4)
    axes = figure.add_subplot()
    whole = trials.value[trials.is_whole]
    low, high = float(whole.min()), float(whole.max())
    ends = (
        [(at, f"{low + at * (high - low):.4g}") for at in (0, 0.5, 1)]
        if high > low
        else [(0.5, f"{low:.4g}")]
    )
    span = (trials.value - low) / (high - low) if high > low else np.full(len(trials.value), 0.5)
    columns = [*scales, Scale(trials.metric, span, ends)]
    lines = np.array([scale.position for scale in columns]).T
    for place in np.argsort(trials.rank, kind="stable"):
        if trials.is_whole[place]:
            strength = float(trials.rank[place])
            axes.plot(lines[place], color=BLUE, alpha=0.1 + 0.9 * strength**2, lw=0.8 + 1.4 * strength**4)
    for x, column in enumerate(columns):
        axes.axvline(x, color=GREY, lw=0.8)
        for at, text in column.ticks:
            axes.text(x + 0.03, at, text, fontsize=8, va="center", parse_math=False, bbox=_PAPER)
    axes.set_xticks(range(len(columns)), [_break(column.name) for column in columns], parse_math=False)
    axes.set_yticks([])
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlim(-0.1, len(columns) - 0.6)
    axes.spines[:].set_visible(False)
    axes.set_title("Whole trials; the darker, the better", loc="left")
    save(figure, path)


_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}


def _break(name: str) -> str:
    """A key on two lines: the section, then its name."""
    section, dot, rest = name.partition(".")
    return f"{section}{dot}\n{shorten(rest)}" if dot else section


def _scatter(axes: "Axes", x: Any, trials: Trials) -> None:
    whole, early = trials.is_whole, ~trials.is_whole
    axes.scatter(x[whole], trials.value[whole], color=BLUE, s=22, label="whole", zorder=3)
    if early.any():
        axes.scatter(
            x[early],
            trials.value[early],
            s=18,
            facecolors="none",
            edgecolors=GREY,
            label="ended early",
            zorder=2,
        )
    simplify_axes(axes)
