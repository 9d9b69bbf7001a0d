"""Looking inside: where a network looks, what its layers see, how it orders the pictures, what it answers.

Writes the figures gradcam.png, feature_maps.png, filters.png, embedding.png and sheet_random.png.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from pipeline.backend.anatomy import (
    Step,
    collect_inputs,
    count_multiplications,
    find_embedding,
    trace_steps,
)
from pipeline.evidence.embedding import lay_out, shrink_raw
from pipeline.evidence.examination import Examination, Finding
from pipeline.evidence.network_views import (
    FILTERS,
    HEAT,
    MAPS,
    View,
    show_heat,
    show_layers,
    write_answer,
)
from pipeline.evidence.samples import choose_sample
from pipeline.figures.embedding_map import draw_embedding
from pipeline.figures.page import frame_picture
from pipeline.figures.sheets import draw_sheet
from pipeline.progress import log_time
from pipeline.storage import remove_files

EMBEDDING, RANDOM = "embedding.png", "sheet_random.png"
_N_RANDOM = 30
_LEAST_POINTS, _MOST_POINTS = 50, 1000
_MULTIPLICATIONS = 100e9  # for the embedding; two AVX2 cores do 20 to 35 billion a second


@log_time("looking inside")
def look_inside(examined: Examination, *, is_wanted: bool, seed: int, folder: Path) -> Finding:
    """Draw what can be seen of the network and its answers, and say how to read it.

    Args:
        is_wanted: False: nothing is drawn, and figures of an earlier run are removed.
        seed: of t-SNE.
        folder: for figures.
    """
    for name in (HEAT, MAPS, FILTERS, EMBEDDING, RANDOM):
        remove_files(folder, name)
    if not is_wanted:
        return Finding()
    steps = trace_steps(examined.classifier.network, examined.pictures.gather(np.array([0]))[0])
    views = [
        show_heat(examined, steps, folder / HEAT),
        *show_layers(examined, steps, folder),
        show_embedding(examined, steps, seed, folder / EMBEDDING),
        show_random(examined, folder / RANDOM),
    ]
    return Finding(title="Looking inside", lines=list(_render(views)))


def show_embedding(examined: Examination, steps: Sequence[Step], seed: int, path: Path) -> View:
    """A sample of the pictures on a plane: as pixels, and as the last layer receives them."""
    cost = max(1, count_multiplications(steps))
    n = int(np.clip(_MULTIPLICATIONS // cost, _LEAST_POINTS, _MOST_POINTS))
    at = choose_sample(examined.pictures.ids, examined.y_true, n, purpose="embedding")
    pictures = examined.pictures.gather(at)
    embedded = collect_inputs(examined.classifier.network, find_embedding(steps), pictures)
    layouts = []
    for name, values in (
        ("as pixels, before any training", shrink_raw(pictures)),
        ("to the network", embedded),
    ):
        principal, neighbours = lay_out(values, seed=seed)
        layouts += [(f"{name}: principal components", principal), (f"{name}: t-SNE", neighbours)]
    draw_embedding(
        layouts,
        examined.y_true[at],
        examined.is_right[at],
        examined.class_names,
        title=f"{len(at):,} test pictures as points",
        path=path,
    )
    return View(
        "How the network orders the pictures",
        "A point is a test picture; near ones are alike, as pixels (above) or to the last layer (below). "
        "Classes that stay mixed below are confused. A ringed point amid another class may have a wrong "
        "label. How far groups lie apart says nothing in t-SNE.",
        path,
    )


def show_random(examined: Examination, path: Path) -> View:
    """Test pictures drawn by lot, with their answers."""
    ids = examined.pictures.ids
    at = choose_sample(ids, np.zeros(len(ids), np.int64), _N_RANDOM, purpose="random")
    captions = [write_answer(examined, int(i)) for i in at]
    n_right = int(examined.is_right[at].sum())
    title = f"{len(at)} of {len(ids):,} test pictures, drawn by lot: {n_right} right"
    draw_sheet(examined.pictures.gather(at), captions, title=title, path=path, n_columns=6)
    return View(
        "Answers drawn by lot",
        "What an ordinary answer looks like. Where two classes are named, the first is the true one, and the "
        "answer was wrong.",
        path,
    )


def _render(views: Sequence[View]) -> Iterator[str]:
    for view in views:
        yield f'<h3 class="strip"><b>{escape(view.heading)}</b></h3>\n<p>{escape(view.words)}</p>'
        if view.figure is not None:
            yield frame_picture(view.heading, view.figure.read_bytes())
