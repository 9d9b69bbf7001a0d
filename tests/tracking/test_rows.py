"""rows: one a state, whole or not at all, found again with its decision; and what kills leave is settled."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.tracking import registry, rows
from pipeline.tracking.runs import PARENT_TAG, Tracked, create_run, search_runs
from tests.tracking.test_registry import add

if TYPE_CHECKING:
    from mlflow import MlflowClient


def decide(verdict: str = "HOLD", *, version: int = 1, before: int | None = None, name: str = "m") -> Any:
    return {"verdict": verdict, "model_name": name, "version": version, "champion_before": before}


def make_row(client: "MlflowClient", root: Path, state: str = "one") -> Tracked:
    """An unfinished row, as a promotion that was killed leaves it."""
    return create_run(client, root, f"state-{state}", row=True, tags={rows.STATE_TAG: state})


def list_rows(client: "MlflowClient") -> list[tuple[str, str]]:
    """The state and status of every row, by state."""
    found = search_runs(client, "", row=True)
    return sorted((run.data.tags[rows.STATE_TAG], run.info.status) for run in found)


def test_a_row_is_found_with_its_decision(root: Path, client: "MlflowClient") -> None:
    assert rows.read_decision(root, "one") is None
    with rows.open_row(client, root, "state-one", "one") as row:
        rows.record(row, decide(), "note")
        assert rows.read_decision(root, "one") is None, "an unfinished row is no record"
        row.finish("FINISHED")
    assert rows.read_decision(root, "one") == decide()
    assert rows.read_decision(root, "two") is None


def test_the_short_cut_through_sqlite_and_mlflow_agree(
    root: Path, client: "MlflowClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = decide() | {"reasons": ["x" * 20_000]}
    with rows.open_row(client, root, "state-one", "one") as row:
        rows.record(row, decision, "note")
        row.finish("FINISHED")
    assert rows.read_decision(root, "one") == decision
    monkeypatch.setattr(rows, "_RECORDED", "SELECT from a schema MLflow no longer has")
    assert rows.read_decision(root, "one") == decision
    assert rows.read_decision(root, "two") is None


def test_a_row_that_fails_leaves_nothing(root: Path, client: "MlflowClient") -> None:
    with suppress(ConnectionError), rows.open_row(client, root, "state", "one") as row:
        add(client, "half-way", "a", row.run_id)
        raise ConnectionError
    assert list_rows(client) == []
    assert not client.search_model_versions("name = 'half-way'")
    experiment = client.get_run(row.run_id).info.experiment_id
    assert not client.search_logged_models([experiment])


def test_a_row_that_fails_after_its_decision_is_completed(root: Path, client: "MlflowClient") -> None:
    with suppress(ConnectionError), rows.open_row(client, root, "state", "one") as row:
        add(client, "after", "a", row.run_id)
        rows.record(row, decide("PROMOTE", name="after"), "note")
        raise ConnectionError
    assert list_rows(client) == [("one", "RUNNING")]
    with rows.lock_rows(client, root):
        assert list_rows(client) == [("one", "FINISHED")]
    champion = registry.find_champion(client, "after")
    assert champion is not None
    assert champion.run_id == row.run_id


def test_what_a_kill_left_without_a_decision_is_withdrawn(root: Path, client: "MlflowClient") -> None:
    row = make_row(client, root)
    add(client, "killed", "a", row.run_id)
    stage = create_run(client, root, "train", tags={rows.OWNER_TAG: row.run_id, PARENT_TAG: row.run_id})
    with rows.lock_rows(client, root):
        assert list_rows(client) == []
    assert not client.search_model_versions("name = 'killed'")
    assert not {rows.OWNER_TAG, PARENT_TAG} & client.get_run(stage.run_id).data.tags.keys()


def test_a_promotion_is_not_carried_out_over_a_newer_champion(root: Path, client: "MlflowClient") -> None:
    old, new = make_row(client, root), make_row(client, root, "two")
    add(client, "newer", "a", old.run_id)
    add(client, "newer", "b", new.run_id)
    rows.record(old, decide("PROMOTE", version=1, name="newer"), "note")
    registry.crown(client, "newer", 2)
    rows.record(new, decide("PROMOTE", version=2, name="newer"), "note")
    with rows.lock_rows(client, root):
        assert list_rows(client) == [("two", "FINISHED")]
    champion = registry.find_champion(client, "newer")
    assert champion is not None
    assert champion.number == 2


def test_a_finished_row_is_never_removed(root: Path, client: "MlflowClient") -> None:
    for state in ("one", "two"):
        row = make_row(client, root, state)
        rows.record(row, decide(), "note")
        row.finish("FINISHED")
    make_row(client, root, "one")
    with rows.lock_rows(client, root):
        assert list_rows(client) == [("one", "FINISHED"), ("two", "FINISHED")]


def test_of_two_rows_of_a_state_one_is_elected(root: Path, client: "MlflowClient") -> None:
    """The first that was recorded, unless the other is finished already."""
    first, second = make_row(client, root), make_row(client, root)
    for row, verdict in ((second, "HOLD"), (first, "REJECT")):
        rows.record(row, decide(verdict), "note")
    client.set_tag(first.run_id, rows.RECORDED_TAG, "9" * 15)
    assert rows.elect(client, "one") == (second.run_id, decide("HOLD"))
    first.finish("FINISHED")
    assert rows.elect(client, "one") == (first.run_id, decide("REJECT"))


def test_a_second_record_of_a_state_is_withdrawn_not_completed(root: Path, client: "MlflowClient") -> None:
    first, second = make_row(client, root), make_row(client, root)
    add(client, "second", "a", first.run_id)
    for row in (first, second):
        rows.record(row, decide(name="second"), "note")
    first.finish("FINISHED")
    with rows.lock_rows(client, root):
        assert list_rows(client) == [("one", "FINISHED")]


def test_of_two_models_compared_with_one_champion_the_second_is_compared_again(
    root: Path, client: "MlflowClient"
) -> None:
    early, late = make_row(client, root), make_row(client, root, "two")
    for number, row in enumerate((early, late), start=1):
        add(client, "rivals", str(number), row.run_id)
        rows.record(row, decide("PROMOTE", version=number, name="rivals"), "note")
        client.set_tag(row.run_id, rows.RECORDED_TAG, f"{int(time.time() * 1000) + number:015d}")
    assert not rows.carry_out(client, root, late.run_id, decide("PROMOTE", version=2, name="rivals"))
    assert registry.find_champion(client, "rivals") is None
    assert rows.carry_out(client, root, early.run_id, decide("PROMOTE", version=1, name="rivals"))
    champion = registry.find_champion(client, "rivals")
    assert champion is not None
    assert champion.number == 1


def test_a_promotion_of_a_version_that_was_deleted_is_withdrawn(root: Path, client: "MlflowClient") -> None:
    row = make_row(client, root)
    add(client, "deleted-by-hand", "a", row.run_id)
    rows.record(row, decide("PROMOTE", name="deleted-by-hand"), "note")
    client.delete_registered_model("deleted-by-hand")
    with rows.lock_rows(client, root):
        assert list_rows(client) == []


def test_runs_of_others_in_the_experiment_are_let_be(root: Path, client: "MlflowClient") -> None:
    other = create_run(client, root, "by hand", row=True, tags={})
    with rows.lock_rows(client, root):
        pass
    assert client.get_run(other.run_id).info.lifecycle_stage == "active"


def test_no_run_where_there_is_no_experiment(root: Path, client: "MlflowClient") -> None:
    for is_row in (True, False):
        assert rows.find_runs(client, row=is_row, tag=rows.STATE_TAG, value="one") == []


def test_the_newest_run_comes_first(root: Path, client: "MlflowClient") -> None:
    tags = {rows.STATE_TAG: "one"}
    made = [create_run(client, root, name, tags=tags).run_id for name in ("first", "second")]
    create_run(client, root, "of another state", tags={rows.STATE_TAG: "two"})
    found = rows.find_runs(client, row=False, tag=rows.STATE_TAG, value="one")
    assert [run.info.run_id for run in found] == made[::-1]
