"""request: the training pictures of a class, and what cannot be asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.paths import Paths
from pipeline.synthesis.request import MIN_PICTURES, ask


def test_training_pictures_of_the_class_and_no_others(small: Paths) -> None:
    asked = ask(small, "light")
    assert asked.class_index == 1
    assert list(asked.part.ids) == [f"id-{i:03d}" for i in range(1, 16, 2)]
    assert asked.pictures.gather(np.arange(8)).min() >= 150


def test_a_hash_of_all_pixels(small: Paths) -> None:
    one = ask(small, "light").hash_pictures()
    assert one == ask(small, "light").hash_pictures()
    assert one != ask(small, "dark").hash_pictures()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param(
            "ligth", "no class 'ligth' (did you mean light?); the classes are dark, light", id="unknown"
        ),
        pytest.param(
            "few", f"few has 3 training pictures, and a generator needs at least {MIN_PICTURES}", id="few"
        ),
    ],
)
def test_what_cannot_be(name: str, said: str, develop: Callable[..., Paths], tmp_path: Path) -> None:
    names = ["dark", "light"] if name == "ligth" else ["dark", "few"]
    paths = develop(tmp_path, np.zeros((12, 8, 8, 1), np.uint8), [0] * 9 + [1] * 3, ["train"] * 12, names)
    with pytest.raises(DataError) as caught:
        ask(paths, name)
    assert said in str(caught.value)


def test_before_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dvc repro"):
        ask(Paths(tmp_path), "light")
