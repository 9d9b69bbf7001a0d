"""clean: every file is kept, repaired or quarantined; copies are settled; the source is what validate saw."""

import hashlib
import io
import logging
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.collection.contact_sheets import draw_quarantine
from pipeline.collection.demos import encode_grey_png
from pipeline.collection.overrides import Override, write_overrides
from pipeline.collection.shards import Shards
from pipeline.errors import DataError, SourceError
from pipeline.images.picture import develop
from pipeline.images.recipe import Recipe
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import open_source
from pipeline.stages import clean, validate
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tracking.runs import Untracked

ParamsOf = Callable[..., Params]
LABELS = ("circle", "line", "square")
# The project's pictures are of one colour each.
LIMITS = {"max_pixels": 10**6, "min_side_px": 4, "min_local_contrast": 0, "max_seconds_per_file": 5.0}
Look = Callable[..., None]


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_WORKERS", "1")


@pytest.fixture
def params(params_of: ParamsOf) -> Params:
    return params_of(clean={"image_hw": [6, 5]})


@pytest.fixture
def look(params_of: ParamsOf) -> Look:
    """`look(paths)`: write the manifest as validate does, without its expectations; or of another source."""
    params = params_of(data={"ignore": [".*"]}, validate={"formats": ["PNG", "TIFF"], **LIMITS})

    def look(paths: Paths, source: Path | None = None) -> None:
        opened = open_source(source or paths.raw, params.data)
        write_table(validate.build_manifest(opened, params), paths.raw_manifest)

    return look


def read_outputs(paths: Paths) -> dict[str, bytes]:
    folder = paths.stage("clean")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index_rows(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in table.to_pylist()}


def test_pictures_are_where_the_manifest_says(project: Paths, params: Params, look: Look) -> None:
    look(project)
    metrics = clean.main(params, project, Untracked())
    table = read_table(project.clean_manifest, CLEAN_MANIFEST)
    assert table.column("key").to_pylist() == sorted(table.column("key").to_pylist())
    assert table.column("duplicate_group") == table.column("id")
    pictures = Shards(project.shards).gather(table.column("shard").to_numpy(), table.column("row").to_numpy())
    assert pictures.shape == (30, 6, 5, 3)
    for key, picture in zip(table.column("key").to_pylist(), pictures, strict=True):
        data = (project.raw / key).read_bytes()
        expected = develop(data, Recipe((6, 5), 3, "stretch", "bicubic", equalise=0, formats=("PNG",)))
        assert (picture == expected).all()
    assert len(read_table(project.quarantine, QUARANTINE)) == 0
    assert {name: value for name, value in metrics.items() if value} == {"n_files": 30, "n_kept": 30}
    assert {"reason/duplicate", "repair/alpha"} <= set(metrics)


