"""What tests of the policy and of its layers share: params of `augment` with all knobs off but some."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.params import AugmentParams, Params

Augment = Callable[..., AugmentParams]

OFF = {
    "flip": "none",
    **dict.fromkeys(
        ("rotation", "zoom", "shift", "shear", "contrast", "brightness", "noise", "grayscale", "erasing"), 0.0
    ),
    **dict.fromkeys(("rand_augment", "mixup", "cutmix", "fill_rare_to", "imperfect"), 0.0),
    "synthetic": 0,
}


@pytest.fixture(scope="session")
def augment(params_of: Callable[..., Params]) -> Augment:
    """`augment(zoom=0.1)`: the section with this knob turned, and no other."""

    def augment(**knobs: Any) -> AugmentParams:
        return params_of(augment=OFF | knobs).augment

    return augment
