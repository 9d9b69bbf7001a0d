"""augment: what the model may see beyond the originals, as a policy of layers and extra pictures.

Reads   data/clean/manifest.parquet and shards/, data/split/split.parquet (training part) and classes.json;
        with `imperfect`, the test part too.
Writes  data/augment/policy.json (Keras layers; applied batch by batch in training), extra/ (altered training
        pictures: copies for rare classes, imperfect copies), imperfect/ (one imperfect copy per test
        picture; only evaluate reads it, training never sees it), figures/ (a sheet of every class,
        imperfect.png). extra/ and imperfect/ hold manifest.parquet and shards, even without a picture.
Run     python -m pipeline.stages.augment
Cost    importing Keras if the policy has layers (about 8 s), 0.2 s per class for its sheet, 20 ms per copy
        for a rare class, and 0.05 ms (28x28, grey) to 3 ms (128x128, colour) per imperfect copy.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.backend.device import set_up_device
from pipeline.collection.alterations import (
    IMPERFECT,
    Copies,
    choose_imperfect_copies,
    choose_rare_copies,
    make_imperfect,
)
from pipeline.collection.pictures import EXTRA_MANIFEST, Part, cut_into_runs, read_part
from pipeline.collection.shards import Shards, ShardWriter, count_rows_per_shard
from pipeline.figures.before_and_after import draw_before_and_after
from pipeline.figures.drawing import shorten
from pipeline.figures.sheets import draw_sheet
from pipeline.labels import metric_name, read_class_names
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.progress import track
from pipeline.runner import Metrics, run_stage
from pipeline.storage import make_folder, remove_files
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import write_table
from pipeline.tracking.runs import Run
from pipeline.training.policy import Policy, alternates, build_policy, can_alter, list_mixers, write_policy

_MAX_SHEETS = 60
_N_ORIGINALS, _N_ALTERED, _N_IMPERFECT = 5, 6, 24  # on a sheet
_CHUNK = 64

Uint8 = npt.NDArray[np.uint8]

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Write the policy, the copies that it and `imperfect` ask for, and a preview of each."""
    class_names = read_class_names(paths.classes)
    part = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    shards = Shards(paths.shards)
    policy = build_policy(params.augment, channels=shards.picture_shape[2])
    layers = set_up_layers(policy)
    ids, y, seed = part.ids, part.y.tolist(), params.augment.seed
    rare = choose_rare_copies(ids, y, params=params.augment, can_alter=can_alter(policy))
    imperfect = choose_imperfect_copies(ids, params=params.augment)
    copies = sorted(rare + imperfect)
    write_policy(policy, paths.policy)
    write_copies(copies, part, shards, layers=layers, seed=seed, folder=paths.extra)
    n_test = write_imperfect_test(params, paths, shards)
    folder = paths.figures("augment")
    preview(part, shards, class_names, policy=policy, layers=layers, folder=folder)
    if params.augment.imperfect:
        preview_imperfect(imperfect, part, shards, seed=seed, path=folder / "imperfect.png")
    run.log_artifact(paths.policy)
    run.log_artifact(folder, "figures")
    class_of = dict(zip(ids, y, strict=True))
    n_extra = np.bincount([class_of[id_] for id_, _ in copies], minlength=len(class_names))
    per_class = {metric_name("extra", name): int(n) for name, n in zip(class_names, n_extra, strict=True)}
    return {
        "n_train": len(part),
        "n_extra": len(copies),
        "n_imperfect": len(imperfect),
        "n_imperfect_test": n_test,
        **per_class,
    }


def set_up_layers(policy: Policy) -> Sequence[Any]:
    """The layers of a policy; Keras is imported only where there are any."""
    if not can_alter(policy):
        return ()
    set_up_device()  # before Keras is imported
    from pipeline.training.augmentations import build_layers

    return build_layers(policy)


def write_imperfect_test(params: Params, paths: Paths, shards: Shards) -> int:
    """Write an imperfect copy of every test picture, none if `imperfect` is 0; returns how many."""
    test = Part((), *np.empty((3, 0), np.int64))
    if params.augment.imperfect:
        test = read_part("test", split_path=paths.split, manifest_path=paths.clean_manifest)
    copies = [(id_, IMPERFECT) for id_ in test.ids]
    write_copies(copies, test, shards, layers=(), seed=params.augment.seed, folder=paths.imperfect)
    return len(copies)