def test_a_second_run_and_another_container_write_the_same_bytes(
    project: Paths, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    (project.raw / "line" / "bad.png").write_bytes(b"no image")
    shutil.copy(project.raw / "line" / "1.png", project.raw / "line" / "copy.png")
    look(project)
    clean.main(params_of(), project, Untracked())
    first = read_outputs(project)
    clean.main(params_of(), project, Untracked())
    assert read_outputs(project) == first
    with zipfile.ZipFile(project.root / "s.zip", "w") as archive:
        for path in sorted(project.raw.rglob("*.png"), reverse=True):
            archive.write(path, path.relative_to(project.raw))
    monkeypatch.setenv("DARKROOM_WORKERS", "2")
    look(project, project.root / "s.zip")
    clean.main(params_of(data={"source": "s.zip"}), project, Untracked())
    assert read_outputs(project) == first


def test_every_file_is_accounted_for(project: Paths, params: Params, look: Look) -> None:
    raw = project.raw
    good = (raw / "line" / "0.png").read_bytes()
    for name, data in {
        "line/bad.png": b"no image",
        "line/copy.png": good,
        "line/named.tif": (raw / "line" / "1.png").read_bytes() + b"\0",
        "square/conflict.png": (raw / "circle" / "5.png").read_bytes(),
        "stray.png": good,
    }.items():
        (raw / name).write_bytes(data)
    look(project)
    metrics = clean.main(params, project, Untracked())
    kept, away = (
        read_table(project.clean_manifest, CLEAN_MANIFEST),
        read_table(project.quarantine, QUARANTINE),
    )
    assert {key: row["reason"] for key, row in index_rows(away).items()} == {
        "circle/5.png": "conflicting_labels",
        "line/bad.png": "not_an_image",
        "line/copy.png": "duplicate",
        "square/conflict.png": "conflicting_labels",
        "stray.png": "no_label",
    }
    assert index_rows(kept)["line/named.tif"]["repairs"] == ["wrong_extension"]
    assert {name: value for name, value in metrics.items() if value} == {
        "n_files": 35,
        "n_kept": 29,
        "n_repaired": 1,
        "n_quarantined": 5,
        "repair/wrong_extension": 1,
        "reason/conflicting_labels": 2,
        "reason/duplicate": 1,
        "reason/no_label": 1,
        "reason/not_an_image": 1,
    }
    assert len(Shards(project.shards)) == len(kept) == 30


def make_row(key: str, image_id: str, source_split: str = "", reason: str = "") -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(RAW_MANIFEST.names)
    return empty | {
        "id": image_id,
        "key": key,
        "label": key.split("/")[-2],
        "source_split": source_split,
        "verdict": "quarantined" if reason else "kept",
        "reason": reason,
        "detail": "",
        "repairs": [],
        "width": 8,
        "height": 8,
        "format": "PNG",
    }


def test_a_picture_that_fails_after_validate_is_quarantined_and_moves_no_other(
    project: Paths, params: Params, look: Look
) -> None:
    bad = project.raw / "circle" / "3.png"
    bad.write_bytes(b"no image")
    look(project)
    table = read_table(project.raw_manifest, RAW_MANIFEST)
    as_kept = [
        make_row(key, hashlib.sha256((project.raw / key).read_bytes()).hexdigest())
        for key in table.column("key").to_pylist()
    ]
    write_table(pa.Table.from_pylist(as_kept, schema=RAW_MANIFEST), project.raw_manifest)
    metrics = clean.main(params, project, Untracked())
    assert (metrics["n_kept"], metrics["reason/not_an_image"]) == (29, 1)
    kept = read_table(project.clean_manifest, CLEAN_MANIFEST)
    assert kept.column("row").to_pylist() == [i for i in range(30) if i != 3]
    pictures = Shards(project.shards).gather(np.array([0, 0]), np.array([3, 4]))
    assert (pictures[0].max(), pictures[1].min()) == (0, 4)


def change(paths: Paths) -> None:
    (paths.raw / "line" / "3.png").write_bytes((paths.raw / "line" / "4.png").read_bytes())


def add(paths: Paths) -> None:
    (paths.raw / "line" / "new.png").write_bytes(b"")


def remove(paths: Paths) -> None:
    (paths.raw / "line" / "3.png").unlink()


def block(paths: Paths) -> None:
    (paths.raw / "line" / "3.png").unlink()
    (paths.raw / "line" / "3.png").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("meddle", "message"),
    [
        pytest.param(change, "line/3.png has other bytes", id="changed"),
        pytest.param(add, "line/new.png is new", id="appeared"),
        pytest.param(remove, "1 gone, such as line/3.png", id="vanished"),
        pytest.param(block, "line/3.png has other bytes", id="not readable any more"),
    ],
)
def test_a_source_that_changed_since_validate_stops(
    project: Paths, params: Params, meddle: Callable[[Paths], None], message: str, look: Look
) -> None:
    look(project)
    meddle(project)
    with pytest.raises(
        SourceError, match=f"has changed since validate: {message}; run `dvc repro -f validate`"
    ):
        clean.main(params, project, Untracked())
    assert not list(project.stage("clean").rglob("*.npy*"))


def test_a_class_that_loses_all_its_pictures_is_named(project: Paths, params: Params, look: Look) -> None:
    for number in range(10):
        shutil.copy(project.raw / "circle" / f"{number}.png", project.raw / "line" / f"{number}.png")
    look(project)
    with pytest.raises(DataError, match=r"class circle has no picture left .conflicting_labels 10") as caught:
        clean.main(params, project, Untracked())
    assert "data/clean/quarantine.parquet" in str(caught.value)
    assert len(read_table(project.quarantine, QUARANTINE)) == 20


@pytest.mark.parametrize(("side", "warns"), [(8, False), (1, True)])
def test_losing_most_of_the_detail_warns(
    project: Paths, params_of: ParamsOf, caplog: pytest.LogCaptureFixture, side: int, warns: bool, look: Look
) -> None:
    look(project)
    with caplog.at_level(logging.WARNING):
        clean.main(params_of(clean={"image_hw": [side, side]}), project, Untracked())
    assert ("clean.image_hw" in caplog.text) == warns


def test_originals_are_left_alone(project: Paths, params: Params, look: Look) -> None:
    def read_originals() -> dict[str, tuple[bytes, int]]:
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in project.raw.rglob("*.png")}

    before = read_originals()
    look(project)
    clean.main(params, project, Untracked())
    assert read_originals() == before


