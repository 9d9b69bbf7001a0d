"""Figures: what is drawn on each; every PNG is whole, of a readable size, and the same bytes each time."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.figures.before_and_after import draw_before_and_after
from pipeline.figures.boxes import BoxPanel
from pipeline.figures.class_bars import draw_class_bars
from pipeline.figures.class_shares import draw_class_shares
from pipeline.figures.confusion import draw_confusion
from pipeline.figures.curves import draw_curves
from pipeline.figures.drawing import shorten
from pipeline.figures.measures import draw_measures
from pipeline.figures.pairs import TILE_PX, draw_pictures_in_pairs
from pipeline.figures.score_dots import draw_score_dots
from pipeline.figures.sheets import draw_sheet
from pipeline.figures.shortcut_bars import ShortcutPanel, draw_shortcut_bars
from pipeline.figures.sizes import draw_sizes, say_one_size

Check = Callable[[Figure], None]
ODD_NAMES = ["Photo", r"costs $\bad{$", "Schéma électrique, très longue description", "中文", "a\nb"]
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 16, 12, 3)).astype(np.uint8)
ALTERED = np.stack([255 - PICTURES, PICTURES[:, ::-1]], axis=1)
HISTORY = [
    {"epoch": e, "loss": 1 / e, "val_loss": 1.1 / e, "accuracy": 1 - 1 / e, "val_accuracy": 1 - 1.1 / e}
    for e in range(1, 8)
]
MANY = [f"class {i}" for i in range(70)]
F1 = np.array([0.9, 0.5, np.nan, 0.0, 1.0])
SIZES = np.geomspace(3, 30_000, 40).astype(int)
PARTS = ["train", "val", "test"]


def draw_bars(values: Any, names: list[str], path: Path) -> None:
    bars = (values, values - 0.1, np.minimum(values + 0.1, 1))
    n_of_class = np.arange(len(names)) * 1000
    draw_class_bars(bars, names, n_of_class=n_of_class, title="F1 of every class", what="F1", path=path)


def draw_facts(names: list[str], path: Path) -> None:
    panel = ShortcutPanel("files", names, rank_facts(names), 0.95, 0.2)
    draw_shortcut_bars([panel, panel._replace(title="pictures", accuracy=0.5)], path)


def rank_facts(names: list[str]) -> list[float]:
    return [float(value) for value in np.linspace(0.9, 0.2, len(names))]


def make_boxes(k: int, empty: int = 0) -> Any:
    """Quantiles of k classes, the last `empty` without a picture."""
    quantiles = np.sort(np.random.default_rng(k).random((k, 5)), axis=1)
    quantiles[k - empty :] = np.nan
    return quantiles


def make_panels(k: int, empty: int = 0) -> list[BoxPanel]:
    return [BoxPanel(f"m{i}", make_boxes(k, empty) * (300 + i), i % 2 == 1) for i in range(5)]


def draw_panels(names: list[str], path: Path, empty: int = 0) -> None:
    draw_measures(make_panels(len(names), empty), names, title="Measures", path=path)


def draw_shares(names: list[str], path: Path, n: int = 1234) -> None:
    counts = np.tile([n, n // 2, 0], (len(names), 1))
    draw_class_shares(counts, names, PARTS, title="Classes", path=path)


# --- what an artist says ---


def read_texts(drawn: Axes | Figure) -> list[str]:
    return [text.get_text() for text in drawn.texts]


def read_labels(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def read_legend(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def read_bars(axes: Axes) -> Any:
    """A row a horizontal bar, in the order of drawing: its middle, where it begins, how long it is."""
    bars: list[Any] = list(axes.patches)
    return np.array([(bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_width()) for bar in bars])


def read_lines(axes: Axes) -> list[tuple[list[float], list[float]]]:
    drawn: list[Any] = [line.get_data() for line in axes.lines]
    return [([float(at) for at in x], [float(at) for at in y]) for x, y in drawn]


def read_segments(axes: Axes) -> list[Any]:
    """Of each collection of lines, [n, 2 ends, x and y]."""
    found: list[Any] = list(axes.collections)
    return [np.array(lines.get_segments()).reshape(-1, 2, 2) for lines in found]


def read_tiles(canvas: Axes) -> list[tuple[Any, tuple[float, ...]]]:
    """The pictures on a canvas, each with its box: left, right, bottom, top in inches."""
    found: list[Any] = list(canvas.images)
    return [(np.asarray(image.get_array()), tuple(image.get_extent())) for image in found]


def erase(figure: Figure) -> None:
    """Take all bars, lines, boxes and pictures away; axes, names and words stay."""
    for axes in figure.axes:
        for artist in (*axes.patches, *axes.lines, *axes.collections, *axes.images):
            artist.remove()


# --- what must be drawn ---


def expect_first_on_top(axes: Axes, names: Sequence[str], n_of_class: Sequence[int] | None = None) -> None:
    """The names, and how many pictures they have, are beside the rows of the axes, which begin at its top."""
    counts = [""] * len(names) if n_of_class is None else [f" (n={n:,})" for n in n_of_class]
    said = [f"{shorten(name)}{count}" for name, count in zip(names, counts, strict=True)]
    assert read_labels(axes.yaxis) == said
    assert [float(at) for at in axes.get_yticks()] == list(range(len(names)))
    assert axes.yaxis_inverted()


def expect_shares(names: list[str], n: int = 1234, title: str = "Classes") -> Check:
    def check(figure: Figure) -> None:
        assert figure.get_suptitle() == title
        bars, words = figure.axes
        expect_first_on_top(bars, names)
        assert read_legend(bars) == PARTS
        k, row = len(names), [n, n // 2, 0]
        drawn = read_bars(bars)
        assert len(drawn) == 3 * k
        for part, (left, length) in enumerate(zip([0, n, n + n // 2], row, strict=True)):
            expected = [(at, left, length) for at in range(k)]
            assert drawn[part * k : (part + 1) * k] == pytest.approx(np.array(expected, dtype=float))
        lines: dict[float, list[str]] = {}
        for text in words.texts:
            lines.setdefault(float(text.get_position()[1]), []).append(text.get_text())
        assert lines.pop(-2.0) == ["pictures", *PARTS]
        n_all, said = sum(row), [f"{part:,} ({part / max(sum(row), 1):.1%})" for part in row]
        assert lines.pop(-1.0)[0].endswith(" in all")
        assert lines == {float(at): [f"{n_all:,}", *said] for at in range(k)}

    return check


def expect_boxes(axes: Axes, quantiles: Any) -> None:
    """A line from 5 % to 95 %, a box of the middle half, and the median; "none" in a row without values."""
    known = [at for at, row in enumerate(quantiles) if not np.isnan(row).any()]
    assert len(axes.collections) >= 3
    whole, half, median = read_segments(axes)[:3]
    for lines, low, high in ((whole, 0, 4), (half, 1, 3)):
        expected = [[(quantiles[at][low], at), (quantiles[at][high], at)] for at in known]
        assert lines == pytest.approx(np.array(expected).reshape(-1, 2, 2))
    reach = median[0, 1, 1] - known[0] if known else 0.0
    assert 0.1 < reach < 0.4 or not known
    middles = [[(quantiles[at][2], at - reach), (quantiles[at][2], at + reach)] for at in known]
    assert median == pytest.approx(np.array(middles).reshape(-1, 2, 2))
    missing = sorted(set(range(len(quantiles))) - set(known))
    assert [(text.get_text(), text.get_position()[1]) for text in axes.texts] == [
        ("none", i) for i in missing
    ]
    assert axes.yaxis_inverted()


def expect_sizes(width_px: Any, height_px: Any, quantiles: Any, names: list[str]) -> Check:
    def check(figure: Figure) -> None:
        assert figure.get_suptitle().startswith(f"Sizes of {len(width_px):,} images (box: ")
        both, boxes = figure.axes[:2]
        assert len(both.collections) == 1
        mesh: Any = both.collections[0]
        x, y = mesh.get_coordinates()[0, :, 0], mesh.get_coordinates()[:, 0, 1]
        counted = np.ma.filled(mesh.get_array(), 0)
        assert counted.sum() == len(width_px)
        assert (counted == np.histogram2d(width_px, height_px, bins=(x, y))[0].T).all()
        assert len(both.lines) == 1
        line_x, line_y = read_lines(both)[0]
        assert line_x == line_y == pytest.approx([x[0], x[-1]])
        assert both.get_xlabel() == "width, pixels (dotted: square)"
        assert both.get_ylabel() == "height, pixels"
        assert {both.get_xscale(), both.get_yscale(), boxes.get_xscale()} == {"log"}
        assert boxes.get_title(loc="left") == "longer side, pixels"
        expect_boxes(boxes, np.maximum(quantiles, 1))
        assert read_labels(boxes.yaxis) == [shorten(name) for name in names]

    return check


def expect_measures(names: list[str], empty: int = 0) -> Check:
    def check(figure: Figure) -> None:
        assert figure.get_suptitle().startswith("Measures (box: middle half; orange: median; ")
        assert [axes.axison for axes in figure.axes] == [True] * 5 + [False]
        for number, panel in enumerate(make_panels(len(names), empty)):
            axes = figure.axes[number]
            assert axes.get_title(loc="left") == f"m{number}"
            assert axes.get_xscale() == ("log" if panel.is_log else "linear")
            expect_boxes(axes, np.maximum(panel.quantiles, 1) if panel.is_log else panel.quantiles)
            is_first = number in (0, 3)
            assert read_labels(axes.yaxis) == ([shorten(name) for name in names] if is_first else [])

    return check


def expect_facts(names: list[str]) -> Check:
    def check(figure: Figure) -> None:
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["files", "pictures"]
        for axes, accuracy in zip(figure.axes, (0.95, 0.5), strict=True):
            expected = [(at, 0, value) for at, value in enumerate(rank_facts(names))]
            assert read_bars(axes).reshape(-1, 3) == pytest.approx(np.array(expected).reshape(-1, 3))
            assert [x for x, _ in read_lines(axes)] == [[accuracy, accuracy], [0.2, 0.2]]
            assert read_legend(axes) == [f"all facts ({accuracy:.2f})", "chance (0.20)"]
            assert read_labels(axes.yaxis) == names
            assert axes.yaxis_inverted()

    return check


def expect_curves(history: list[dict[str, float]], best_epoch: int) -> Check:
    def check(figure: Figure) -> None:
        epochs = [row["epoch"] for row in history]
        n = len(history)
        assert figure.get_suptitle() == ("Training: 1 epoch" if n == 1 else f"Training: {n} epochs")
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "accuracy"]
        for axes, name in zip(figure.axes, ("loss", "accuracy"), strict=True):
            assert len(axes.lines) == 3
            *curves, best = read_lines(axes)
            assert curves == [(epochs, [row[column] for row in history]) for column in (name, f"val_{name}")]
            assert best[0] == [best_epoch, best_epoch]
            # A line through one point shows nothing without a mark on it.
            assert {line.get_marker() for line in axes.lines[:2]} == {"o" if len(history) < 3 else "None"}
            assert axes.get_xlabel() == "epoch"
        assert read_legend(figure.axes[1]) == ["training", "validation", f"best epoch ({best_epoch})"]

    return check


def expect_confusion(matrix: Any, names: list[str], *, is_numbered: bool = True) -> Check:
    def check(figure: Figure) -> None:
        axes = figure.axes[0]
        assert len(axes.images) == 1
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        assert np.asarray(axes.images[0].get_array()) == pytest.approx(share)
        said = {(*text.get_position()[::-1], text.get_text()) for text in axes.texts}
        cells = zip(*np.nonzero(matrix), strict=True)
        assert said == ({(i, j, str(matrix[i, j])) for i, j in cells} if is_numbered else set())
        # Of more than 60 names every second fits.
        step = 1 + (len(names) > 60)
        shown = [shorten(name) for name in names[::step]]
        assert read_labels(axes.xaxis) == shown
        support = [f"{n:,}" for n in matrix.sum(axis=1)[::step]]
        rows = [f"{name} (n={n})" for name, n in zip(shown, support, strict=True)]
        assert read_labels(axes.yaxis) == rows
        n, right = matrix.sum(), np.trace(matrix)
        title = f"Answers to {n:,} test pictures: {right:,} right, {n - right:,} wrong"
        assert figure.get_suptitle() == title
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "actual")
        assert figure.axes[1].get_ylabel() == "share of the actual class"

    return check


def expect_bars(values: Any, names: list[str]) -> Check:
    def check(figure: Figure) -> None:
        (axes,) = figure.axes
        expect_first_on_top(axes, names, [1000 * at for at in range(len(names))])
        assert figure.get_suptitle() == "F1 of every class"
        expected = [(at, 0, value) for at, value in enumerate(np.nan_to_num(values))]
        assert len(axes.patches) == len(names)
        assert read_bars(axes) == pytest.approx(np.array(expected))
        known = np.flatnonzero(~np.isnan(values))
        lows, highs = values - 0.1, np.minimum(values + 0.1, 1)
        (reach,) = read_segments(axes)
        assert reach == pytest.approx(np.array([[(lows[at], at), (highs[at], at)] for at in known]))
        assert read_texts(axes) == [f"{values[at]:.2f}" for at in known]
        assert axes.get_xlabel() == "F1"

    return check


def expect_sheet(pictures: Any, captions: list[str], title: str) -> Check:
    def check(figure: Figure) -> None:
        assert read_texts(figure) == [title, *captions]
        (canvas,) = figure.axes
        colour = np.broadcast_to(pictures, (*pictures.shape[:3], 3))
        expect_tiles(figure, list(colour))
        lefts = [box[0] for _, box in read_tiles(canvas)]
        assert lefts == sorted(lefts)
        assert [len(frames.get_paths()) for frames in canvas.collections] == [len(pictures)]

    return check


def expect_tiles(figure: Figure, pictures: list[Any]) -> None:
    """The pictures are on the figure's canvas, in this order, none over another or over the edge."""
    (canvas,) = figure.axes
    drawn = read_tiles(canvas)
    assert len(drawn) == len(pictures)
    assert all((tile == picture).all() for (tile, _), picture in zip(drawn, pictures, strict=True))
    width_in, height_in = figure.get_size_inches()
    boxes = [box for _, box in drawn]
    assert all(
        0 <= left < right <= width_in and 0 <= low < high <= height_in for left, right, low, high in boxes
    )
    for at, (left, right, low, high) in enumerate(boxes):
        assert all(right <= b[0] or b[1] <= left or high <= b[2] or b[3] <= low for b in boxes[:at])


