"""A recipe says all of `clean` that changes a picture, and comes back from JSON."""

import json
from collections.abc import Callable
from dataclasses import asdict

import pytest

from pipeline.images.recipe import Recipe
from pipeline.params import Params
from tests.images.scenes import make_recipe

ParamsOf = Callable[..., Params]


def test_it_is_made_of_params_and_what_decoders_may_do(params_of: ParamsOf) -> None:
    clean = {"image_hw": [9, 7], "channels": 1, "fit": "pad", "resample": "lanczos", "equalise": 80}
    made = Recipe.from_params(params_of(clean=clean).clean, formats=("PNG",), max_pixels=99)
    assert made == Recipe((9, 7), 1, "pad", "lanczos", 80, ("PNG",), 99)
    assert made.picture_shape == (9, 7, 1)


def test_it_comes_back_from_json() -> None:
    recipe = make_recipe(fit="crop", max_pixels=5)
    assert Recipe.from_json(json.loads(json.dumps(asdict(recipe)))) == recipe


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda values: values.pop("fit"), id="a key is missing"),
        pytest.param(lambda values: values.update(more=1), id="an unknown key"),
    ],
)
def test_other_keys_are_an_error(change: Callable[[dict[str, object]], object]) -> None:
    values = asdict(make_recipe())
    change(values)
    with pytest.raises(TypeError):
        Recipe.from_json(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("image_hw", [10**9, 10**9], id="too-large"),
        pytest.param("image_hw", [8], id="one-side"),
        pytest.param("image_hw", 8, id="a-number-for-two"),
        pytest.param("channels", 4, id="four-channels"),
        pytest.param("fit", ["crop"], id="a-list-for-a-word"),
        pytest.param("resample", "nearest", id="another-filter"),
        pytest.param("equalise", 101, id="quality-of-101"),
        pytest.param("formats", "PNG", id="a-word-for-a-list"),
        pytest.param("formats", [1], id="a-number-for-a-format"),
        pytest.param("max_pixels", 10**30, id="no-limit"),
        pytest.param("max_pixels", True, id="yes-for-a-number"),
    ],
)
def test_other_values_are_an_error(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"not allowed: {name}$"):
        Recipe.from_json(json.loads(json.dumps(asdict(make_recipe()) | {name: value})))
