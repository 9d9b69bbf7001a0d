"""Rollback and force: what they move, what they refuse, two at once, and a kill in the middle."""

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import DarkroomError, ModelError, PromotionError, TrackingError
from pipeline.promotion.by_hand import force, grant, make_wish, roll_back
from pipeline.tracking import connection, registry
from pipeline.tracking.ledger import ROLLBACK, Line, open_ledger, read_lines
from pipeline.tracking.ledger_check import find_faults
from pipeline.tracking.moves import BY_HAND_TAG
from pipeline.tracking.stored_models import Address, fetch_classifier, find_model
from tests.mlflow_server import run_own_server
from tests.promotion.registered import add_version, add_versions
from tests.tracking.dying import DyingClient, KilledError, bury

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass
class Place:
    """A registry, and a model in it: of three versions the second is champion, the first was."""

    client: "MlflowClient"
    root: Path
    name: str

    def read_aliases(self) -> dict[str, int]:
        aliases = self.client.get_registered_model(self.name).aliases
        return {alias: int(number) for alias, number in aliases.items()}

    def read_moves(self) -> list[tuple[str, int | None, int]]:
        lines = read_lines(open_ledger(self.client, self.root, self.name), self.name)
        return [(line.move.decision, line.move.before, line.move.version) for line in lines]