def draw_two_pairs(path: Path, n: int = 3) -> None:
    names = [f"Schéma $1$/{i} {'scan0' * 20}.jpg" for i in range(2 * n)]
    pictures = make_squares(2 * n)
    draw_pictures_in_pairs(pictures, names, [f"{i} bits" for i in range(n)], title="Pairs", path=path)


def make_squares(n: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, TILE_PX, TILE_PX, 3)).astype(np.uint8)


def expect_pairs(n: int) -> Check:
    def check(figure: Figure) -> None:
        said = read_texts(figure)
        assert said[0] == "Pairs"
        assert said[1::3] == [f"{i} bits" for i in range(n)]
        if n:
            expect_tiles(figure, list(make_squares(2 * n)))
            expect_names_apart(figure)
        assert len(figure.axes[0].collections) == 1

    return check


def expect_names_apart(figure: Figure) -> None:
    """No name reaches into the next one, or over the edge."""
    FigureCanvasAgg(figure)
    boxes = [text.get_window_extent() for text in figure.texts]
    assert not any(a.overlaps(b) for at, a in enumerate(boxes) for b in boxes[:at])
    assert max(box.x1 for box in boxes) <= figure.bbox.x1


def expect_before_and_after(title: str) -> Check:
    def check(figure: Figure) -> None:
        assert read_texts(figure) == [shorten(title, 60), "original", "altered"]
        rows = zip(PICTURES, ALTERED, strict=True)
        expect_tiles(figure, [tile for original, altered in rows for tile in (original, *altered)])
        boxes = [box for _, box in read_tiles(figure.axes[0])]
        assert len({box[0] for box in boxes[::3]}) == 1, "originals are in one column"
        assert all(boxes[at][2:] == boxes[at + 1][2:] == boxes[at + 2][2:] for at in range(0, len(boxes), 3))
        tops = [box[3] for box in boxes[::3]]
        assert tops == sorted(tops, reverse=True)

    return check


