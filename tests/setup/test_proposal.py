"""The proposal: what suits small pictures, scans, and scans of several sources."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.setup.proposal import (
    Preset,
    find_groups,
    list_values,
    name_collection,
    propose,
    show_value,
)
from pipeline.setup.survey import Survey


def make_survey(keys: list[str], side: int, mode: str = "RGB", has_own_split: bool = False) -> Survey:
    """Pictures of one size; the first folder of a key is its class."""
    labelled = [(key, key.split("/")[0]) for key in keys]
    counts = {label: sum(one == label for _, one in labelled) for _, label in labelled}
    facts: list[dict[str, Any]] = [{"width": side + 9, "height": side, "mode": mode}] * 5
    return Survey(Path("x"), len(keys), counts, labelled, has_own_split, facts, 0)


PLAIN = [f"{label}/{i}.png" for label in "ab" for i in range(40)]
SOURCES = [f"{label}/{source}__{i}.png" for label in "ab" for source in ("x", "y", "z") for i in range(12)]


def propose_values(survey: Survey, preset: Preset | None = None) -> dict[str, Any]:
    return list_values(propose(survey, source="scans", name="mine", preset=preset))


@pytest.mark.parametrize(
    ("survey", "preset", "expected"),
    [
        pytest.param(
            make_survey(PLAIN, 300),
            None,
            {"train.model": "efficientnet_lite0", "clean.image_hw": [224, 224], "split.group_by": ""},
            id="scans",
        ),
        pytest.param(
            make_survey(PLAIN, 8, "L"),
            None,
            {"train.model": "compact", "clean.image_hw": [16, 16], "clean.channels": 1},
            id="digits",
        ),
        pytest.param(
            make_survey(PLAIN, 33), None, {"clean.image_hw": [32, 32], "clean.channels": 3}, id="thumbnails"
        ),
        pytest.param(
            make_survey(PLAIN, 300), "fast", {"train.model": "compact", "clean.image_hw": [64, 64]}, id="fast"
        ),
        pytest.param(
            make_survey(SOURCES, 300),
            "new_sources",
            {"split.group_by": "([^/]+?)__", "train.features": "all", "train.kernel_l2": 3.0},
            id="new sources",
        ),
        pytest.param(
            make_survey(SOURCES, 300),
            "good",
            {"split.group_by": "", "split.fold_by": "([^/]+?)__"},
            id="good over sources",
        ),
        pytest.param(
            make_survey(SOURCES, 300, has_own_split=True),
            "new_sources",
            {"split.group_by": ""},
            id="own split",
        ),
    ],
)
def test_what_suits_a_collection(survey: Survey, preset: Preset | None, expected: dict[str, Any]) -> None:
    values = propose_values(survey, preset)
    assert {key: values[key] for key in expected} == expected
    assert (values["data.source"], values["data.name"]) == ("scans", "mine")


@pytest.mark.parametrize("n", [60, 600, 3000])
def test_an_average_of_weights_gets_enough_steps(n: int) -> None:
    """120 pictures in batches of 64 made 60 steps, and an average over 100 then held the first weights."""
    values = propose_values(make_survey((SOURCES * n)[:n], 300), "new_sources")
    steps = values["train.epochs"] * -(-round(0.7 * n) // values["train.batch_size"])
    assert steps >= 5 / (1 - values["train.ema"])
    assert values["train.patience"] == values["train.epochs"]


def test_each_line_has_a_reason() -> None:
    for survey in (make_survey(PLAIN, 300), make_survey(SOURCES, 300)):
        assert all(change.reason for change in propose(survey, source="s", name="n", preset="new_sources"))


@pytest.mark.parametrize(
    ("keys", "pattern"),
    [
        pytest.param(SOURCES, "([^/]+?)__", id="before two underscores"),
        pytest.param(
            [f"{c}/book{b}/{i}.png" for c in "ab" for b in range(3) for i in range(9)],
            "^[^/]+/([^/]+)/",
            id="folder",
        ),
        pytest.param(
            [f"{c}/batch{b}_{i}.png" for c in "ab" for b in range(3) for i in range(9)],
            "([A-Za-z]+[0-9]+)[_-][^/]*$",
            id="batch",
        ),
        pytest.param(PLAIN, None, id="numbers"),
        pytest.param([f"{c}/IMG_{i}.png" for c in "ab" for i in range(40)], None, id="a camera's names"),
        pytest.param([f"{c}/x{i}__{i}.png" for c in "ab" for i in range(40)], None, id="each its own"),
    ],
)
def test_names_that_look_like_sources(keys: list[str], pattern: str | None) -> None:
    found = find_groups(make_survey(keys, 300))
    assert (found.pattern if found else None) == pattern


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("scans.tar.gz", "scans", id="archive"),
        pytest.param("my scans (1).zip", "my scans -1", id="awkward"),
        pytest.param("+++.zip", "pictures", id="nothing left"),
    ],
)
def test_a_name_from_the_archive(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    assert name_collection(tmp_path / name, tmp_path) == expected


def test_a_name_from_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "herbarium"
    (root / "data" / "raw").mkdir(parents=True)
    assert name_collection(root / "data" / "raw", root) == "herbarium"
    assert name_collection(root / "data", root) == "data"


def test_values_on_one_line() -> None:
    assert [show_value(one) for one in ([1, 2], "", True, 0.5)] == ["[1, 2]", "''", "true", "0.5"]
