"""Numbers and pictures -> PNG files. Drawn without pyplot's global state: the same input, the same bytes.

Text is drawn as it is ("$" in a class name is a dollar sign); the file names no software and no time.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.paths import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Uint8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]

_DPI = 100
_BLUE, _ORANGE, _GREY, _RED = "#2a6f97", "#e07a1f", "#6c757d", "#b3261e"
_NAME = 24  # characters of a class name before it is cut
_MAX_NUMBERED = 24  # classes of a confusion matrix whose cells carry numbers
_MAX_NAMED = 60  # classes whose names still fit on an axis
_TILE_IN = 1.15  # a picture on a sheet, inches
_GAP = 0.04  # between tiles, as a share of one
_CAPTION_IN, _MARGIN_IN = 0.36, 0.1
_TITLE_IN = 7.0  # the least width of a sheet: its title must fit


class ShortcutPanel(NamedTuple):
    """One audit as bars: a value (0..1) a fact, the most telling first, and lines to hold them against."""

    title: str
    names: Sequence[str]
    values: Sequence[float]
    accuracy: float
    chance: float


def curves(history: Sequence[Mapping[str, float]], *, best_epoch: int, path: Path) -> None:
    """Loss and accuracy by epoch, for training and validation; the best epoch is marked.

    Args:
        history: a row an epoch, each with epoch, loss, val_loss, accuracy and val_accuracy.
    """
    from matplotlib.ticker import MaxNLocator

    figure = _figure(10, 4)
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(history) < 3 else None
    for number, name in enumerate(("loss", "accuracy")):
        axes = figure.add_subplot(1, 2, number + 1)
        for column, color, label in ((name, _BLUE, "training"), (f"val_{name}", _ORANGE, "validation")):
            axes.plot(epochs, [row[column] for row in history], color=color, marker=marker, label=label)
        axes.axvline(best_epoch, color=_GREY, linestyle=":", label=f"best epoch ({best_epoch})")
        axes.set_xlabel("epoch")
        axes.set_title(name, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain(axes)
    axes.legend(frameon=False, loc="best")
    _save(figure, path)


def confusion(matrix: npt.NDArray[np.integer[Any]], class_names: Sequence[str], path: Path) -> None:
    """A confusion matrix [k, k]: rows the true class, columns the predicted, coloured by share of a row."""
    k = len(class_names)
    side = min(14.0, 3.4 + 0.45 * k)
    figure = _figure(side + 0.8, side)
    axes = figure.add_subplot()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if k <= _MAX_NUMBERED:
        _number_cells(axes, matrix, share)
    _name_ticks(axes, class_names, both=True)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    figure.colorbar(image, ax=axes, label="share of the actual class", shrink=0.8)
    _save(figure, path)


def class_bars(
    values: Floats, lows: Floats, highs: Floats, class_names: Sequence[str], *, what: str, path: Path
) -> None:
    """A horizontal bar a class (value in 0..1, nan: none) with its interval, the first class on top."""
    k = len(class_names)
    figure = _figure(7, min(40.0, 1.2 + 0.3 * k))
    axes = figure.add_subplot()
    at = np.arange(k)
    known = ~np.isnan(values)
    axes.barh(at, np.nan_to_num(values), color=_BLUE, height=0.7)
    reach = np.nan_to_num(np.vstack([values - lows, highs - values])).clip(min=0)
    axes.errorbar(values[known], at[known], xerr=reach[:, known], fmt="none", ecolor="black", capsize=2)
    axes.set_xlim(0, 1.12)
    axes.set_xticks(np.linspace(0, 1, 6))
    for i in np.flatnonzero(known):
        axes.text(max(highs[i], values[i]) + 0.015, float(i), f"{values[i]:.2f}", va="center", fontsize=8)
    axes.set_ylim(k - 0.4, -0.6)
    _name_ticks(axes, class_names, both=False)
    axes.set_xlabel(what)
    _plain(axes)
    _save(figure, path)


def shortcut_bars(panels: Sequence[ShortcutPanel], path: Path) -> None:
    """A panel an audit: how well each fact alone predicts the class, against all facts and chance."""
    n_bars = max(1, *(len(panel.names) for panel in panels))
    figure = _figure(5.2 * len(panels), 1.6 + 0.28 * n_bars)
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        at = np.arange(len(panel.names))
        axes.barh(at, panel.values, color=_BLUE, height=0.7)
        axes.axvline(panel.accuracy, color=_RED, label=f"all facts ({panel.accuracy:.2f})")
        axes.axvline(panel.chance, color=_GREY, linestyle=":", label=f"chance ({panel.chance:.2f})")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(n_bars - 0.4, -0.6)
        axes.set_yticks(at, panel.names, fontsize=9, parse_math=False)
        axes.set_xlabel("accuracy out of fold")
        axes.set_title(panel.title, loc="left", fontsize=11)
        axes.legend(frameon=False, loc="lower right", fontsize=8)
        _plain(axes)
    _save(figure, path)


def sheet(pictures: Uint8, captions: Sequence[str], *, title: str, path: Path, n_columns: int = 8) -> None:
    """Pictures [n, height, width, channels] in rows, each with a caption of one or two lines under it.

    With n = 0 the sheet is its title alone.
    """
    n = len(pictures)
    tile_h, tile_w, pitch = _TILE_IN * _aspect(pictures), _TILE_IN, _TILE_IN * (1 + _GAP)
    row_h = tile_h + _CAPTION_IN
    n_used = min(n_columns, n)
    figure = _figure(
        max(n_used * pitch + 2 * _MARGIN_IN, _TITLE_IN),
        0.55 + math.ceil(n / n_columns) * row_h,
        is_constrained=False,
    )
    width_in, height_in = figure.get_size_inches()
    figure.text(_MARGIN_IN / width_in, 1 - 0.3 / height_in, title, fontsize=11, parse_math=False)
    canvas = _canvas(figure)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = _MARGIN_IN + (i % n_columns) * pitch
        bottom = height_in - 0.45 - (i // n_columns) * row_h - tile_h
        _tile(canvas, picture, (left, bottom, tile_w, tile_h))
        at = ((left + tile_w / 2) / width_in, (bottom - 0.03) / height_in)
        figure.text(*at, caption, fontsize=6.5, ha="center", va="top", linespacing=1.05, parse_math=False)
    _save(figure, path)


def before_and_after(originals: Uint8, altered: npt.NDArray[np.uint8], *, title: str, path: Path) -> None:
    """A row a picture: the original on the left, its altered versions beside it.

    Args:
        originals: uint8 [n, height, width, channels], n at least 1.
        altered: uint8 [n, m, height, width, channels].
    """
    n, m = altered.shape[:2]
    tile_h, tile_w, pitch = _TILE_IN * _aspect(originals), _TILE_IN, _TILE_IN * (1 + _GAP)
    lefts = [_MARGIN_IN + column * pitch for column in (0.0, *(1.2 + i for i in range(m)))]
    row_h = tile_h + _GAP * _TILE_IN
    figure = _figure(lefts[-1] + tile_w + _MARGIN_IN, 0.7 + n * row_h + _MARGIN_IN, is_constrained=False)
    width_in, height_in = figure.get_size_inches()
    figure.text(lefts[0] / width_in, 1 - 0.28 / height_in, short(title, 60), fontsize=11, parse_math=False)
    for left, text in ((lefts[0], "original"), (lefts[1], "altered")):
        figure.text(left / width_in, 1 - 0.6 / height_in, text, fontsize=9)
    canvas = _canvas(figure)
    for row in range(n):
        bottom = height_in - 0.68 - row * row_h - tile_h
        for left, picture in zip(lefts, (originals[row], *altered[row]), strict=True):
            _tile(canvas, picture, (left, bottom, tile_w, tile_h))
    _save(figure, path)


def short(text: str, n_characters: int = _NAME) -> str:
    """Text on one line, cut in its middle to `n_characters`."""
    line = " ".join(text.split())
    if len(line) <= n_characters:
        return line
    half = (n_characters - 1) // 2
    return f"{line[: n_characters - 1 - half]}…{line[len(line) - half :]}"


def _figure(width_in: float, height_in: float, *, is_constrained: bool = True) -> "Figure":
    from matplotlib.figure import Figure

    return Figure((width_in, height_in), dpi=_DPI, layout="constrained" if is_constrained else None)


def _save(figure: "Figure", path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    with written_whole(path) as temporary, warnings.catch_warnings():
        # Letters that the font lacks become boxes: no reason to stop, or to fill the log.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _canvas(figure: "Figure") -> "Axes":
    """One invisible pair of axes over the whole figure, in inches: a pair a picture would take 10 ms each."""
    width_in, height_in = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width_in)
    axes.set_ylim(0, height_in)
    axes.set_axis_off()
    return axes


def _tile(axes: "Axes", picture: Uint8, box_in: tuple[float, float, float, float]) -> None:
    """Draw one picture on a canvas, into a box (left, bottom, width, height) in inches."""
    from matplotlib.image import AxesImage

    left, bottom, width, height = box_in
    image = AxesImage(
        axes,
        interpolation="nearest" if max(picture.shape) < _DPI * _TILE_IN else "antialiased",
        extent=(left, left + width, bottom, bottom + height),
        origin="upper",
    )
    image.set_data(picture.repeat(3, axis=-1) if picture.shape[-1] == 1 else picture)
    axes.add_image(image)


def _aspect(pictures: Uint8) -> float:
    """Height against width, within what a sheet can show."""
    return float(np.clip(pictures.shape[1] / pictures.shape[2], 0.4, 2.5))


def _number_cells(axes: "Axes", matrix: npt.NDArray[np.integer[Any]], share: Floats) -> None:
    size = 9 if matrix.max() < 1000 else 7
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=color, fontsize=size)


def _name_ticks(axes: "Axes", class_names: Sequence[str], *, both: bool) -> None:
    """Class names on the y axis, and on the x axis where `both`; every n-th where they would overlap."""
    step = math.ceil(len(class_names) / _MAX_NAMED) if both else 1
    at = range(0, len(class_names), step)
    labels = [short(class_names[i]) for i in at]
    size = 9 if len(at) <= _MAX_NUMBERED else 6
    axes.set_yticks(at, labels, fontsize=size, parse_math=False)
    if both:
        is_long = max(map(len, labels)) > 3
        turn: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
        axes.set_xticks(at, labels, fontsize=size, parse_math=False, **turn)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="both", alpha=0.25)
    axes.set_axisbelow(True)
