"""Sources whose labels stand in a table, through validate and clean: quarantine and decisions work by key."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.collection.overrides import Override, write_overrides
from pipeline.paths import Paths
from pipeline.stages import clean, validate
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tracking.runs import Untracked
from tests.conftest import ParamsOf

LABELS = [f"{'ab'[i % 2]}" for i in range(24)]
PICTURES = [encode_grey_png([bytes([i * 10] * 8)] * 8) for i in range(24)]
Make = Callable[[Path], list[str]]


def beside_a_csv(raw: Path) -> list[str]:
    """Pictures and labels.csv: the last picture has no row, one row has no picture."""
    rows = ["pathname;label"]
    for i, (picture, label) in enumerate(zip(PICTURES, LABELS, strict=True)):
        (raw / "scans").mkdir(parents=True, exist_ok=True)
        (raw / "scans" / f"{i:02d}.png").write_bytes(picture)
        rows += [f"scans/{i:02d}.png;{label}"] if i < 23 else ["scans/gone.png;b"]
    (raw / "labels.csv").write_text("\n".join(rows))
    return ["scans/23.png", "scans/gone.png", "scans/00.png"]


def in_a_tar(raw: Path) -> list[str]:
    """A shard of WebDataset: the last picture has no label, one label has no picture."""
    raw.mkdir(parents=True)
    with tarfile.open(raw / "0.tar", "w") as archive:
        for i, (picture, label) in enumerate(zip(PICTURES, LABELS, strict=True)):
            members = {f"{i:02d}.png": picture} | ({f"{i:02d}.cls": label.encode()} if i < 23 else {})
            for name, data in (members | ({"gone.cls": b"b"} if i == 23 else {})).items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return ["0.tar/23.png", "0.tar/gone", "0.tar/00.png"]


def in_parquet(raw: Path) -> list[str]:
    """A Parquet file: the last picture has no label, one row has no picture."""
    raw.mkdir(parents=True)
    columns = {"image": [*PICTURES, None], "label": [*LABELS[:-1], None, "b"]}
    pq.write_table(pa.table(columns), raw / "x.parquet")
    return ["x.parquet/000023", "x.parquet/000024", "x.parquet/000000"]


@pytest.mark.parametrize("make", [beside_a_csv, in_a_tar, in_parquet])
def test_every_picture_is_kept_or_quarantined_and_decided_by_its_key(
    tmp_path: Path, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    paths = Paths(tmp_path)
    unlabelled, gone, first = make(paths.raw)
    lenient = {"min_images_per_class": 5, "max_unreadable_share": 0.2}
    params = params_of(validate=lenient, clean={"image_hw": [8, 8]})
    assert validate.main(params, paths, Untracked())["n_classes"] == 2
    clean.main(params, paths, Untracked())
    away = {row["key"]: row["reason"] for row in read_table(paths.quarantine, QUARANTINE).to_pylist()}
    assert away == {unlabelled: "no_label", gone: "missing"}
    decisions = [Override("", unlabelled, "relabel", "a"), Override("", first, "drop")]
    write_overrides(decisions, paths.overrides)
    clean.main(params, paths, Untracked())
    kept = {row["key"]: row["label"] for row in read_table(paths.clean_manifest, CLEAN_MANIFEST).to_pylist()}
    assert (len(kept), kept[unlabelled], first in kept) == (23, "a", False)
    away = {row["key"]: row["reason"] for row in read_table(paths.quarantine, QUARANTINE).to_pylist()}
    assert away == {first: "dropped", gone: "missing"}
