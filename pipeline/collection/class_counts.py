"""How many pictures each class has in train, val and test: the table, its limits, its metrics."""

import logging
from collections.abc import Sequence

import pandas as pd

from pipeline.collection.partition import SPLITS
from pipeline.errors import DataError
from pipeline.labels import metric_name
from pipeline.params import SplitParams

_log = logging.getLogger(__name__)

MAX_TABLE_ROWS = 100
_N_NAMED = 5


def count_classes(placed: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Pictures per class (rows, in the order of `names`) and split (columns train, val, test)."""
    counts = pd.crosstab(placed["class_index"], placed["split"])
    return counts.reindex(index=range(len(names)), columns=list(SPLITS), fill_value=0).set_axis(names)


def check_every_class_everywhere(counts: pd.DataFrame, n_groups: Sequence[int], split: SplitParams) -> None:
    """Raise DataError if a class lacks pictures in train, val or test; `n_groups` is its number of groups."""
    for (name, row), n in zip(counts.iterrows(), n_groups, strict=True):
        missing = [part for part in SPLITS if row[part] == 0]
        if missing:
            whole = (
                f"; near-duplicates and split.group_by join them into {n} group{'s'[: n > 1]}, and a group "
                "is never divided"
            )
            raise DataError(
                f"class {name!r}: none of its pictures ({row.sum()}) is in {' or '.join(missing)} "
                f"(split.train/val/test: {split.train:g}/{split.val:g}/{split.test:g})"
                f"{whole if n < row.sum() else ''}; add pictures, join "
                "it with another class in data.classes, or leave it out with data.ignore"
            )


def describe_counts(counts: pd.DataFrame) -> str:
    """The counts and shares as a table of text, one line per class; if there are many, the smallest ones."""
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


def measure_counts(counts: pd.DataFrame) -> dict[str, float]:
    """The counts and shares as metrics: n_train, share/train, class/<name>/train and so on."""
    total = counts.sum()
    per_split = {f"n_{part}": int(total[part]) for part in SPLITS}
    shares = {f"share/{part}": float(total[part] / total.sum()) for part in SPLITS}
    per_class = {
        metric_name("class", str(name), part): int(row[part])
        for name, row in counts.iterrows()
        for part in SPLITS
    }
    return {"n_classes": len(counts), **per_split, **shares, **per_class}


def warn_of_few(counts: pd.DataFrame, split: SplitParams) -> None:
    """Warn of classes with few test pictures, and say where exact shares give up stability."""
    total = counts.sum(axis=1)
    if exact := [str(name) for name in counts.index[total < split.exact_below]]:
        _log.info(
            "%d of %d classes have under %d pictures (split.exact_below) and so exact shares; new pictures "
            "may move earlier ones between train, val and test: %s",
            len(exact),
            len(counts),
            split.exact_below,
            _name_some(exact),
        )
    if few := [f"{name} ({n})" for name, n in counts["test"].items() if n < split.min_test_images]:
        _log.warning(
            "%d of %d classes have fewer than %d test pictures (split.min_test_images), so their scores are "
            "rough: %s. Add pictures, raise split.test, or join classes in data.classes",
            len(few),
            len(counts),
            split.min_test_images,
            _name_some(few),
        )


def _name_some(names: Sequence[str]) -> str:
    n_more = len(names) - _N_NAMED
    return ", ".join(names[:_N_NAMED]) + (f" and {n_more} more" if n_more > 0 else "")
