"""Drift: what changed is found and named, what chance gives is not."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.serving.drift import Drift, compute_psi
from pipeline.serving.training_facts import TrainingFacts, summarise_facts

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


def drift_of(columns: dict[str, list[Any]], training: TrainingFacts = TRAINING, name: str = "a") -> Drift:
    drift = Drift(training)
    for row in zip(*columns.values(), strict=True):
        drift.add(dict(zip(columns, row, strict=True)), name)
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
        n_bare += any(one.psi > 0.25 for one in ranked)
        n_called += any(one.is_large for one in ranked)
    assert n_bare > 100
    assert n_called <= 15  # 5 % of 200, and what chance adds


@pytest.mark.parametrize(
    ("changed", "worst", "words"),
    [
        pytest.param(
            {"shift": 0.3}, "brightness", "have brightness of at least 0.623, 10% of these", id="up"
        ),
        pytest.param({"shift": -0.3}, "brightness", "have brightness below 0.374, 10% of these", id="down"),
        pytest.param({"formats": "P"}, "file format", "100% of the files have file format PNG", id="word"),
    ],
)
def test_what_changed_is_named(changed: dict[str, Any], worst: str, words: str) -> None:
    said = drift_of(draw(5, 100, **changed)).describe({"a": 100}, "review")
    assert f"most in {worst} (PSI " in said[1]
    assert words in said[1]
    assert said[1].startswith("The files are unlike the training pictures in 1 of 4 facts, most in ")
    assert ", large above 0.2" in said[1]


def test_a_value_that_no_training_picture_has_is_said() -> None:
    columns = draw(5, 100) | {"format": ["TIFF"] * 100}
    said = drift_of(columns).describe({"a": 100}, "r")[1]
    assert "100% of the files have a value that no training picture has. " in said
    columns = draw(5, 100) | {"jpeg_quality": [None] * 100}
    assert "100% of the files state no JPEG quality" in drift_of(columns).describe({"a": 100}, "r")[1]


def test_nothing_changed_is_said_with_the_largest_change() -> None:
    said = drift_of(draw(7, 500)).describe({"a": 450, "review": 50}, "review")
    assert said[0] == "Left to a person: 10% of the files, 10% of the test pictures."
    assert said[1].startswith(
        "The files are like the training pictures in all 4 facts. The largest change is in "
    )


def test_more_review_than_in_the_test_is_said() -> None:
    said = drift_of(draw(7, 100)).describe({"a": 60, "review": 40}, "review")
    assert said[0].startswith(
        "Left to a person: 40% of the files, 10% of the test pictures: more than expected"
    )


def test_the_limit_that_was_used_is_told() -> None:
    """Few files must show more than 0.25: the sentence must not deny itself."""
    columns = draw(7, 24)
    changed = columns | {"jpeg_quality": [None] * 13 + columns["jpeg_quality"][13:]}
    drift = drift_of(changed)
    first = drift.rank()[0]
    assert (first.is_large, first.psi > 0.25, first.limit > first.psi) == (False, True, True)
    said = drift.describe({"a": 24}, "review")[1]
    assert f"(PSI {first.psi:.2f}; of so few files, above {first.limit:.2f} would be large)" in said
    assert "above 0.25 would be large" in drift_of(draw(7, 3000)).describe({"a": 3000}, "review")[1]


def join(*parts: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


CLASSES = ["light"] * 700 + ["dark"] * 300
BY_CLASS = TrainingFacts(
    summarise_facts(join(draw(1, 700, shift=0.3), draw(2, 300, shift=-0.3, formats="P")), CLASSES),
    N,
    0.1,
    200,
)


def test_files_of_one_class_are_compared_with_the_training_pictures_of_that_class() -> None:
    """What differs is the mix of classes. Without the classes, an older Darkroom's facts cannot tell."""
    columns = draw(9, 60, shift=-0.3, formats="P")
    said = drift_of(columns, BY_CLASS, "dark").describe({"dark": 60}, "review")[1]
    assert said.startswith("The files are like the training pictures of the same classes in all 4 facts.")
    old = TrainingFacts(
        {name: replace(one, by_class={}) for name, one in BY_CLASS.measures.items()}, N, 0.1, 200
    )
    said = drift_of(columns, old, "dark").describe({"dark": 60}, "review")[1]
    assert said.startswith("The files are unlike the training pictures in 2 of 4 facts")
    assert said.endswith("class by class, and 100% of the files are likeliest dark.")
    lighter = drift_of(draw(9, 60, shift=0.3), BY_CLASS, "dark").describe({"dark": 60}, "review")[1]
    assert lighter.startswith(
        "The files are unlike the training pictures of the same classes in 2 of 4 facts"
    )
    assert "The mix of classes" not in lighter


