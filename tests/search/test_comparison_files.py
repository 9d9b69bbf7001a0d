"""The files of a comparison: every number in the CSV, nothing a spreadsheet would run, no name as HTML."""

import csv
import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.evidence.intervals import Interval
from pipeline.evidence.paired import Difference
from pipeline.search.comparison import Comparison, Entry
from pipeline.search.comparison_files import (
    draw_comparison,
    show_interval,
    show_value,
    write_csv,
    write_page,
)

Write = Callable[[Path], None]


def make_entry(name: str, accuracy: float, *, p: float = math.nan, note: str = "", **more: float) -> Entry:
    tested = None if math.isnan(p) else Difference(Interval(-1 / 3, -0.5, -0.1), p, 90, True)
    params = {"train.epochs": "5", "data.ignore": '["-x"]', "train.weights": "=a"}
    metrics = {"accuracy": accuracy, "accuracy_low": accuracy - 0.1, "accuracy_high": accuracy + 0.02} | more
    made = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    return Entry(f"id-of-{name}", name, "HOLD", "", made, params, metrics, tested, p, note)


BEST = make_entry(
    "best", 2 / 3, train_seconds=12.5, train_accuracy=0.9, val_accuracy=0.7, n_parameters=123456
)
ODD = make_entry("=cmd|' /C calc'!A0, <b>&", 0.5, p=0.001, note="other test images: 90 common")
GONE = make_entry("gone", 0.4, note="no test answers in MLflow")
DIFFERING = ["train.epochs", "train.weights"]


def compare(*entries: Entry, sort: str = "accuracy") -> Comparison:
    return Comparison(entries, sort, "accuracy", entries[0], DIFFERING)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_csv_holds_every_number_in_full(tmp_path: Path) -> None:
    write_csv(compare(BEST, ODD, GONE), tmp_path / "new" / "a.csv")
    best, odd, gone = read(tmp_path / "new" / "a.csv")
    assert float(best["accuracy"]) == 2 / 3
    assert (best["n_parameters"], best["p"], best["difference_accuracy"]) == ("123456.0", "", "")
    assert best["fit"] == "overfits (20)"
    assert float(odd["difference_accuracy"]) == -1 / 3, "a number is a number, though it begins with -"
    assert (float(odd["p"]), odd["n_common"], odd["train_seconds"]) == (0.001, "90", "")
    assert gone["note"] == "no test answers in MLflow"
    assert odd["row"] == "'=cmd|' /C calc'!A0, <b>&"
    assert (odd["train.epochs"], odd["train.weights"]) == ("5", "'=a")


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_the_figure_has_a_row_for_each_that_is_shown(n: int, tmp_path: Path) -> None:
    entries = [BEST, *(make_entry(f"{'long name ' * 8}{i}", 0.6 - i / 100, p=i / 30) for i in range(n - 1))]
    heights = []
    for shown in (n, 1):
        draw_comparison(compare(*entries), n=shown, path=tmp_path / "a.png")
        heights.append(struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24])[1])
    assert heights[0] - heights[1] == pytest.approx(30 * (n - 1), abs=2)


def test_the_page_is_whole_and_no_name_is_html(tmp_path: Path) -> None:
    write_page(compare(BEST, ODD, GONE), name="<i>mine", n=2, path=tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<title>Comparison: &lt;i&gt;mine</title>" in page
    assert "calc&#x27;!A0, &lt;b&gt;&amp;" in page
    assert "<b>&amp;" not in page
    assert "p 0.001<br>other test images: 90 common" in page
    assert "data:image/png;base64," in page
    assert not {"http://", "https://"} & set(page.split('"'))
    assert "The first 2 of 3 rows by accuracy" in page
    assert "no test answers" not in page, "the third is not shown"
    assert "new_sources_accuracy" not in page, "no row has it"
    known = make_entry("known", 2 / 3, new_sources_accuracy=0.625)
    write_page(compare(known, ODD), name="x", n=2, path=tmp_path / "a.html")
    assert "<td>62.5%</td>" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_a_comparison_by_what_is_no_share(tmp_path: Path) -> None:
    found = compare(BEST, ODD, sort="train_seconds")
    draw_comparison(found, n=5, path=tmp_path / "a.png")
    write_page(found, name="x", n=5, path=tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count(">train_seconds<") == 1, "no column twice"
    assert "&ndash;" in page


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writes: list[Write] = [
        lambda path: write_csv(compare(BEST), path),
        lambda path: draw_comparison(compare(BEST), n=1, path=path),
        lambda path: write_page(compare(BEST), name="x", n=1, path=path),
    ]
    for write in writes:
        with pytest.raises(StorageError, match="cannot be written"):
            write(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        ("accuracy", 0.98765, "98.8%"),
        ("log_loss", 0.98765, "0.9877"),
        ("n_parameters", 123456.0, "123,456"),
        ("train_seconds", 20.0, "20"),
        ("accuracy", math.nan, ""),
    ],
)
def test_values_in_words(metric: str, value: float, said: str) -> None:
    assert show_value(metric, value) == said


def test_an_interval_is_said_where_there_is_one() -> None:
    assert show_interval(BEST, "accuracy") == "66.7% (56.7 to 68.7)"
    assert show_interval(BEST, "train_seconds") == "12.5"
    assert show_interval(ODD, "train_seconds") == ""
