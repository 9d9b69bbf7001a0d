"""The Data Docs: one page, whole in itself, that a person can read without a network.

The site of Great Expectations itself is not used. It loads its style, scripts and icons from the web, is a
list of bare words without them, and differs on every run. This page is made from the same results.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.expectations.report import Finding, Report
from pipeline.figures.page import frame_page, render_bar, render_facts, render_picture, render_table
from pipeline.storage import translate_errors, write_whole
from pipeline.tables.parquet import count_values

_MAX_ROWS = 200  # classes on a page
_VERDICTS = {
    "stopped": "Stopped: {n} critical expectation{s} not met",
    "warned": "Fit to use, with {n} warning{s}",
    "passed": "Fit to use: every expectation is met",
}
_STATES = {
    "met": ("&#10003;", "met"),
    "warning": ("!", "not met: warning"),
    "critical": ("&#10007;", "not met: stops the stage"),
}


@dataclass(frozen=True)
class Contents:
    """What a page shows beside the expectations.

    Attributes:
        facts: (what, number) in words, for the top of the page.
        reasons: why files are not used, and how many.
        classes: rows of a table: the first column is the class, the last its share (0..1) of the largest.
        pictures: PNG files by heading.
    """

    title: str
    question: str
    facts: Sequence[tuple[str, str]]
    reasons: Sequence[tuple[str, int]]
    class_columns: Sequence[str]
    classes: Sequence[Sequence[Any]]
    pictures: Mapping[str, Path] = field(default_factory=dict)


def write_docs(report: Report, contents: Contents, docs: Path) -> None:
    """Write `index.html` into the folder `docs`, which is made anew: the same bytes for the same report."""
    with translate_errors(docs), suppress(FileNotFoundError):
        shutil.rmtree(docs)
    lines = frame_page(contents.title, contents.question, _render(report, contents))
    with write_whole(docs / "index.html") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _render(report: Report, contents: Contents) -> Iterator[str]:
    yield _render_banner(report)
    yield from render_facts(contents.facts)
    if contents.reasons:
        said = ", ".join(f"{n:,} {escape(reason)}" for reason, n in contents.reasons)
        yield f"<p>Why files are not used: {said}.</p>"
    yield "<h2>What was expected</h2>"
    yield '<ul class="findings">'
    # What is not met comes first, and what is critical before warnings.
    yield from (_render_finding(one) for one in sorted(report.findings, key=_rank))
    yield "</ul>\n<h2>Classes</h2>"
    yield from _render_classes(contents)
    for name, path in contents.pictures.items():
        yield from render_picture(name, path.read_bytes())
    name = escape(report.name)
    yield f"<footer>Checked by Great Expectations: suite <code>{name}</code>, readable in"
    yield f"<code>pipeline/expectations/{name}_suite.py</code>; limits in <code>params.yaml</code>.</footer>"


def _render_banner(report: Report) -> str:
    critical, warnings = report.failed("critical"), report.failed("warning")
    kind, failed = ("stopped", critical) if critical else ("warned", warnings) if warnings else ("passed", [])
    said = _VERDICTS[kind].format(n=len(failed), s="s"[: len(failed) > 1])
    n_met = sum(finding.is_met for finding in report.findings)
    return f'<p class="banner {kind}">{said}<span>{n_met} of {len(report.findings)} met</span></p>'


def _rank(finding: Finding) -> int:
    return 2 * finding.is_met + (finding.severity != "critical")


def _render_finding(finding: Finding) -> str:
    state = "met" if finding.is_met else finding.severity
    mark, words = _STATES[state]
    knobs = ", ".join(
        f"<code>{escape(name)}: {escape(_format_value(v))}</code>" for name, v in finding.params.items()
    )
    return "\n".join(
        [
            f'<li class="{state}"><span class="mark" aria-hidden="true">{mark}</span><div>',
            f"<h3>{escape(finding.text)}</h3>",
            f'<p><b class="state">{words}</b> <span class="severity">{finding.severity}</span>',
            f"found: {escape(finding.found)}</p>",
            *([f'<p class="knobs">Set by {knobs}</p>'] if knobs else []),
            *_render_offenders(finding),
            "</div></li>",
        ]
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
    yield f"<details{'' if finding.is_met else ' open'}><summary>Offenders{first}</summary><ul>"
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
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))
