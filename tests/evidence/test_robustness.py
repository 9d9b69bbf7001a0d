"""Robustness: known answers to altered pictures of light and dark."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.evidence.examination import Finding
from pipeline.evidence.robustness import COLUMNS, probe_robustness
from pipeline.images.graded_alterations import ALTERATIONS, GRAYSCALE
from tests.evidence.conftest import ExaminationOf

LIGHT, DARK = 230, 20
SHADES, Y = [LIGHT, DARK] * 20, [0, 1] * 20


def probe(examination_of: ExaminationOf, root: Path, *, n: int | None = 40) -> Finding:
    examined = examination_of(SHADES, Y)
    return probe_robustness(
        examined, n=n, confidence=0.95, table=root / "out" / "table.csv", folder=root / "out" / "figures"
    )


def read_table(root: Path) -> dict[tuple[str, int], dict[str, str]]:
    with (root / "out" / "table.csv").open(encoding="utf-8", newline="") as file:
        return {(row["alteration"], int(row["severity"])): row for row in csv.DictReader(file)}


def test_what_hurts_and_what_does_not(examination_of: ExaminationOf, tmp_path: Path) -> None:
    """Light is told from dark by the mean: brightness of 50 % turns dark pictures into light ones."""
    finding = probe(examination_of, tmp_path)
    rows = read_table(tmp_path)
    assert rows["none", 0] == {
        "alteration": "none",
        "severity": "0",
        "accuracy": "1.000000",
        "low": rows["none", 0]["low"],
        "high": "1.000000",
        "n": "40",
    }
    assert 0.9 < float(rows["none", 0]["low"]) < 1
    assert {name for name, _ in rows} == {"none", *ALTERATIONS} - {GRAYSCALE}
    assert float(rows["rotation", 5]["accuracy"]) == 1
    assert float(rows["brightness", 5]["accuracy"]) == 0.5
    assert float(rows["brightness", 1]["accuracy"]) == 1
    assert finding.metrics["robustness/rotation"] == 1
    accuracies = [float(row["accuracy"]) for (name, _), row in rows.items() if name != "none"]
    assert finding.metrics["robust_accuracy"] == pytest.approx(np.mean(accuracies))
    assert finding.metrics["overall/robust_accuracy_low"] < finding.metrics["robust_accuracy"]
    assert [name for name in finding.metrics if "/" not in name] == ["robust_accuracy"]


def test_the_page_says_it(examination_of: ExaminationOf, tmp_path: Path) -> None:
    finding = probe(examination_of, tmp_path)
    page = "\n".join(finding.lines)
    assert "these pictures are grey" in page
    assert "no alteration costs more than luck may" in page
    assert finding.judgements[0].state == "unknown", "of 40 pictures"
    assert "40 test pictures cannot show what hurts" in finding.judgements[0].words
    assert page.count('src="data:image/png;base64,') == 3
    assert finding.files == [tmp_path / "out" / "table.csv"]


def test_the_worst_comes_first(examination_of: ExaminationOf, tmp_path: Path) -> None:
    """Pictures near the border between light and dark: brightness at severity 3 adds 76."""
    examined = examination_of([140, 90] * 20, Y)
    finding = probe_robustness(
        examined, n=40, confidence=0.95, table=tmp_path / "table.csv", folder=tmp_path / "figures"
    )
    assert "at severity 3: <b>brightness: 100% &rarr; 50%" in finding.lines[0]
    assert finding.judgements[0].state == "warning"
    assert "What hurts most, at severity 3: brightness (50%)" in finding.judgements[0].words


def test_a_smaller_sample(examination_of: ExaminationOf, tmp_path: Path) -> None:
    probe(examination_of, tmp_path, n=10)
    assert {row["n"] for row in read_table(tmp_path).values()} == {"10"}


def test_no_one_says_how_many(examination_of: ExaminationOf, tmp_path: Path) -> None:
    assert probe(examination_of, tmp_path, n=None).metrics["robustness/n"] == 40  # there are no more


def test_off(examination_of: ExaminationOf, tmp_path: Path) -> None:
    """The figures of an earlier run are gone, and the table is there with its head."""
    probe(examination_of, tmp_path)
    finding = probe(examination_of, tmp_path, n=0)
    assert (finding.title, finding.metrics) == ("", {})
    assert (tmp_path / "out" / "table.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert list((tmp_path / "out" / "figures").iterdir()) == []


def test_twice_the_same_bytes(examination_of: ExaminationOf, tmp_path: Path) -> None:
    first = probe(examination_of, tmp_path)
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert len(files) == 4
    again = probe(examination_of, tmp_path)
    assert list(again.lines) == list(first.lines)
    assert {path: path.read_bytes() for path in files} == files


@pytest.mark.parametrize(
    ("shades", "y"),
    [
        pytest.param([LIGHT], [0], id="one picture"),
        pytest.param([DARK] * 3, [0] * 3, id="all wrong"),
        pytest.param([LIGHT] * 4, [0, 0, 1, 2], id="one answer to all"),
    ],
)
def test_odd_test_sets(
    examination_of: ExaminationOf, tmp_path: Path, shades: list[int], y: list[int]
) -> None:
    examined = examination_of(shades, y)
    finding = probe_robustness(
        examined, n=None, confidence=0.95, table=tmp_path / "table.csv", folder=tmp_path / "figures"
    )
    assert 0 <= finding.metrics["robust_accuracy"] <= 1
    assert "nan%" not in "".join(finding.lines)


def test_near_duplicates_widen_the_intervals(examination_of: ExaminationOf, tmp_path: Path) -> None:
    examined = examination_of(SHADES, Y)
    together = replace(
        examined, test=replace(examined.test, duplicate_group=tuple(f"g{i // 10}" for i in range(40)))
    )
    found = [
        probe_robustness(
            one, n=40, confidence=0.95, table=tmp_path / "table.csv", folder=tmp_path / "figures"
        ).metrics["overall/robust_accuracy_low"]
        for one in (examined, together)
    ]
    assert found[1] < found[0]
