"""split: classes, places, stability, and what it says when a split is impossible."""

import hashlib
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.collection.shards import ShardWriter
from pipeline.errors import DarkroomError, DataError, ParamsError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.stages import split
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import build_table, read_table, write_table
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tables.split import SPLIT
from pipeline.tracking.runs import Untracked

ParamsOf = Callable[..., Params]
BIG, SMALL = 2_000, 300
# The same for all: there is no shortcut, and the audit costs nothing.
FACTS = {"format": "PNG", "n_bytes": 100, "width": 8, "height": 8, "mode": "L", "n_bands": 1}


class Inputs(Untracked):
    """A run that remembers its inputs."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, Path, str]] = []

    def log_dataset(self, name: str, path: Path, context: str) -> None:
        self.inputs.append((name, path, context))


def make_pictures(counts: dict[str, int], *, start: int = 0, source_split: str = "") -> pd.DataFrame:
    """Clean rows, so many a folder; ids depend on folder and number only."""
    rows = [
        {"id": hashlib.sha256(f"{label}/{i}".encode()).hexdigest(), "key": f"{label}/{i}", "label": label}
        for label, n in counts.items()
        for i in range(start, start + n)
    ]
    fixed = {"source_split": source_split, "shard": 0, "row": 0, "pdq": bytes(32), "pdq_quality": 0}
    frame = pd.DataFrame(rows).assign(**fixed)
    return frame.assign(duplicate_group=frame["id"], repairs=[[] for _ in rows])


def run(
    tmp_path: Path, clean: pd.DataFrame, params: Params, facts: list[dict[str, Any]] | None = None
) -> tuple[Paths, dict[str, float]]:
    paths = Paths(tmp_path)
    write_table(
        pa.Table.from_pandas(clean[CLEAN_MANIFEST.names], schema=CLEAN_MANIFEST, preserve_index=False),
        paths.clean_manifest,
    )
    own = facts or [{}] * len(clean)
    rows = [FACTS | more | {"key": key} for key, more in zip(clean["key"], own, strict=True)]
    raw = build_table(rows, RAW_MANIFEST, sort_by="key")
    write_table(raw, paths.raw_manifest)
    with ShardWriter(paths.shards, 1, (8, 8, 1), 1) as writer:
        writer.write(0, 0, np.zeros((8, 8, 1), np.uint8))
    return paths, dict(split.main(params, paths, Untracked()))


def read_places(paths: Paths) -> dict[str, str]:
    table = read_table(paths.split, SPLIT).to_pandas()
    return dict(zip(table["id"], table["split"], strict=True))


def test_every_picture_has_one_place_and_its_class(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures({"10": SMALL, "9": SMALL})
    paths, metrics = run(tmp_path, clean, params_of())
    table = read_table(paths.split, SPLIT).to_pandas()
    assert list(table["id"]) == sorted(clean["id"])
    assert json.loads(paths.classes.read_text()) == ["9", "10"]
    label_of = dict(zip(clean["id"], clean["label"], strict=True))
    assert [label_of[id_] for id_ in table["id"]] == list(table["class_name"])
    assert set(zip(table["class_name"], table["class_index"], strict=True)) == {("9", 0), ("10", 1)}
    assert metrics["n_classes"] == 2
    for part in ("train", "val", "test"):
        assert metrics[f"n_{part}"] == (table["split"] == part).sum()
        assert metrics[f"share/{part}"] == pytest.approx((table["split"] == part).mean())
        for name in ("9", "10"):
            ours = (table["split"] == part) & (table["class_name"] == name)
            assert metrics[f"class/{name}/{part}"] == ours.sum()


def test_the_manifest_is_an_input_of_the_run(tmp_path: Path, params_of: ParamsOf) -> None:
    paths, _ = run(tmp_path, make_pictures({"a": SMALL, "b": SMALL}), params_of())
    inputs = Inputs()
    split.main(params_of(), paths, inputs)
    assert inputs.inputs == [("clean", paths.clean_manifest, "split")]


def test_shuffled_rows_give_the_same_bytes(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures({"a": SMALL, "b": SMALL})
    first, metrics = run(tmp_path / "1", clean, params_of())
    second, shuffled_metrics = run(tmp_path / "2", clean.sample(frac=1, random_state=0), params_of())
    assert first.split.read_bytes() == second.split.read_bytes()
    assert first.classes.read_bytes() == second.classes.read_bytes()
    assert metrics == shuffled_metrics


def test_adding_pictures_to_large_classes_moves_none(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures({"a": BIG, "b": BIG})
    before = read_places(run(tmp_path / "1", clean, params_of())[0])
    more = pd.concat([make_pictures({"a": 50, "new": 50}, start=BIG), clean])
    after = read_places(run(tmp_path / "2", more, params_of())[0])
    assert {id_: after[id_] for id_ in before} == before
    assert len(after) == len(before) + 100


def test_a_class_map_moves_no_picture(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures({"Photo": BIG, "Text": BIG, "Sketch": BIG})
    before = read_places(run(tmp_path / "1", clean, params_of())[0])
    binary = params_of(data={"classes": {"photo": ("Photo",), "other": ("*",)}})
    paths, _ = run(tmp_path / "2", clean, binary)
    assert read_places(paths) == before
    assert json.loads(paths.classes.read_text()) == ["photo", "other"]


def test_another_seed_is_another_split(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures({"a": SMALL, "b": SMALL})
    first = read_places(run(tmp_path / "1", clean, params_of())[0])
    second = read_places(run(tmp_path / "2", clean, params_of(split={"seed": 1}))[0])
    assert first != second


def test_shares_of_each_class_are_within_three_standard_errors(tmp_path: Path, params_of: ParamsOf) -> None:
    params = params_of()
    _, metrics = run(tmp_path, make_pictures({"a": BIG, "b": SMALL}), params)
    for name, n in (("a", BIG), ("b", SMALL)):
        for part in ("train", "val", "test"):
            share = getattr(params.split, part)
            deviation = np.sqrt(share * (1 - share) / n)
            assert abs(metrics[f"class/{name}/{part}"] / n - share) < 3 * deviation


@pytest.mark.parametrize(
    ("own", "other", "cut"),
    [pytest.param("test", "val", 0.15 / 0.85, id="test"), pytest.param("val", "test", 0.15 / 0.85, id="val")],
)
def test_what_the_source_brings_stays(
    own: str, other: str, cut: float, tmp_path: Path, params_of: ParamsOf
) -> None:
    theirs = make_pictures({"a": 100, "b": 100}, start=BIG, source_split=own)
    clean = pd.concat([make_pictures({"a": BIG, "b": BIG}, source_split="train"), theirs])
    paths, metrics = run(tmp_path, clean, params_of())
    place = read_places(paths)
    assert {id_ for id_, part in place.items() if part == own} == set(theirs["id"])
    assert metrics[f"n_{other}"] / (2 * BIG) == pytest.approx(cut, abs=0.02)


def test_groups_never_cross(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures({"a": BIG, "b": BIG})
    clean["duplicate_group"] = [f"scan {i // 4}" for i in range(len(clean))]
    paths, _ = run(tmp_path, clean, params_of())
    group_of = dict(zip(clean["id"], clean["duplicate_group"], strict=True))
    table = read_table(paths.split, SPLIT).to_pandas()
    per_group = table.groupby(table["id"].map(group_of))[["split", "fold"]].nunique()
    assert (per_group == 1).all(axis=None)


def repeat_first(clean: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([clean, clean.iloc[:1]])


@pytest.mark.parametrize(
    ("clean", "changes", "kind", "message"),
    [
        pytest.param(
            make_pictures({"a": SMALL, "b": 1}),
            {},
            DataError,
            "class 'b': none of its pictures (1) is in val or test (split.train/val/test: 0.7/0.15/0.15)",
            id="too-few-pictures",
        ),
        pytest.param(
            pd.concat(
                [
                    make_pictures({"a": SMALL, "b": SMALL}, source_split="train"),
                    make_pictures({"a": 9}, start=SMALL, source_split="test"),
                ]
            ),
            {},
            DataError,
            "class 'b': none of its pictures (300) is in test",
            id="own-test-set-lacks-a-class",
        ),
        pytest.param(
            make_pictures({"a": SMALL, "b": SMALL}),
            {"classes": {"x": ("c",), "y": ("*",)}},
            ParamsError,
            "data.classes names 'c'",
            id="class-map-names-a-missing-folder",
        ),
        pytest.param(make_pictures({"a": SMALL}), {}, DataError, "at least two classes", id="one-class"),
        pytest.param(
            repeat_first(make_pictures({"a": SMALL, "b": SMALL})),
            {},
            DataError,
            "is twice in the clean manifest",
            id="twice",
        ),
    ],
)
def test_an_impossible_split_says_why_and_writes_nothing(
    clean: pd.DataFrame,
    changes: dict[str, Any],
    kind: type[DarkroomError],
    message: str,
    tmp_path: Path,
    params_of: ParamsOf,
) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        run(tmp_path, clean, params_of(data=changes))
    assert not Paths(tmp_path).stage("split").exists()


def test_a_leak_is_refused_by_the_stage(
    tmp_path: Path, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deal_carelessly(groups: "pd.Series[str]", *_: object, **__: object) -> "pd.Series[str]":
        return pd.Series(["train", "test"] * (len(groups) // 2), dtype="str")

    monkeypatch.setattr(split, "divide", deal_carelessly)
    with pytest.raises(DataError, match="more than one split"):
        run(tmp_path, make_pictures({"a": SMALL, "b": SMALL}).assign(duplicate_group="one"), params_of())
    assert not Paths(tmp_path).stage("split").exists()


def test_the_shares_are_logged_as_a_table(
    tmp_path: Path, params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="pipeline.stages.split"):
        _, metrics = run(tmp_path, make_pictures({"a": SMALL, "b": SMALL}), params_of())
    lines = caplog.text.splitlines()
    assert any(re.match(r"a +300 +\d+ \(\d\d\.\d%\)", line) for line in lines)
    assert any(re.match(rf"all classes +600 +{metrics['n_train']} ", line) for line in lines)


def count_places(paths: Paths, clean: pd.DataFrame, column: str) -> pd.DataFrame:
    """Splits and folds a value of one of clean's columns has."""
    table = read_table(paths.split, SPLIT).to_pandas().merge(clean, on="id")
    return table.groupby(column)[["split", "fold"]].nunique()


