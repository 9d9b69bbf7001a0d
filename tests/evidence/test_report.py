"""The report: whole in itself, the same each time, its lines on the first page, the rest folded behind."""

import re
from pathlib import Path

import pytest

from pipeline.evidence.examination import Finding, Judgement, State
from pipeline.evidence.report import summarise, write_report


def judge(state: State) -> Judgement:
    return Judgement("Is it <good>?", f"<b>{state}</b> it is", state)


def render(folder: Path, *states: State) -> str:
    (folder / "figure.png").write_bytes(b"")
    findings = [
        Finding(title="Slices & more", lines=["<p>a section</p>"], judgements=[judge(one) for one in states]),
        Finding(judgements=[Judgement("Without a chapter?", "yes", "good")]),
        Finding({"x": 1.0}),
    ]
    write_report(
        "my <scans>",
        "compact, asked about 9 test pictures",
        findings,
        links={"The source": folder / "figure.png", "Nothing": folder / "gone.html"},
        verdict=folder / "promote" / "verdict.js",
        path=folder / "evaluate" / "report.html",
    )
    return (folder / "evaluate" / "report.html").read_text(encoding="utf-8")


def test_the_first_page_answers_and_the_rest_is_folded(tmp_path: Path) -> None:
    page = render(tmp_path, "good", "warning")
    assert "<h1>Results: my &lt;scans&gt;</h1>\n<p>compact, asked about 9 test pictures</p>" in page
    first, _, rest = page.partition("What that rests on")
    assert '<h3><a href="#slices-more">Is it &lt;good&gt;?</a></h3>' in first
    assert "<p><b>warning</b> it is</p>" in first
    assert "<h3>Without a chapter?</h3>" in first
    assert "a section" not in first
    chapters = re.findall(r'<details class="chapter" id="(.*?)">', rest)
    assert chapters == ["slices-more", "more"], "folded, and found by the links above"
    assert "<summary><h2>Slices &amp; more</h2></summary>\n<p>a section</p>" in rest
    assert '<a href="../figure.png">The source</a>' in rest
    assert "Nothing" not in rest


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        (["good", "unknown", "warning", "bad"], "bad"),
        (["good", "unknown", "warning"], "warning"),
        (["good", "unknown"], "unknown"),
        (["good"], "good"),
        ([], "unknown"),
    ],
)
def test_the_worst_line_decides(states: list[State], worst: State) -> None:
    assert summarise([judge(one) for one in states]) == worst


@pytest.mark.parametrize(
    ("state", "said"),
    [("good", "Yes, for"), ("warning", "With care."), ("bad", "No."), ("unknown", "is not known")],
)
def test_it_says_whether_one_may_rely_on_it(state: State, said: str, tmp_path: Path) -> None:
    lead = re.search(r'<p class="lead">(.*?)</p>', render(tmp_path, state))
    assert lead is not None
    assert said in lead[1]


def test_it_needs_no_network_and_asks_promote_for_the_verdict(tmp_path: Path) -> None:
    page = render(tmp_path, "good")
    assert re.findall(r'<script src="(.*?)"', page) == ["../promote/verdict.js"]
    assert not re.findall(r"https?://|@import|<link|img[^>]* src=\"(?!data:)|url\(", page)
    assert "Not decided yet" in page
    assert render(tmp_path, "good") == page
