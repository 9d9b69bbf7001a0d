"""Effects as files: numbers in full, and a figure without what was not trained."""

import csv
import struct
from pathlib import Path

from pipeline.evidence.intervals import Interval
from pipeline.search.effects import Effect
from pipeline.search.effects_files import draw_effects, write_effects

BASE = Effect("none: as it is", "", 0.75, learnt=0.8)
EFFECTS = [
    Effect("augment", "rotation off", 2 / 3, Interval(-1 / 3, -0.4, -0.2), learnt=0.9),
    Effect("=x", "-1 to 2", 0.9, Interval(0.01, -0.02, 0.04)),
    Effect("head", "", idle="the same as =x"),
]


def test_the_csv_holds_all(tmp_path: Path) -> None:
    write_effects(BASE, EFFECTS, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        base, worse, odd, idle = list(csv.DictReader(file))
    assert (base["change"], base["accuracy"], base["in_words"]) == ("none: as it is", "0.75", "")
    assert float(worse["brought"]) == -1 / 3
    assert (base["train_accuracy"], base["fit"]) == ("0.8", "healthy (5)")
    assert (worse["train_accuracy"], worse["fit"]) == ("0.9", "overfits (23)")
    assert (odd["train_accuracy"], odd["fit"]) == ("", ""), "folds do not say"
    assert worse["in_words"] == "worse so, more than luck"
    assert (odd["change"], odd["what"]) == ("'=x", "'-1 to 2")
    assert (idle["accuracy"], idle["in_words"]) == ("", "not trained: the same as =x")


def test_the_figure_shows_what_was_trained(tmp_path: Path) -> None:
    heights = []
    for shown in (EFFECTS, EFFECTS[2:]):
        draw_effects(shown, tmp_path / "a.png")
        heights.append(struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24])[1])
    assert heights[0] - heights[1] == 60
