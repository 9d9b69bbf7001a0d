"""The facts of training pictures: their bins, by class too, and the file."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.serving.training_facts import Measure, TrainingFacts, read_facts, summarise_facts, write_facts

_COLUMNS: dict[str, list[Any]] = {
    "brightness": [i / 100 for i in range(100)],
    "format": ["JPEG"] * 60 + ["PNG"] * 40,
}
TRAINING = TrainingFacts(summarise_facts(_COLUMNS, ["a", "b"] * 50), 100, review=0.1, n_test=20)


def test_a_number_of_few_values_is_taken_as_a_word() -> None:
    """All training pictures are 8 wide: a picture of 1,000 must not fall into their bin."""
    measure = Measure.of_values([8] * 50)
    assert (measure.edges, measure.words, measure.counts) == ((), ("8",), (50, 0, 0))
    assert [measure.find_bin(value) for value in (8, 1000, None, float("nan"))] == [0, 1, 2, 2]


def test_values_at_an_edge_lie_above_it() -> None:
    measure = Measure.of_values(np.linspace(0, 1, 1001).tolist())
    assert len(measure.edges) == 11
    assert measure.find_bin(measure.edges[1]) == 2
    assert [measure.find_bin(value) for value in (-5.0, 0.0, 1.0, 5.0)] == [0, 1, 10, 11]
    assert (measure.counts[0], measure.counts[11]) == (0, 0)  # outside the range there is none
    assert sum(measure.counts) == 1001


@pytest.mark.parametrize(
    ("border", "is_dark"),
    [([0.0] * 9, True), ([1.0] * 9, False), (np.linspace(0, 0.4, 99).tolist(), True)],
)
def test_the_ground_of_the_training_is_known_by_its_border(border: list[float], is_dark: bool) -> None:
    facts = TrainingFacts(summarise_facts({"border_brightness": border}), 9, 0, 1)
    assert facts.is_dark == is_dark
    assert TrainingFacts({}, 9, 0, 1).is_dark is None


@pytest.mark.parametrize(("colours", "is_grey"), [([0.0] * 9, True), ([30.0 + i for i in range(40)], False)])
def test_a_training_without_colours_is_known(colours: list[float], is_grey: bool) -> None:
    facts = TrainingFacts(summarise_facts({"colourfulness": colours}), 9, 0, 1)
    assert (facts.is_grey, TrainingFacts({}, 9, 0, 1).is_grey) == (is_grey, False)


def test_facts_are_counted_by_class() -> None:
    values = [0.1, 0.9, None, *(i / 100 for i in range(97))]
    classes = ["a", "b"] * 50
    measure = Measure.of_values(values, classes)
    assert set(measure.by_class) == {"a", "b"}
    for name, counts in measure.by_class.items():
        mine = [value for value, one in zip(values, classes, strict=True) if one == name]
        expected = [0] * len(counts)
        for value in mine:
            expected[measure.find_bin(value)] += 1
        assert counts == tuple(expected)
    assert tuple(map(sum, zip(*measure.by_class.values(), strict=True))) == measure.counts
    words = Measure.of_values(["x", "y", None, "x"], ["a", "a", "b", "b"])
    assert words.by_class == {"a": (1, 1, 0, 0), "b": (1, 0, 0, 1)}


def test_what_an_older_darkroom_wrote_is_read(tmp_path: Path) -> None:
    write_facts(TRAINING, tmp_path / "facts.json")
    said = json.loads((tmp_path / "facts.json").read_text())
    for one in said["measures"].values():
        del one["by_class"]
    (tmp_path / "facts.json").write_text(json.dumps(said))
    read = read_facts(tmp_path / "facts.json")
    assert read is not None
    assert read.measures["brightness"] == replace(TRAINING.measures["brightness"], by_class={})


def test_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_facts(tmp_path / "facts.json") is None
    write_facts(TRAINING, tmp_path / "facts.json")
    assert read_facts(tmp_path / "facts.json") == TRAINING


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"measures": {"a": {}}}'])
def test_damaged_facts_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text(text)
    with pytest.raises(ModelError, match=r"facts\.json is damaged: "):
        read_facts(tmp_path / "facts.json")
    write_facts(TRAINING, tmp_path / "facts.json")
    said = json.loads((tmp_path / "facts.json").read_text())
    said["measures"]["format"]["by_class"]["a"].pop()
    (tmp_path / "facts.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match="the counts of a fact are not those of its bins"):
        read_facts(tmp_path / "facts.json")
