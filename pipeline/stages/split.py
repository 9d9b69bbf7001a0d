"""split: who is trained on, who chooses the weights, and who is tested on; and what class each picture has.

Reads   data/clean/manifest.parquet
Writes  data/split/split.parquet (a row a picture, sorted by id), data/split/classes.json (the class names
        in the order of the model's outputs)
Run     python -m pipeline.stages.split
Cost    about 10 s for 1,000,000 pictures; no pixel is read

Each picture's group is dealt by its own hash (`pipeline/partition.py`), so that the shares come out near
`split.train/val/test`, not exactly at them. What the source itself divides stays as it is: its test set is
the test set, its validation set the validation set, and only what it does not bring is cut from its
training part. Pictures that the source does not place are dealt by the shares, whatever it does with others.
"""

import json
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.classes import class_indices
from pipeline.errors import DataError
from pipeline.metrics import metric_name
from pipeline.params import Params, SplitParams
from pipeline.partition import SPLITS, chances, check_no_leak, partition
from pipeline.paths import Paths, written_whole
from pipeline.runner import Metrics, run_stage
from pipeline.runs import Run
from pipeline.tables import CLEAN, SPLIT, read_table, write_table

_log = logging.getLogger(__name__)

MAX_TABLE_ROWS = 100


def split_pictures(
    clean: pd.DataFrame,
    *,
    classes: Mapping[str, Sequence[str]],
    class_names: Sequence[str],
    split: SplitParams,
) -> pd.DataFrame:
    """The pictures with their class and their place: `clean`'s columns, and those of tables.SPLIT.

    Args:
        clean: a row a picture, with the columns id, label, source_split and group of tables.CLEAN.
        classes, class_names: as `class_indices` takes them.

    Raises:
        ParamsError, DataError: as `class_indices`; or an id comes twice; or a class has no picture
            in one of train, val and test.
    """
    if not clean["id"].is_unique:
        twice = clean["id"][clean["id"].duplicated()].iloc[0]
        raise DataError(f"picture {twice} is twice in the clean manifest; run `dvc repro -f clean`")
    label_of, labels = pd.factorize(clean["label"])
    names, index_of = class_indices(list(labels), classes=classes, class_names=class_names)
    class_index = np.array([index_of[label] for label in labels], dtype=np.int32)[label_of]
    parts = partition(
        clean["group"], clean["source_split"], shares=_shares(split), seed=split.seed, folds=split.folds
    )
    check_no_leak(clean["group"], parts)
    class_name = np.array(names, dtype=object)[class_index]
    placed = clean.assign(class_name=class_name, class_index=class_index)
    return placed.assign(split=parts["split"].to_numpy(), fold=parts["fold"].to_numpy())


def count_classes(placed: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Pictures per class (rows, in the order of `names`) and split (columns train, val, test)."""
    counts = pd.crosstab(placed["class_index"], placed["split"])
    return counts.reindex(index=range(len(names)), columns=list(SPLITS), fill_value=0).set_axis(names)


def check_every_class_everywhere(counts: pd.DataFrame, split: SplitParams) -> None:
    """Raise DataError where a class has no picture in one of train, val and test."""
    for name, row in counts.iterrows():
        missing = [part for part in SPLITS if row[part] == 0]
        if missing:
            raise DataError(
                f"class {name!r}: none of its pictures ({row.sum()}) is in {' or '.join(missing)} "
                f"(split.train/val/test: {split.train:g}/{split.val:g}/{split.test:g}); add pictures, join "
                "it with another class in data.classes, or leave it out with data.ignore"
            )


def unlikely_shares(placed: pd.DataFrame, counts: pd.DataFrame, split: SplitParams) -> list[str]:
    """The classes whose count in a split is more than three standard errors off, each in words."""
    brought = set(placed["source_split"])
    chance = {given: chances(given, brought, _shares(split)) for given in brought}
    # A group falls as one: its members count with the square of its size in the variance.
    size = placed.groupby(["class_index", "group"], sort=False)["id"].transform("size")
    found = []
    for part in SPLITS:
        p = placed["source_split"].map({given: chance[given][part] for given in brought}).astype(float)
        expected = p.groupby(placed["class_index"]).sum().to_numpy()
        deviation = np.sqrt((p * (1 - p) * size).groupby(placed["class_index"]).sum().to_numpy())
        off = np.abs(counts[part].to_numpy() - expected) > 3 * deviation + 0.5
        found += [
            f"class {counts.index[i]!r} has {counts[part].iloc[i]:,} pictures in {part}, {expected[i]:,.0f} "
            "were to be expected"
            for i in np.flatnonzero(off)
        ]
    return found


def describe(counts: pd.DataFrame) -> str:
    """The counts and shares as a table of text, a line a class; the smallest classes where there are many."""
    total = counts.sum(axis=1)
    shown = (
        total.sort_values(kind="stable").index[:MAX_TABLE_ROWS]
        if len(counts) > MAX_TABLE_ROWS
        else total.index
    )
    width = max(map(len, [*shown, "all classes"]))
    lines = [f"{'':{width}} {'pictures':>10} {'train':>16} {'val':>16} {'test':>16}"]
    for name, row in [*counts.loc[shown].iterrows(), ("all classes", counts.sum())]:
        cells = (f"{n:>8,} ({n / row.sum():5.1%})" for n in row)
        lines.append(f"{name:{width}} {row.sum():>10,} {' '.join(cells)}")
    return "\n".join(lines)


def measure(counts: pd.DataFrame) -> dict[str, float]:
    """The counts and shares as metrics: n/train, share/train, class/<name>/train and so on."""
    total = counts.sum()
    per_split = {f"n/{part}": int(total[part]) for part in SPLITS}
    shares = {f"share/{part}": float(total[part] / total.sum()) for part in SPLITS}
    per_class = {
        metric_name("class", str(name), part): int(row[part])
        for name, row in counts.iterrows()
        for part in SPLITS
    }
    return {"n_classes": len(counts), **per_split, **shares, **per_class}


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    manifest = read_table(paths.clean_manifest, CLEAN)
    run.log_dataset("clean", paths.clean_manifest, "split")
    clean = manifest.select(["id", "label", "source_split", "group"]).to_pandas()
    placed = split_pictures(
        clean, classes=params.data.classes, class_names=params.data.class_names, split=params.split
    )
    names = list(placed.drop_duplicates("class_index").sort_values("class_index")["class_name"])
    counts = count_classes(placed, names)
    check_every_class_everywhere(counts, params.split)
    unlikely = unlikely_shares(placed, counts, params.split)
    if unlikely:
        _log.warning(
            "%d of %d class shares are more than three standard errors off (%.1f would be by chance): %s",
            len(unlikely),
            counts.size,
            0.0027 * counts.size,
            "; ".join(unlikely[:5]),
        )
    _log.info("Split:\n%s", describe(counts))
    table = pa.Table.from_pandas(placed[SPLIT.names], schema=SPLIT, preserve_index=False)
    write_table(table.sort_by("id"), paths.split)
    with written_whole(paths.classes) as temporary:
        temporary.write_text(json.dumps(names, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return measure(counts)


def _shares(split: SplitParams) -> dict[str, float]:
    return {"train": split.train, "val": split.val, "test": split.test}


if __name__ == "__main__":
    run_stage("split", main)
