"""The champion's answers to test pictures of today that it was not asked about before.

A test set grows and changes. What a champion answered then is kept. What it was not asked, it is asked now:
its own code answers in a process of its own.
"""

import logging
from collections.abc import Callable, Iterator, Set
from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.characters import say_count
from pipeline.errors import ModelError, TrackingError
from pipeline.evidence.exams import Exam
from pipeline.progress import track
from pipeline.promotion.originals import read_originals
from pipeline.promotion.state import State
from pipeline.serving.model_process import ModelProcess

_CHUNK = 64  # pictures in memory at a time

_log = logging.getLogger(__name__)


def complete_exam(
    champion: Exam, challenger: Exam, learnt: Set[str], fetch: Callable[[], Path], state: State
) -> Exam:
    """The champion's exam, with its answers to the challenger's test pictures that it lacks.

    A champion that cannot be run keeps the answers that it has, and the log says so.

    Args:
        learnt: the pictures that the champion learned from: it is not asked about them.
        fetch: gives the folder of the champion's model.

    Raises:
        SourceError, PromotionError: the files of the pictures cannot be had.
    """
    missing = set(challenger.ids.tolist()) - set(champion.ids.tolist()) - learnt
    if not missing or set(champion.class_names) != set(challenger.class_names):
        return champion
    n = say_count(len(missing), "test picture")
    try:
        with ModelProcess(fetch()) as process:
            _log.info("asking the champion about %s that it was not tested on", n)
            found = dict(_ask(process, read_originals(state, missing), len(missing)))
    except (ModelError, TrackingError) as error:
        _log.warning("the champion cannot be asked about %s that it was not tested on: %s", n, error)
        return champion
    ids = np.array(sorted(found), np.str_)
    y_pred = np.array([champion.class_names.index(found[id_]) for id_ in ids.tolist()], np.int64)
    # Labels are the challenger's to say: those of a champion are never compared with.
    return Exam(
        np.concatenate([champion.ids, ids]),
        np.concatenate([champion.y_true, np.zeros_like(y_pred)]),
        np.concatenate([champion.y_pred, y_pred]),
        champion.class_names,
    )


def _ask(process: ModelProcess, files: Iterator[tuple[str, bytes]], total: int) -> Iterator[tuple[str, str]]:
    """The class that the champion answers, by id; what it refuses is left out."""
    shown = iter(track(files, total=total, what="champion"))
    while chunk := list(islice(shown, _CHUNK)):
        rows = process.ask([data for _, data in chunk])
        yield from ((id_, row["class"]) for (id_, _), row in zip(chunk, rows, strict=True) if row["class"])
