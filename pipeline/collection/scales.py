"""data/clean/scales.json: what is black and white in deep pictures whose files do not say it.

A list of [type of numbers, black, white], one for each type that occurs, such as ["u16", 0, 4095]. It is
chosen once for a collection, from what `validate` guessed of each picture. The served model uses the same.
"""

import json
import logging
from collections.abc import Set
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.images.depths import Guess, choose_series
from pipeline.images.recipe import Scales
from pipeline.storage import write_whole

_log = logging.getLogger(__name__)


def choose_scales(manifest: pa.Table, kept: Set[str]) -> Scales:
    """The scales for the kept files of validate's manifest, each told in the log."""
    guessed = manifest.filter(pc.is_valid(manifest.column("scale_kind")))
    columns = (guessed.column(f"scale_{name}").to_pylist() for name in ("kind", "black", "white"))
    rows = zip(guessed.column("key").to_pylist(), *columns, strict=True)
    guesses = [Guess(*guess) for key, *guess in rows if key in kept]
    scales = tuple((kind, black, white) for kind, black, white in choose_series(guesses))
    for kind, black, white in scales:
        n = sum(guess.kind == kind for guess in guesses)
        _log.warning(
            "%d pictures hold numbers of type %s, and their files do not say which is white; all are read "
            "from %g to %g, as their values suggest (repair guessed_scale)",
            n,
            kind,
            black,
            white,
        )
    return scales


def write_scales(scales: Scales, path: Path) -> None:
    """Write scales.json; the same bytes for the same scales."""
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(scales) + "\n", encoding="utf-8")
