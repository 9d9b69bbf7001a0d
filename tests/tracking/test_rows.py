"""rows: one a state, whole or not at all, found again with its decision."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.tracking import rows
from pipeline.tracking.runs import create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


def test_a_row_is_found_with_its_decision(root: Path, client: "MlflowClient") -> None:
    assert rows.read_decision(root, "one") is None
    with rows.open_row(client, root, "state-one", "one") as row:
        row.set_tags({rows.DECISION_TAG: json.dumps({"verdict": "HOLD"})})
        assert rows.read_decision(root, "one") is None, "an unfinished row is no record"
    assert rows.read_decision(root, "one") == {"verdict": "HOLD"}
    assert rows.read_decision(root, "two") is None


def test_the_short_cut_through_sqlite_and_mlflow_agree(
    root: Path, client: "MlflowClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    with rows.open_row(client, root, "state-one", "one") as row:
        row.set_tags({rows.DECISION_TAG: json.dumps({"verdict": "HOLD"})})
    monkeypatch.setattr(rows, "_RECORDED", "SELECT from a schema MLflow no longer has")
    assert rows.read_decision(root, "one") == {"verdict": "HOLD"}
    assert rows.read_decision(root, "two") is None


def test_a_row_that_fails_leaves_nothing(root: Path, client: "MlflowClient") -> None:
    with pytest.raises(ValueError, match="half way"), rows.open_row(client, root, "state", "one"):
        raise ValueError("half way")
    assert rows.find_runs(client, row=True, tag=rows.STATE_TAG, value="one") == []


def test_a_row_that_was_killed_is_replaced(root: Path, client: "MlflowClient") -> None:
    create_run(client, root, "state", row=True, tags={rows.STATE_TAG: "one"})
    with rows.open_row(client, root, "state", "one") as row:
        pass
    found = rows.find_runs(client, row=True, tag=rows.STATE_TAG, value="one")
    assert [run.info.run_id for run in found] == [row.run_id]


def test_no_run_where_there_is_no_experiment(root: Path, client: "MlflowClient") -> None:
    for is_row in (True, False):
        assert rows.find_runs(client, row=is_row, tag=rows.STATE_TAG, value="one") == []


def test_the_newest_run_comes_first(root: Path, client: "MlflowClient") -> None:
    tags = {rows.STATE_TAG: "one"}
    made = [create_run(client, root, name, tags=tags).run_id for name in ("first", "second")]
    create_run(client, root, "of another state", tags={rows.STATE_TAG: "two"})
    found = rows.find_runs(client, row=False, tag=rows.STATE_TAG, value="one")
    assert [run.info.run_id for run in found] == made[::-1]
