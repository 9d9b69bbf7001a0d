"""JSON within bounds; what `read_json` says about bad files is in test_paths."""

from pathlib import Path

import pytest

from pipeline.json_file import load_json


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
