"""suspect_labels.csv: what evaluate writes is what the command reads."""

from pathlib import Path

import pytest

from pipeline.collection.suspect_labels import COLUMNS, Suspect, read_suspects, write_suspects
from pipeline.errors import DataError

SUSPECTS = [
    Suspect(1, "a" * 64, "=x, y.png", "dog", "cat", 0.0, 1.0),
    Suspect(2, "b" * 64, "b.png", "café", "-", 0.25, 0.5),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_suspects(SUSPECTS, tmp_path / "s.csv")
    assert read_suspects(tmp_path / "s.csv") == SUSPECTS
    text = (tmp_path / "s.csv").read_text()
    assert text.startswith("rank,id,key,label,suggested,label_probability,suggested_probability\n1,aaa")
    assert '"\'=x, y.png",dog,cat,0.000000,1.000000\n' in text
    write_suspects([], tmp_path / "s.csv")
    assert read_suspects(tmp_path / "s.csv") == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(f"{','.join(COLUMNS)}\n1,a\n".encode(), id="half a line"),
        pytest.param(f"{','.join(COLUMNS)}\n1,a,b,c,d,e,f\n".encode(), id="no numbers"),
        pytest.param(f"{','.join(COLUMNS)}\n1,\xe9".encode("latin-1"), id="latin-1"),
    ],
)
def test_a_damaged_file_is_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(data)
    with pytest.raises(DataError, match=r"s.csv is damaged \(.*\); run `dvc repro -f evaluate`$"):
        read_suspects(tmp_path / "s.csv")


def test_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s.csv does not exist; run `dvc repro` to make it"):
        read_suspects(tmp_path / "s.csv")
    with pytest.raises(DataError, match="cannot be read: a folder"):
        read_suspects(tmp_path)
