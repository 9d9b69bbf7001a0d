"""Where tune looks: what is read, what is refused in one line, and the grids that follow."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import ParamsError
from pipeline.params_file import check_params
from pipeline.search import space as spaces
from pipeline.search.space import Dimension, Space
from tests.search.toys import BEST, SPACE

Values = dict[str, Any]
Read = Callable[[Values], Space]


@pytest.fixture
def read(params_values: Values) -> Read:
    def read(space: Values) -> Space:
        params_values["tune"]["space"] = space
        return spaces.read_space(params_values, check_params(params_values, "params.yaml"))

    return read


def test_each_kind_is_read(read: Read) -> None:
    space = read(
        {
            "train.learning_rate": {"log": [0.001, 0.1]},
            "train.filters": {"log": [8, 64]},
            "train.batch_size": {"int": [16, 64]},
            "augment.zoom": {"float": [0, 0.3]},
            "train.weights": {"choice": ["imagenet", "none"]},
            "train.class_weights": {"choice": [True, False]},
        }
    )
    assert [dimension.is_whole for dimension in space.dimensions][:4] == [False, True, True, False]
    assert space.keys[-1] == "train.class_weights"
    assert {type(kind).__name__ for kind in space.to_distributions().values()} == {
        *("FloatDistribution", "IntDistribution", "CategoricalDistribution")
    }


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "tune.space is empty"),
        ({"train.learning_rat": {"log": [1, 2]}}, "did you mean train.learning_rate?"),
        ({"clean.image_hw": {"int": [8, 16]}}, "clean.image_hw is not a known key; allowed are the keys of"),
        ({"train.seed": {"int": [0, 9]}}, "train.seed cannot be tuned: a seed is luck"),
        ({"augment.imperfect": {"float": [0, 1]}}, "it acts in the copies that the stage augment makes"),
        ({"train.dropout": {}}, "train.dropout needs one of float, int, log and choice, got nothing"),
        ({"train.dropout": {"float": [0, 0.5], "log": [0.1, 0.5]}}, "got float, log"),
        ({"train.dropout": {"float": [0.5, 0.5]}}, "the range from 0.5 to 0.5 is empty"),
        ({"train.dropout": {"float": [0.1]}}, "float takes two numbers, [low, high], got [0.1]"),
        ({"train.dropout": {"float": ["a", "b"]}}, "float takes two numbers"),
        ({"train.dropout": {"float": [0.0, 1.5]}}, "train.dropout: Input should be less than 1, got 1.5"),
        ({"train.filters": {"float": [4, 8]}}, "train.filters: Input should be a valid integer"),
        ({"train.epochs": {"int": [1, 2.5]}}, "int takes whole numbers, got [1, 2.5]"),
        ({"train.kernel_l2": {"log": [0, 1]}}, "a log range begins above 0, got 0"),
        ({"train.optimizer": {"choice": []}}, "a choice is one value or more, all different, got []"),
        ({"train.optimizer": {"choice": ["adam", "adam"]}}, "all different"),
        ({"train.optimizer": {"choice": ["adam", "lion"]}}, "train.optimizer: Input should be 'adam'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_what_cannot_be_is_one_line(space: Values, said: str, read: Read) -> None:
    with pytest.raises(ParamsError) as error:
        read(space)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_a_frozen_network_never_sees_is_left_out(read: Read, params_values: Values) -> None:
    params_values["train"] |= {"model": "efficientnet_lite0", "weights": "imagenet", "fine_tune_epochs": 0}
    both: Values = {"augment.zoom": {"float": [0.0, 0.3]}, "train.ema": {"float": [0.0, 0.9]}}
    assert read(both).keys == ("train.ema",)
    with pytest.raises(ParamsError, match=r"augment\.zoom would change nothing: a frozen network"):
        read({"augment.zoom": {"float": [0.0, 0.3]}})
    assert read(both | {"train.fine_tune_epochs": {"int": [0, 3]}}).keys[0] == "augment.zoom"
    params_values["train"]["fine_tune_epochs"] = 2
    assert read(both).keys == ("augment.zoom", "train.ema")


def test_a_grid_has_five_values_of_a_range_and_every_choice() -> None:
    grid = SPACE.list_grid()
    assert len(grid) == 5 * 5 * 2
    rates = sorted({settings["train.learning_rate"] for settings in grid})
    assert rates == [0.001, 0.005623, 0.03162, 0.1778, 1.0]
    assert all(map(SPACE.contains, grid))


def test_a_grid_of_too_many_is_refused() -> None:
    space = Space(tuple(Dimension(f"train.{i}", "float", (0.0, 1.0)) for i in range(5)))
    with pytest.raises(ParamsError, match="3,125 settings, and 1,000 are allowed"):
        space.list_grid()


def test_a_grid_around_a_winner_varies_what_is_named_and_stays_inside() -> None:
    edge = BEST | {"train.learning_rate": 1.0}
    around = SPACE.list_around(edge, ["train.learning_rate", "augment.flip"])
    assert [one["train.learning_rate"] for one in around] == [0.4217, 1.0]
    assert {(one["train.batch_size"], one["augment.flip"]) for one in around} == {(6, "both")}


@pytest.mark.parametrize(
    ("change", "is_inside"),
    [
        ({}, True),
        ({"train.learning_rate": 2.0}, False),
        ({"train.learning_rate": 0.0123456}, False),
        ({"train.batch_size": "default"}, False),
        ({"train.batch_size": True}, False),
        ({"augment.flip": "vertical"}, False),
        ({"train.seed": 1}, False),
    ],
    ids=str,
)
def test_settings_lie_in_the_space_or_not(change: Values, is_inside: bool) -> None:
    assert SPACE.contains(BEST | change) is is_inside
