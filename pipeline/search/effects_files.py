"""What changes of the settings brought, as a CSV file and as a figure."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.characters import quote_cell
from pipeline.figures.drawing import BLUE, GREY, ORANGE
from pipeline.figures.score_dots import draw_score_dots
from pipeline.search.effects import CONFIDENCE, Effect, describe_effect
from pipeline.storage import write_whole

_COLUMNS = (
    *("change", "what", "accuracy", "brought", "brought_low", "brought_high", "train_accuracy", "fit"),
    "in_words",
)
_COLOURS = {"better": BLUE, "worse": ORANGE, "no more than luck": GREY, "not to be said": GREY}


def write_effects(base: Effect, effects: Sequence[Effect], path: Path) -> None:
    """Write a line for the settings as they are and one a change, numbers in full, as shares.

    A text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for effect in (base, *effects):
            numbers = [effect.accuracy, *effect.brought, effect.learnt]
            words = "" if effect is base else describe_effect(effect)
            cells = ["" if math.isnan(number) else repr(float(number)) for number in numbers]
            texts = [effect.fit, quote_cell(words)]
            table.writerow([quote_cell(effect.name), quote_cell(effect.what), *cells, *texts])


def draw_effects(effects: Sequence[Effect], path: Path) -> None:
    """Draw what each change that was trained brought, in points, with its interval."""
    shown = [effect for effect in effects if not effect.idle]
    values, lows, highs = np.array([effect.brought for effect in shown], np.float64).reshape(-1, 3).T * 100
    draw_score_dots(
        (values, lows, highs),
        [effect.name for effect in shown],
        words=[f"{effect.brought.value * 100:+.1f}" for effect in shown],
        kinds=[effect.direction for effect in shown],
        colours=_COLOURS,
        line=0.0,
        title="What each change alone brought",
        what=f"points of accuracy, with {CONFIDENCE:.0%} intervals",
        path=path,
    )
