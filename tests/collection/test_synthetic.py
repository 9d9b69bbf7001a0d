"""synthetic: made-up pictures on disk, and which of them may enter training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.synthetic import (
    Synthetic,
    choose_synthetic,
    name_class,
    read_synthetic,
    write_synthetic,
)
from pipeline.errors import DataError, ParamsError

SHAPE = (4, 4, 1)


def make_up(name: str = "a", n: int = 3, learned_from: tuple[str, ...] = ("1", "2")) -> Synthetic:
    pictures = np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    return Synthetic(name, pictures, learned_from)


def choose(folder: Path, n: int, **changes: Any) -> list[Synthetic]:
    asked: dict[str, Any] = {"class_names": ["a", "b"], "picture_shape": SHAPE, "held_out": ["9"]}
    return choose_synthetic(folder, n, **asked | changes)


def test_there_and_back_with_equal_bytes(tmp_path: Path) -> None:
    path = write_synthetic(make_up("b/../c é"), tmp_path)
    first = path.read_bytes()
    write_synthetic(make_up("a"), tmp_path)
    assert path.parent == tmp_path
    found = read_synthetic(tmp_path)
    assert [made.class_name for made in found] == ["a", "b/../c é"]
    assert found[1].learned_from == ("1", "2")
    assert np.array_equal(found[1].pictures, make_up().pictures)
    write_synthetic(make_up("b/../c é"), tmp_path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Oak tree", "Oak-tree-", id="words"),
        pytest.param("中文", "72726d8818f6", id="no letter"),
    ],
)
def test_a_name_for_files(name: str, expected: str) -> None:
    found = name_class(name)
    assert found.isascii()
    assert "/" not in found
    assert found.startswith(expected[:8])
    assert name_class("oak tree") != name_class("Oak tree")


def test_the_first_of_each_class(tmp_path: Path) -> None:
    write_synthetic(make_up("a", 3), tmp_path)
    write_synthetic(make_up("b", 1), tmp_path)
    assert [(made.class_name, len(made)) for made in choose(tmp_path, 2)] == [("a", 2), ("b", 1)]
    assert choose(tmp_path, 0) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"class_names": ["b"]}, "no class that there is", id="class"),
        pytest.param({"picture_shape": (8, 8, 1)}, "are 4x4x1 and the collection is 8x8x1", id="shape"),
        pytest.param({"held_out": ["1", "9"]}, "learned from 1 pictures that are in val or test", id="leak"),
    ],
)
def test_what_must_not_enter_training(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    write_synthetic(make_up(), tmp_path)
    with pytest.raises(DataError, match=said):
        choose(tmp_path, 1, **changes)


def test_none_were_made(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="darkroom synthesize CLASS"):
        choose(tmp_path, 1)


@pytest.mark.parametrize("n_bytes", [pytest.param(0, id="empty"), pytest.param(100, id="cut")])
def test_damaged(n_bytes: int, tmp_path: Path) -> None:
    path = write_synthetic(make_up(), tmp_path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"no made-up pictures that can be read.*remove it"):
        read_synthetic(tmp_path)
