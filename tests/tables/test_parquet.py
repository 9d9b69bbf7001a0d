"""Tables: the same rows give the same bytes, and what is read is what was promised."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.errors import DataError, StorageError
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import build_table, read_table, write_table
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tables.split import SPLIT

ROWS: list[dict[str, Any]] = [
    {"id": "b", "class_name": "x", "class_index": 0, "split": "train", "fold": 3},
    {"id": "a", "class_name": "y", "class_index": 1, "split": "test", "fold": -1},
    {"id": "B", "class_name": "é", "class_index": 2, "split": "val", "fold": 0},
]


def find_schemas() -> dict[str, pa.Schema]:
    """The schemas by name: each file of the room but `parquet` has one, called as the file is."""
    found: dict[str, pa.Schema] = {}
    for module in pkgutil.iter_modules(tables.__path__, "pipeline.tables."):
        here = vars(importlib.import_module(module.name))
        own = {name: value for name, value in here.items() if isinstance(value, pa.Schema)}
        assert list(own) == [module.name.rpartition(".")[2].upper()] * bool(own)
        found |= own
    return found


SCHEMAS = find_schemas()


def test_rows_come_sorted_by_code_point() -> None:
    assert build_table(ROWS, SPLIT, sort_by="id")["id"].to_pylist() == ["B", "a", "b"]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    write_table(build_table(ROWS, SPLIT, sort_by="id"), tmp_path / "1.parquet")
    write_table(build_table(reversed(ROWS), SPLIT, sort_by="id"), tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_pandas_leaves_no_trace_in_the_bytes(tmp_path: Path) -> None:
    table = build_table(ROWS, SPLIT, sort_by="id")
    write_table(table, tmp_path / "1.parquet")
    through = pa.Table.from_pandas(table.to_pandas(), schema=SPLIT, preserve_index=False)
    write_table(through, tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_the_columns_of_validates_manifest_stay_where_they_are() -> None:
    """They follow from the table of facts, whose order may change; what is on disk may not."""
    place, verdict = ["id", "key", "label", "source_split"], ["verdict", "reason", "detail", "repairs"]
    first = ["n_bytes", "format", "width", "height", "mode", "exif_orientation", "n_frames"]
    header = ["n_bands", "jpeg_quality", "subsampling", "has_exif", "dpi"]
    measures = ["sharpness", "entropy", "colourfulness", "share_white"]
    border = ["border_brightness", "border_tint", "border_spread", "local_contrast"]
    scale = ["scale_kind", "scale_black", "scale_white"]
    names = [*place, *first, "brightness", "contrast", *header, *measures, *border, *scale, *verdict]
    assert RAW_MANIFEST.names == names


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    schema = SCHEMAS[name]
    example: dict[str, Any] = {
        "string": "é\n",
        "list<item: string>": ["a"],
        "list<item: float>": [0.5],
        "bool": True,
    }
    example["fixed_size_binary[32]"] = bytes(32)
    row = {field.name: example.get(str(field.type), 1) for field in schema}
    table = build_table([row], schema, sort_by=schema.names[0])
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", schema).to_pylist() == [row]


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    write_table(build_table([], SPLIT, sort_by="id"), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", SPLIT).num_rows == 0


def test_an_unknown_column_is_not_taken_over() -> None:
    assert build_table([ROWS[0] | {"more": 1}], SPLIT, sort_by="id").column_names == SPLIT.names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "does not exist; run `dvc repro` to make it", id="missing"),
        pytest.param(b"PAR1 but not really", "is not a Parquet file that can be read", id="not-parquet"),
        pytest.param(b"", "is not a Parquet file that can be read", id="empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(path, SPLIT)


def test_a_folder_in_place_of_a_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=f"^{tmp_path} cannot be read: a folder lies where the file should be"
    ):
        read_table(tmp_path, SPLIT)


def test_other_columns_are_told(tmp_path: Path) -> None:
    write_table(build_table([], EXTRA, sort_by="id"), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"has columns \['id', 'copy', .*\], expected \['id', 'class_name'"):
        read_table(tmp_path / "t.parquet", SPLIT)


def test_a_failed_write_leaves_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    write_table(build_table(ROWS, SPLIT, sort_by="id"), path)
    before = path.read_bytes()

    def full(table: pa.Table, where: Path, **_: object) -> None:
        where.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.tables.parquet.pq.write_table", full)
    with pytest.raises(StorageError, match="No space left on device; free space"):
        write_table(build_table([], SPLIT, sort_by="id"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
