"""The class map: which folder counts as which class, and every way to get it wrong."""

import re

import pytest

from pipeline.collection.classes import index_classes, list_folders
from pipeline.errors import DarkroomError, DataError, ParamsError

FOLDERS = ("Painting", "Photo", "Schematics", "Sketch", "Text")


@pytest.mark.parametrize(
    ("folders", "classes", "class_names", "expected"),
    [
        pytest.param(("10", "9", "2"), {}, (), {"2": ["2"], "9": ["9"], "10": ["10"]}, id="a-folder-a-class"),
        pytest.param(
            ("Bag", "Coat", "Ankle"),
            {},
            ("Coat", "Ankle", "Bag"),
            {"Coat": ["Coat"], "Ankle": ["Ankle"], "Bag": ["Bag"]},
            id="in-the-order-of-class_names",
        ),
        pytest.param(
            FOLDERS,
            {"photo": ["Photo"], "other": ["*"]},
            (),
            {"photo": ["Photo"], "other": ["Painting", "Schematics", "Sketch", "Text"]},
            id="photo-against-the-rest",
        ),
        pytest.param(
            FOLDERS,
            {"rest": ["*"], "picture": ["Photo", "Painting"]},
            (),
            {"rest": ["Schematics", "Sketch", "Text"], "picture": ["Photo", "Painting"]},
            id="the-rest-first-and-two-joined",
        ),
        pytest.param(
            FOLDERS,
            {"drawn": ["Sketch", "*"], "photo": ["Photo"]},
            (),
            {"drawn": ["Sketch", "Painting", "Schematics", "Text"], "photo": ["Photo"]},
            id="star-beside-a-name",
        ),
    ],
)
def test_folders_become_classes(
    folders: tuple[str, ...],
    classes: dict[str, list[str]],
    class_names: tuple[str, ...],
    expected: dict[str, list[str]],
) -> None:
    names, index_of = index_classes(folders, classes=classes, class_names=class_names)
    assert names == list(expected)
    assert index_of == {folder: i for i, members in enumerate(expected.values()) for folder in members}


@pytest.mark.parametrize("held", ["Caf\xe9", "Cafe\u0301"])
@pytest.mark.parametrize("typed", ["Caf\xe9", "Cafe\u0301"])
def test_a_folder_matches_in_either_encoding(held: str, typed: str) -> None:
    names, index_of = index_classes((held, "Tea"), classes={"x": [typed], "y": ["*"]}, class_names=())
    assert (names, index_of) == (["x", "y"], {held: 0, "Tea": 1})
    names, _ = index_classes((held, "Tea"), classes={}, class_names=("Tea", typed))
    assert names == ["Tea", held]


@pytest.mark.parametrize(
    ("folders", "classes", "kind", "message"),
    [
        pytest.param(
            FOLDERS,
            {"photo": ["Fotos"], "other": ["*"]},
            ParamsError,
            "data.classes names 'Fotos' (did you mean 'Photo'?), which holds no picture that was kept; "
            "folders: Painting, Photo, Schematics, Sketch, Text",
            id="missing-folder",
        ),
        pytest.param(
            FOLDERS,
            {"a": ["Photo"], "b": ["Photo", "*"]},
            ParamsError,
            "data.classes names 'Photo' more than once",
            id="a-folder-twice",
        ),
        pytest.param(
            FOLDERS, {"a": ["*"], "b": ["*"]}, ParamsError, "names '*' more than once", id="two-stars"
        ),
        pytest.param(
            FOLDERS,
            {"a": ["Photo"], "b": ["Painting", "Text"]},
            ParamsError,
            "data.classes leaves out 'Schematics', 'Sketch': add it to a class, use \"*\" for all that are "
            "not named, or skip it with data.ignore",
            id="a-folder-left-out",
        ),
        pytest.param(FOLDERS, {"a": [], "b": ["*"]}, ParamsError, "data.classes.a holds no", id="empty"),
        pytest.param(
            ("x", "y"),
            {"a": ["x", "y"], "b": ["*"]},
            ParamsError,
            "data.classes.b holds no folder",
            id="star-for-nothing",
        ),
        pytest.param(("x",), {}, DataError, "at least two classes, got 1 ('x')", id="one-folder"),
        pytest.param((), {}, DataError, "at least two classes, got 0 (none)", id="no-folder"),
        pytest.param(FOLDERS, {"all": ["*"]}, DataError, "two classes, got 1 ('all')", id="one-class"),
        pytest.param(("x", "y", ""), {}, DataError, "lie in no class folder", id="outside-any-folder"),
    ],
)
def test_a_wrong_class_map_is_one_clear_line(
    folders: tuple[str, ...], classes: dict[str, list[str]], kind: type[DarkroomError], message: str
) -> None:
    with pytest.raises(kind, match=re.escape(message)) as caught:
        index_classes(folders, classes=classes, class_names=())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [
        pytest.param("photo", {"photo": ["Photo"], "other": ["*"]}, ["Photo"], id="one"),
        pytest.param(
            "other",
            {"photo": ["Photo"], "other": ["*"]},
            ["Painting", "Schematics", "Sketch", "Text"],
            id="rest",
        ),
        pytest.param(
            "drawn", {"drawn": ["Sketch", "Painting"], "x": ["*"]}, ["Painting", "Sketch"], id="two"
        ),
        pytest.param(
            "last",
            {"all": ["Painting", "Photo", "Sketch", "Text"], "last": ["*"]},
            ["Schematics"],
            id="rest of one",
        ),
    ],
)
def test_the_folders_of_a_class(name: str, classes: dict[str, list[str]], expected: list[str]) -> None:
    assert list_folders(name, classes=classes, folders=FOLDERS) == expected
    names, index_of = index_classes(FOLDERS, classes=classes, class_names=())
    assert sorted(folder for folder, i in index_of.items() if names[i] == name) == expected
