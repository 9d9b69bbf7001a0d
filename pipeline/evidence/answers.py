"""What the classifier answered on the test pictures: its tables, and the mistakes in them."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.evidence.metrics import Scores
from pipeline.storage import write_whole
from pipeline.tables.parquet import build_table
from pipeline.tables.predictions import PREDICTIONS

Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


def build_answers(
    ids: Sequence[str], keys: Sequence[str], y_true: Ints, y_prob: Float32, class_names: Sequence[str]
) -> pa.Table:
    """The table of schema PREDICTIONS, sorted by id.

    Args:
        ids, keys, y_true: of the test pictures [n].
        y_prob: class probabilities [n, n_classes].
    """
    y_pred = y_prob.argmax(axis=1)
    rows = (
        {
            "id": ids[i],
            "key": keys[i],
            "class_name": class_names[y_true[i]],
            "predicted": class_names[y_pred[i]],
            "probability": float(y_prob[i, y_pred[i]]),
            "y_true": int(y_true[i]),
            "y_pred": int(y_pred[i]),
            "y_prob": y_prob[i].tolist(),
        }
        for i in range(len(ids))
    )
    return build_table(rows, PREDICTIONS, sort_by="id")


def list_mistakes(answers: pa.Table) -> list[dict[str, Any]]:
    """The rows whose answer is wrong, the most confident first."""
    columns = ["id", "key", "class_name", "predicted", "probability"]
    rows: list[dict[str, Any]] = answers.select(columns).to_pylist()
    wrong = [row for row in rows if row["class_name"] != row["predicted"]]
    return sorted(wrong, key=lambda row: (-row["probability"], row["key"]))


def write_confusion(answers: pa.Table, path: Path) -> None:
    """Write the actual and the predicted class of each test picture, for `dvc plots --template confusion`."""
    columns = (answers["class_name"].to_pylist(), answers["predicted"].to_pylist())
    _write_csv(("actual", "predicted"), zip(*columns, strict=True), path)


def write_class_scores(scores: Scores, class_names: Sequence[str], support: Ints, path: Path) -> None:
    """Write a row per class: its test pictures, and each score with its interval ("": not defined)."""
    names = [f"{name}{end}" for name in scores.of_classes for end in ("", "_low", "_high")]
    rows = (
        [name, int(support[i])]
        + ["" if np.isnan(v) else round(v, 6) for of in scores.of_classes.values() for v in of[i]]
        for i, name in enumerate(class_names)
    )
    _write_csv(["class", "n_test", *names], rows, path)


def _write_csv(columns: Sequence[str], rows: Iterable[Iterable[Any]], path: Path) -> None:
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)
