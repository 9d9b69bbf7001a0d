"""What a row is called: the parameters that differ from the first row."""

from collections.abc import Collection

import pytest

from pipeline.tracking.row_names import Origin, name_row

PARAMS = {
    "data.name": "scans",
    "data.source": "data/raw",
    "validate.max_pixels": "1000",
    "clean.image_hw": "[16, 16]",
    "augment.seed": "0",
    "augment.rotation": "0.03",
    "augment.flip": "none",
    "train.seed": "0",
    "train.model": "compact",
    "train.epochs": "20",
    "train.dropout": "None",
    "promote.margin": "0.0",
}
FIRST = Origin(PARAMS, "aa")


def make(changes: dict[str, str], pictures: str = "aa") -> Origin:
    """The first row's origin with some parameters changed."""
    return Origin(PARAMS | changes, pictures)


@pytest.mark.parametrize(
    ("origin", "taken", "name"),
    [
        pytest.param(
            make({"augment.rotation": "0.2", "train.epochs": "2"}), (), "rotation 0.2, epochs 2", id="two"
        ),
        pytest.param(make({"train.model": "keras.applications.ResNet50"}), (), "ResNet50", id="the network"),
        pytest.param(make({"clean.image_hw": "[224, 200]"}), (), "224x200", id="the size"),
        pytest.param(make({"train.seed": "3"}), (), "seed 3", id="one of two keys alike"),
        pytest.param(
            make({"train.seed": "3", "augment.seed": "4"}),
            (),
            "augment.seed 4, train.seed 3",
            id="both of them",
        ),
        pytest.param(make({"promote.margin": "0.1"}), (), "same parameters", id="the gate"),
        pytest.param(make({"data.name": "x"}), ("same parameters",), "same parameters (2)", id="the name"),
        pytest.param(
            make({}, "bb"), ("other pictures", "other pictures (2)"), "other pictures (3)", id="pictures"
        ),
        pytest.param(
            make({"train.epochs": "3"}, "bb"), (), "epochs 3, other pictures", id="pictures and more"
        ),
        pytest.param(
            make({"validate.max_pixels": "9"}, "bb"), (), "max_pixels 9", id="read with other limits"
        ),
        pytest.param(
            make(dict.fromkeys(list(PARAMS)[4:11], "9")),
            (),
            "augment.seed 9, rotation 9, flip 9, train.seed 9, 3 more",
            id="many",
        ),
        pytest.param(
            make({"train.dropout": "x" * 99}), (), f"dropout {'x' * 14}...{'x' * 13}", id="a long value"
        ),
    ],
)
def test_a_name_says_what_differs(origin: Origin, taken: Collection[str], name: str) -> None:
    assert name_row(origin, FIRST, taken) == name


def test_the_first_row_has_the_name_of_its_network_and_size() -> None:
    assert name_row(FIRST, None, ()) == "compact 16x16"
