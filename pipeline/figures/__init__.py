"""Numbers and pictures -> PNG files. Drawn without pyplot's global state: the same input, the same bytes.

Text is drawn as it is ("$" in a class name is a dollar sign); the file names no software and no time.
matplotlib lives here only.
"""

from pipeline.figures.charts import ShortcutPanel, class_bars, confusion, curves, shortcut_bars
from pipeline.figures.collection import QUANTILES, BoxPanel, Floats, class_shares, measure_boxes, size_map
from pipeline.figures.drawing import short
from pipeline.figures.sheets import before_and_after, sheet

__all__ = [
    "QUANTILES",
    "BoxPanel",
    "Floats",
    "ShortcutPanel",
    "before_and_after",
    "class_bars",
    "class_shares",
    "confusion",
    "curves",
    "measure_boxes",
    "sheet",
    "short",
    "shortcut_bars",
    "size_map",
]
