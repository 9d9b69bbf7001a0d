"""Shortcuts: a planted one is found and named, none is found where there is none, the same each time."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.shortcuts.audit import OF_FILES, OF_PICTURES, Audit, audit_facts, choose_pictures

N = 400
NAMES = ["Photo", "Sketch", "Text", "Map"]
RNG = np.random.default_rng(0)


def deal_classes(k: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.arange(N) % k


def make_plain(k: int = 4) -> pd.DataFrame:
    """Facts that say nothing about the class."""
    rng = np.random.default_rng(k)
    return pd.DataFrame(
        {
            "format": rng.choice(["JPEG", "PNG"], N),
            "width": rng.integers(100, 3000, N),
            "dpi": np.where(rng.random(N) < 0.5, np.nan, 300.0),
            "mode": "RGB",
        }
    )


def audit_planted(facts: pd.DataFrame, k: int = 4, groups: list[str] | None = None) -> Audit:
    return audit_facts(facts, deal_classes(k), groups or [f"g{i}" for i in range(N)], NAMES[:k])


def plant_png_sketches(y: Any) -> dict[str, Any]:
    is_png = np.where(y == 1, RNG.random(N) < 0.93, RNG.random(N) < 0.12)
    return {"format": np.where(is_png, "PNG", "JPEG")}


def plant_wide_texts(y: Any) -> dict[str, Any]:
    return {"width": np.where(y == 2, 1300, 300) + np.arange(N) % 100}


def plant_quality_of_photos(y: Any) -> dict[str, Any]:
    return {"jpeg_quality": np.where(y == 0, 90.0, np.nan)}


def test_facts_are_asked_for_in_one_order() -> None:
    """Boosting settles ties by the order of its columns: another order is another accuracy."""
    border = ("border_brightness", "border_tint", "border_spread")
    header = ("n_bands", "jpeg_quality", "subsampling", "has_exif", "dpi")
    assert list(OF_FILES) == ["format", "n_bytes", "width", "height", "aspect", "mode", *header, *border]
    look = ("brightness", "contrast", "sharpness", "entropy", "colourfulness", "share_white")
    assert list(OF_PICTURES) == [*border, *look, "blockiness", "content_aspect"]


@pytest.mark.parametrize(
    ("plant", "fact", "sentence"),
    [
        pytest.param(
            plant_png_sketches,
            "format",
            r"a picture of Sketch is PNG in 9\d % of cases, one of another class in \d+ %",
            id="word",
        ),
        pytest.param(
            plant_wide_texts,
            "width",
            r"a picture of Text is wider than \d+ px in 100 % of cases, one of another class in 0 %",
            id="number",
        ),
    ],
)
def test_a_planted_shortcut_is_named(plant: Any, fact: str, sentence: str) -> None:
    found = audit_planted(make_plain().assign(**plant(deal_classes(4))))
    assert found.facts[0].fact == fact
    assert pd.Series([found.facts[0].sentence]).str.fullmatch(sentence).all(), found.facts[0].sentence
    assert found.list_sentences(1) == [found.facts[0].sentence]
    assert found.accuracy > 0.35


def test_what_is_missing_is_a_fact_too() -> None:
    found = audit_planted(make_plain(2).assign(**plant_quality_of_photos(deal_classes(2)), width=500), k=2)
    assert (found.accuracy, found.balanced_accuracy) == (1, 1)


def test_a_fact_that_a_fold_knows_of_no_picture() -> None:
    found = audit_planted(make_plain().assign(dpi=[72.0] + [np.nan] * (N - 1)))
    assert "dpi" in [fact.fact for fact in found.facts]


def test_two_classes_told_apart_by_size_alone() -> None:
    facts = make_plain(2).assign(n_bytes=np.where(deal_classes(2) == 0, 5_000, 50_000) + np.arange(N))
    found = audit_planted(facts, k=2)
    assert (found.n_classes, found.chance) == (2, 0.5)
    assert min(found.accuracy, found.balanced_accuracy) > 0.98
    assert found.is_above(0.8)
    assert found.facts[0].fact == "n_bytes"
    assert "bytes in 100 % of cases, one of another class in 0 %" in found.facts[0].sentence


@pytest.mark.parametrize("k", [2, 4])
def test_without_a_shortcut_it_is_near_chance(k: int) -> None:
    found = audit_planted(make_plain(k), k=k)
    assert abs(found.accuracy - found.chance) < 4 * np.sqrt(found.chance * (1 - found.chance) / N)
    assert not found.is_above(0.8)


def test_constant_facts_are_chance_and_no_fact() -> None:
    facts = pd.DataFrame({"format": ["PGM"] * N, "width": 28, "jpeg_quality": np.nan})
    found = audit_planted(facts)
    assert (found.accuracy, found.chance, found.facts) == (found.chance, 0.25, ())
    assert found.list_sentences(3) == []


def test_copies_do_not_leak_between_folds() -> None:
    """A number that names a group of four copies predicts nothing once the group is apart."""
    group = np.arange(N) // 4
    y = np.random.default_rng(3).integers(0, 2, N // 4)[group]
    facts = pd.DataFrame({"n_bytes": np.random.default_rng(4).permutation(N // 4)[group] * 10})
    copied = audit_facts(facts, y, [str(i) for i in range(N)], NAMES)
    apart = audit_facts(facts, y, [f"g{g}" for g in group], NAMES)
    assert copied.accuracy > 0.7
    assert apart.accuracy < 0.65


def test_a_common_class_is_no_shortcut() -> None:
    facts = make_plain()
    y = (np.arange(N) % 20 == 0).astype(int)
    found = audit_facts(facts, y, [str(i) for i in range(N)], NAMES)
    assert found.accuracy > 0.9
    assert not found.is_above(0.8)


def test_the_same_rows_give_the_same_bytes() -> None:
    facts = make_plain().assign(**plant_wide_texts(deal_classes(4)))
    first, second = (json.dumps(audit_planted(facts).to_json(), sort_keys=True) for _ in range(2))
    assert first == second


def test_the_pictures_chosen_do_not_hang_on_their_order() -> None:
    ids = [f"{(i * 7919) % 10_007:05d}" for i in range(1_000)]
    y = np.arange(1_000) % 3
    order = np.random.default_rng(0).permutation(1_000)
    first = [ids[i] for i in choose_pictures(ids, y, limit=50)]
    second = [ids[order[i]] for i in choose_pictures([ids[i] for i in order], y[order], limit=50)]
    assert first == second == sorted(ids)[:50]


def test_only_the_largest_of_many_classes_are_audited() -> None:
    y = np.concatenate([np.arange(40), np.arange(30)])
    at = choose_pictures([f"{i:03d}" for i in range(70)], y)
    assert set(y[at]) == set(range(30))
