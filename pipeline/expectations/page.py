"""The Data Docs: one page, whole in itself, that a person can read without a network.

The site of Great Expectations itself is not used. It loads its style, scripts and icons from the web, is a
list of bare words without them, and differs on every run. This page is made from the same results.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa

from pipeline.expectations.report import Finding, Report, State
from pipeline.figures.page import (
    embed_png,
    frame_page,
    mark_item,
    render_bar,
    render_facts,
    render_items,
    render_picture,
    render_table,
)
from pipeline.storage import translate_errors, write_whole
from pipeline.tables.parquet import count_values

_MAX_ROWS = 200  # classes on a page
_VERDICTS = {
    "stopped": "Stopped: {n} critical expectation{s} not met",
    "warned": "Fit to use, with {n} warning{s}",
    "passed": "Fit to use: every expectation is met",
    "unseen": "Fit to use: every expectation that could be checked is met",
}
_STATES: dict[State, tuple[str, str]] = {
    "critical": ("&#10007;", "not met: stops the stage"),
    "warning": ("!", "not met: warning"),
    "unseen": ("&ndash;", "not looked at"),
    "met": ("&#10003;", "met"),
}


class Strip(NamedTuple):
    """A few pictures of a class as the bytes of one PNG, and the file of its contact sheet."""

    label: str
    sheet: Path
    png: bytes


@dataclass(frozen=True)
class Contents:
    """What a page shows beside the expectations.

    Attributes:
        facts: (what, number) in words, for the top of the page.
        reasons: why files are not used, and how many.
        repairs: what was put right, and in how many files.
        classes: rows of a table: the first column is the class, the last its share (0..1) of the largest.
        strips: pictures of each class.
        pictures: PNG files by heading, or a sentence where there is nothing to draw.
        links: where to go on, by what it shows. The target may be written later, by another stage.
        command: what lists the quarantined files; "": there are none.
    """

    title: str
    question: str
    facts: Sequence[tuple[str, str]]
    reasons: Sequence[tuple[str, int]]
    repairs: Sequence[tuple[str, int]]
    class_columns: Sequence[str]
    classes: Sequence[Sequence[Any]]
    strips: Sequence[Strip] = ()
    pictures: Mapping[str, Path | str] = field(default_factory=dict)
    links: Mapping[str, Path] = field(default_factory=dict)
    command: str = ""


def write_docs(report: Report, contents: Contents, docs: Path) -> None:
    """Write `index.html` into the folder `docs`, which is made anew: the same bytes for the same report."""
    with translate_errors(docs), suppress(FileNotFoundError):
        shutil.rmtree(docs)
    lines = frame_page(contents.title, contents.question, _render(report, contents, docs))
    with write_whole(docs / "index.html") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _render(report: Report, contents: Contents, docs: Path) -> Iterator[str]:
    yield _render_banner(report)
    yield from render_facts(contents.facts)
    if contents.reasons:
        said = ", ".join(f"{n:,} {escape(reason)}" for reason, n in contents.reasons)
        how = f" <code>{contents.command}</code> lists them." if contents.command else ""
        yield f"<p>Why files are not used: {said}.{how}</p>"
    if contents.repairs:
        said = ", ".join(f"{n:,} {escape(repair)}" for repair, n in contents.repairs)
        yield f"<p>What was repaired as files were read: {said}. The files themselves are as they were.</p>"
    yield from _render_strips(contents, docs)
    for name, shown in contents.pictures.items():
        if isinstance(shown, str):
            yield f"<h2>{escape(name)}</h2>\n<p>{escape(shown)}</p>"
        else:
            yield from render_picture(name, shown.read_bytes())
    yield "<h2>Classes</h2>"
    yield from _render_classes(contents)
    yield from _render_findings(report)
    if contents.links:
        yield "<h2>Go on</h2>\n<ul>"
        yield from (f"<li>{_link(text, path, docs)}</li>" for text, path in contents.links.items())
        yield "</ul>"
    name = escape(report.name)
    yield f"<footer>Checked by Great Expectations: suite <code>{name}</code>, readable in"
    yield f"<code>pipeline/expectations/{name}_suite.py</code>; limits in <code>params.yaml</code>.</footer>"


def _link(text: str, path: Path, docs: Path) -> str:
    """A link from the page to another file, which need not exist yet."""
    address = "/".join(quote(part) for part in Path(os.path.relpath(path, docs)).parts)
    return f'<a href="{address}">{escape(text)}</a>'


def _render_strips(contents: Contents, docs: Path) -> Iterator[str]:
    if contents.strips:
        yield "<h2>Pictures, as developed</h2>"
    for label, sheet, png in contents.strips:
        yield f'<h3 class="strip">{_link(label, sheet, docs)}</h3>'
        yield f'<div class="strip">{embed_png(label, png)}</div>'
    if len(contents.strips) < len(contents.classes) and contents.strips:
        yield f"<p>The first {len(contents.strips)} of {len(contents.classes):,} classes.</p>"


def _render_banner(report: Report) -> str:
    critical, warnings, unseen = (report.list_in(state) for state in ("critical", "warning", "unseen"))
    failed = critical or warnings
    kind = "stopped" if critical else "warned" if warnings else "passed"
    said = _VERDICTS["unseen" if kind == "passed" and unseen else kind]
    said = said.format(n=len(failed), s="s"[: len(failed) > 1])
    if failed:
        said = f'<a href="#findings">{said}</a>'
    n_met = len(report.list_in("met"))
    more = f", {len(unseen)} not looked at" if unseen else ""
    return f'<p class="banner {kind}">{said}<span>{n_met} of {len(report.findings)} met{more}</span></p>'


def _render_findings(report: Report) -> Iterator[str]:
    """What is not met, critical ones first; what was not looked at; and, folded, what is met."""
    if first := [one for state in ("critical", "warning", "unseen") for one in report.list_in(state)]:
        is_bad = first[0].state != "unseen"
        yield f'<h2 id="findings">{"What is not as expected" if is_bad else "What was not looked at"}</h2>'
        yield from _render_list(first)
    met = report.list_in("met")
    yield f'<details class="met"><summary><h2>What is as expected ({len(met)})</h2></summary>'
    yield from _render_list(met)
    yield "</details>"


def _render_list(findings: Iterable[Finding]) -> Iterator[str]:
    yield from render_items(_render_finding(one) for one in findings)


def _render_finding(finding: Finding) -> str:
    mark, words = _STATES[finding.state]
    knobs = ", ".join(
        f"<code>{escape(name)}: {escape(_format_value(v))}</code>" for name, v in finding.params.items()
    )
    said = {
        "unseen": f": {escape(finding.unseen)}",
        "met": f" &middot; {escape(finding.found)}",
    }.get(finding.state, "")
    expected = [] if finding.is_met else [f"<p>Expected: {escape(finding.text)}</p>"]
    return mark_item(
        finding.state,
        mark,
        [
            f"<h3>{escape(finding.text if finding.is_met else finding.happened)}</h3>",
            *expected,
            f'<p><b class="state">{words}</b>{said}</p>',
            *([f'<p class="knobs">Set by {knobs}</p>'] if knobs else []),
            *_render_offenders(finding),
        ],
    )


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_format_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _render_offenders(finding: Finding) -> Iterator[str]:
    """Names and values, unfolded if the expectation is not met."""
    if not finding.offenders:
        return
    n_more = finding.n_offenders - len(finding.offenders)
    first = f", the first {len(finding.offenders)}" if n_more else ""
    yield f"<details{'' if finding.is_met else ' open'}><summary>Which{first}</summary><ul>"
    for name, value in finding.offenders:
        yield f"<li>{escape(name)}{f' <em>{escape(value)}</em>' if value else ''}</li>"
    yield "</ul></details>"


def _render_classes(contents: Contents) -> Iterator[str]:
    # The smallest classes where there are too many for a page.
    rows = (
        sorted(contents.classes, key=lambda row: row[-1])[:_MAX_ROWS]
        if len(contents.classes) > _MAX_ROWS
        else contents.classes
    )
    yield from render_table(
        contents.class_columns,
        (
            [escape(str(name)), *(f"<td>{n:,}</td>" for n in numbers), render_bar(share, f"{share:.0%}")]
            for name, *numbers, share in rows
        ),
    )
    if len(rows) < len(contents.classes):
        yield f"<p>The {len(rows)} smallest of {len(contents.classes):,} classes.</p>"


def count_reasons(table: pa.Table) -> list[tuple[str, int]]:
    """Why files are not used, with counts, the most common reason first."""
    found = count_values(table.column("reason"))
    del found[""]
    return _sort_by_count(found)


def count_repairs(table: pa.Table) -> list[tuple[str, int]]:
    """What was repaired, with counts of files, the most common repair first."""
    import pyarrow.compute as pc

    return _sort_by_count(count_values(pc.list_flatten(table.column("repairs"))))


def _sort_by_count(found: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))