def write_copies(
    copies: Copies, part: Part, shards: Shards, *, layers: Sequence[Any], seed: int, folder: Path
) -> None:
    """Alter and write copies of a part's pictures: manifest.parquet and shards in `folder`."""
    position = {id_: i for i, id_ in enumerate(part.ids)}
    per_shard = count_rows_per_shard(len(copies), shards.picture_shape)
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
        n_chunks = -(-len(rows) // _CHUNK)
        what = f"altering, {_CHUNK} pictures at a time"
        for index in track(cut_into_runs(len(rows), _CHUNK), total=n_chunks, what=what):
            some = copies[index[0] : index[-1] + 1]
            at = [position[id_] for id_, _ in some]
            altered = alter_copies(
                some, shards.gather(part.shard[at], part.row[at]), layers=layers, seed=seed
            )
            for n, picture in zip(index, altered, strict=True):
                writer.write(rows[n]["shard"], rows[n]["row"], picture)
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), folder / EXTRA_MANIFEST)


def alter_copies(copies: Copies, originals: Uint8, *, layers: Sequence[Any], seed: int) -> Uint8:
    """The copies of these originals, uint8 [n, height, width, channels]: imperfect, or made by the layers."""
    altered = originals.copy()
    is_imperfect = np.array([copy == IMPERFECT for _, copy in copies], np.bool_)
    ids = [id_ for id_, copy in copies if copy == IMPERFECT]
    altered[is_imperfect] = make_imperfect(originals[is_imperfect], ids, seed=seed)
    for n in np.flatnonzero(~is_imperfect):
        id_, copy = copies[n]
        altered[n] = alter(originals[n : n + 1], layers, key=f"{id_}/{copy}")[0]
    return altered


def alter(originals: Uint8, layers: Sequence[Any], *, key: str) -> Uint8:
    """As `augmentations.alter`; without layers, and so without Keras, the originals themselves."""
    if not layers:
        return originals
    from pipeline.training.augmentations import alter

    return alter(originals, layers=layers, key=key)


def preview(
    part: Part,
    shards: Shards,
    class_names: Sequence[str],
    *,
    policy: Policy,
    layers: Sequence[Any],
    folder: Path,
) -> None:
    """Draw one sheet per class: its first training pictures by id, and what the policy makes of them.

    With an alternating flip, every second altered picture is mirrored. Layers that mix pictures are named,
    not shown. Old sheets are removed first. Only the first 60 classes get a sheet.
    """
    not_shown = " and ".join(list_mixers(policy))
    make_folder(folder)
    remove_files(folder, "*.png")
    if len(class_names) > _MAX_SHEETS:
        _log.info("sheets for the first %d of %d classes", _MAX_SHEETS, len(class_names))
    for index, name in enumerate(class_names[:_MAX_SHEETS]):
        chosen = np.flatnonzero(part.y == index)[:_N_ORIGINALS]
        if len(chosen):
            originals = shards.gather(part.shard[chosen], part.row[chosen])
            columns = [alter(originals, layers, key=f"preview/{k}") for k in range(_N_ALTERED)]
            altered = np.stack(columns, axis=1)
            if alternates(policy):
                altered[:, 1::2] = altered[:, 1::2, :, ::-1]
            title = f"{shorten(name, 30)} (without {not_shown})" if not_shown else name
            draw_before_and_after(originals, altered, title=title, path=folder / name_sheet(index, name))


def preview_imperfect(copies: Copies, part: Part, shards: Shards, *, seed: int, path: Path) -> None:
    """Draw a sheet of the first imperfect training copies by id, each beside its original."""
    ids = [id_ for id_, _ in copies[:_N_IMPERFECT]]
    position = {id_: i for i, id_ in enumerate(part.ids)}
    at = [position[id_] for id_ in ids]
    originals = shards.gather(part.shard[at], part.row[at])
    pairs = np.stack([originals, make_imperfect(originals, ids, seed=seed)], axis=1)
    draw_sheet(
        pairs.reshape(-1, *shards.picture_shape),
        ["original", "imperfect"] * len(ids),
        title=f"Imperfect copies: {len(ids)} of {len(copies):,} ({len(part):,} training pictures)",
        path=path,
    )


def name_sheet(index: int, class_name: str) -> str:
    """A file name that is safe everywhere and sorts in the order of the classes: "03-Oak-tree.png"."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", class_name).strip("-")[:40]
    return f"{index:02d}-{words}.png" if words else f"{index:02d}.png"


if __name__ == "__main__":
    run_stage("augment", main)
