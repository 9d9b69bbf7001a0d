"""augment: what the model may see beyond the originals, as a policy of layers and extra pictures.

Reads   data/clean/manifest.parquet and shards/, data/split/split.parquet (training part) and classes.json.
Writes  data/augment/policy.json (Keras layers; applied batch by batch in training), extra/ (altered copies
        for rare classes: manifest.parquet and shards, also when there are none), figures/ (a sheet a class).
Run     python -m pipeline.stages.augment
Cost    importing Keras (about 8 s), 0.2 s a class for its sheet, 20 ms an extra copy.
"""

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.augmentations import alter, build_layers, extra_copies, policy_of, write_policy
from pipeline.device import set_up_device
from pipeline.feed import EXTRA_MANIFEST, Part, read_part
from pipeline.figures import before_and_after
from pipeline.metrics import metric_name
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.progress import track
from pipeline.runner import Metrics, run_stage
from pipeline.runs import Run
from pipeline.shards import Shards, ShardWriter, rows_per_shard
from pipeline.tables import EXTRA, write_table

_MAX_SHEETS = 60
_N_ORIGINALS, _N_ALTERED = 5, 6  # on a sheet

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    set_up_device()
    class_names = json.loads(paths.classes.read_text(encoding="utf-8"))
    part = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    shards = Shards(paths.shards)
    policy = policy_of(params.augment, channels=shards.picture_shape[2])
    copies = extra_copies(part.ids, part.y.tolist(), params=params.augment, policy=policy)
    write_policy(policy, paths.policy)
    layers = build_layers(policy)
    write_extra(copies, part, shards, layers=layers, folder=paths.extra)
    preview(part, shards, class_names, layers=layers, folder=paths.figures("augment"))
    run.log_artifact(paths.policy)
    run.log_artifact(paths.figures("augment"), "figures")
    class_of = dict(zip(part.ids, part.y.tolist(), strict=True))
    n_extra = np.bincount([class_of[id_] for id_, _ in copies], minlength=len(class_names))
    per_class = {metric_name("extra", name): int(n) for name, n in zip(class_names, n_extra, strict=True)}
    return {"n_train": len(part), "n_extra": len(copies), **per_class}


def write_extra(
    copies: list[tuple[str, int]], part: Part, shards: Shards, *, layers: Sequence[Any], folder: Path
) -> None:
    """Alter and write the extra copies, (id, copy) sorted: manifest.parquet and shards in `folder`."""
    position = {id_: i for i, id_ in enumerate(part.ids)}
    per_shard = rows_per_shard(len(copies), shards.picture_shape)
    rows: list[dict[str, Any]] = [
        {
            "id": id_,
            "copy": copy,
            "class_index": int(part.y[position[id_]]),
            "shard": n // per_shard,
            "row": n % per_shard,
        }
        for n, (id_, copy) in enumerate(copies)
    ]
    with ShardWriter(folder, len(rows), shards.picture_shape, per_shard) as writer:
        for row in track(rows, total=len(rows), what="altering pictures"):
            i = position[row["id"]]
            picture = shards.gather(part.shard[i : i + 1], part.row[i : i + 1])
            altered = alter(picture, layers=layers, key=f"{row['id']}/{row['copy']}")
            writer.write(row["shard"], row["row"], altered[0])
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), folder / EXTRA_MANIFEST)


def preview(
    part: Part, shards: Shards, class_names: list[str], *, layers: Sequence[Any], folder: Path
) -> None:
    """A sheet a class: its first training pictures by id, and what the policy makes of them.

    Sheets of classes that are no more are removed; beyond 60 classes, the others have none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    if len(class_names) > _MAX_SHEETS:
        _log.info("sheets for the first %d of %d classes", _MAX_SHEETS, len(class_names))
    for index, name in enumerate(class_names[:_MAX_SHEETS]):
        chosen = np.flatnonzero(part.y == index)[:_N_ORIGINALS]
        if len(chosen):
            originals = shards.gather(part.shard[chosen], part.row[chosen])
            altered = [alter(originals, layers=layers, key=f"preview/{k}") for k in range(_N_ALTERED)]
            path = folder / sheet_name(index, name)
            before_and_after(originals, np.stack(altered, axis=1), title=name, path=path)


def sheet_name(index: int, class_name: str) -> str:
    """A file name that is safe everywhere and sorts in the order of the classes: "03-Oak-tree.png"."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", class_name).strip("-")[:40]
    return f"{index:02d}-{words}.png" if words else f"{index:02d}.png"


if __name__ == "__main__":
    run_stage("augment", main)
