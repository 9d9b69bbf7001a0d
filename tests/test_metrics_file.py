"""metrics.json: sorted, rounded, the same bytes for the same numbers."""

import json
from pathlib import Path

import pytest

from pipeline.metrics_file import round_metrics, write_metrics


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(3.0, "3", id="whole"),
        pytest.param(1 / 3, "0.333333", id="rounded"),
        pytest.param(1e-9, "0.0", id="too small to tell"),
    ],
)
def test_metrics_file(value: float, written: str, tmp_path: Path) -> None:
    path = tmp_path / "clean" / "metrics.json"
    write_metrics({"b": value, "a": 1}, path)
    assert path.read_text() == f'{{\n  "a": 1,\n  "b": {written}\n}}\n'
    assert round_metrics({"b": value}) == {"b": json.loads(written)}
