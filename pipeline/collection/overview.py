"""Figures about the images in a manifest: their sizes and their measures, class by class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.figures.boxes import QUANTILES, BoxPanel
from pipeline.figures.drawing import Floats
from pipeline.figures.measures import draw_measures
from pipeline.figures.sizes import draw_sizes, say_one_size
from pipeline.images.facts import FACTS

_MEASURES = tuple(fact for fact in FACTS if fact.axis)


def draw_images(manifest: pa.Table, labels: Sequence[str], folder: Path) -> dict[str, Path | str]:
    """Draw sizes.png and measures.png of the usable images; returns their paths, or a sentence, by heading.

    Args:
        manifest: of schema RAW_MANIFEST.
        labels: the classes; a class without a usable image is shown as empty.
    """
    is_usable = pc.not_equal(manifest.column("verdict"), "quarantined")
    columns = ["label", "width", "height", *(fact.name for fact in _MEASURES)]
    images = manifest.select(columns).filter(is_usable).to_pandas()
    sizes, measures = folder / "sizes.png", folder / "measures.png"
    width, height = images["width"].to_numpy(), images["height"].to_numpy()
    long_side = compute_quantiles(images["label"], pd.Series(np.maximum(width, height)), labels)
    draw_sizes(width, height, long_side, labels, sizes)
    panels = [
        BoxPanel(fact.axis, compute_quantiles(images["label"], images[fact.name], labels), fact.is_log)
        for fact in _MEASURES
    ]
    draw_measures(panels, labels, title=f"Measures of {len(images):,} images", path=measures)
    return {"Sizes": say_one_size(width, height) or sizes, "Measures": measures}


def compute_quantiles(label: "pd.Series[str]", values: "pd.Series[float]", labels: Sequence[str]) -> Floats:
    """QUANTILES of the values of every class: float [k, 5]; nan for a class without values."""
    found = np.full((len(labels), len(QUANTILES)), np.nan)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    for at, known in pd.Series(numbers).groupby(label.to_numpy()).indices.items():
        of_class = numbers[known]
        of_class = of_class[~np.isnan(of_class)]
        if at in labels and len(of_class):
            found[list(labels).index(at)] = np.quantile(of_class, QUANTILES)
    return found
