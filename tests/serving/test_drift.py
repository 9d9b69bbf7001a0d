"""Drift: what changed is found and named, what chance gives is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.serving.drift import (
    Drift,
    Measure,
    TrainingFacts,
    compute_psi,
    read_facts,
    summarise_facts,
    write_facts,
)

N = 1000


def draw(seed: int, n: int, *, shift: float = 0.0, formats: str = "JJJP") -> dict[str, list[Any]]:
    chance = np.random.default_rng(seed)
    return {
        "brightness": (chance.normal(0.5, 0.1, n) + shift).tolist(),
        "width": chance.integers(100, 2000, n).tolist(),
        "format": [{"J": "JPEG", "P": "PNG"}[one] for one in chance.choice(list(formats), n)],
        "jpeg_quality": [int(one) if one > 60 else None for one in chance.integers(50, 100, n)],
    }


TRAINING = TrainingFacts(summarise_facts(draw(0, N)), N, review=0.1, n_test=200)


def drift_of(columns: dict[str, list[Any]]) -> Drift:
    drift = Drift(TRAINING)
    for row in zip(*columns.values(), strict=True):
        drift.add(dict(zip(columns, row, strict=True)))
    return drift


def test_psi_is_what_the_textbook_says() -> None:
    """Two bins, 50:50 against 80:20, without the half counts: (0.3) ln(1.6) + (-0.3) ln(0.4) = 0.416."""
    found = compute_psi(np.array([8e6, 2e6]), np.array([5e6, 5e6]))
    assert found == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4), abs=1e-4)
    assert compute_psi(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0


def test_files_like_the_training_are_called_so_however_few() -> None:
    """At n = 30 the bare limit of 0.25 would call most facts changed."""
    n_bare = n_called = 0
    for seed in range(1, 201):
        ranked = drift_of(draw(seed, 30)).rank()
        n_bare += any(psi > 0.25 for _, psi, _ in ranked)
        n_called += any(is_large for _, _, is_large in ranked)
    assert n_bare > 100
    assert n_called <= 15  # 5 % of 200, and what chance adds


@pytest.mark.parametrize(
    ("changed", "worst", "words"),
    [
        pytest.param(
            {"shift": 0.3}, "brightness", "have more than the median of the training, 0.49", id="up"
        ),
        pytest.param({"shift": -0.3}, "brightness", "have less than the median", id="down"),
        pytest.param({"formats": "P"}, "file format", "100% of the files have file format PNG", id="word"),
    ],
)
def test_what_changed_is_named(changed: dict[str, Any], worst: str, words: str) -> None:
    said = drift_of(draw(5, 100, **changed)).describe({"a": 100}, "review")
    assert f"most in {worst} (PSI " in said[1]
    assert words in said[1]
    assert said[1].startswith("The files are unlike the training pictures in 1 of 4 facts (PSI above 0.25)")


def test_a_value_that_no_training_picture_has_is_said() -> None:
    columns = draw(5, 100) | {"format": ["TIFF"] * 100}
    assert "have a file format that no training picture has" in drift_of(columns).describe({"a": 100}, "r")[1]
    columns = draw(5, 100) | {"jpeg_quality": [None] * 100}
    assert "100% of the files state no JPEG quality" in drift_of(columns).describe({"a": 100}, "r")[1]


def test_nothing_changed_is_said_with_the_largest_change() -> None:
    said = drift_of(draw(7, 500)).describe({"a": 450, "review": 50}, "review")
    assert said[0] == "Left to a person: 10% of the files, 10% of the test pictures."
    assert said[1].startswith(
        "The files are like the training pictures in 4 facts; the largest change is in "
    )


def test_more_review_than_in_the_test_is_said() -> None:
    said = drift_of(draw(7, 100)).describe({"a": 60, "review": 40}, "review")
    assert said[0].startswith(
        "Left to a person: 40% of the files, 10% of the test pictures: more than expected"
    )


def test_few_files_say_nothing() -> None:
    assert drift_of(draw(7, 19)).describe({"a": 19}, "review") == []


def test_a_run_that_continues_counts_on() -> None:
    columns = draw(3, 60)
    half = {name: values[:30] for name, values in columns.items()}
    rest = {name: values[30:] for name, values in columns.items()}
    continued = Drift(TRAINING, json.loads(json.dumps(drift_of(half).as_json())))
    for row in zip(*rest.values(), strict=True):
        continued.add(dict(zip(rest, row, strict=True)))
    assert continued.as_json() == drift_of(columns).as_json()


def test_a_number_of_few_values_is_taken_as_a_word() -> None:
    """All training pictures are 8 wide: a picture of 1,000 must not fall into their bin."""
    measure = Measure.of_values([8] * 50)
    assert (measure.edges, measure.words, measure.counts) == ((), ("8",), (50, 0, 0))
    assert [measure.find_bin(value) for value in (8, 1000, None, float("nan"))] == [0, 1, 2, 2]


def test_values_at_an_edge_lie_above_it() -> None:
    measure = Measure.of_values(np.linspace(0, 1, 1001).tolist())
    assert len(measure.edges) == 9
    assert measure.find_bin(measure.edges[0]) == 1
    assert measure.find_bin(-5.0) == 0
    assert measure.find_bin(5.0) == 9
    assert sum(measure.counts) == 1001


@pytest.mark.parametrize(
    ("border", "is_dark"),
    [([0.0] * 9, True), ([1.0] * 9, False), (np.linspace(0, 0.4, 99).tolist(), True)],
)
def test_the_ground_of_the_training_is_known_by_its_border(border: list[float], is_dark: bool) -> None:
    facts = TrainingFacts(summarise_facts({"border_brightness": border}), 9, 0, 1)
    assert facts.is_dark == is_dark
    assert TRAINING.is_dark is None


@pytest.mark.parametrize(("colours", "is_grey"), [([0.0] * 9, True), ([30.0 + i for i in range(40)], False)])
def test_a_training_without_colours_is_known(colours: list[float], is_grey: bool) -> None:
    facts = TrainingFacts(summarise_facts({"colourfulness": colours}), 9, 0, 1)
    assert (facts.is_grey, TRAINING.is_grey) == (is_grey, False)


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
    said["measures"]["format"]["counts"].pop()
    (tmp_path / "facts.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match="the counts of a fact are not those of its bins"):
        read_facts(tmp_path / "facts.json")
