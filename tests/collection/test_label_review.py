"""label_review: what accepting and rejecting writes, what is then left, and what is refused in one line."""

from collections.abc import Callable

import pytest

from pipeline.collection import quarantine
from pipeline.collection.confirmed_labels import read_confirmed
from pipeline.collection.label_review import Review, accept, list_open, reject
from pipeline.collection.overrides import read_overrides
from pipeline.errors import DataError
from pipeline.params import Params
from pipeline.params_file import load_params
from pipeline.paths import Paths
from pipeline.yaml_file import read_yaml, write_values
from tests.suspects import PLANTED, plant_suspects

ParamsOf = Callable[..., Params]
LINE, CIRCLE, SQUARE = PLANTED


@pytest.fixture
def evaluated(project: Paths, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    plant_suspects(project, params_of)
    return project


def list_keys(paths: Paths) -> list[str]:
    return [one.key for one in list_open(Review.read(paths))]


def list_decided(paths: Paths) -> list[tuple[str, str, str]]:
    return [(one.key, one.action, one.label) for one in read_overrides(paths.overrides)]


def test_what_is_accepted_is_relabelled_and_no_longer_listed(evaluated: Paths) -> None:
    assert list_keys(evaluated) == list(PLANTED)
    said = accept(Review.read(evaluated), [LINE, CIRCLE, LINE], note="look\nhere")
    assert said[:2] == [f"{LINE}: kept as circle", f"{CIRCLE}: kept as square"]
    assert "`dvc repro` now runs clean" in said[-1]
    assert list_decided(evaluated) == [(CIRCLE, "relabel", "square"), (LINE, "relabel", "circle")]
    assert {one.note for one in read_overrides(evaluated.overrides)} == {"look here"}
    assert list_keys(evaluated) == [SQUARE]
    assert accept(Review.read(evaluated), [LINE])[-1].endswith("nothing was changed")


def test_what_is_rejected_is_remembered_until_its_label_changes(evaluated: Paths) -> None:
    id_ = Review.read(evaluated).suspects[1].id
    said = reject(Review.read(evaluated), [id_[:8]], note="round enough")
    assert said[0] == f"{CIRCLE}: circle is right"
    assert said[1] == "data/confirmed_labels.csv holds 1 label; `dvc repro` now runs evaluate and promote"
    (written,) = read_confirmed(evaluated.confirmed_labels)
    assert (written.id, written.key, written.label, written.note) == (id_, CIRCLE, "circle", "round enough")
    assert list_keys(evaluated) == [LINE, SQUARE]
    assert reject(Review.read(evaluated), [CIRCLE])[-1].endswith("nothing was changed")
    assert list_decided(evaluated) == []


def test_accepting_takes_a_rejection_back(evaluated: Paths) -> None:
    reject(Review.read(evaluated), [LINE, SQUARE])
    accept(Review.read(evaluated), [LINE])
    assert [one.key for one in read_confirmed(evaluated.confirmed_labels)] == [SQUARE]
    assert list_decided(evaluated) == [(LINE, "relabel", "circle")]
    with pytest.raises(
        DataError, match=f"^{LINE} is decided otherwise in .*`darkroom quarantine undo {LINE}`"
    ):
        reject(Review.read(evaluated), [LINE])


def test_other_decisions_count_too(evaluated: Paths) -> None:
    quarantine.decide(quarantine.State.read(evaluated), [LINE], action="drop")
    assert list_keys(evaluated) == [CIRCLE, SQUARE]


def test_nothing_is_written_where_one_cannot_be(evaluated: Paths) -> None:
    for decide in (accept, reject):
        with pytest.raises(
            DataError, match=r"^line/2.png is not among the labels that may be wrong.* --to LABEL"
        ):
            decide(Review.read(evaluated), [LINE, "line/2.png"])
        with pytest.raises(DataError, match=r"^line/l.png is not a file of the source"):
            decide(Review.read(evaluated), [LINE, "line/l.png"])
    assert list_decided(evaluated) == []
    assert read_confirmed(evaluated.confirmed_labels) == []


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        pytest.param({"round": ["circle"], "edged": ["line", "square"]}, "circle", id="one folder"),
        pytest.param({"edged": ["line", "square"], "round": ["*"]}, "circle", id="the rest is one folder"),
    ],
)
def test_a_class_map_names_the_folder(
    classes: dict[str, list[str]], expected: str, project: Paths, params_of: ParamsOf
) -> None:
    map_classes(classes, project, params_of)
    accept(Review.read(project), [LINE])
    assert list_decided(project) == [(LINE, "relabel", expected)]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        pytest.param(
            {"round": ["circle"], "edged": ["line", "square"]},
            r"2 folders \(line, square\); choose one: "
            r"`darkroom quarantine relabel circle/2.png --to FOLDER`$",
            id="two folders",
        ),
        pytest.param({"round": ["circle"], "edged": ["*"]}, r"2 folders \(line, square\)", id="the rest"),
    ],
)
def test_an_ambiguous_folder_is_refused(
    classes: dict[str, list[str]], message: str, project: Paths, params_of: ParamsOf
) -> None:
    map_classes(classes, project, params_of)
    with pytest.raises(
        DataError, match=f"^{CIRCLE} seems edged, and data.classes gives that class {message}"
    ) as caught:
        accept(Review.read(project), [LINE, CIRCLE])
    assert "\n" not in str(caught.value)
    assert list_decided(project) == []


def test_a_class_that_is_gone_is_refused(project: Paths, params_of: ParamsOf) -> None:
    map_classes({"round": ["circle"], "edged": ["*"]}, project, params_of)
    write_values(project.params, {"data.classes": {"ring": ["circle"], "edged": ["*"]}})
    with pytest.raises(DataError, match=r"seems round, which is no class of data.classes any more"):
        accept(Review.read(project), [LINE])


def map_classes(classes: dict[str, list[str]], paths: Paths, params_of: ParamsOf) -> None:
    """Evaluate the project under a class map."""
    folders = ("circle", "line", "square")
    of = {one: name for name, members in classes.items() for one in folders if one in members}
    rest = next((name for name, members in classes.items() if "*" in members), "")
    plant_suspects(paths, params_of, {one: of.get(one, rest) for one in folders})
    write_values(paths.params, {"data.classes": classes})
    assert dict(load_params(paths.params).data.classes).keys() == classes.keys()
    assert read_yaml(paths.params)


@pytest.mark.parametrize(
    ("folder", "is_decided"),
    [pytest.param("line", False, id="in the class"), pytest.param("circle", True, id="out of it")],
)
def test_a_label_is_decided_where_its_class_changes(
    folder: str, is_decided: bool, project: Paths, params_of: ParamsOf
) -> None:
    """Under a class map another folder may be of the same class."""
    map_classes({"round": ["circle"], "edged": ["line", "square"]}, project, params_of)
    quarantine.decide(quarantine.State.read(project), [SQUARE], action="relabel", label=folder)
    assert (SQUARE not in list_keys(project)) == is_decided
