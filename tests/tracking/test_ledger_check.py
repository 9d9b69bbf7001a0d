"""What was done to a ledger is found, and the line is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.tracking import moves, registry
from pipeline.tracking.ledger import find_file, hash_text, open_ledger
from pipeline.tracking.ledger_check import find_faults
from tests.tracking.test_moves import make_model, plan

if TYPE_CHECKING:
    from mlflow import MlflowClient

Texts = list[str]


def find_ledger(root: Path) -> Path:
    file = find_file(root)
    assert file is not None
    return file


@pytest.fixture
def model(client: "MlflowClient", root: Path, request: pytest.FixtureRequest) -> str:
    """A model whose champion was 1, 2, 3 and 2: four lines."""
    name: str = request.node.name.replace("[", "-").strip("]")
    versions = make_model(client, root, name, 3)
    before = None
    for version in (versions[0], versions[1], versions[2], versions[1]):
        moves.move_champion(client, root, plan(version, name, before))
        before = version.number
    return name


def rewrite(root: Path, change: Callable[[Texts], Texts]) -> None:
    """Do something to the lines of the file."""
    file = find_ledger(root)
    file.write_text("".join(f"{text}\n" for text in change(file.read_text().splitlines())))


def edit(text: str, **values: object) -> str:
    return json.dumps(json.loads(text) | values, ensure_ascii=False)


def edit_line(n: int) -> Callable[[Texts], Texts]:
    return lambda texts: [edit(t, reason="nicer") if n == i else t for i, t in enumerate(texts, 1)]


def forge(texts: Texts) -> Texts:
    """The second line with another reason, and every hash after it made right."""
    made = [texts[0], edit(texts[1], reason="nicer")]
    for text in texts[2:]:
        made.append(edit(text, prev=hash_text(made[-1])))
    return made


def test_a_whole_ledger_has_no_fault(client: "MlflowClient", root: Path, model: str) -> None:
    assert find_faults(client, root, model) == (4, [])


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        pytest.param(edit_line(1), ["line 1 was changed"], id="first-changed"),
        pytest.param(edit_line(2), ["line 2 was changed"], id="middle-changed"),
        pytest.param(edit_line(4), ["line 4 was changed"], id="last-changed"),
        pytest.param(lambda t: t[1:], ["line 1 is missing"], id="first-removed"),
        pytest.param(lambda t: [t[0], *t[2:]], ["line 2 is missing"], id="middle-removed"),
        pytest.param(lambda t: t[:3], ["line 4 is missing"], id="last-removed"),
        pytest.param(lambda t: t[:1], ["line 2 is missing", "line 3 is missing"], id="end-removed"),
        pytest.param(lambda _: [], ["line 1 is missing", "line 4 is missing"], id="all-removed"),
        pytest.param(lambda t: [t[0], t[2], t[1], t[3]], ["line 3 stands before line 2"], id="reordered"),
        pytest.param(lambda t: [*t, t[3]], ["line 4 is there 2 times"], id="doubled"),
        pytest.param(lambda t: [t[0], "{", *t[2:]], ["line 2 is damaged"], id="damaged"),
        pytest.param(
            lambda t: [*t, edit(t[3], n=30_000_000)],
            ["lines 5 to 29999999 are", "line 30000000 was"],
            id="far-number",
        ),
        pytest.param(lambda t: [*t, *["x"] * 9_000], ["line 5 is damaged, and 8,999"], id="noise"),
        pytest.param(forge, ["line 2 was changed", "line 3 was changed"], id="forged-with-hashes"),
        pytest.param(
            lambda t: [edit(t[0], prev="ab"), *t[1:]], ["line 1 was changed"], id="first-names-one-before"
        ),
    ],
)
def test_a_fault_is_found_and_named(
    change: Callable[[Texts], Texts], faults: list[str], client: "MlflowClient", root: Path, model: str
) -> None:
    rewrite(root, change)
    found = find_faults(client, root, model)[1]
    for fault in faults:
        assert any(one.startswith(fault) for one in found), found
    named = {one.split()[1] for one in found if one.startswith("line ")}
    if len(faults) == 1:
        assert named == {faults[0].split()[1]}, found


def test_a_change_on_a_server_is_found(
    client: "MlflowClient", root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    first, second = make_model(client, root, "on-a-server")
    moves.move_champion(client, root, plan(first, "on-a-server", None))
    line = moves.move_champion(client, root, plan(second, "on-a-server", 1))
    assert find_faults(client, root, "on-a-server") == (2, [])
    client.set_registered_model_tag("on-a-server", line.tag, edit(line.text, reason="nicer"))
    (fault,) = find_faults(client, root, "on-a-server")[1]
    assert fault.startswith("line 2 was changed: the tags of on-a-server version 2 hold another")
    client.delete_registered_model_tag("on-a-server", line.tag)
    assert find_faults(client, root, "on-a-server")[1][0].startswith("line 2 is missing")


def test_a_line_that_was_never_finished_is_said(client: "MlflowClient", root: Path, model: str) -> None:
    file = find_ledger(root)
    file.write_text(file.read_text() + '{"n": 5')
    said = "the last line was never finished: the next move takes its place"
    assert find_faults(client, root, model) == (4, [said])


def test_a_registry_that_was_emptied_is_said(client: "MlflowClient", root: Path, model: str) -> None:
    client.delete_registered_model(model)
    (fault,) = find_faults(client, root, model)[1]
    assert fault.startswith("the registry holds no version of the models in it: its database was emptied")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a'b", id="single"),
        pytest.param('a"b', id="double"),
        pytest.param("'\"", id="both"),
        pytest.param("' or name like '%", id="filter"),
        pytest.param("", id="empty"),
        pytest.param("a/b", id="slash"),
        pytest.param("a:b", id="colon"),
        pytest.param("x" * 5000, id="long"),
    ],
)
def test_a_line_about_a_model_of_any_name_is_checked(
    name: str, client: "MlflowClient", root: Path, model: str
) -> None:
    rewrite(root, lambda texts: [*texts, edit(texts[0], n=5, prev=hash_text(texts[3]), model=name)])
    (fault,) = find_faults(client, root, model)[1]
    assert fault.startswith("there is no champion of ")
    assert fault.endswith("line 5, says version 1: the alias was moved outside Darkroom")


def test_without_the_tags_the_chain_finds_it(client: "MlflowClient", root: Path, model: str) -> None:
    """The tags of a version that was deleted are gone."""
    client.delete_model_version(model, "1")
    rewrite(root, edit_line(1))
    said = "line 1 was changed: the hash of line 1 in line 2 is another"
    assert find_faults(client, root, model)[1] == [said]


def test_a_tag_that_was_changed_is_found(client: "MlflowClient", root: Path, model: str) -> None:
    client.set_model_version_tag(model, "3", "ledger.000003", "{}")
    said = f"line 3 was changed: the tags of {model} version 3 hold another"
    assert find_faults(client, root, model)[1] == [said]
    client.delete_model_version_tag(model, "3", "ledger.000003")
    assert find_faults(client, root, model)[1] == [f"line 3 is not in the tags of {model} version 3"]


def test_an_alias_that_was_moved_is_found(client: "MlflowClient", root: Path, model: str) -> None:
    registry.crown(client, model, 3)
    (fault,) = find_faults(client, root, model)[1]
    assert fault.startswith(
        f"version 3 is champion of {model}, and the last line about it, line 4, says version 2"
    )
    client.delete_registered_model_alias(model, "champion")
    assert find_faults(client, root, model)[1][0].startswith(f"there is no champion of {model}")


def test_a_move_that_was_cut_short_is_said(client: "MlflowClient", root: Path, model: str) -> None:
    version = registry.find_version(client, model, 1)
    assert version is not None
    open_ledger(client, root, model).append(plan(version, model, 2))
    (fault,) = find_faults(client, root, model)[1]
    assert fault.startswith("line 5 was not carried out to its end: the next promotion")
    moves.settle(client, root, model)
    assert find_faults(client, root, model)[1] == []


def test_deleted_versions_and_an_older_darkroom_are_no_faults(
    client: "MlflowClient", root: Path, model: str
) -> None:
    client.delete_model_version(model, "1")
    assert find_faults(client, root, model)[1] == []
    make_model(client, root, f"{model}-older", 1)
    registry.crown(client, f"{model}-older", 1)
    assert find_faults(client, root, f"{model}-older") == (4, [])