def draw_dots(values: Any, names: list[str], path: Path, line: float = 0.95) -> None:
    """Every second row is of the second kind; the third kind does not occur."""
    draw_score_dots(
        (values, values - 0.1, values + 0.05),
        names,
        words=[f"{value:.2f}" for value in values],
        kinds=["odd" if at % 2 else "even" for at in range(len(names))],
        colours={"even": "blue", "odd": "red", "none": "green"},
        line=line,
        title=ODD_NAMES[1],
        what="score",
        path=path,
    )


def expect_dots(values: Any, names: list[str]) -> Check:
    def check(figure: Figure) -> None:
        (axes,) = figure.axes
        assert figure.get_suptitle() == ODD_NAMES[1]
        assert read_labels(axes.yaxis) == [shorten(name, 44) for name in names]
        assert axes.yaxis_inverted()
        assert read_texts(axes) == [f"{value:.2f}" for value in values]
        known = np.flatnonzero(~np.isnan(values))
        ends = [[(values[at] - 0.1, at), (values[at] + 0.05, at)] for at in known]
        assert axes.collections
        drawn = sorted(np.concatenate(read_segments(axes)).tolist(), key=lambda one: one[0][1])
        assert np.array(drawn) == pytest.approx(np.array(ends))
        assert axes.lines[-1].get_linestyle() == ":"
        assert read_lines(axes)[-1][0] == [0.95, 0.95]
        low, high = axes.get_xlim()
        assert low < np.nanmin(values) - 0.1
        assert high > np.nanmax(values) + 0.05
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == ["even", "odd"]

    return check


