"""figures: every PNG is whole, of a readable size, and the same bytes each time."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import figures

ODD_NAMES = ["Photo", r"costs $\bad{$", "Schéma électrique, très longue description", "中文", "a\nb"]
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 16, 12, 3)).astype(np.uint8)
HISTORY = [
    {"epoch": e, "loss": 1 / e, "val_loss": 1.1 / e, "accuracy": 1 - 1 / e, "val_accuracy": 1 - 1.1 / e}
    for e in range(1, 8)
]
MANY = [f"class {i}" for i in range(70)]
F1 = np.array([0.9, 0.5, np.nan, 0.0, 1.0])


def bars(values: Any, names: list[str], path: Path) -> None:
    figures.class_bars(values, values - 0.1, np.minimum(values + 0.1, 1), names, what="F1", path=path)


def panels(names: list[str]) -> list[figures.ShortcutPanel]:
    values = list(np.linspace(0.9, 0.2, len(names)))
    return [figures.ShortcutPanel("files", names, values, 0.95, 0.2)] * 2


ALIKE = np.full(7, 8)
SIZES = np.geomspace(3, 30_000, 40).astype(int)


def boxes(k: int, empty: int = 0) -> Any:
    """Quantiles of k classes, the last `empty` without a picture."""
    quantiles = np.sort(np.random.default_rng(k).random((k, 5)), axis=1)
    quantiles[k - empty :] = np.nan
    return quantiles


def measures(names: list[str], path: Path, empty: int = 0) -> None:
    panels = [figures.BoxPanel("m", boxes(len(names), empty) * 300, is_log) for is_log in (False, True)] * 3
    figures.measure_boxes(panels[:-1], names, title="Measures", path=path)


def shares(names: list[str], path: Path, n: int = 1234) -> None:
    counts = np.tile([n, n // 2, 0], (len(names), 1))
    figures.class_shares(counts, names, ["train", "val", "test"], title="Classes", path=path)


CASES = [
    pytest.param(lambda path: shares(ODD_NAMES, path), 1000, id="classes"),
    pytest.param(lambda path: shares(["a", "b"], path, 0), 1000, id="two empty classes"),
    pytest.param(lambda path: shares(MANY * 2, path), 1000, id="140 classes"),
    pytest.param(
        lambda path: figures.size_map(SIZES, SIZES[::-1], boxes(5) * 300, ODD_NAMES, path), 1000, id="sizes"
    ),
    pytest.param(
        lambda path: figures.size_map(ALIKE, ALIKE, np.full((2, 5), 8.0), ["a", "b"], path),
        1000,
        id="one size",
    ),
    pytest.param(
        lambda path: figures.size_map(ALIKE[:0], ALIKE[:0], boxes(2, 2), ["a", "b"], path), 1000, id="no size"
    ),
    pytest.param(lambda path: measures(ODD_NAMES, path, 1), 1100, id="measures and a class without"),
    pytest.param(lambda path: measures(["a", "b"], path, 2), 1100, id="nothing measured"),
    pytest.param(lambda path: measures(MANY[:45], path), 1100, id="measures of 45 classes"),
    pytest.param(lambda path: figures.shortcut_bars(panels(ODD_NAMES), path), 900, id="shortcuts"),
    pytest.param(lambda path: figures.shortcut_bars(panels([]), path), 900, id="no shortcuts"),
    pytest.param(lambda path: figures.curves(HISTORY, best_epoch=6, path=path), 900, id="curves"),
    pytest.param(lambda path: figures.curves(HISTORY[:1], best_epoch=1, path=path), 900, id="one epoch"),
    pytest.param(
        lambda path: figures.confusion(np.eye(5, dtype=int) * 1234, ODD_NAMES, path), 500, id="confusion"
    ),
    pytest.param(
        lambda path: figures.confusion(np.zeros((2, 2), int), ["a", "b"], path), 400, id="nothing to confuse"
    ),
    pytest.param(lambda path: figures.confusion(np.eye(70, dtype=int), MANY, path), 1300, id="70 classes"),
    pytest.param(lambda path: bars(F1, ODD_NAMES, path), 600, id="bars"),
    pytest.param(lambda path: bars(np.full(70, 0.5), MANY, path), 600, id="70 bars"),
    pytest.param(
        lambda path: figures.sheet(PICTURES, ODD_NAMES, title=ODD_NAMES[1], path=path), 600, id="sheet"
    ),
    pytest.param(
        lambda path: figures.sheet(PICTURES[..., :1], ["x"] * 5, title="t", path=path), 600, id="grey sheet"
    ),
    pytest.param(lambda path: figures.sheet(PICTURES[:0], [], title="none", path=path), 600, id="no picture"),
    pytest.param(
        lambda path: figures.before_and_after(
            PICTURES, np.stack([PICTURES, PICTURES], 1), title=ODD_NAMES[1] * 9, path=path
        ),
        300,
        id="before and after",
    ),
]


@pytest.mark.parametrize(("draw", "min_width_px"), CASES)
def test_png(draw: Callable[[Path], None], min_width_px: int, tmp_path: Path) -> None:
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


def test_captions_and_pictures_must_match(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        figures.sheet(PICTURES, ["one"], title="t", path=tmp_path / "x.png")
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
def test_short(text: str, n_characters: int, expected: str) -> None:
    assert figures.short(text, n_characters) == expected
