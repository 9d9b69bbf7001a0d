"""Labels: their order, their list in a file, and names for them that MLflow takes."""

import random
import re
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.labels import (
    compose_label,
    find_look_alikes,
    metric_name,
    read_class_names,
    sort_naturally,
    spell_label,
)


def test_natural_order_is_the_same_for_any_input_order() -> None:
    expected = ["1", "01", "2", "10", "a", "A2", "a10", "B", "Äpfel"]
    shuffled = random.Random(0).sample(expected, len(expected))
    assert sorted(shuffled, key=sort_naturally) == ["01", "1", "2", "10", "a", "A2", "a10", "B", "Äpfel"]


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        pytest.param(["Cat", "cat", "Dog"], [["Cat", "cat"]], id="capitals"),
        pytest.param(["Cat", "Cat ", " Cat"], [[" Cat", "Cat", "Cat "]], id="spaces around"),
        pytest.param(["a b", "a  b", "a_b", "a-b"], [["a  b", "a b", "a-b", "a_b"]], id="between words"),
        pytest.param(
            ["\uff21", "a", "\ufb01", "fi", "FI"],
            [["a", "\uff21"], ["FI", "fi", "\ufb01"]],
            id="kinds of letters",
        ),
        pytest.param(["Straße", "STRASSE"], [["STRASSE", "Straße"]], id="sharp s"),
        pytest.param(["Cat", "Cart", "é", "e", "1", "01"], [], id="different"),
    ],
)
def test_labels_that_look_alike(labels: list[str], groups: list[list[str]]) -> None:
    assert sorted(find_look_alikes(labels)) == sorted(groups)


def test_a_label_is_spelt_so_that_look_alikes_differ() -> None:
    assert [spell_label(label) for label in ("Cat", "Cat ")] == ["'Cat'", "'Cat '"]
    assert spell_label("Cafe\u0301") == "'Cafe\u0301' ('Cafe\\u0301')"


def test_a_label_is_composed() -> None:
    assert compose_label("Cafe\u0301") == "Caf\xe9"
    assert compose_label("\uff21 \ufb01") == "\uff21 \ufb01"  # other kinds of letters stay other labels


def test_class_names_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text('["10", "é", "9"]', encoding="utf-8")
    assert read_class_names(path) == ("10", "é", "9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "classes.json does not exist; run `dvc repro split`", id="missing"),
        pytest.param('["a", ', "classes.json is not JSON .*; run `dvc repro -f split`", id="cut off"),
        pytest.param('{"a": 0}', "must hold a list of class names; run `dvc repro -f split`", id="no list"),
        pytest.param('["a", 1]', "must hold a list of class names", id="a number"),
    ],
)
def test_a_damaged_list_of_classes(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_class_names(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(("class", "Photo", "recall"), "class/Photo/recall", id="plain"),
        pytest.param(("Oak tree 2.1_b-c",), "Oak tree 2.1_b-c", id="all that is allowed"),
        pytest.param(("a/b",), r"a_b-[0-9a-f]{8}", id="a slash"),
        pytest.param(("Schéma (x)",), r"Sch_ma _x_-[0-9a-f]{8}", id="other characters"),
        pytest.param(("..",), r"-[0-9a-f]{8}", id="a path"),
        pytest.param(("",), r"-[0-9a-f]{8}", id="nothing"),
        pytest.param(("x" * 300,), "x{100}-[0-9a-f]{8}", id="too long"),
    ],
)
def test_metric_name(parts: tuple[str, ...], expected: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    name = metric_name(*parts)
    assert re.fullmatch(expected, name)
    _validate_metric_name(name)  # type: ignore[no-untyped-call]


def test_metric_names_stay_different() -> None:
    names = ["a/b", "a_b", "a b", "a:b", "ä", "ö", "", ".", "..", "x" * 300, "x" * 301]
    assert len({metric_name(name) for name in names}) == len(names)