@pytest.mark.parametrize("exact_below", [0, 1_000_000])
def test_a_scan_batch_and_its_near_duplicates_never_cross(
    exact_below: int, tmp_path: Path, params_of: ParamsOf
) -> None:
    clean = make_pictures({"a": BIG, "b": BIG})
    clean["batch"] = [f"s{i % 300:03d}" for i in range(len(clean))]
    clean["key"] = [
        f"{label}/{b}_{i}" for i, (label, b) in enumerate(zip(clean["label"], clean["batch"], strict=True))
    ]
    clean.loc[:9, "duplicate_group"] = clean["id"][
        :10
    ].min()  # ten batches that share a near-duplicate are one
    clean.loc[BIG:, "key"] = [f"b/loose-{i}" for i in range(BIG)]
    params = params_of(split={"group_by": r"/(s\d+)_", "exact_below": exact_below})
    paths, metrics = run(tmp_path, clean, params)
    named = clean[:BIG].assign(merged=[b if int(b[1:]) >= 10 else "one" for b in clean["batch"][:BIG]])
    assert (count_places(paths, named, "merged") == 1).all(axis=None)
    assert metrics["n_without_group_by"] == BIG
    assert metrics["n_groups"] == 291 + BIG


def test_a_new_picture_of_a_named_group_moves_none(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures(dict.fromkeys("abcdefgh", SMALL))
    clean["key"] = [f"x/{i % 90:02d}" for i in range(len(clean))]
    params = params_of(split={"group_by": r"\d\d", "exact_below": 0})
    before = read_places(run(tmp_path / "1", clean, params)[0])
    more = make_pictures({"a": 100}, start=SMALL)
    more["key"] = [f"x/{i % 90:02d}" for i in range(100)]
    after = read_places(run(tmp_path / "2", pd.concat([more, clean]), params)[0])
    assert {id_: after[id_] for id_ in before} == before


def test_a_class_that_is_one_group_is_explained(tmp_path: Path, params_of: ParamsOf) -> None:
    clean = make_pictures({"a": SMALL, "b": 40})
    clean.loc[clean["label"] == "b", "duplicate_group"] = "one"
    with pytest.raises(DataError, match=r"class 'b'.*1 group, and a group is never divided; add pictures"):
        run(tmp_path, clean, params_of())


def test_small_classes_have_exact_shares_and_few_test_pictures_are_told(
    tmp_path: Path, params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pipeline.collection.class_counts")
    clean = make_pictures({"a": BIG, "b": 200, "c": 40})
    paths, metrics = run(tmp_path / "1", clean, params_of())
    assert [metrics[f"class/b/{part}"] for part in ("train", "val", "test")] == [140, 30, 30]
    assert [metrics[f"class/c/{part}"] for part in ("train", "val", "test")] == [28, 6, 6]
    by_hash = read_places(run(tmp_path / "2", clean, params_of(split={"exact_below": 0}))[0])
    place = read_places(paths)
    large = clean["id"][clean["label"] == "a"]
    assert {id_: place[id_] for id_ in large} == {id_: by_hash[id_] for id_ in large}
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "2 of 3 classes have under 500 pictures (split.exact_below) and so exact shares" in said
    assert "new pictures may move earlier ones between train, val and test: b, c" in said
    assert "1 of 3 classes have fewer than 10 test pictures" in said
    assert "their scores are rough: c (6)." in said


def test_new_pictures_of_a_small_class_move_few(tmp_path: Path, params_of: ParamsOf) -> None:
    """Only near the edges of the shares, because the order of the hashes stays."""
    before = read_places(run(tmp_path / "1", make_pictures({"a": 100, "b": 100}), params_of())[0])
    after = read_places(run(tmp_path / "2", make_pictures({"a": 110, "b": 110}), params_of())[0])
    assert sum(after[id_] != place for id_, place in before.items()) < 0.1 * len(before)


def list_formats(clean: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"format": "PNG" if label == "a" else "JPEG"} for label in clean["label"]]


def test_a_shortcut_is_a_warning_with_the_fact_and_the_remedy(
    tmp_path: Path, params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    clean = make_pictures({"a": SMALL, "b": SMALL})
    paths, metrics = run(tmp_path / "1", clean, params_of(), list_formats(clean))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 3
    assert warnings[1] == "A picture of b is JPEG in 100 % of cases, one of another class in 0 %"
    assert "split.group_by" in warnings[-1]
    assert "clean.equalise" in warnings[-1]
    assert (metrics["metadata_accuracy"], metrics["metadata_chance"]) == (1, 0.5)
    assert metrics["residual_accuracy"] == 0.5
    assert "b is JPEG in 100 %" in json.loads(paths.shortcuts.read_text())["metadata"]["facts"][0]["sentence"]
    shuffled = clean.sample(frac=1, random_state=0)
    again, _ = run(tmp_path / "2", shuffled, params_of(), list_formats(shuffled))
    assert again.shortcuts.read_bytes() == paths.shortcuts.read_bytes()
    for name in ("shortcuts.png", "classes.png"):
        figures = [one.figures("split") / name for one in (paths, again)]
        assert figures[0].read_bytes() == figures[1].read_bytes()


def test_without_a_shortcut_there_is_no_warning(
    tmp_path: Path, params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    paths, metrics = run(tmp_path, make_pictures({"a": SMALL, "b": SMALL}), params_of())
    assert [record for record in caplog.records if record.levelno == logging.WARNING] == []
    assert metrics["metadata_accuracy"] == metrics["metadata_chance"] == 0.5
    assert json.loads(paths.shortcuts.read_text())["metadata"]["facts"] == []


@pytest.mark.parametrize("knob", ["group_by", "fold_by"])
def test_the_audit_says_what_is_left_when_groups_are_apart(
    knob: str, tmp_path: Path, params_of: ParamsOf
) -> None:
    clean = make_pictures({"a": SMALL, "b": SMALL})
    clean["key"] = [f"{key.split('/')[0]}/{i % 20}__{i}" for i, key in enumerate(clean["key"])]
    params = params_of(split={knob: r"(\d+)__"})
    _, metrics = run(tmp_path, clean, params, list_formats(clean))
    assert metrics["metadata_accuracy_groups_apart"] == 1
