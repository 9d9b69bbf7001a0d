"""Settings in place of those of params.yaml, and what cannot be tried."""

from typing import Any

import pytest

from pipeline.search import settings


def test_settings_change_their_keys_alone(params_values: dict[str, Any]) -> None:
    changed = settings.apply(params_values, {"train.epochs": 3})
    assert settings.pick(changed, ("train.epochs", "augment.flip")) == {
        "train.epochs": 3,
        "augment.flip": "none",
    }
    assert params_values["train"]["epochs"] == 2


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("augment.synthetic", "`dvc exp run -S augment.synthetic=...`"),
        ("train.seed", "luck"),
        ("train.dropout", ""),
    ],
)
def test_why_a_key_cannot_be_tried_is_said(key: str, said: str) -> None:
    assert key in settings.list_keys()
    assert bool(settings.explain_untried(key)) == bool(said)
    assert said in settings.explain_untried(key)


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.0123456, 0.01235), (64, 64), (True, True), ("adam", "adam")]
)
def test_numbers_are_rounded_and_nothing_else(value: Any, rounded: Any) -> None:
    assert settings.round_value(value) == rounded
    assert type(settings.round_value(value)) is type(value)
