"""validate: a row a file, whatever the source; what is unfit stops with one message, after all is written."""

import json
import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.collection import known_files
from pipeline.errors import DataError, ParamsError, SourceError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import open_source
from pipeline.stages import validate
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.raw_classes import RAW_CLASSES
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tracking.runs import Untracked
from pipeline.workers import ordered_map

ParamsOf = Callable[..., Params]
OUTPUTS = {
    "manifest.parquet",
    "classes.parquet",
    "expectations.json",
    "docs/index.html",
    "figures/sizes.png",
    "figures/measures.png",
}
JPEG_START = b"\xff\xd8\xff\xe0"


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_WORKERS", "1")


@pytest.fixture
def lenient(params_of: ParamsOf) -> Params:
    return params_of(validate={"min_images_per_class": 5, "max_unreadable_share": 0.5})


Look = Callable[[Path], pa.Table]


@pytest.fixture
def look(params_of: ParamsOf) -> Look:
    """`look(source)`: the manifest of PNG files, those of one colour too."""

    def look(source: Path) -> pa.Table:
        limits = {
            "max_pixels": 10_000,
            "min_side_px": 4,
            "min_local_contrast": 0,
            "max_seconds_per_file": 5.0,
        }
        params = params_of(data={"ignore": []}, validate={"formats": ["PNG"], **limits})
        return validate.build_manifest(open_source(source, params.data), params)

    return look


def index_rows(manifest: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in manifest.to_pylist()}


def read_outputs(paths: Paths) -> dict[str, bytes]:
    folder = paths.stage("validate")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sound_collection(project: Paths, lenient: Params) -> None:
    metrics = validate.main(lenient, project, Untracked())
    manifest = read_table(project.raw_manifest, RAW_MANIFEST)
    keys = manifest.column("key").to_pylist()
    assert keys == sorted(keys)
    assert len(set(manifest.column("id").to_pylist())) == len(keys) == 30
    row = index_rows(manifest)["line/3.png"]
    assert (row["label"], row["verdict"], row["format"], row["width"]) == ("line", "kept", "PNG", 8)
    assert row["brightness"] == pytest.approx(83 / 255)
    assert read_table(project.raw_classes, RAW_CLASSES).to_pydict() == {
        "label": ["circle", "line", "square"],
        "n_files": [10, 10, 10],
        "n_readable": [10, 10, 10],
        "share_of_largest": [1.0, 1.0, 1.0],
    }
    assert {name: value for name, value in metrics.items() if value} == {
        "n_files": 30,
        "n_kept": 30,
        "n_classes": 3,
        "min_class_readable": 10,
        "max_class_readable": 10,
    }
    assert json.loads(project.expectations.read_text())["intake-classes"]["success"] is True
    assert (project.data_docs / "index.html").is_file()


def test_a_second_run_writes_the_same_bytes(
    project: Paths, lenient: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = validate.main(lenient, project, Untracked())
    first = read_outputs(project)
    shutil.rmtree(project.stage("validate"))
    monkeypatch.setenv("DARKROOM_WORKERS", "2")
    assert validate.main(lenient, project, Untracked()) == metrics
    assert read_outputs(project) == first


def test_folder_zip_and_tar_give_the_same_manifest(project: Paths, look: Look, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for path in sorted(project.raw.rglob("*.png"), reverse=True):
            archive.write(path, path.relative_to(project.raw))
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as tar:
        tar.add(project.raw, arcname="wrapper")
    written = []
    for source in (project.raw, tmp_path / "s.zip", tmp_path / "s.tar.gz"):
        write_table(look(source), tmp_path / "manifest.parquet")
        written.append((tmp_path / "manifest.parquet").read_bytes())
    assert written[0] == written[1] == written[2]


def test_every_file_has_a_row_and_what_is_wrong_a_reason(project: Paths, look: Look) -> None:
    raw = project.raw
    good = (raw / "line" / "0.png").read_bytes()
    (raw / "line" / "text.png").write_bytes(b"hello")
    (raw / "line" / "empty.png").write_bytes(b"")
    (raw / "line" / "half.png").write_bytes(good[:50])
    (raw / "line" / "other.jpg").write_bytes(JPEG_START)
    (raw / "line" / "link.png").symlink_to("/etc/passwd")
    (raw / "line" / "named.jpg").write_bytes(good)
    (raw / "stray.png").write_bytes(good)
    rows = index_rows(look(raw))
    assert len(rows) == 37
    reasons = {key: row["reason"] for key, row in rows.items() if row["verdict"] == "quarantined"}
    assert reasons == {
        "line/text.png": "not_an_image",
        "line/empty.png": "empty",
        "line/half.png": "truncated",
        "line/other.jpg": "unsupported_format",
        "line/link.png": "outside_source",
        "stray.png": "no_label",
    }
    assert all(rows[key]["detail"] and rows[key]["repairs"] == [] for key in reasons)
    assert (rows["line/link.png"]["id"], rows["line/link.png"]["n_bytes"]) == (None, None)
    assert (rows["line/half.png"]["format"], rows["line/half.png"]["width"]) == ("PNG", 8)
    assert (rows["line/named.jpg"]["verdict"], rows["line/named.jpg"]["repairs"]) == (
        "repaired",
        ["wrong_extension"],
    )


def spoil(paths: Paths) -> None:
    for path in sorted((paths.raw / "line").iterdir())[:4]:
        path.write_bytes(b"no image")


def thin(paths: Paths) -> None:
    for path in sorted((paths.raw / "line").iterdir())[2:]:
        path.unlink()


def empty(paths: Paths) -> None:
    (paths.raw / "nothing").mkdir()


def isolate(paths: Paths) -> None:
    shutil.rmtree(paths.raw / "line")
    shutil.rmtree(paths.raw / "square")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(
            spoil,
            r"4 of 30 files .13.3%. cannot be used .*; allowed: at most 5.0%: "
            r"line/0.png.*validate.max_unreadable_share.*"
            r"not_an_image 4.*docs/index.html",
            id="too many unreadable",
        ),
        pytest.param(
            thin, r"fewer than 5 readable.*line 2 .*validate.min_images_per_class", id="a thin class"
        ),
        pytest.param(empty, r"fewer than 5 readable.*nothing 0", id="an empty class"),
        pytest.param(isolate, "At least two classes are needed .*, and the source has 1 ", id="one class"),
    ],
)
def test_an_unfit_collection_stops_with_one_line_and_leaves_everything_to_look_at(
    project: Paths, params_of: ParamsOf, damage: Callable[[Paths], None], message: str
) -> None:
    damage(project)
    with pytest.raises(DataError, match=message) as caught:
        validate.main(params_of(validate={"min_images_per_class": 5}), project, Untracked())
    assert "\n" not in str(caught.value)
    assert str(project.root) not in str(caught.value)
    assert set(read_outputs(project)) == OUTPUTS
    page = (project.data_docs / "index.html").read_text(encoding="utf-8")
    assert "not met: stops the stage" in page


