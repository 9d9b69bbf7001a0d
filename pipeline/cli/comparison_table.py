"""A comparison of rows in the terminal: a line a row, or two rows side by side."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.characters import cut, escape, say_count
from pipeline.evidence.fit import judge_fit
from pipeline.search.comparison import (
    SHOWN,
    Comparison,
    Entry,
    describe_difference,
    describe_p,
    describe_tests,
    is_luck,
)
from pipeline.search.comparison_files import show_interval, show_value

if TYPE_CHECKING:
    from rich.table import Table

_SCORES = (*SHOWN, "balanced_accuracy", "macro_f1", "log_loss", "n_test", "train_seconds", "n_parameters")
_N_PARAMS = 6  # that differ, of two rows; more do not fit
_FRAME = 3  # characters between two columns
_MAX_NAME, _MAX_VALUE = 36, 16  # characters of a cell
_N_NEEDED = 3  # columns that are shown however narrow the terminal


def make_table(comparison: Comparison, *, n: int, width: int) -> tuple["Table", list[str]]:
    """The first `n` rows, with the columns that fit in `width` characters.

    Returns:
        With it, what is not shown and how the rows were tested, in words.
    """
    from rich.table import Table

    entries = comparison.entries[:n]
    columns = _list_columns(comparison, entries)
    shown = _choose_columns(columns, width)
    table = Table(*shown)
    for column in table.columns:
        column.overflow = "fold"
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*cells)
    hints = []
    if n_more := len(comparison.entries) - len(entries):
        hints.append(
            f"{say_count(n_more, 'more row')}: --limit {len(comparison.entries)}, or --csv FILE for all"
        )
    if left := [name for name in columns if name not in shown]:
        hints.append(f"no room for {', '.join(left)}: a wider terminal, --csv FILE or --html FILE")
    return table, [line for line in (*hints, describe_tests(comparison)) if line]


def make_pair(comparison: Comparison, order: Sequence[str]) -> tuple["Table", list[str]]:
    """Two rows side by side, in the order of these ids, and sentences on luck and on how they fit."""
    from rich.table import Table

    entry_of = {entry.run_id: entry for entry in comparison.entries}
    pair = [entry_of[run_id] for run_id in order]
    table = Table("", *map(comparison.name, pair), "change")
    for column in table.columns:
        column.overflow = "fold"
    table.add_row("verdict", *(entry.standing for entry in pair), "")
    for name in _SCORES:
        values = [entry.metrics.get(name, math.nan) for entry in pair]
        if not any(map(math.isnan, values)):
            form = ",.0f" if name.startswith("n_") else ".4g"
            texts = [
                f"{value:{form}}{_describe_ends(one, name)}" for value, one in zip(values, pair, strict=True)
            ]
            table.add_row(name, *texts, f"{values[1] - values[0]:+{form}}")
    if all(entry.fit for entry in pair):
        table.add_row("fit (gap)", *(entry.fit for entry in pair), "")
    params = [entry.params for entry in pair]
    differing = [key for key in {**params[0], **params[1]} if params[0].get(key) != params[1].get(key)]
    for key in differing[:_N_PARAMS]:
        table.add_row(key, *(escape(one.get(key, "")) for one in params), "")
    if n_more := len(differing[_N_PARAMS:]):
        table.add_row(say_count(n_more, "more parameter"), "", "", "")
    fits = _describe_fits(pair, [comparison.name(entry) for entry in pair])
    return table, [line for line in (_describe_pair(comparison, order), fits) if line]


def _describe_pair(comparison: Comparison, order: Sequence[str]) -> str:
    """The paired test in a sentence, in the direction of the table: the second minus the first."""
    entry_of = {entry.run_id: entry for entry in comparison.entries}
    other = next(one for one in comparison.entries if one.run_id != comparison.best.run_id)
    if other.difference is None:
        return f"not tested: {other.note}"
    value, high, low = (-100 * one for one in other.difference.interval)  # as the table: second minus first
    if order[0] == comparison.best.run_id:
        value, low, high = -value, -high, -low
    first, second = (comparison.name(entry_of[run_id]) for run_id in order)
    luck = "this may be luck" if is_luck(other.p) else "this is more than luck"
    note = f" ({other.note})" if other.note else ""
    by = "McNemar's exact test" if comparison.metric == "accuracy" else "a permutation test"
    return (
        f"on {say_count(other.difference.n, 'test image')} that both answered{note}, {comparison.metric} of "
        f"{second!r} differs from that of {first!r} by {value:+.1f} points ({low:+.1f} to "
        f"{high:+.1f}; {by}: {describe_p(other.p)}): {luck}"
    )


def _describe_fits(pair: Sequence[Entry], names: Sequence[str]) -> str:
    """How two rows fit, and what validation gained from the first to the second; "" if one does not say."""
    accuracies = [entry.read_fit() for entry in pair]
    if not all(entry.fit for entry in pair):
        return ""
    told = []
    for name, (learnt, validated) in zip(names, accuracies, strict=True):
        fit, gap = judge_fit(learnt, validated), 100 * (learnt - validated)
        word, where = "is healthy" if fit == "healthy" else fit, "above" if gap >= 0 else "below"
        told.append(f"{name!r} {word}, training {abs(gap):.1f} points {where} validation")
    gain = 100 * (accuracies[1][1] - accuracies[0][1])
    return f"fit: {'; '.join(told)}. From the first to the second, validation changes by {gain:+.1f} points"


def _list_columns(comparison: Comparison, entries: Sequence[Entry]) -> Mapping[str, list[str]]:
    """All columns, those that matter most first."""
    best = comparison.best.run_id
    scores = dict.fromkeys([comparison.sort, comparison.metric, "accuracy"])
    columns = {"row": [cut(comparison.name(entry), _MAX_NAME) for entry in entries]}
    columns[comparison.sort] = [show_interval(entry, comparison.sort) for entry in entries]
    columns["points from the best"] = [
        "the best" if entry.run_id == best else describe_difference(entry, between="\n") for entry in entries
    ]
    columns["fit (gap)"] = [entry.fit for entry in entries]
    columns["verdict"] = [entry.champion or entry.verdict for entry in entries]
    columns |= {
        name: [show_interval(entry, name) for entry in entries] for name in scores if name not in columns
    }
    others = {"new sources": "new_sources_accuracy", "seconds": "train_seconds", "parameters": "n_parameters"}
    for heading, metric in ((one, metric) for one, metric in others.items() if metric not in scores):
        columns[heading] = [show_value(metric, entry.read(metric).value) for entry in entries]
    short = [key.rpartition(".")[2] for key in comparison.differing]
    for key, name in zip(comparison.differing, short, strict=True):
        heading = name if short.count(name) == 1 and name not in columns else key
        columns[heading] = [cut(escape(entry.params.get(key, "")), _MAX_VALUE) for entry in entries]
    return {heading: cells for heading, cells in columns.items() if any(cells)}


def _choose_columns(columns: Mapping[str, list[str]], width: int) -> dict[str, list[str]]:
    chosen, used = {}, 1
    for number, (heading, cells) in enumerate(columns.items()):
        needed = _FRAME + max(len(line) for cell in (heading, *cells) for line in cell.split("\n"))
        if number < _N_NEEDED or used + needed <= width:
            chosen[heading] = cells
            used += needed
    return chosen


def _describe_ends(entry: Entry, name: str) -> str:
    _, low, high = entry.read(name)
    return "" if math.isnan(low) or math.isnan(high) else f" ({low:.3g} to {high:.3g})"
