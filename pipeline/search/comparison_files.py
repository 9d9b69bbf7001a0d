"""A comparison of rows as files: every number in a CSV, the scores in a PNG, what people ask on a page."""

import csv
import math
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from pipeline.characters import quote_cell, say_count
from pipeline.figures.drawing import BLUE, GREY, ORANGE
from pipeline.figures.page import frame_page, render_facts, render_picture, render_table
from pipeline.figures.score_dots import draw_score_dots
from pipeline.search.comparison import (
    SHOWN,
    Comparison,
    Entry,
    describe_difference,
    describe_tests,
    is_luck,
)
from pipeline.storage import write_whole

_DASH = "&ndash;"
_NAME_STYLE = "display: inline-block; min-width: min(15em, 30vw)"  # otherwise a name is a column of words
_N_PARAMS = 8  # on the page; the CSV holds all


def write_csv(comparison: Comparison, path: Path) -> None:
    """Write a line a row: every metric and all parameters that differ, numbers in full.

    A text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    metrics = list(dict.fromkeys(name for entry in comparison.entries for name in entry.metrics))
    tested = [f"difference_{comparison.metric}{end}" for end in ("", "_low", "_high")]
    about = ("row", "run_id", "made", "verdict", "champion", "fit")
    head = [*about, *map(quote_cell, metrics), *tested, "p", "n_common", "note"]
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*head, *map(quote_cell, comparison.differing)])
        for entry in comparison.entries:
            numbers = [entry.metrics.get(name, math.nan) for name in metrics]
            found = entry.difference
            numbers += [*(found.interval if found else [math.nan] * 3), entry.p]
            texts = [entry.name, entry.run_id, entry.made.isoformat(timespec="seconds")]
            table.writerow(
                [
                    *map(quote_cell, [*texts, entry.verdict, entry.champion, entry.fit]),
                    *("" if math.isnan(number) else repr(float(number)) for number in numbers),
                    found.n if found else "",
                    quote_cell(entry.note),
                    *(_write_value(entry.params.get(key, "")) for key in comparison.differing),
                ]
            )


def draw_comparison(comparison: Comparison, *, n: int, path: Path, title: str | None = None) -> None:
    """Draw the score that rows are sorted by, of the first `n` rows, with intervals.

    Args:
        title: None: how many rows there are, in which order.
    """
    entries = comparison.entries[:n]
    values, lows, highs = np.array([entry.read(comparison.sort) for entry in entries]).T
    metric, share = comparison.metric, _is_share(comparison.sort)
    kinds = (f"the best {metric}", "behind it by more than luck", "not told apart from it, or not tested")
    scale = 100 if share else 1
    line = comparison.best.read(comparison.sort).value
    draw_score_dots(
        (values * scale, lows * scale, highs * scale),
        [comparison.name(entry) for entry in entries],
        words=[show_value(comparison.sort, entry.read(comparison.sort).value) or "none" for entry in entries],
        kinds=[kinds[_rank(entry, comparison)] for entry in entries],
        colours=dict(zip(kinds, (BLUE, ORANGE, GREY), strict=True)),
        line=line * scale,
        title=_say_how_many(comparison, n) if title is None else title,
        what=f"{comparison.sort}{' on the test pictures, %' if share else ''}",
        path=path,
    )


def write_page(comparison: Comparison, *, name: str, n: int, path: Path) -> None:
    """Write a page of the first `n` rows, whole in itself.

    Args:
        name: of the collection.
    """
    best = comparison.best
    question = "Which of these results is better, and is the difference more than luck?"

    def render() -> Iterator[str]:
        yield from render_facts(
            [
                ("Rows", f"{len(comparison.entries):,}"),
                (
                    f"Best {comparison.metric}",
                    show_value(comparison.metric, best.read(comparison.metric).value),
                ),
                ("Behind it by more than luck", f"{sum(not is_luck(one.p) for one in comparison.entries):,}"),
            ]
        )
        tests = escape(describe_tests(comparison))
        yield f"<p>The best is <b>{escape(comparison.name(best))}</b>. {tests}{'.' * bool(tests)}</p>"
        with tempfile.TemporaryDirectory() as scratch:
            drawn = Path(scratch) / "compare.png"
            draw_comparison(comparison, n=n, path=drawn, title="")
            yield from render_picture(_say_how_many(comparison, n), drawn.read_bytes())
        yield "<h2>Table</h2>"
        yield from _render_rows(comparison, n)

    with write_whole(path) as temporary:
        lines = frame_page(f"Comparison: {name}", question, render())
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def show_value(metric: str, value: float) -> str:
    """A metric as people read it: a share in per cent; "" where it is not known."""
    if math.isnan(value):
        return ""
    if _is_share(metric):
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def show_interval(entry: Entry, metric: str) -> str:
    """A metric with the ends of its interval, as far as the row holds them; "" where it is not known."""
    value, low, high = entry.read(metric)
    if math.isnan(low) or math.isnan(high):
        return show_value(metric, value)
    start = show_value(metric, low).removesuffix("%")
    return f"{show_value(metric, value)} ({start} to {show_value(metric, high).removesuffix('%')})"


def _render_rows(comparison: Comparison, n: int) -> Iterator[str]:
    differing = comparison.differing[:_N_PARAMS]
    asked = dict.fromkeys([comparison.sort, comparison.metric, *SHOWN])
    scores = [name for name in asked if any(name in entry.metrics for entry in comparison.entries)]
    costs = [metric for metric in ("train_seconds", "n_parameters") if metric not in scores]
    head = ["row", *scores, "points from the best", "fit (gap)", "verdict", *costs, *differing]

    def render(entry: Entry) -> list[str]:
        is_best = entry.run_id == comparison.best.run_id
        cells = [
            *(_break(show_interval(entry, metric)) for metric in scores),
            "the best" if is_best else _break(describe_difference(entry, between="\n")),
            *(entry.fit, entry.champion or entry.verdict),
            *(show_value(metric, entry.read(metric).value) for metric in costs),
            *(entry.params.get(key, "") for key in differing),
        ]
        name = f'<span style="{_NAME_STYLE}">{escape(comparison.name(entry))}</span>'
        return [
            f"<b>{name}</b>" if is_best else name,
            *(f"<td>{escape(cell).replace(chr(10), '<br>') or _DASH}</td>" for cell in cells),
        ]

    yield from render_table(head, map(render, comparison.entries[:n]))
    if more := comparison.differing[_N_PARAMS:]:
        yield f"<p>{say_count(len(more), 'more parameter')}: {escape(', '.join(more))}</p>"


def _break(text: str) -> str:
    """A number, its interval and its p on lines of their own, so that a page has room for more columns."""
    return text.replace(" (", "\n(").replace("), p", ")\np")


def _say_how_many(comparison: Comparison, n: int) -> str:
    n_all = len(comparison.entries)
    order = f"by {comparison.sort}, the best first"
    return f"{say_count(n_all, 'row')} {order}" if n >= n_all else f"The first {n} of {n_all:,} rows {order}"


def _rank(entry: Entry, comparison: Comparison) -> int:
    """0 for the best, 1 for what is behind it by more than luck, otherwise 2."""
    if entry.run_id == comparison.best.run_id:
        return 0
    return 2 if is_luck(entry.p) else 1


def _is_share(metric: str) -> bool:
    return any(word in metric for word in ("accuracy", "f1", "precision", "recall"))


def _write_value(text: str) -> str:
    """A parameter's value as a cell: a number as it is, a text guarded."""
    try:
        float(text)
    except ValueError:
        return quote_cell(text)
    return text
