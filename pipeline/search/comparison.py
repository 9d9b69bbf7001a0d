"""Rows of MLflow as one comparison: which are meant, in which order, and how far each is from the best."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.characters import escape
from pipeline.errors import DataError, TrackingError, nearest
from pipeline.evidence.exams import Exam, read_exam
from pipeline.evidence.fit import name_fit
from pipeline.evidence.intervals import Interval
from pipeline.evidence.metrics import SCORES
from pipeline.evidence.paired import Difference, compare_answers
from pipeline.evidence.power import LUCK
from pipeline.evidence.several_tests import adjust_holm
from pipeline.tracking.decisions import CHAMPION_TAG, VERDICT_TAG
from pipeline.tracking.views import find_differing

CHAMPION, LAST = "champion", "last"
CONFIDENCE = 0.95
SHOWN = ("accuracy", "new_sources_accuracy")  # of every row that has them, whatever is tested
_MIN_PREFIX, _N_NAMED = 4, 8
_N_DIGITS = 8  # of an id that is shown
_LOWER_IS_BETTER = ("loss", "seconds", "parameters")  # ends of metrics' names

Fetch = Callable[[Any], tuple[Path, Path] | None]


@dataclass(frozen=True)
class Entry:
    """A row in a comparison.

    Attributes:
        verdict: of its promotion.
        champion: whether its model is "champion", a "former" one, or "" neither.
        made: when it began.
        difference: of the tested metric to that of the best; None where there is none.
        p: of this difference, by Holm for all of the comparison; nan where there is none.
        note: why there is no difference, or on which images; "" if they are the same.
    """

    run_id: str
    name: str
    verdict: str
    champion: str
    made: datetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    difference: Difference | None = None
    p: float = math.nan
    note: str = ""

    def read(self, metric: str) -> Interval:
        """A metric with its interval; nan for what the row does not hold."""
        names = (metric, f"{metric}_low", f"{metric}_high")
        return Interval(*(self.metrics.get(name, math.nan) for name in names))

    @property
    def standing(self) -> str:
        """The verdict in words, with the champion."""
        return f"{self.verdict} ({self.champion})" if self.champion else self.verdict

    @property
    def fit(self) -> str:
        """How accuracy on training and validation pictures agree: a word, and the gap in points.

        "" if it is not known.
        """
        return name_fit(*self.read_fit())

    def read_fit(self) -> tuple[float, float]:
        """The accuracies on training and on validation pictures; nan for what is not known."""
        learnt, validated = (self.metrics.get(name, math.nan) for name in ("train_accuracy", "val_accuracy"))
        return learnt, validated


@dataclass(frozen=True)
class Comparison:
    """Rows, sorted.

    Attributes:
        sort: the metric that they are sorted by.
        metric: the score that is tested: `sort`, if it is a score of answers, otherwise that of promotion.
        best: the row that the others are tested against.
        differing: the parameters that are not the same in all rows.
    """

    entries: Sequence[Entry]
    sort: str
    metric: str
    best: Entry
    differing: Sequence[str]

    def name(self, entry: Entry) -> str:
        """The name of a row, with the first digits of its id where another has the same."""
        is_one = sum(one.name == entry.name for one in self.entries) == 1
        return entry.name if is_one else f"{entry.name} [{entry.run_id[:_N_DIGITS]}]"

    @property
    def n_tests(self) -> int:
        """How many differences to the best were tested."""
        return sum(not math.isnan(entry.p) for entry in self.entries)


def choose_rows(rows: Sequence[Any], said: Sequence[str]) -> list[Any]:
    """The rows that are meant, each once, in the order said; all where nothing is said.

    One alone is beside the last, or beside the champion where it is the last.

    Raises:
        TrackingError: there is none of a name, or more than one.
    """
    if not rows:
        raise TrackingError("there is no result yet; run `dvc repro`")
    if not said:
        return list(rows)
    found = [find_row(rows, one) for one in said]
    if len(said) == 1:
        is_last = found[0].info.run_id == rows[0].info.run_id
        found += [row for row in rows if is_champion(row)][:1] if is_last else [rows[0]]
    return list({row.info.run_id: row for row in found}.values())


def find_row(rows: Sequence[Any], said: str) -> Any:
    """The row that a name, the beginning of an id, `champion` or `last` means; rows begin with the newest.

    Raises:
        TrackingError: there is none, or more than one.
    """
    if said == LAST:
        return rows[0]
    if said == CHAMPION:
        found = [row for row in rows if is_champion(row)]
    else:
        found = [row for row in rows if row.info.run_name == said] or [
            row for row in rows if len(said) >= _MIN_PREFIX and row.info.run_id.startswith(said)
        ]
    if not found:
        names = [row.info.run_name for row in rows]
        newest = ", ".join(repr(name) for name in names[:_N_NAMED])
        close = nearest(said, names, n=1)
        raise TrackingError(f"there is no row {said!r}{close}; the newest are {newest}; also: champion, last")
    if len(found) > 1:
        listed = ", ".join(_describe_briefly(row) for row in found[:_N_NAMED])
        raise TrackingError(
            f"{len(found)} rows are meant by {said!r}; say which by the first digits of its id: {listed}"
        )
    return found[0]


def is_champion(row: Any) -> bool:
    """Whether the model of a row is champion."""
    return bool(row.data.tags.get(CHAMPION_TAG) == CHAMPION)


def compare_rows(
    rows: Sequence[Any], *, sort: str, metric: str, fetch: Fetch, n_tested: int, min_common: int
) -> Comparison:
    """Sort rows, the best first, and test the first ones against the best on the images in common.

    Args:
        rows: `mlflow.entities.Run`, at least one.
        sort: any metric of theirs.
        metric: the score to test, unless `sort` is one.
        fetch: the files of a row's answers, as `tracking.artifacts.fetch_answers`.
        n_tested: how many rows, from the first.
        min_common: where test sets differ and have fewer images in common, nothing is tested.

    Raises:
        TrackingError: no row has the metric to sort by.
    """
    metric = sort if sort in SCORES else metric
    entries = sort_entries([read_entry(row) for row in rows], sort)
    best = sort_entries(entries, metric)[0] if any(metric in one.metrics for one in entries) else entries[0]
    run_of = {row.info.run_id: row for row in rows}
    theirs = _read(run_of[best.run_id], fetch)
    tested = [
        entry
        if entry.run_id == best.run_id
        else _test(entry, theirs, lambda run_id: _read(run_of[run_id], fetch), metric, min_common)
        for entry in entries[:n_tested]
    ]
    adjusted = adjust_holm([entry.p for entry in tested])
    tested = [replace(entry, p=p) for entry, p in zip(tested, adjusted, strict=True)]
    differing = find_differing([entry.params for entry in entries])
    return Comparison([*tested, *entries[n_tested:]], sort, metric, best, differing)


def read_entry(row: Any) -> Entry:
    """What a row says of itself."""
    verdict, champion = (escape(row.data.tags.get(tag, "")) for tag in (VERDICT_TAG, CHAMPION_TAG))
    metrics = {name: value for name, value in row.data.metrics.items() if not name.startswith("curve/")}
    made = datetime.fromtimestamp(row.info.start_time / 1000).astimezone()
    name = escape(row.info.run_name or "")
    return Entry(row.info.run_id, name, verdict or "none", champion, made, row.data.params, metrics)


def sort_entries(entries: Sequence[Entry], metric: str) -> list[Entry]:
    """Entries with the best value of a metric first, then the lower log loss; those without it last.

    Raises:
        TrackingError: none has it.
    """
    if not any(metric in entry.metrics for entry in entries):
        known = sorted({name for entry in entries for name in entry.metrics})
        named = ", ".join(known[:_N_NAMED])
        raise TrackingError(
            f"no row has the metric {metric!r}{nearest(metric, known)}; there are {named}, ..."
        )
    sign = 1 if metric.endswith(_LOWER_IS_BETTER) else -1

    def read(entry: Entry, name: str, sign: int) -> float:
        value = entry.metrics.get(name, math.nan)
        return math.inf if math.isnan(value) else sign * value

    return sorted(entries, key=lambda entry: (read(entry, metric, sign), read(entry, "log_loss", 1)))


def is_luck(p: float) -> bool:
    """Whether a difference may be luck."""
    return not p < LUCK


def _describe_briefly(row: Any) -> str:
    entry = read_entry(row)
    accuracy = entry.metrics.get("accuracy")
    score = "" if accuracy is None else f", accuracy {accuracy:.3f}"
    return f"{entry.run_id[:_N_DIGITS]} ({entry.name}, {entry.made:%Y-%m-%d %H:%M}{score})"


def _read(row: Any, fetch: Fetch) -> Exam | str:
    """The answers of a row, or why there are none."""
    found = fetch(row)
    if found is None:
        return "no test answers in MLflow"
    try:
        return read_exam(*found)
    except DataError:
        return "damaged test answers in MLflow"


def _test(
    entry: Entry, best: Exam | str, read: Callable[[str], Exam | str], metric: str, min_common: int
) -> Entry:
    """An entry with its difference to the best, or the reason why there is none."""
    if isinstance(best, str):
        return replace(entry, note=f"the best has {best}")
    mine = read(entry.run_id)
    if isinstance(mine, str):
        return replace(entry, note=mine)
    found = compare_answers(mine, best, metric, confidence=CONFIDENCE)
    if found is None:
        return replace(entry, note="other classes")
    note = "" if found.is_whole else f"other test images: {found.n:,} common"
    if not found.is_whole and found.n < min_common:
        return replace(entry, note=note)
    return replace(entry, difference=found, p=found.p, note=note)


def describe_difference(entry: Entry, *, between: str = "; ") -> str:
    """The difference to the best in points, with its interval and p, or the reason why there is none.

    Args:
        between: stands before a note.
    """
    if entry.difference is None:
        return entry.note
    value, low, high = (100 * one for one in entry.difference.interval)
    said = f"{value:+.1f} ({low:+.1f} to {high:+.1f}), {describe_p(entry.p)}"
    return f"{said}{between}{entry.note}" if entry.note else said


def describe_p(p: float) -> str:
    """A p value in words."""
    return "p < 0.001" if p < 0.001 else f"p {p:.2g}" if p < 0.1 else f"p {p:.1f}"


def describe_tests(comparison: Comparison) -> str:
    """How the rows were tested, in words; "" if none was."""
    n = comparison.n_tests
    if not n:
        return ""
    by = "McNemar's exact test" if comparison.metric == "accuracy" else "a permutation test"
    best = comparison.name(comparison.best)
    several = f", by Holm for {n:,} comparisons (each interval is for its row alone)" if n > 1 else ""
    return (
        f"p: {comparison.metric} against {best!r} on the same test images, {by}{several}; "
        f"below {LUCK}: more than luck"
    )
