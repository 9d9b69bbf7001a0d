"""augment: what the model may see beyond the originals, as a policy of layers and extra pictures.

Reads   data/clean/manifest.parquet and shards/, data/split/split.parquet (training part) and classes.json;
        with `imperfect`, the test part too; with `synthetic`, data/synthetic/pictures.
Writes  data/augment/policy.json (Keras layers; applied batch by batch in training), extra/ (altered training
        pictures: copies for rare classes, imperfect copies; made-up pictures), imperfect/ (one imperfect copy
        per test picture; only evaluate reads it, training never sees it), figures/ (a sheet of every class,
        imperfect.png, synthetic.png). extra/ and imperfect/ hold manifest.parquet and shards, even without
        a picture.
Run     python -m pipeline.stages.augment
Cost    importing Keras if the policy has layers (about 8 s), 0.2 s per class for its sheet, 20 ms per copy
        for a rare class, and 0.05 ms (28x28, grey) to 3 ms (128x128, colour) per imperfect copy.
"""

import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
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
from pipeline.collection.pictures import EXTRA_MANIFEST, Part, cut_into_runs, read_part, read_parts
from pipeline.collection.shards import Shards, ShardWriter, count_rows_per_shard
from pipeline.collection.synthetic import Synthetic, choose_synthetic
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
_N_ORIGINALS, _N_ALTERED, _N_IMPERFECT, _N_SYNTHETIC = 5, 6, 24, 48  # on a sheet
_CHUNK = 64

Uint8 = npt.NDArray[np.uint8]
Row = dict[str, Any]

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Write the policy, the copies that it and `imperfect` ask for, and a preview of each."""
    class_names = read_class_names(paths.classes)
    part = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    shards = Shards(paths.shards)
    policy = build_policy(params.augment, channels=shards.picture_shape[2])
    layers = set_up_layers(policy)
    ids, y, seed = part.ids, part.y.tolist(), params.augment.seed
    synthetic = read_synthetic(params, paths, class_names, shards.picture_shape)
    of_class = {class_names.index(made.class_name): len(made) for made in synthetic}
    warn_of_few(synthetic, params.augment.synthetic)
    rare = choose_rare_copies(
        ids, y, params=params.augment, can_alter=can_alter(policy), n_synthetic=of_class
    )
    imperfect = choose_imperfect_copies(ids, params=params.augment)
    copies = sorted(rare + imperfect)
    write_policy(policy, paths.policy)
    rows = list_copies(copies, part) + list_synthetic(synthetic, class_names)
    made = itertools.chain(
        make_copies(copies, part, shards, layers=layers, seed=seed), *(one.pictures for one in synthetic)
    )
    write_extra(rows, made, shards.picture_shape, paths.extra)
    n_test = write_imperfect_test(params, paths, shards)
    folder = paths.figures("augment")
    preview(part, shards, class_names, policy=policy, layers=layers, folder=folder)
    if params.augment.imperfect:
        preview_imperfect(imperfect, part, shards, seed=seed, path=folder / "imperfect.png")
    if synthetic:
        preview_synthetic(synthetic, folder / "synthetic.png")
    run.log_artifact(paths.policy)
    run.log_artifact(folder, "figures")
    n_extra = np.bincount([row["class_index"] for row in rows], minlength=len(class_names))
    per_class = {metric_name("extra", name): int(n) for name, n in zip(class_names, n_extra, strict=True)}
    of_name = {metric_name("synthetic", class_names[index]): n for index, n in of_class.items()}
    return {
        "n_train": len(part),
        "n_extra": len(rows),
        "n_imperfect": len(imperfect),
        "n_imperfect_test": n_test,
        "n_synthetic": sum(of_class.values()),
        **per_class,
        **of_name,
    }


def warn_of_few(synthetic: Sequence[Synthetic], n_asked: int) -> None:
    """Name the classes of which fewer pictures were made up than are asked for."""
    for made in synthetic:
        if len(made) < n_asked:
            _log.warning(
                "%s: augment.synthetic asks for %d made-up pictures, and %d were made; `darkroom synthesize` "
                "makes more",
                *(made.class_name, n_asked, len(made)),
            )


def read_synthetic(
    params: Params, paths: Paths, class_names: Sequence[str], picture_shape: tuple[int, int, int]
) -> list[Synthetic]:
    """The made-up pictures that enter training; without `synthetic`, their folder is not looked at."""
    if not params.augment.synthetic:
        return []
    held_out = read_parts("val", "test", split_path=paths.split, manifest_path=paths.clean_manifest)
    return choose_synthetic(
        paths.synthetic,
        params.augment.synthetic,
        class_names=class_names,
        picture_shape=picture_shape,
        held_out=held_out.ids,
    )


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
    made = make_copies(copies, test, shards, layers=(), seed=params.augment.seed)
    write_extra(list_copies(copies, test), made, shards.picture_shape, paths.imperfect)
    return len(copies)


def list_copies(copies: Copies, part: Part) -> list[Row]:
    """The rows of altered copies of a part's pictures, without their places in the shards."""
    class_of = dict(zip(part.ids, part.y.tolist(), strict=True))
    return [
        {
            "id": id_,
            "copy": copy,
            "kind": "imperfect" if copy == IMPERFECT else "altered",
            "class_index": class_of[id_],
        }
        for id_, copy in copies
    ]


