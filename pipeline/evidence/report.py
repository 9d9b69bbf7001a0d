"""The report: a page that answers "may I rely on it?" in ten lines, and folds the rest behind them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from pipeline.evidence.examination import Finding, Judgement, State
from pipeline.figures.page import frame_page, mark_item, name_anchor, render_chapter, render_items
from pipeline.storage import write_whole

# Written by promote, which comes later: the page asks for it when it is opened.
_VERDICT = """<p class="banner waiting" id="verdict"><b>Not decided yet, or this page lies outside
its project: <code>dvc repro</code> runs promote, which writes the verdict beside it</b></p>
<script src="{}" onerror="void 0"></script>"""

_MARKS: dict[State, str] = {"bad": "&#10007;", "warning": "!", "unknown": "&ndash;", "good": "&#10003;"}
_LOOKS: dict[State, str] = {"bad": "critical", "warning": "warning", "unknown": "unseen", "good": "met"}
_SUMMARIES: dict[State, str] = {
    "bad": "No. What is marked &#10007; speaks against it.",
    "warning": "With care. What is marked ! limits it.",
    "unknown": "Yes, for pictures like those it was tested on. What is marked &ndash; is not known.",
    "good": "Yes, for pictures like those it was tested on.",
}


def write_report(
    name: str,
    question: str,
    findings: Sequence[Finding],
    *,
    links: Mapping[str, Path],
    verdict: Path,
    path: Path,
) -> None:
    """Write the page: the same bytes for the same findings.

    Args:
        name: of the collection.
        question: what was asked of which model, in words.
        findings: in the order of the page.
        links: pages and folders by what they show; those that do not exist are left out.
        verdict: the script of promote's that shows the verdict, once there is one.
    """

    def render() -> Iterator[str]:
        yield _VERDICT.format(os.path.relpath(verdict, path.parent))
        yield from _render_judgements(findings)
        yield "<h2>What that rests on</h2>"
        for one in findings:
            if one.title:
                yield from render_chapter(one.title, one.lines)
        yield from render_chapter("More", _render_links(links, path.parent))

    with write_whole(path) as temporary:
        lines = frame_page(f"Results: {name}", question, render())
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def summarise(judgements: Sequence[Judgement]) -> State:
    """The worst of what was found, from bad over warning and unknown to good."""
    found = {one.state for one in judgements}
    return next((state for state in _MARKS if state in found), "unknown")


def _render_judgements(findings: Sequence[Finding]) -> Iterator[str]:
    judged = [(one, finding.title) for finding in findings for one in finding.judgements]
    yield "<h2>May I rely on it?</h2>"
    yield f'<p class="lead">{_SUMMARIES[summarise([one for one, _ in judged])]}</p>'
    items = []
    for one, chapter in judged:
        asked = escape(one.question)
        if chapter:
            asked = f'<a href="#{name_anchor(chapter)}">{asked}</a>'
        lines = [f"<h3>{asked}</h3>", f"<p>{one.words}</p>"]
        items.append(mark_item(_LOOKS[one.state], _MARKS[one.state], lines))
    yield from render_items(items)


def _render_links(links: Mapping[str, Path], folder: Path) -> Iterator[str]:
    yield "<ul>"
    for name, file in links.items():
        if file.exists():
            yield f'<li><a href="{escape(os.path.relpath(file, folder))}">{escape(name)}</a></li>'
    yield "</ul>"