@pytest.fixture
def messy(project: Paths, look: Look) -> Paths:
    """The project with a file for every kind of decision, as validate sees it."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    for name, data in {
        "line/moving.png": stream.getvalue(),
        "line/small.png": encode_grey_png([b"\0\1"] * 2),
        "circle/both.png": encode_grey_png([b"\xff" * 8] * 8),
        "square/both.png": encode_grey_png([b"\xff" * 8] * 8),
        "stray.png": encode_grey_png([b"\x3c" * 8] * 8),
        "line/bad.png": b"no image",
    }.items():
        (project.raw / name).write_bytes(data)
    look(project)
    return project


def decide(paths: Paths, *lines: tuple[str, str, str]) -> None:
    write_overrides([Override("", key, action, label) for key, action, label in lines], paths.overrides)


def test_what_people_decided_is_obeyed_and_every_file_accounted_for(messy: Paths, params: Params) -> None:
    decide(
        messy,
        ("line/moving.png", "restore", ""),
        ("line/small.png", "restore", ""),
        ("circle/both.png", "restore", ""),
        ("stray.png", "relabel", "square"),
        ("line/1.png", "relabel", "circle"),
        ("line/2.png", "drop", ""),
        ("line/gone.png", "drop", ""),
    )
    metrics = clean.main(params, messy, Untracked())
    kept, away = (
        index_rows(read_table(messy.clean_manifest, CLEAN_MANIFEST)),
        index_rows(read_table(messy.quarantine, QUARANTINE)),
    )
    assert {key: row["reason"] for key, row in away.items()} == {
        "line/2.png": "dropped",
        "line/bad.png": "not_an_image",
        "square/both.png": "conflicting_labels",
    }
    assert {key: kept[key]["label"] for key in ("stray.png", "line/1.png", "circle/both.png")} == {
        "stray.png": "square",
        "line/1.png": "circle",
        "circle/both.png": "circle",
    }
    assert kept["line/moving.png"]["repairs"] == ["multi_frame_first"]
    first = kept["line/moving.png"]
    picture = Shards(messy.shards).gather(np.array([first["shard"]]), np.array([first["row"]]))[0]
    assert picture.reshape(-1, 3).tolist() == [[255, 0, 0]] * 30
    assert len(kept) + len(away) == metrics["n_files"] == 36
    assert metrics["n_kept"] + metrics["n_repaired"] == len(kept)
    assert (metrics["n_overrides"], metrics["n_overrides_unused"], metrics["reason/dropped"]) == (7, 1, 1)


def test_decisions_give_the_same_bytes_again(
    messy: Paths, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(messy, ("line/2.png", "drop", ""), ("line/moving.png", "restore", ""))
    clean.main(params, messy, Untracked())
    first = read_outputs(messy)
    assert {"figures/quarantine.png", *(f"figures/class_{name}.png" for name in LABELS)} <= set(first)
    monkeypatch.setenv("DARKROOM_WORKERS", "2")
    clean.main(params, messy, Untracked())
    assert read_outputs(messy) == first


def test_quarantined_pictures_that_are_larger_than_all_others_are_shown(
    project: Paths, params: Params, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = encode_grey_png([bytes(range(40))] * 30)
    for label in ("circle", "line"):
        (project.raw / label / "large.png").write_bytes(large)
    look(project)
    shown: list[str] = []

    def draw(files: Any, thumbnails: Any, path: Path) -> None:
        shown.extend(thumbnails)
        draw_quarantine(files, thumbnails, path)

    monkeypatch.setattr(clean, "draw_quarantine", draw)
    clean.main(params, project, Untracked())
    assert sorted(shown) == ["circle/large.png", "line/large.png"]


def test_a_decision_about_no_file_is_said(
    messy: Paths, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    decide(messy, ("line/gone.png", "drop", ""))
    with caplog.at_level(logging.WARNING):
        clean.main(params, messy, Untracked())
    assert "1 of 1 decisions in data/overrides.csv match no file of the source" in caplog.text
    assert "line/gone.png" in caplog.text


def test_a_decision_that_cannot_be_obeyed_stops_before_anything_is_written(
    messy: Paths, params: Params
) -> None:
    decide(messy, ("line/bad.png", "restore", ""))
    with pytest.raises(
        DataError, match=r"overrides.csv: line/bad.png cannot be restored: it is not_an_image"
    ):
        clean.main(params, messy, Untracked())
    assert not messy.stage("clean").exists()
