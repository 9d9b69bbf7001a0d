"""JSON within bounds, and one line about what is none."""

from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.json_file import load_json, read_json


def test_values(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, "é"]}', encoding="utf-8")
    assert load_json(tmp_path / "a.json") == {"a": [1, "é"]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"[" * 100_000, "too deep in each other", id="deep"),
        pytest.param(b"[" + b"1," * (33 << 20), "more than 67,108,864 bytes", id="66-MB"),
        pytest.param(b"{", "Expecting property name", id="half"),
    ],
)
def test_what_no_parser_survives(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        load_json(tmp_path / "a.json")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"[" * 100_000, "too deep in each other", id="deep"),
        pytest.param(b"1" * 10_000, "Exceeds the limit", id="10000-digits"),
        pytest.param(b"[" + b"1," * (33 << 20), "more than 67,108,864 bytes", id="66-MB"),
        pytest.param(b"\xff\xfe\xff", "is not JSON", id="not-utf8"),
    ],
)
def test_json_that_no_parser_survives_is_one_line(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(DataError, match=f"{message}.*run `dvc repro -f split`"):
        read_json(tmp_path / "a.json", "split")


def test_a_folder_in_place_of_json_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=f"^{tmp_path} cannot be read: a folder lies where the file should be"
    ):
        read_json(tmp_path, "split")
