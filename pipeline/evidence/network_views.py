"""What can be seen of a network and its answers to single pictures: where it looks, what its layers see."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.backend.anatomy import Step, find_convolutions, read_filters, trace_steps
from pipeline.collection.pictures import Ints
from pipeline.evidence.drawings import write_caption
from pipeline.evidence.examination import Examination
from pipeline.evidence.samples import choose_sample
from pipeline.figures.drawing import shorten
from pipeline.figures.feature_maps import N_COLUMNS, LayerMaps, draw_feature_maps
from pipeline.figures.heat import Glow, draw_heat
from pipeline.figures.sheets import draw_sheet
from pipeline.serving.attribution import attribute

Float32 = npt.NDArray[np.float32]

HEAT, MAPS, FILTERS = "gradcam.png", "feature_maps.png", "filters.png"
_N_WRONG, _N_RIGHT = 8, 6  # pictures of gradcam.png
_N_FILTERS = 64


@dataclass(frozen=True)
class View:
    """One part of the section: how to read it, and its figure (None: there is none)."""

    heading: str
    words: str
    figure: Path | None = None


def show_heat(examined: Examination, steps: Sequence[Step], path: Path) -> View:
    """Grad-CAM of the most confident errors, for the answer and for the truth, and of some right answers."""
    heading = "What spoke for an answer (Grad-CAM)"
    wrong = np.flatnonzero(~examined.is_right)
    wrong = wrong[np.argsort(-examined.y_prob.max(axis=1)[wrong], kind="stable")][:_N_WRONG]
    right = _choose_right(examined, _N_RIGHT)
    at = np.concatenate([wrong, wrong, right])
    classes = np.concatenate([examined.y_pred[wrong], examined.y_true[wrong], examined.y_pred[right]])
    pictures = examined.pictures.gather(at)
    heat = attribute(examined.classifier.network, steps, pictures, classes)
    if heat is None:
        return View(
            heading,
            "There is none: it shows where convolutions saw something. This network has no convolution, or "
            "its last one leaves a single point of a picture.",
        )
    n_wrong = len(wrong)
    errors = [
        glow
        for i in range(n_wrong)
        for glow in (
            Glow(pictures[i], write_answer(examined, int(wrong[i]))),
            Glow(pictures[i], _ask(examined, classes[i], heat[i]), heat[i]),
            Glow(pictures[i], _ask(examined, classes[n_wrong + i], heat[n_wrong + i]), heat[n_wrong + i]),
        )
    ]
    others = [
        glow
        for i in range(2 * n_wrong, len(at))
        for glow in (
            Glow(pictures[i], write_answer(examined, int(at[i]))),
            Glow(pictures[i], _ask(examined, classes[i], heat[i]), heat[i]),
        )
    ]
    blocks = [
        ("The most confident errors: the picture, what spoke for the answer, and for the truth", errors),
        ("Right answers: the picture, and what spoke for the answer", others),
    ]
    kept = [block for block in blocks if block[1]]
    draw_heat(kept, title="What in a picture spoke for a class", path=path)
    return View(
        heading,
        "What is orange spoke for the class that is named below. Orange on the border, on paper or on a "
        "stamp, instead of on the thing itself, hints at a shortcut.",
        path,
    )


def show_layers(examined: Examination, steps: Sequence[Step], folder: Path) -> list[View]:
    """The maps of the first, a middle and the last convolution for one picture, and the first filters."""
    right = _choose_right(examined, 1)
    at = int(right[0]) if len(right) else 0
    picture = examined.pictures.gather(np.array([at]))[0]
    traced = find_convolutions(steps if at == 0 else trace_steps(examined.classifier.network, picture))
    if not traced:
        return []
    chosen = sorted({0, len(traced) // 2, len(traced) - 1})
    title = f"What convolutions make of one picture ({shorten(examined.class_names[examined.y_true[at]])})"
    maps = [_choose_maps(traced[i], f"convolution {i + 1} of {len(traced)}") for i in chosen]
    draw_feature_maps(picture, maps, title=title, path=folder / MAPS)
    views = [
        View(
            "What the layers see (feature maps)",
            "White is where a filter answered most. Early layers show edges and colours, late ones answer to "
            "larger parts. If the maps of a layer are all alike, it does little.",
            folder / MAPS,
        )
    ]
    filters = read_filters(traced[0].layer)
    if filters is not None:
        _draw_filters(filters, folder / FILTERS)
        views.append(
            View(
                "The filters of the first convolution",
                "The patterns that the first layer looks for: grey is no weight. Edges and blobs have been "
                "learned. Grain alone means few pictures or little training.",
                folder / FILTERS,
            )
        )
    return views


def _choose_right(examined: Examination, n: int) -> Ints:
    """Positions of n right answers, of as many classes as there are."""
    right = np.flatnonzero(examined.is_right)
    ids = [examined.pictures.ids[i] for i in right]
    return np.asarray(right[choose_sample(ids, examined.y_true[right], n, purpose="inside")], np.int64)


def write_answer(examined: Examination, at: int) -> str:
    """The caption of a test picture: its class, the answer if that is another, and how sure it is."""
    said = write_caption(examined.class_names, examined.y_true[at], examined.y_pred[at])
    return f"{said}, {examined.y_prob[at].max():.0%}"


def _ask(examined: Examination, class_index: int, heat: Float32) -> str:
    name = shorten(examined.class_names[class_index], 16)
    return f"for {name}" if heat.any() else f"nothing for\n{name}"


def _choose_maps(step: Step, name: str) -> LayerMaps:
    """The busiest maps of a layer, under a name that does not depend on how Keras counts layers."""
    maps = np.moveaxis(step.left, -1, 0).astype(np.float32)
    busiest = np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:N_COLUMNS]
    return LayerMaps(name, maps[busiest], len(maps))


def _draw_filters(filters: Float32, path: Path) -> None:
    """Filters [height, width, channels, n] as tiles: in colour where they see colours, otherwise grey."""
    tiles = np.moveaxis(filters, -1, 0)[:_N_FILTERS]
    tiles = tiles if tiles.shape[-1] == 3 else tiles.mean(axis=-1, keepdims=True)
    largest = np.abs(tiles).max(axis=(1, 2, 3), keepdims=True)
    scaled = 0.5 + tiles / np.where(largest > 0, 2 * largest, 1)
    pictures = np.rint(255 * scaled).astype(np.uint8)
    height, width, _, n = filters.shape
    title = f"{len(pictures)} of {n} filters, {height} x {width}"
    draw_sheet(pictures, [""] * len(pictures), title=title, path=path, n_columns=16, tile_in=0.5)
