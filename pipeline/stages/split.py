"""split: who is trained on, who chooses the weights, who is tested on; and what class each picture has.

Reads   data/clean/manifest.parquet, shards/; data/validate/manifest.parquet; what earlier runs measured of
        pictures, in .darkroom/
Writes  data/split/split.parquet (one row per picture, sorted by id), classes.json (the class names in the
        order of the model's outputs), shortcuts.json and figures/shortcuts.png (how well facts that should
        not matter predict the class), figures/classes.png (the classes in each split)
Run     python -m pipeline.stages.split
Cost    about 10 s for 1,000,000 pictures, and up to 30 s for the audit, which looks at 10,000 at most

Each group is dealt by a hash of its own name (`collection/partition.py`). So the shares come out near
`split.train/val/test`, not exactly at them. A class under `split.exact_below` pictures gets exact shares. A
group is what clean found to be near-duplicates, and what `split.group_by` gives the same name. Groups that
share a picture are one. So a new picture can join two groups: then members of a group that was dealt already
may move. Otherwise new pictures move earlier ones only in classes with exact shares.

What the source itself divides stays as it is. Its test set is the test set, its validation set the
validation set, and only what it lacks is cut from its training part. Pictures that the source does not place
are dealt by the shares, whatever it does with others.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.collection.class_counts import (
    check_every_class_everywhere,
    count_classes,
    describe_counts,
    measure_counts,
    warn_of_few,
)
from pipeline.collection.classes import index_classes
from pipeline.collection.groups import find_group_names, merge_groups
from pipeline.collection.partition import SPLITS, check_no_leak, divide, find_unlikely_shares
from pipeline.errors import DataError
from pipeline.figures.class_shares import draw_class_shares
from pipeline.figures.shortcut_bars import ShortcutPanel, draw_shortcut_bars
from pipeline.images.facts import FACT_BY_NAME
from pipeline.params import Params, SplitParams
from pipeline.paths import Paths
from pipeline.runner import Metrics, run_stage
from pipeline.shortcuts.findings import Findings, audit_collection
from pipeline.storage import write_whole
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tables.split import SPLIT
from pipeline.tracking.runs import Run
from pipeline.training.folds import place_in_folds

_log = logging.getLogger(__name__)

_N_SENTENCES = 3


def split_pictures(
    clean: pd.DataFrame,
    *,
    classes: Mapping[str, Sequence[str]],
    class_names: Sequence[str],
    split: SplitParams,
) -> pd.DataFrame:
    """The pictures with their class and their place: the columns of `clean`, and those of SPLIT.

    The column `group` then holds the near-duplicates merged with the names of `split.group_by`.

    Args:
        clean: one row per picture, with the columns id, key, label, source_split and duplicate_group of
            CLEAN_MANIFEST.
        classes, class_names: as `index_classes` takes them.

    Raises:
        ParamsError, DataError: as `index_classes`; or an id comes twice.
    """
    if not clean["id"].is_unique:
        twice = clean["id"][clean["id"].duplicated()].iloc[0]
        raise DataError(f"picture {twice} is twice in the clean manifest; run `dvc repro -f clean`")
    labels = list(clean["label"].unique())
    names, index_of = index_classes(labels, classes=classes, class_names=class_names)
    clean = clean.sort_values("id", ignore_index=True)
    class_index = np.array([index_of[label] for label in clean["label"]], dtype=np.int32)
    group = merge_groups(clean["key"], clean["duplicate_group"], split.group_by)
    part = divide(
        group,
        clean["source_split"],
        classes=class_index,
        exact_below=split.exact_below,
        shares=_list_shares(split),
        seed=split.seed,
    )
    for held in (group, clean["duplicate_group"]):
        check_no_leak(held, part, "split")
    class_name = np.array(names, dtype=object)[class_index]
    placed = clean.assign(class_name=class_name, class_index=class_index, group=group, split=part.to_numpy())
    return place_in_folds(placed, split.fold_pattern, n_folds=split.folds, seed=split.seed)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Place every picture, audit what gives its class away, and write both down."""
    manifest = read_table(paths.clean_manifest, CLEAN_MANIFEST)
    run.log_dataset("clean", paths.clean_manifest, "split")
    clean = manifest.select(["id", "key", "label", "source_split", "duplicate_group"]).to_pandas()
    placed = split_pictures(
        clean, classes=params.data.classes, class_names=params.data.class_names, split=params.split
    )
    names = list(placed.drop_duplicates("class_index").sort_values("class_index")["class_name"])
    counts = count_classes(placed, names)
    check_every_class_everywhere(counts, placed.groupby("class_index")["group"].nunique(), params.split)
    unnamed = {
        f"n_without_{name}": _count_unnamed(placed, name, pattern)
        for name, pattern in (("group_by", params.split.group_by), ("fold_by", params.split.fold_by or ""))
    }
    warn_of_few(counts, params.split)
    unlikely = find_unlikely_shares(placed, counts, _list_shares(params.split))
    if unlikely:
        _log.warning(
            "%d of %d class shares are more than three standard errors off (%.1f are expected by chance): %s",
            len(unlikely),
            counts.size,
            0.0027 * counts.size,
            "; ".join(unlikely[:5]),
        )
    _log.info("Split:\n%s", describe_counts(counts))
    table = pa.Table.from_pandas(placed[SPLIT.names], schema=SPLIT, preserve_index=False)
    write_table(table.sort_by("id"), paths.split)
    with write_whole(paths.classes) as temporary:
        temporary.write_text(json.dumps(names, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    findings = audit_collection(
        placed,
        names,
        manifest=read_table(paths.raw_manifest, RAW_MANIFEST),
        clean=manifest,
        shards=paths.shards,
        results=paths.cache / "results",
    )
    draw_class_shares(
        counts.to_numpy(),
        names,
        SPLITS,
        title="Pictures per class and split",
        path=_locate_figure(paths, "classes"),
    )
    _report(findings, params.split.max_metadata_accuracy)
    _write_audit(findings, paths)
    run.log_artifact(paths.shortcuts)
    run.log_artifact(paths.figures("split"), "figures")
    n_groups = {f"n_{name}s": placed[name].nunique() for name in ("group", "fold_group")}
    return {**measure_counts(counts), **findings.to_metrics(), **n_groups, **unnamed}


def _count_unnamed(placed: pd.DataFrame, name: str, pattern: str) -> int:
    """How many keys a pattern of params.yaml finds nothing in (0 if it is off); logs a warning about them."""
    if not pattern:
        return 0
    is_unnamed = np.array([not found for found in find_group_names(placed["key"], pattern)])
    if is_unnamed.any():
        first = placed["key"][is_unnamed].min()
        _log.warning(
            "split.%s %r matches nothing in %d of %d keys, such as %r; these pictures are grouped by "
            "near-duplicates alone",
            name,
            pattern,
            is_unnamed.sum(),
            len(placed),
            first,
        )
    return int(is_unnamed.sum())


def _report(findings: Findings, limit: float) -> None:
    """Log what the facts give away; warn, with the remedy, if that is too much."""
    files, pictures = findings.files, findings.pictures
    apart = f" ({findings.apart.accuracy:.1%} on groups never seen)" if findings.apart else ""
    said = (
        f"file facts alone predict the class of {files.accuracy:.1%} of the pictures{apart}, by chance "
        f"{files.chance:.1%}; facts left in the developed pictures predict {pictures.accuracy:.1%}"
    )
    if not files.is_above(limit):
        _log.info("Shortcuts: %s", said)
        return
    _log.warning("%s (split.max_metadata_accuracy: %g)", said[0].upper() + said[1:], limit)
    for sentence in files.list_sentences(_N_SENTENCES):
        _log.warning("%s", sentence[0].upper() + sentence[1:])
    _log.warning(
        "A model can learn these shortcuts, and a test set of the same sources does not show it. Keep "
        "sources apart with split.group_by, give all pictures one history with clean.equalise, or add sources"
    )


def _write_audit(findings: Findings, paths: Paths) -> None:
    with write_whole(paths.shortcuts) as temporary:
        text = json.dumps(findings.to_json(), ensure_ascii=False, indent=2, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")
    panels = [
        ShortcutPanel(
            title,
            [FACT_BY_NAME[fact.fact].word for fact in one.facts],
            [fact.accuracy for fact in one.facts],
            one.accuracy,
            one.chance,
        )
        for title, one in (("files", findings.files), ("developed pictures", findings.pictures))
    ]
    draw_shortcut_bars(panels, _locate_figure(paths, "shortcuts"))


def _locate_figure(paths: Paths, name: str) -> Path:
    return paths.figures("split") / f"{name}.png"


def _list_shares(split: SplitParams) -> dict[str, float]:
    return {"train": split.train, "val": split.val, "test": split.test}


if __name__ == "__main__":
    run_stage("split", main)
