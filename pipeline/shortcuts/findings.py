"""The shortcut audit of a collection: facts of its files, and what is left of them in its pictures."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.collection.result_store import ResultStore, Shelf
from pipeline.collection.shards import Shards
from pipeline.images.computation import hash_computation
from pipeline.images.measures import measure_residues
from pipeline.shortcuts.audit import OF_FILES, OF_PICTURES, Audit, audit_facts, choose_pictures

_PIXELS_MEASURED = 200_000_000  # about 15 s
_AT_ONCE = 256


@dataclass(frozen=True)
class Findings:
    """Three audits of the same pictures.

    `apart` keeps whole groups of split.group_by and split.fold_by in one fold. It is None if they add nothing
    to near-duplicates.
    """

    files: Audit
    pictures: Audit
    apart: Audit | None

    def to_json(self) -> dict[str, Any]:
        """As shortcuts.json holds it."""
        apart = {"groups_apart": self.apart.to_json()} if self.apart else {}
        return {"metadata": self.files.to_json(), "residual": self.pictures.to_json(), **apart}

    def to_metrics(self) -> dict[str, float]:
        """The headline numbers, as metrics of split."""
        apart = {"metadata_accuracy_groups_apart": self.apart.accuracy} if self.apart else {}
        return {
            "metadata_accuracy": self.files.accuracy,
            "metadata_balanced_accuracy": self.files.balanced_accuracy,
            "metadata_chance": self.files.chance,
            "residual_accuracy": self.pictures.accuracy,
            "residual_balanced_accuracy": self.pictures.balanced_accuracy,
            "n_audited": self.files.n_pictures,
        } | apart


def audit_collection(
    placed: pd.DataFrame,
    class_names: list[str],
    *,
    manifest: pa.Table,
    clean: pa.Table,
    shards: Path,
    results: Path | None = None,
) -> Findings:
    """Audit at most `audit.MAX_PICTURES` pictures, chosen by id.

    Args:
        placed: one row per picture: id, class_index, and fold_group, which no fold divides.
        manifest: of schema RAW_MANIFEST, with the facts of the files.
        clean: of schema CLEAN_MANIFEST; its groups are near-duplicates, which always share a fold.
        results: the folder of what earlier runs measured.
    """
    at = choose_pictures(placed["id"].tolist(), placed["class_index"].to_numpy())
    chosen = placed.iloc[at].reset_index(drop=True)
    columns = ["id", "key", "duplicate_group", "shard", "row"]
    own = _pick_rows(clean.select(columns), "id", chosen["id"])
    facts = _pick_rows(manifest, "key", own["key"])
    facts = facts.assign(aspect=facts["width"] / facts["height"])[list(OF_FILES)]
    y = chosen["class_index"].to_numpy()
    groups = own["duplicate_group"].tolist()
    files = audit_facts(facts, y, groups, class_names)
    kept = chosen["fold_group"].tolist()
    apart = audit_facts(facts, y, kept, class_names) if kept != groups else None
    with ResultStore(results) as store:
        left = measure_pictures(Shards(shards), own, store)
    n = len(left)
    return Findings(files, audit_facts(left, y[:n], groups[:n], class_names), apart)


def measure_pictures(shards: Shards, rows: pd.DataFrame, store: ResultStore) -> pd.DataFrame:
    """The facts left in developed pictures, of as many rows (shard, row) as are measured in about 15 s.

    What `store`, which is open, knows of a picture is not measured again.
    """
    height, width, _ = shards.picture_shape
    known = store.shelf("residues", hash_computation(), shards.picture_shape, OF_PICTURES)
    rows = rows.iloc[: max(_PIXELS_MEASURED // (height * width), 1)]
    found = []
    for start in range(0, len(rows), _AT_ONCE):
        some = rows.iloc[start : start + _AT_ONCE]
        pictures = shards.gather(some["shard"].to_numpy(), some["row"].to_numpy())
        found += [_find_residues(picture, known) for picture in pictures]
    return pd.DataFrame(found, columns=list(OF_PICTURES))


def _find_residues(picture: NDArray[np.uint8], known: Shelf) -> NDArray[np.float64]:
    """The facts left in a picture, float64 in the order of OF_PICTURES."""
    name = hashlib.sha256(picture.tobytes()).hexdigest()
    body = known.find(name)
    if body is None or len(body) != 8 * len(OF_PICTURES):
        found = measure_residues(picture)
        body = np.array([found[fact] for fact in OF_PICTURES], "<f8").tobytes()
        known.put(name, body)
    return np.frombuffer(body, "<f8")


def _pick_rows(table: pa.Table, key: str, wanted: "pd.Series[str]") -> pd.DataFrame:
    """The rows of a table whose key is wanted, in the order of `wanted`."""
    is_wanted = pc.is_in(table.column(key), value_set=pa.array(wanted, type=pa.string()))
    return table.filter(is_wanted).to_pandas().set_index(key).loc[wanted].reset_index()