FIRST_MOVES = [("FIRST", None, 1), ("PROMOTE", 1, 2)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server that keeps artifacts where only it can reach them."""
    with run_own_server(tmp_path_factory.mktemp("by-hand")) as uri:
        yield uri


@pytest.fixture
def local(
    client: "MlflowClient",
    tracking_root: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """On a local database."""
    name = request.node.name.replace("[", "-").strip("]")[:60]
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"by hand {name}")
    (tracking_root / "mlflow" / "ledger.jsonl").unlink(missing_ok=True)  # other tests leave faults in it
    add_versions(client, tracking_root, name, tmp_path / "scratch")
    return Place(client, tracking_root, name)


@pytest.fixture
def remote(
    server: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Place:
    """On a server over HTTP."""
    name = request.node.name.replace("[", "-").strip("]")[:60]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"by hand {name}")
    client = connection.connect(tmp_path)
    add_versions(client, tmp_path, name, tmp_path / "scratch")
    return Place(client, tmp_path, name)


def test_back_to_the_champion_before_and_to_a_number(local: Place) -> None:
    line = roll_back(local.client, local.root, local.name, to=None, reason=" fails on the new scanner\n")
    assert local.read_aliases() == {"champion": 1, "previous": 2}
    assert (line.move.reason, line.move.evidence) == ("fails on the new scanner", {})
    version = registry.find_version(local.client, local.name, 1)
    assert version is not None
    assert (line.move.row, line.move.model_md5) == (version.run_id, version.model_md5)
    assert local.client.get_run(version.run_id).data.tags["champion"] == "champion"
    roll_back(local.client, local.root, local.name, to=2, reason="it was the scanner")
    force(local.client, local.root, local.name, 3, reason="we need it")
    assert local.read_aliases() == {"champion": 3, "previous": 2}
    assert local.read_moves() == [
        *FIRST_MOVES,
        ("ROLLBACK", 2, 1),
        ("ROLLBACK", 1, 2),
        ("FORCE", 2, 3),
    ]
    assert find_faults(local.client, local.root, local.name)[1] == []


def test_a_second_rollback_does_not_bring_back_what_was_rolled_back(local: Place) -> None:
    roll_back(local.client, local.root, local.name, to=None, reason="2 is bad")
    with pytest.raises(
        PromotionError, match=r"no champion of .* before version 1 is recorded, but those that"
    ):
        roll_back(local.client, local.root, local.name, to=None, reason="2 is bad")
    force(local.client, local.root, local.name, 3, reason="to try it")
    tags = local.client.get_model_version(local.name, "3").tags
    assert tags[BY_HAND_TAG].startswith("FORCE by ")
    assert tags[BY_HAND_TAG].endswith(": to try it")
    roll_back(local.client, local.root, local.name, to=None, reason="3 is bad, too")
    assert local.read_aliases() == {"champion": 1, "previous": 3}


def test_what_was_never_champion_is_not_rolled_back_to(local: Place) -> None:
    local.client.set_model_version_tag(local.name, "3", "verdict", "HOLD")
    with pytest.raises(PromotionError, match=r"version 3 of .* was never champion.*promote 3 --force"):
        roll_back(local.client, local.root, local.name, to=3, reason="why")


def test_an_alias_that_was_moved_outside_goes_back_to_the_last_line(local: Place) -> None:
    local.client.set_registered_model_alias(local.name, "champion", "3")
    roll_back(local.client, local.root, local.name, to=None, reason="somebody moved it")
    assert local.read_aliases()["champion"] == 2


def test_the_same_over_http(remote: Place) -> None:
    roll_back(remote.client, remote.root, remote.name, to=None, reason="back")
    force(remote.client, remote.root, remote.name, 3, reason="forth")
    assert remote.read_aliases() == {"champion": 3, "previous": 1}
    assert remote.read_moves() == [*FIRST_MOVES, ("ROLLBACK", 2, 1), ("FORCE", 1, 3)]
    assert find_faults(remote.client, remote.root, remote.name) == (4, [])


@pytest.mark.parametrize(
    ("to", "reason", "said"),
    [
        pytest.param(9, "why", r"has no version 9; the registry holds 3, 2, 1", id="number"),
        pytest.param(2, "why", r"version 2 is champion of .* already; nothing was changed", id="champion"),
        pytest.param(1, " \n", r"a reason of 1 to 1,000 characters is needed", id="no-reason"),
        pytest.param(1, "x" * 1001, r"a reason of 1 to 1,000 characters is needed", id="long-reason"),
    ],
)
def test_what_is_refused_in_one_line(to: int, reason: str, said: str, local: Place) -> None:
    with pytest.raises(PromotionError, match=said):
        roll_back(local.client, local.root, local.name, to=to, reason=reason)
    assert local.read_aliases() == {"champion": 2, "previous": 1}
    assert local.read_moves() == FIRST_MOVES


def test_without_a_champion_or_one_before_it_says_so(local: Place, tmp_path: Path) -> None:
    client, root, name = local.client, local.root, f"{local.name}-new"
    with pytest.raises(PromotionError, match="the registry holds no version of 'nobody'"):
        roll_back(client, root, "nobody", to=None, reason="why")
    add_version(client, root, name, tmp_path, n_right=60, is_sealed=False)
    with pytest.raises(PromotionError, match=r"has no champion to roll back; the registry holds 1"):
        roll_back(client, root, name, to=None, reason="why")
    assert force(client, root, name, 1, reason="the first").move.before is None
    add_version(client, root, name, tmp_path, n_right=61)
    with pytest.raises(PromotionError, match=r"no champion of .* before version 1 is recorded, but"):
        roll_back(client, root, name, to=None, reason="why")


def test_a_champion_of_an_older_darkroom_is_rolled_back_to(local: Place, tmp_path: Path) -> None:
    """It has no line, no seal and no other alias."""
    name = f"{local.name}-old"
    for n_right in (60, 61):
        add_version(local.client, local.root, name, tmp_path, n_right=n_right, is_sealed=False)
    registry.crown(local.client, name, 2)
    roll_back(local.client, local.root, name, to=1, reason="older")
    assert registry.find_alias(local.client, name, "champion") == 1
    roll_back(local.client, local.root, name, to=None, reason="and back")
    assert registry.find_alias(local.client, name, "champion") == 2


def test_a_version_whose_files_are_gone_or_changed_is_not_crowned(local: Place) -> None:
    found = find_model(local.root, Address(local.name, number=3))
    assert found is not None
    folder = fetch_classifier(local.root, found)
    (folder / "model.keras").write_text("another")
    with pytest.raises(ModelError, match=r"version 3 does not become champion: .*model\.keras was changed"):
        force(local.client, local.root, local.name, 3, reason="why")
    shutil.rmtree(folder)
    with pytest.raises(TrackingError, match=r"the files of .* version 3 are gone"):
        force(local.client, local.root, local.name, 3, reason="why")
    assert local.read_moves() == FIRST_MOVES


def test_a_version_of_others_or_of_other_classes_is_not_crowned(local: Place, tmp_path: Path) -> None:
    add_version(local.client, local.root, local.name, tmp_path, n_right=50, classes=("cat", "cow"))
    with pytest.raises(PromotionError, match="version 4 tells other classes apart than the champion"):
        force(local.client, local.root, local.name, 4, reason="why")
    source = str(local.client.get_model_version(local.name, "1").source)
    local.client.create_model_version(local.name, source)
    with pytest.raises(PromotionError, match="version 5 was not registered by Darkroom"):
        force(local.client, local.root, local.name, 5, reason="why")
    registry.crown(local.client, local.name, 5)
    roll_back(local.client, local.root, local.name, to=1, reason="somebody crowned a stranger")
    assert local.read_moves()[-1] == ("ROLLBACK", 5, 1)


def roll_back_at_once(place: Place) -> list[Line | DarkroomError]:
    """Two people who saw the same champion."""
    wishes = [
        make_wish(place.client, place.name, None, decision=ROLLBACK, reason=f"person {n}") for n in (1, 2)
    ]

    def ask(wish: object) -> Line | DarkroomError:
        try:
            return grant(place.client, place.root, wish)  # type: ignore[arg-type]
        except DarkroomError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(ask, wishes))


def check_one_won(place: Place, found: list[Line | DarkroomError]) -> None:
    (error,) = [one for one in found if isinstance(one, DarkroomError)]
    said = str(error)
    assert said.startswith(f"somebody else moved the champion of {place.name} at the same time")
    assert "\n" not in said
    assert place.read_moves() == [*FIRST_MOVES, ("ROLLBACK", 2, 1)]
    assert place.read_aliases() == {"champion": 1, "previous": 2}
    assert find_faults(place.client, place.root, place.name)[1] == []


def test_of_two_at_once_one_wins(local: Place) -> None:
    check_one_won(local, roll_back_at_once(local))


def test_of_two_at_once_over_http_one_wins(remote: Place) -> None:
    check_one_won(remote, roll_back_at_once(remote))


_RELEASE = "delete_registered_model_tag"  # of the lock, over HTTP


def kill_and_repeat(place: Place, n: int) -> bool:
    """A rollback to version 1, killed before its nth call, then repeated; False if it was not killed."""
    if place.read_aliases()["champion"] == 1:
        force(place.client, place.root, place.name, 2 + n % 2, reason=f"start {n}")
    champion, before = place.read_aliases()["champion"], place.read_moves()
    told = {"to": None if n % 4 > 1 else 1, "reason": f"kill {n}"}
    if told["to"] is None:
        place.client.set_registered_model_alias(place.name, "previous", "1")
    dying = DyingClient(place.client, n)
    try:
        roll_back(dying, place.root, place.name, **told)  # type: ignore[arg-type]
    except KilledError:
        bury(place.client, place.name)
        assert place.read_aliases()["champion"] in (1, champion), n
        if (
            dying.calls[n - 1] != _RELEASE
        ):  # with its lock a rollback is at its end: again would go further back
            roll_back(place.client, place.root, place.name, **told)  # type: ignore[arg-type]
    assert place.read_moves() == [*before, ("ROLLBACK", champion, 1)], n
    assert place.read_aliases() == {"champion": 1, "previous": champion}, n
    return len(dying.calls) >= n


def test_a_rollback_killed_before_any_call_is_completed_by_repeating_it(local: Place) -> None:
    """A third of the kills each time."""
    for n in itertools.count(random.Random(time.time_ns()).randint(1, 3), 3):
        if not kill_and_repeat(local, n):
            break
    assert n > 10
    assert find_faults(local.client, local.root, local.name)[1] == []


def test_a_rollback_killed_over_http_is_completed(remote: Place) -> None:
    for n in random.Random(time.time_ns()).sample(range(8, 45), 4):
        kill_and_repeat(remote, n)
    assert find_faults(remote.client, remote.root, remote.name)[1] == []


def test_another_wish_does_not_ride_on_an_interrupted_one(local: Place) -> None:
    version = registry.find_version(local.client, local.name, 1)
    assert version is not None
    from pipeline.tracking.ledger import Move

    told = ("ROLLBACK", "killed", version.run_id, version.model_md5)
    open_ledger(local.client, local.root, local.name).append(Move(local.name, 2, 1, *told))
    with pytest.raises(
        PromotionError, match="a move that was interrupted came first, and is completed now: ROLL"
    ):
        force(local.client, local.root, local.name, 3, reason="other")
    assert local.read_aliases() == {"champion": 1, "previous": 2}
    force(local.client, local.root, local.name, 3, reason="other")
    assert local.read_aliases() == {"champion": 3, "previous": 1}