LONG = ODD_NAMES[1] * 9
CASES = [
    pytest.param(lambda path: draw_shares(ODD_NAMES, path), 1000, expect_shares(ODD_NAMES), id="classes"),
    pytest.param(
        lambda path: draw_shares(["a", "b"], path, 0),
        1000,
        expect_shares(["a", "b"], 0),
        id="two empty classes",
    ),
    pytest.param(
        lambda path: draw_shares(MANY * 2, path),
        1000,
        expect_shares((MANY * 2)[:100], title="Classes (the 100 smallest of 140 classes)"),
        id="140 classes",
    ),
    pytest.param(
        lambda path: draw_sizes(SIZES, SIZES[::-1], make_boxes(5) * 300, ODD_NAMES, path),
        1000,
        expect_sizes(SIZES, SIZES[::-1], make_boxes(5) * 300, ODD_NAMES),
        id="sizes",
    ),
    pytest.param(
        lambda path: draw_panels(ODD_NAMES, path, 1),
        1100,
        expect_measures(ODD_NAMES, 1),
        id="measures and a class without",
    ),
    pytest.param(
        lambda path: draw_panels(["a", "b"], path, 2),
        1100,
        expect_measures(["a", "b"], 2),
        id="nothing measured",
    ),
    pytest.param(
        lambda path: draw_panels(MANY[:45], path),
        1100,
        expect_measures(MANY[:45]),
        id="measures of 45 classes",
    ),
    pytest.param(lambda path: draw_facts(ODD_NAMES, path), 900, expect_facts(ODD_NAMES), id="shortcuts"),
    pytest.param(lambda path: draw_facts([], path), 900, expect_facts([]), id="no shortcuts"),
    pytest.param(
        lambda path: draw_curves(HISTORY, best_epoch=6, path=path),
        900,
        expect_curves(HISTORY, 6),
        id="curves",
    ),
    pytest.param(
        lambda path: draw_curves(HISTORY[:1], best_epoch=1, path=path),
        900,
        expect_curves(HISTORY[:1], 1),
        id="one epoch",
    ),
    pytest.param(
        lambda path: draw_confusion(np.eye(5, dtype=int) * 1234, ODD_NAMES, path),
        500,
        expect_confusion(np.eye(5, dtype=int) * 1234, ODD_NAMES),
        id="confusion",
    ),
    pytest.param(
        lambda path: draw_confusion(np.zeros((2, 2), int), ["a", "b"], path),
        400,
        expect_confusion(np.zeros((2, 2), int), ["a", "b"]),
        id="nothing to confuse",
    ),
    pytest.param(
        lambda path: draw_confusion(np.eye(70, dtype=int), MANY, path),
        1300,
        expect_confusion(np.eye(70, dtype=int), MANY, is_numbered=False),
        id="70 classes",
    ),
    pytest.param(lambda path: draw_bars(F1, ODD_NAMES, path), 600, expect_bars(F1, ODD_NAMES), id="bars"),
    pytest.param(
        lambda path: draw_bars(np.full(70, 0.5), MANY, path),
        600,
        expect_bars(np.full(70, 0.5), MANY),
        id="70 bars",
    ),
    pytest.param(lambda path: draw_dots(F1, ODD_NAMES, path), 650, expect_dots(F1, ODD_NAMES), id="dots"),
    pytest.param(
        lambda path: draw_dots(np.linspace(0.9, 0.4, 30), [LONG] * 30, path),
        900,
        expect_dots(np.linspace(0.9, 0.4, 30), [LONG] * 30),
        id="30 dots",
    ),
    pytest.param(
        lambda path: draw_sheet(PICTURES, ODD_NAMES, title=ODD_NAMES[1], path=path),
        600,
        expect_sheet(PICTURES, ODD_NAMES, ODD_NAMES[1]),
        id="sheet",
    ),
    pytest.param(
        lambda path: draw_sheet(PICTURES[..., :1], ["x"] * 5, title="t", path=path),
        600,
        expect_sheet(PICTURES[..., :1], ["x"] * 5, "t"),
        id="grey sheet",
    ),
    pytest.param(
        lambda path: draw_sheet(PICTURES[:0], [], title="none", path=path),
        600,
        expect_sheet(PICTURES[:0], [], "none"),
        id="no picture",
    ),
    pytest.param(draw_two_pairs, 800, expect_pairs(3), id="pairs"),
    pytest.param(lambda path: draw_two_pairs(path, 0), 700, expect_pairs(0), id="no pair"),
    pytest.param(
        lambda path: draw_before_and_after(PICTURES, ALTERED, title=LONG, path=path),
        300,
        expect_before_and_after(LONG),
        id="before and after",
    ),
]


