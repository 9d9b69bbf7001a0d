"""How predictions are written down: as CSV, as JSON lines, and as one sentence of counts."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from pipeline.characters import escape, quote_cell, say_count
from pipeline.serving.predictions import Prediction
from pipeline.storage import write_whole

_MAX_NAMED = 20  # classes in a sentence


def write_csv(predictions: Sequence[Prediction], path: Path) -> None:
    """Write one line per file: file, reason, answer, class, probability, class_2, probability_2 and so on.

    A text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    n_classes = max((len(prediction.classes) for prediction in predictions), default=0)
    header = ["file", "reason", "answer", "class", "probability"]
    header += [f"{name}_{i}" for i in range(2, n_classes + 1) for name in ("class", "probability")]
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        writer.writeheader()
        for prediction in predictions:
            answers = [(quote_cell(escape(name)), f"{p:.6f}") for name, p in prediction.classes]
            reason = str(prediction.refusal) if prediction.refusal else ""
            answer = quote_cell(escape(prediction.answer))
            row = [quote_cell(prediction.file), quote_cell(reason), answer, *chain.from_iterable(answers)]
            writer.writerow(dict(zip(header, row, strict=False)))


def describe_as_json(prediction: Prediction) -> str:
    """One line of JSON: file, answer, class, probability, top (the likeliest classes in order), reason.

    What does not apply is null: the reason, or the answer, the class and its probability.
    """
    top = [{"class": name, "probability": round(p, 6)} for name, p in prediction.classes]
    best = top[0] if top else {"class": None, "probability": None}
    reason = str(prediction.refusal) if prediction.refusal else None
    said = {"file": prediction.file, "answer": prediction.answer or None}
    return json.dumps(said | best | {"top": top, "reason": reason})


def describe_counts(predictions: Sequence[Prediction], path: Path | None = None) -> str:
    """How many files there are of each class, and how many could not be read.

    Args:
        path: of the file that lists them; None: they were listed just before.
    """
    counts = Counter(prediction.answer for prediction in predictions if prediction.classes)
    named = counts.most_common(_MAX_NAMED)
    parts = [f"{n:,} as {escape(name)}" for name, n in named]
    if rest := counts.total() - sum(n for _, n in named):
        parts.append(f"{rest:,} as {say_count(len(counts) - len(named), 'other class', 'other classes')}")
    if n_unread := len(predictions) - counts.total():
        parts.append(f"{n_unread:,} could not be read (the reasons are {f'in {path}' if path else 'above'})")
    where = f" in {path}" if path else ""
    return f"{say_count(len(predictions), 'file')}{where}: {', '.join(parts)}"
