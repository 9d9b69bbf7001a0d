"""A move of the champion, killed before any of its steps; with a ledger in a file, and in tags."""

import itertools
import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import PromotionError
from pipeline.tracking import moves, registry, rows
from pipeline.tracking.ledger import Line, Move, find_file, open_ledger, read_lines
from pipeline.tracking.ledger_check import find_faults
from pipeline.tracking.runs import Tracked, create_run
from tests.tracking.dying import DyingClient, KilledError, bury
from tests.tracking.test_registry import add

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture(params=["file", "tags"])
def store(request: pytest.FixtureRequest, root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the ledger is: with the address of a server it is in tags, here of the same database."""
    if request.param == "tags":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    return str(request.param)


def make_model(client: "MlflowClient", root: Path, name: str, n: int = 2) -> list[registry.Version]:
    """A registered model of n versions, each of a finished row."""
    versions = []
    for number in range(1, n + 1):
        row = create_run(client, root, f"{name} {number}", row=True, tags={})
        versions.append(add(client, name, f"{name} {number}", row.run_id))
        row.finish("FINISHED")
    return versions


def plan(version: registry.Version, name: str, before: int | None, decision: str = "FORCE") -> Move:
    told = (decision, f"to {version.number}", version.run_id, version.model_md5)
    return Move(name, before, version.number, *told)


def read(client: "MlflowClient", root: Path, name: str) -> list[Line]:
    return read_lines(open_ledger(client, root, name), name)


def read_aliases(client: "MlflowClient", name: str) -> dict[str, int]:
    return {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}


def test_aliases_tags_and_marks_follow_a_move(client: "MlflowClient", root: Path, store: str) -> None:
    name = f"follows-{store}"
    first, second, third = make_model(client, root, name, 3)
    moves.move_champion(client, root, plan(first, name, None, "FIRST"))
    assert read_aliases(client, name) == {"champion": 1}
    registry.name_challenger(client, name, 2)
    registry.name_challenger(client, name, 3)
    assert read_aliases(client, name) == {"champion": 1, "challenger": 3}
    registry.name_challenger(client, name, 1)
    assert read_aliases(client, name) == {"champion": 1, "challenger": 3}, "the champion challenges nobody"
    line = moves.move_champion(client, root, plan(third, name, 1))
    assert read_aliases(client, name) == {"champion": 3, "previous": 1}
    moves.move_champion(client, root, plan(second, name, 3))
    moves.move_champion(client, root, plan(third, name, 2))
    assert read_aliases(client, name) == {"champion": 3, "previous": 2}
    tags = registry.read_tags(client, name, 3)
    assert tags is not None
    assert tags[line.tag] == line.text
    assert [one.move.version for one in read(client, root, name)] == [1, 3, 2, 3]
    marks = {
        one.run_id: client.get_run(one.run_id).data.tags.get("champion") for one in (first, second, third)
    }
    assert list(marks.values()) == ["former", "former", "champion"]
    assert find_faults(client, root, name)[1] == []


def test_a_move_killed_before_any_step_is_completed(client: "MlflowClient", root: Path, store: str) -> None:
    met, name = set(), f"killed-{store}"
    first, second = make_model(client, root, name)
    for n in itertools.count(1):
        champion = registry.find_alias(client, name, "champion")
        moves.move_champion(client, root, plan(first, name, champion))
        n_lines = len(read(client, root, name))
        dying = DyingClient(client, n)
        try:
            moves.move_champion(dying, root, plan(second, name, 1))  # type: ignore[arg-type]
            break
        except KilledError as killed:
            met.add(str(killed))
        assert read_aliases(client, name)["champion"] in (1, 2), f"killed before call {n}, {dying.calls[-1]}"
        is_written = len(read(client, root, name)) > n_lines
        assert is_written or read_aliases(client, name)["champion"] == 1, "the line comes first"
        assert (moves.settle(client, root, name) is not None) == is_written
        if not is_written:
            moves.move_champion(client, root, plan(second, name, 1))
        assert moves.settle(client, root, name) is None
        lines = read(client, root, name)
        assert (len(lines), lines[-1].move.version) == (n_lines + 1, 2), "and no second line"
        assert read_aliases(client, name) == {"champion": 2, "previous": 1}
        assert client.get_run(second.run_id).data.tags["champion"] == "champion"
        assert client.get_run(first.run_id).data.tags["champion"] == "former"
    assert met >= {"set_registered_model_alias", "set_tag", "set_model_version_tag"}
    assert find_faults(client, root, name)[1] == []


def test_a_promotion_killed_before_any_step_is_completed(
    client: "MlflowClient", root: Path, store: str
) -> None:
    """All of carry_out, as the next promotion repeats it; a third of the kills each time."""
    name = f"promoted-{store}"
    first, _ = make_model(client, root, name)
    decision = {"verdict": "PROMOTE", "model_name": name, "version": 2, "champion_before": 1}
    for n in itertools.count(random.Random(time.time_ns()).randint(1, 3), 3):
        champion = registry.find_alias(client, name, "champion")
        moves.move_champion(client, root, plan(first, name, champion))
        n_lines = len(read(client, root, name))
        row = create_run(client, root, name, row=True, tags={rows.STATE_TAG: f"{name} {n}"})
        rows.record(row, decision, "note")
        try:
            rows.carry_out(DyingClient(client, n), root, row.run_id, decision)  # type: ignore[arg-type]
            break
        except KilledError:
            bury(client, name)
        assert read_aliases(client, name)["champion"] in (1, 2), n
        assert rows.carry_out(client, root, row.run_id, decision)
        assert client.get_run(row.run_id).info.status == "FINISHED"
        assert len(read(client, root, name)) == n_lines + 1, n
        assert read_aliases(client, name) == {"champion": 2, "previous": 1}
    assert not [key for key in client.get_registered_model(name).tags if key.startswith("darkroom.lock.")]
    assert find_faults(client, root, name)[1] == []


def test_a_promotion_that_was_rolled_back_before_its_row_was_finished_is_not_repeated(
    client: "MlflowClient", root: Path, store: str
) -> None:
    name = f"overruled-{store}"
    first, second = make_model(client, root, name)
    moves.move_champion(client, root, plan(first, name, None))
    row = create_run(client, root, name, row=True, tags={rows.STATE_TAG: name})
    decision = {"verdict": "PROMOTE", "model_name": name, "version": 2, "champion_before": 1}
    rows.record(row, decision, "note")
    move = Move(name, 1, 2, "PROMOTE", "better", row.run_id, second.model_md5)
    moves.move_champion(client, root, move)  # killed before the row was finished
    moves.move_champion(client, root, plan(first, name, 2, "ROLLBACK"))
    assert rows.carry_out(client, root, row.run_id, decision)
    assert client.get_run(row.run_id).info.status == "FINISHED"
    assert read_aliases(client, name) == {"champion": 1, "previous": 2}
    assert [line.move.version for line in read(client, root, name)] == [1, 2, 1]


def test_a_line_that_others_wrote_meanwhile_is_the_last_word(client: "MlflowClient", root: Path) -> None:
    """This process slept, and its lock counted as a dead one's. Others completed its move, and made one."""
    first, second = make_model(client, root, "overtaken")
    moves.move_champion(client, root, plan(first, "overtaken", None))
    crown = registry.crown
    slept: list[int] = []

    def crown_late(*asked: Any, **named: Any) -> None:
        if not slept:
            slept.append(1)
            moves.settle(client, root, "overtaken")
            moves.move_champion(client, root, plan(first, "overtaken", 2, "ROLLBACK"))
        crown(*asked, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "crown", crown_late)
        moves.move_champion(client, root, plan(second, "overtaken", 1))
    assert [line.move.version for line in read(client, root, "overtaken")] == [1, 2, 1]
    assert read_aliases(client, "overtaken") == {"champion": 1, "previous": 2}
    assert client.get_run(first.run_id).data.tags["champion"] == "champion"


def test_an_alias_that_was_moved_by_hand_is_let_be(client: "MlflowClient", root: Path) -> None:
    first, second, third = make_model(client, root, "by-hand", 3)
    moves.move_champion(client, root, plan(first, "by-hand", None))
    open_ledger(client, root, "by-hand").append(plan(second, "by-hand", 1))  # killed after the line
    registry.crown(client, "by-hand", third.number)
    assert moves.settle(client, root, "by-hand") is not None
    assert read_aliases(client, "by-hand")["champion"] == 3
    assert moves.settle(client, root, "by-hand") is None


def test_a_number_that_is_given_again_is_another_version(client: "MlflowClient", root: Path) -> None:
    """A registered model was deleted, and made anew: its old lines promote nothing."""
    (old,) = make_model(client, root, "again", 1)
    moves.move_champion(client, root, plan(old, "again", None))
    client.delete_registered_model("again")
    row = create_run(client, root, "again", row=True, tags={})
    add(client, "again", "another model", row.run_id)
    assert moves.settle(client, root, "again") is None
    assert registry.find_champion(client, "again") is None


def test_a_version_that_was_deleted_is_never_completed(client: "MlflowClient", root: Path) -> None:
    first, second = make_model(client, root, "lost")
    moves.move_champion(client, root, plan(first, "lost", None))
    open_ledger(client, root, "lost").append(plan(second, "lost", 1))
    client.delete_model_version("lost", "2")
    assert moves.settle(client, root, "lost") is None
    assert read_aliases(client, "lost") == {"champion": 1}


def test_a_row_that_is_gone_is_not_marked(client: "MlflowClient", root: Path) -> None:
    (only,) = make_model(client, root, "rowless", 1)
    other: Tracked = create_run(client, root, "other", row=True, tags={"champion": "champion"})
    client.delete_run(only.run_id)
    moves.move_champion(client, root, plan(only, "rowless", None))
    assert read_aliases(client, "rowless") == {"champion": 1}
    assert client.get_run(other.run_id).data.tags["champion"] == "former"


@pytest.mark.parametrize("change", [{"n": 30_000_000}, {"prev": "0" * 64}])
def test_a_line_that_was_written_by_hand_is_not_carried_out(
    client: "MlflowClient", root: Path, change: dict[str, Any]
) -> None:
    name = f"forged-{next(iter(change))}"
    first, second = make_model(client, root, name)
    moves.move_champion(client, root, plan(first, name, None, "FIRST"))
    file = find_file(root)
    assert file
    whole = file.read_text(encoding="utf-8")
    told = json.loads(open_ledger(client, root, name).append(plan(second, name, 1)).text) | change
    file.write_text(whole + json.dumps(told) + "\n", encoding="utf-8")
    with pytest.raises(PromotionError, match="does not follow from the one before, so its move to version 2"):
        moves.settle(client, root, name)
    assert read_aliases(client, name) == {"champion": 1}
    file.write_text(whole, encoding="utf-8")
    assert moves.settle(client, root, name) is None