@pytest.mark.parametrize(("draw", "min_width_px", "check"), CASES)
def test_png(
    draw: Callable[[Path], None], min_width_px: int, check: Check, saved: list[Figure], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "figure.png"
    draw(path)
    first = path.read_bytes()
    draw(path)
    assert path.read_bytes() == first
    assert first.startswith(b"\x89PNG")
    assert first.endswith(b"IEND\xaeB`\x82")
    assert b"Software" not in first
    width, height = struct.unpack(">II", first[16:24])
    assert width >= min_width_px
    assert 50 <= height <= 3000
    assert [p.name for p in path.parent.iterdir()] == ["figure.png"]
    assert len(saved) == 2
    check(saved[0])
    erase(saved[0])
    with pytest.raises(AssertionError):
        check(saved[0])


@pytest.mark.parametrize(
    ("draw", "check"),
    [
        pytest.param(lambda path: draw_bars(F1, ODD_NAMES, path), expect_bars(F1, ODD_NAMES), id="bars"),
        pytest.param(
            lambda path: draw_before_and_after(PICTURES, ALTERED, title="t", path=path),
            expect_before_and_after("t"),
            id="before and after",
        ),
    ],
)
def test_a_blank_figure_is_noticed(
    draw: Callable[[Path], None],
    check: Check,
    saved: list[Figure],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The same code with what draws bars and tiles taken out."""
    draw(tmp_path / "whole.png")
    check(saved[-1])
    with monkeypatch.context() as patch:
        patch.setattr(Axes, "barh", lambda *_, **__: None)
        patch.setattr(Axes, "add_image", lambda *_: None)
        draw(tmp_path / "blank.png")
    with pytest.raises(AssertionError):
        check(saved[-1])


@pytest.mark.parametrize(
    ("n", "sentence"),
    [
        pytest.param(0, "There is no image whose size could be drawn.", id="none"),
        pytest.param(1, "The only image is 8 x 9 pixels (width x height).", id="one"),
        pytest.param(1797, "All 1,797 images are 8 x 9 pixels (width x height).", id="all alike"),
    ],
)
def test_one_size_is_a_sentence(n: int, sentence: str, saved: list[Figure], tmp_path: Path) -> None:
    sizes = np.full(n, 8), np.full(n, 9)
    draw_sizes(*sizes, np.full((2, 5), 8.0), ["a", "b"], tmp_path / "x.png")
    assert read_texts(saved[0]) == [sentence]
    assert saved[0].axes == []
    assert say_one_size(*sizes) == sentence
    assert say_one_size(np.array([8, 8]), np.array([9, 8])) == ""


def test_a_sheet_has_rows(saved: list[Figure], tmp_path: Path) -> None:
    draw_sheet(PICTURES, list("abcde"), title="t", path=tmp_path / "x.png", n_columns=3)
    expect_tiles(saved[0], list(PICTURES))
    boxes = [box for _, box in read_tiles(saved[0].axes[0])]
    tops = [box[3] for box in boxes]
    assert tops[0] == tops[1] == tops[2] > tops[3] == tops[4]
    assert [box[0] for box in boxes[3:]] == [box[0] for box in boxes[:2]]


def test_captions_that_are_all_empty_take_no_room(saved: list[Figure], tmp_path: Path) -> None:
    for captions in (["a", *[""] * 4], [""] * 5):
        draw_sheet(PICTURES, captions, title="t", path=tmp_path / "x.png", n_columns=3)
    assert saved[1].get_size_inches()[1] < saved[0].get_size_inches()[1]
    tops = [box[3] for _, box in read_tiles(saved[1].axes[0])]
    bottoms = [box[2] for _, box in read_tiles(saved[1].axes[0])]
    assert 0 < bottoms[0] - tops[3] < 0.1


def test_the_smallest_of_very_many_classes_are_shown(saved: list[Figure], tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(120)]
    counts = np.arange(120, 0, -1)[:, None] * np.array([2, 1, 1])
    draw_class_shares(counts, names, PARTS, title="Classes", path=tmp_path / "x.png")
    assert read_labels(saved[0].axes[0].yaxis) == names[20:]


def test_captions_and_pictures_must_match(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        draw_sheet(PICTURES, ["one"], title="t", path=tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "n_characters", "expected"),
    [
        pytest.param("Photo", 24, "Photo", id="short enough"),
        pytest.param("abcdefghij", 10, "abcdefghij", id="just enough"),
        pytest.param("abcdefghijk", 10, "abcde…hijk", id="cut in the middle"),
        pytest.param(" two\n lines ", 24, "two lines", id="one line"),
    ],
)
def test_shorten(text: str, n_characters: int, expected: str) -> None:
    assert shorten(text, n_characters) == expected


def test_dots_without_a_value_or_a_row_are_drawn_all_the_same(saved: list[Figure], tmp_path: Path) -> None:
    draw_dots(np.full(2, np.nan), ["a", "b"], tmp_path / "x.png", line=np.nan)
    assert read_texts(saved[0].axes[0]) == ["nan", "nan"]
    assert saved[0].legends == []
    draw_dots(np.zeros(0), [], tmp_path / "x.png", line=0.0)
    assert read_texts(saved[1].axes[0]) == []