def list_synthetic(synthetic: Sequence[Synthetic], class_names: Sequence[str]) -> list[Row]:
    """The rows of made-up pictures. Those of a class share an id, so `train.group_weights` has one group."""
    return [
        {
            "id": made.id,
            "copy": number,
            "kind": "synthetic",
            "class_index": class_names.index(made.class_name),
        }
        for made in synthetic
        for number in range(len(made))
    ]


def write_extra(
    rows: Sequence[Row], pictures: Iterable[Uint8], picture_shape: tuple[int, int, int], folder: Path
) -> None:
    """Write extra pictures in the order of their rows: manifest.parquet and shards in `folder`."""
    per_shard = count_rows_per_shard(len(rows), picture_shape)
    places = [{"shard": n // per_shard, "row": n % per_shard} for n in range(len(rows))]
    with ShardWriter(folder, len(rows), picture_shape, per_shard) as writer:
        for place, picture in zip(places, pictures, strict=True):
            writer.write(place["shard"], place["row"], picture)
    table = [row | place for row, place in zip(rows, places, strict=True)]
    write_table(pa.Table.from_pylist(table, schema=EXTRA), folder / EXTRA_MANIFEST)


def make_copies(
    copies: Copies, part: Part, shards: Shards, *, layers: Sequence[Any], seed: int
) -> Iterator[Uint8]:
    """Altered copies of a part's pictures, uint8 [height, width, channels], one after the other."""
    position = {id_: i for i, id_ in enumerate(part.ids)}
    n_chunks = -(-len(copies) // _CHUNK)
    what = f"altering, {_CHUNK} pictures at a time"
    for index in track(cut_into_runs(len(copies), _CHUNK), total=n_chunks, what=what):
        some = copies[index[0] : index[-1] + 1]
        at = [position[id_] for id_, _ in some]
        yield from alter_copies(some, shards.gather(part.shard[at], part.row[at]), layers=layers, seed=seed)


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


def preview_synthetic(synthetic: Sequence[Synthetic], path: Path) -> None:
    """Draw a sheet of the first made-up pictures, as many of each class."""
    n_each = max(1, _N_SYNTHETIC // len(synthetic))
    shown = [(made.class_name, picture) for made in synthetic for picture in made.pictures[:n_each]]
    shown = shown[:_N_SYNTHETIC]
    n = sum(map(len, synthetic))
    draw_sheet(
        np.stack([picture for _, picture in shown]),
        [shorten(name, 20) for name, _ in shown],
        title=f"Made-up pictures that enter training: {len(shown)} of {n:,}",
        path=path,
    )


def name_sheet(index: int, class_name: str) -> str:
    """A file name that is safe everywhere and sorts in the order of the classes: "03-Oak-tree.png"."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", class_name).strip("-")[:40]
    return f"{index:02d}-{words}.png" if words else f"{index:02d}.png"


if __name__ == "__main__":
    run_stage("augment", main)
