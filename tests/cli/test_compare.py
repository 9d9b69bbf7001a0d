"""`darkroom compare`: which rows are meant, and what is said of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.paths import Paths
from pipeline.tracking import connection
from pipeline.tracking.runs import create_run

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


@pytest.fixture
def ids(tracking_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two rows: the champion, and a later one of other parameters that is worse."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(tracking_root))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-compare")
    client = connection.connect(tracking_root)
    experiment = client.get_experiment_by_name("of-compare")
    if experiment is None:
        for name, accuracy, epochs, tags in (
            ("first", 0.9, 20, {"verdict": "PROMOTE", "champion": "champion"}),
            ("epochs 2", 0.7, 2, {"verdict": "HOLD"}),
        ):
            row = create_run(client, tracking_root, name, row=True, tags=tags)
            row.log_params({"train.epochs": epochs, "train.model": "compact"})
            row.log_metrics({"accuracy": accuracy, "accuracy_low": 0.5, "accuracy_high": 0.95})
            row.finish("FINISHED")
        experiment = client.get_experiment_by_name("of-compare")
    assert experiment is not None
    rows = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return [row.info.run_id for row in rows]


def test_the_champion_and_the_last_by_default(darkroom: Darkroom, ids: list[str]) -> None:
    code, said, error = darkroom("compare")
    assert (code, error) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]
    assert rows == [
        ["verdict", "PROMOTE (champion)", "HOLD", ""],
        ["accuracy", "0.9 (0.5 to 0.95)", "0.7 (0.5 to 0.95)", "-0.2"],
        ["train.epochs", "20", "2", ""],
    ]
    assert len(said.splitlines()) <= 15


def test_rows_by_name_and_by_id(darkroom: Darkroom, ids: list[str]) -> None:
    by_name, by_id = darkroom("compare", "epochs 2", "first"), darkroom("compare", ids[1][:8], ids[0][:8])
    assert by_name == by_id
    assert "+0.2" in by_name[1]


def test_a_row_that_is_not_there(darkroom: Darkroom, ids: list[str]) -> None:
    code, _, error = darkroom("compare", "third")
    assert code == 1
    assert error == (
        "error: there is no row 'third'; the newest are 'epochs 2', 'first'; also: champion, last\n"
    )


def test_before_the_first_result(
    darkroom: Darkroom, project: Paths, tracking_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(tracking_root))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-nobody")
    assert darkroom("compare") == (1, "", "error: there is no result yet; run `dvc repro`\n")
