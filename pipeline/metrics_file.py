"""metrics.json: the numbers of a stage, as its file and MLflow both hold them."""

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.storage import write_whole

_DECIMALS = 6


def write_metrics(metrics: Mapping[str, float], path: Path) -> None:
    """Write data/<stage>/metrics.json: sorted keys, rounded numbers, the same bytes for the same metrics."""
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
