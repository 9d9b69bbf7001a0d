"""Settings that are tried: values of `train` and `augment`, in place of those of params.yaml."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pipeline.param_types import Section
from pipeline.params import AugmentParams, TrainParams

Settings = dict[str, Any]  # values of params.yaml by dotted key

_SECTIONS: dict[str, type[Section]] = {"train": TrainParams, "augment": AugmentParams}
_OF_THE_STAGE = "it acts in the copies that the stage augment makes: compare rows, `dvc exp run -S {}=...`"
_UNTRIED = {
    "train.seed": "a seed is luck, and no setting: --seeds",
    "augment.seed": "a seed is luck, and no setting",
    "train.tensorboard": "it changes no model",
    "train.test_mirror": "it acts in evaluate, which says `unmirrored_accuracy` too",
    "augment.fill_rare_to": _OF_THE_STAGE,
    "augment.imperfect": _OF_THE_STAGE,
    "augment.synthetic": _OF_THE_STAGE,
}


def list_keys() -> list[str]:
    """Every key of train and augment."""
    return [f"{name}.{field}" for name, section in _SECTIONS.items() for field in section.model_fields]


def explain_untried(key: str) -> str:
    """Why a key cannot be tried beside the chain; "" if it can."""
    return _UNTRIED.get(key, "").format(key)


def apply(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values of params.yaml with some replaced, by dotted key."""
    changed = {name: deepcopy(section) for name, section in values.items()}
    for key, value in settings.items():
        section, name = key.split(".")
        changed[section][name] = value
    return changed


def pick(values: Mapping[str, Any], keys: Sequence[str]) -> Settings:
    """The values of some dotted keys of params.yaml."""
    return {key: values[section][name] for key in keys for section, name in [key.split(".")]}


def round_value(value: Any) -> Any:
    """A number to four digits: nobody wants to read more of a setting. Anything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