def test_copies_and_imbalance_are_warnings(
    project: Paths, lenient: Params, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(project.raw / "line" / "0.png", project.raw / "line" / "copy.png")
    with caplog.at_level(logging.WARNING):
        validate.main(lenient, project, Untracked())
    assert "line/0.png, line/copy.png" in caplog.text


def test_classes_that_look_alike_are_warned_of(
    project: Paths, lenient: Params, caplog: pytest.LogCaptureFixture
) -> None:
    (project.raw / "line").rename(project.raw / "circle ")
    (project.raw / "square").rename(project.raw / "Circle")
    validate.main(lenient, project, Untracked())
    (said,) = [record.getMessage() for record in caplog.records if "look alike" in record.getMessage()]
    assert "the classes 'Circle' and 'circle' and 'circle ' look alike" in said


def test_a_file_whose_process_was_killed_from_outside_is_named(
    project: Paths, lenient: Params, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is unreadable, and that is no fact about the file: the warning says how to try again."""

    def kill_first(_: Any, items: Any, *, lost: Any, **__: Any) -> Any:
        ticket, item = next(items)
        yield ticket, lost(item, "its process was killed, as happens when memory runs out")
        yield from ordered_map(_, items, lost=lost, **__)  # the rest as ever

    monkeypatch.setattr(known_files, "ordered_map", kill_first)
    metrics = validate.main(lenient, project, Untracked())
    assert metrics["reason/unreadable"] == 1
    assert ".png: its process was killed, as happens when memory runs out; free memory" in caplog.text
    assert "`dvc repro -f validate` tries again" in caplog.text


def test_no_data_is_a_source_error(project: Paths, lenient: Params) -> None:
    shutil.rmtree(project.raw)
    project.raw.mkdir()
    (project.raw / ".gitignore").write_text("/*\n")
    with pytest.raises(SourceError, match="holds no images"):
        validate.main(lenient, project, Untracked())


def test_pixel_tables_may_be_of_the_format_they_declare(project: Paths, params_of: ParamsOf) -> None:
    header = "label," + ",".join(f"p{i}" for i in range(16))
    lines = [f"{i % 2}," + ",".join(str((i * 7 + j) % 256) for j in range(16)) for i in range(20)]
    (project.root / "x.csv").write_text("\n".join([header, *lines]) + "\n")
    params = params_of(
        data={"source": "x.csv", "csv": {"label_column": "label", "image_hw": [4, 4]}},
        validate={"min_images_per_class": 5},
    )
    metrics = validate.main(params, project, Untracked())
    assert (metrics["n_kept"], metrics["n_classes"]) == (20, 2)
    assert set(read_table(project.raw_manifest, RAW_MANIFEST).column("format").to_pylist()) == {"PPM"}


def test_a_format_that_pillow_does_not_know_is_a_params_error(project: Paths, params_of: ParamsOf) -> None:
    with pytest.raises(ParamsError, match="unknown JPG"):
        validate.main(params_of(validate={"formats": ["JPG"]}), project, Untracked())
