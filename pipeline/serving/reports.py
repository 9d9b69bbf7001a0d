"""How predictions are written down: as rows, in files of three kinds, and as one sentence of counts."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pipeline.characters import escape, quote_cell, say_count
from pipeline.errors import ParamsError
from pipeline.serving.answer_rule import NEVER, AnswerRule
from pipeline.serving.predictions import Prediction

Row = Mapping[str, Any]

_MAX_NAMED = 20  # classes in a sentence
_MAX_UNREAD = 20  # files that are named
_BATCH_ROWS = 4096  # of a Parquet file, at a time


@dataclass
class Tally:
    """What became of many files: how many have each answer, and the first of those that could not be read."""

    answers: Counter[str] = field(default_factory=Counter)
    n_unread: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)  # name, reason

    def __len__(self) -> int:
        return self.answers.total() + self.n_unread

    def add(self, row: Row) -> None:
        """Count one more file."""
        if row["answer"] is not None:
            self.answers[row["answer"]] += 1
            return
        self.n_unread += 1
        if len(self.unread) < _MAX_UNREAD:
            self.unread.append((row["file"], row["reason"]))


def make_row(prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON: file, answer, class, probability, top (the likeliest classes in order), reason.

    What does not apply is None: the reason, or the answer, the class and its probability.
    """
    top = [{"class": name, "probability": round(p, 6)} for name, p in prediction.classes]
    best = top[0] if top else {"class": None, "probability": None}
    reason = str(prediction.refusal) if prediction.refusal else None
    return {
        "file": prediction.file,
        "answer": prediction.answer or None,
        **best,
        "top": top,
        "reason": reason,
    }


def check_format(path: Path) -> None:
    """Raise ParamsError unless a file of answers can be written by this name."""
    if path.suffix.lower() not in _WRITERS:
        allowed = ", ".join(_WRITERS)
        raise ParamsError(
            f"{path} is no name for answers: allowed are {allowed}, got {path.suffix or 'none'}"
        )


def write_rows(rows: Iterable[Row], temporary: Path, *, top: int, more: tuple[str, ...] = ()) -> None:
    """Write rows into a file whose suffix says how: .csv, .parquet or .jsonl. There may be very many rows.

    Args:
        top: the number of classes that each file may have.
        more: further keys of the rows, which are texts.
    """
    _WRITERS[temporary.suffix.lower()](rows, temporary, top, more)


def name_columns(top: int, more: tuple[str, ...] = ()) -> list[str]:
    """The columns of a table: file, reason, answer, `more`, class, probability, class_2, probability_2..."""
    numbered = [f"{name}_{i}" for i in range(2, top + 1) for name in ("class", "probability")]
    return ["file", "reason", "answer", *more, "class", "probability", *numbered]


def describe_counts(tally: Tally, path: Path | None = None) -> str:
    """How many files there are of each class, and how many could not be read.

    Args:
        path: of the file that lists them; None: they were listed just before.
    """
    counts = tally.answers
    named = counts.most_common(_MAX_NAMED)
    parts = [f"{n:,} as {escape(name)}" for name, n in named]
    if rest := counts.total() - sum(n for _, n in named):
        parts.append(f"{rest:,} as {say_count(len(counts) - len(named), 'other class', 'other classes')}")
    if tally.n_unread:
        place = f"in {path}" if path else "above"
        parts.append(f"{tally.n_unread:,} could not be read (the reasons are {place})")
    where = f" in {path}" if path else ""
    return f"{say_count(len(tally), 'file')}{where}: {', '.join(parts)}"


def describe_review(tally: Tally, rule: AnswerRule, review: str) -> str:
    """How many answers are left to a person, and below which probability; "" where the model always answers.

    Args:
        review: the answer that leaves a file to a person.
    """
    n, limit = tally.answers[review], rule.min_probability
    if not limit:
        return ""
    of_all = f"{n:,} of {tally.answers.total():,} in {review}"
    if limit >= NEVER:
        return f"{of_all}: this model is never sure enough to answer without a person"
    whose = {0: "no", 1: "its"}.get(n, "their")
    return f"{of_all}: {whose} probability is below {limit:.6g}"


def _write_csv(rows: Iterable[Row], path: Path, top: int, more: tuple[str, ...]) -> None:
    """A text that a spreadsheet would take for a formula has an apostrophe in front."""
    header = name_columns(top, more)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            texts = (row["file"], row["reason"], row["answer"], *(row[name] for name in more))
            cells = [quote_cell(escape(text or "")) for text in texts]
            for one in row["top"]:
                cells += [quote_cell(escape(one["class"])), f"{one['probability']:.6f}"]
            writer.writerow(dict(zip(header, cells, strict=False)))


def _write_jsonl(rows: Iterable[Row], path: Path, top: int, more: tuple[str, ...]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _write_parquet(rows: Iterable[Row], path: Path, top: int, more: tuple[str, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = name_columns(top, more)
    kinds = [pa.float64() if name.startswith("probability") else pa.string() for name in names]
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting = iter(rows)
        while batch := [dict(_flatten(row, names, more)) for row in islice(waiting, _BATCH_ROWS)]:
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
    pa.default_memory_pool().release_unused()


def _flatten(row: Row, names: list[str], more: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    classes = chain.from_iterable((one["class"], one["probability"]) for one in row["top"])
    values = chain((row["file"], row["reason"], row["answer"]), (row[name] for name in more), classes)
    return zip(names, values, strict=False)


_WRITERS: dict[str, Callable[[Iterable[Row], Path, int, tuple[str, ...]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
