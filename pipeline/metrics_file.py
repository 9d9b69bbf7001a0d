"""metrics.json and details.json: the numbers of a stage, as its files and MLflow both hold them.

A name with "/" is a detail: of a class, of a reason, of a repair. DVC shows metrics.json wherever it shows
metrics, so that file holds the few numbers that people compare.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.storage import write_whole

_DECIMALS = 6


def divide_metrics(metrics: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics that people compare, and the details."""
    details = {name: value for name, value in metrics.items() if "/" in name}
    return {name: value for name, value in metrics.items() if name not in details}, details


def write_metrics(metrics: Mapping[str, float], path: Path) -> None:
    """Write metrics.json or details.json: sorted keys, rounded numbers, equal bytes for equal metrics."""
    with write_whole(path) as temporary:
        temporary.write_text(
            json.dumps(round_metrics(metrics), indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def round_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics as metrics.json and MLflow both hold them: whole numbers as int, others to 6 decimals."""
    return {
        name: int(value) if float(value).is_integer() else round(float(value), _DECIMALS)
        for name, value in metrics.items()
    }