def test_a_mix_of_classes_is_compared_with_the_same_mix() -> None:
    """At any mix no more than about 5 % of unchanged collections are called changed, small classes too."""
    classes = ["light"] * 700 + ["dark"] * 25
    training = join(draw(1, 700, shift=0.3), draw(2, 25, shift=-0.3, formats="P"))
    facts = TrainingFacts(summarise_facts(training, classes), 725, 0.1, 200)
    n_called = 0
    for seed in range(100, 300):
        drift = drift_of(draw(seed, 15, shift=0.3), facts, "light")
        for row in zip(*draw(1000 + seed, 25, shift=-0.3, formats="P").values(), strict=True):
            drift.add(dict(zip(training, row, strict=True)), "dark")
        n_called += any(one.is_large for one in drift.rank())
    assert n_called <= 15


def test_more_changes_than_are_named_are_said() -> None:
    names = ("brightness", "contrast", "sharpness", "entropy", "share_white")
    values = draw(0, 100)["brightness"]
    training = TrainingFacts(summarise_facts(dict.fromkeys(names, values)), 100, 0.1, 200)
    drift = drift_of(dict.fromkeys(names, [9.0] * 30), training)
    assert " and others. What the test says" in drift.describe({"a": 30}, "review")[1]
    assert drift._describe_facts().count(", ...") == 0


def test_words_are_sentences() -> None:
    """Ties at a median, shares of zero and of one, and what is true or not."""
    training = TrainingFacts(
        summarise_facts(
            {
                "aspect": [1.0] * 600 + [1 + i / 100 for i in range(400)],
                "has_exif": [True] * 300 + [False] * 700,
                "n_bytes": [10_000 + 50 * i for i in range(1000)],
            }
        ),
        N,
        0.1,
        200,
    )

    def say(**columns: list[Any]) -> str:
        drift = drift_of(columns, training)
        return drift._explain(next(iter(columns)))

    assert say(aspect=[1.0] * 50) == (
        "100% of the files have aspect below 1.99, 70% of these training pictures"
    )
    assert (
        say(aspect=[9.0] * 50) == "100% of the files have aspect above 4.99, none of these training pictures"
    )
    assert say(aspect=[0.2] * 50) == "100% of the files have aspect below 1, none of these training pictures"
    assert say(has_exif=[True] * 50) == "100% of the files have EXIF, 30% of these training pictures"
    assert say(has_exif=[False] * 50) == "100% of the files have no EXIF, 70% of these training pictures"
    assert say(n_bytes=[900_000] * 50) == (
        "100% of the files have file size above 59,950, none of these training pictures"
    )


def test_of_few_files_it_is_told_that_they_are_few_and_where_all_lie_outside() -> None:
    few = "19 files: too few to tell whether they are like the training pictures, which takes 20."
    assert drift_of(draw(7, 19)).describe({"a": 19}, "review") == [few]
    far = draw(7, 3, shift=2) | {"format": ["TIFF"] * 3}
    said = drift_of(far).describe({"a": 3}, "review")
    assert said[0].startswith("3 files: too few to tell")
    assert said[1].startswith(
        "All 3 lie outside the range of the training pictures in 2 of 4 facts: brightness, file format. "
    )
    assert "--fit pad --content 0.7 --invert auto" in said[2]
    assert drift_of(far).describe({"a": 3}, "review", is_framed=True) == said[:2]
    assert len(drift_of(draw(7, 3) | {"format": ["TIFF"] * 3}).describe({"a": 3}, "review")) == 1
    (one,) = drift_of(draw(7, 1, shift=2)).describe({"a": 1}, "review")[1:2]
    assert one.startswith("It lies outside the range of the training pictures in 1 of 4 facts: brightness.")
    assert drift_of(draw(7, 3, shift=2)).describe({}, "review") == []


def test_few_files_like_the_training_are_hardly_ever_called_outside() -> None:
    """Of a training of 25 pictures, a new one often lies outside in some fact."""
    training = TrainingFacts(summarise_facts(draw(0, 25)), 25, 0.1, 20)
    n_said = [
        sum(len(drift_of(draw(seed, n), training).describe({"a": n}, "review")) > 1 for seed in range(200))
        for n in (1, 2, 5)
    ]
    assert max(n_said) <= 8


def test_a_run_that_continues_counts_on() -> None:
    columns = draw(3, 60)
    half = {name: values[:30] for name, values in columns.items()}
    rest = {name: values[30:] for name, values in columns.items()}
    continued = Drift(TRAINING, json.loads(json.dumps(drift_of(half).as_json())))
    for row in zip(*rest.values(), strict=True):
        continued.add(dict(zip(rest, row, strict=True)), "a")
    assert continued.as_json() == drift_of(columns).as_json()
    assert continued.as_json()["classes"] == {"a": 60}
