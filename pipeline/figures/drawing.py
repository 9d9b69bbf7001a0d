"""What all figures share: how a figure is made, how classes are named on its axes, how it is saved.

Nothing uses pyplot's global state, so the same input gives the same bytes. Text is drawn as it is ("$" in a
class name is a dollar sign). The file names no software and no time. Only this package uses matplotlib.
"""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.storage import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

DPI = 100
BLUE, ORANGE, GREY, RED, TEAL = "#2a6f97", "#e07a1f", "#6c757d", "#b3261e", "#3a9d8f"
MAX_CLASSES = 100  # a figure shows no more
MANY_CLASSES = 40  # above so many, lines are thin
MAX_NUMBERED = 24  # classes of a confusion matrix whose cells carry numbers
_NAME = 24  # characters of a class name before it is cut
_MAX_NAMED = 60  # classes whose names still fit on an axis


def shorten(text: str, n_characters: int = _NAME) -> str:
    """Text on one line, cut in its middle to `n_characters`."""
    line = " ".join(text.split())
    if len(line) <= n_characters:
        return line
    half = (n_characters - 1) // 2
    return f"{line[: n_characters - 1 - half]}…{line[len(line) - half :]}"


def new_figure(width_in: float, height_in: float, *, is_constrained: bool = True) -> "Figure":
    """An empty figure at DPI; with `is_constrained`, matplotlib arranges its axes when it is saved."""
    from matplotlib.figure import Figure

    return Figure((width_in, height_in), dpi=DPI, layout="constrained" if is_constrained else None)


def save(figure: "Figure", path: Path, *, compress_level: int = 6) -> None:
    """Write a figure as a whole PNG file: the same figure gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    drawn = io.BytesIO()  # so that an error of the disk is not one of matplotlib
    with warnings.catch_warnings():
        # Letters that the font lacks become boxes. That is no reason to stop, or to fill the log.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            drawn,
            format="png",
            metadata={"Software": None},
            pil_kwargs={"compress_level": compress_level},
        )
    with write_whole(path) as temporary:
        temporary.write_bytes(drawn.getbuffer())


def name_ticks(
    axes: "Axes", class_names: Sequence[str], *, both: bool, n_of_class: Ints | None = None
) -> None:
    """Class names on the y axis, and on the x axis where `both`; every n-th where they would overlap.

    Args:
        n_of_class: the number of pictures of each class, which the y axis then states: "8 (n=27)".
    """
    step = math.ceil(len(class_names) / _MAX_NAMED) if both else 1
    at = range(0, len(class_names), step)
    labels = [shorten(class_names[i]) for i in at]
    size = 9 if len(at) <= MAX_NUMBERED else 6
    rows = labels if n_of_class is None else [f"{shorten(class_names[i])} (n={n_of_class[i]:,})" for i in at]
    axes.set_yticks(at, rows, fontsize=size, parse_math=False)
    if both:
        is_long = max(map(len, labels)) > 3
        turn: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
        axes.set_xticks(at, labels, fontsize=size, parse_math=False, **turn)


def simplify_axes(axes: "Axes") -> None:
    """Remove the upper and the right frame line, and draw a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="both", alpha=0.25)
    axes.set_axisbelow(True)


def choose_classes(score: Floats | Ints) -> list[int]:
    """At most MAX_CLASSES classes to show, in their order: the highest scores, the first of equals."""
    best = np.argsort(-np.asarray(score, dtype=float), kind="stable")[:MAX_CLASSES]
    return sorted(int(i) for i in best)
