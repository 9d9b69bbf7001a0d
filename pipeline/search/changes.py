"""What may be taken out of a training to see what it brings: words, and the parameters that they change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ParamsError, nearest, one_line
from pipeline.models import check_head
from pipeline.params import Params
from pipeline.params_file import check_params
from pipeline.search.settings import apply, explain_untried, list_keys

_ALTERATIONS: Mapping[str, Any] = {
    "flip": "none",
    **dict.fromkeys(("rotation", "zoom", "shift", "shear", "contrast", "brightness", "noise"), 0.0),
    **dict.fromkeys(("grayscale", "rand_augment", "erasing", "mixup", "cutmix"), 0.0),
}
_OFF: Mapping[str, Mapping[str, Any]] = {
    "augment": {f"augment.{name}": value for name, value in _ALTERATIONS.items()},
    **{name: {f"augment.{name}": value} for name, value in _ALTERATIONS.items()},
    "dropout": {"train.dropout": 0.0},
    "kernel_l2": {"train.kernel_l2": 0.0},
    "weights": {"train.weights": "none"},
    "fine_tuning": {"train.fine_tune_epochs": 0},
    "weight_decay": {"train.weight_decay": 0.0},
    "schedule": {"train.schedule": "constant"},
    "warmup": {"train.warmup_epochs": 0.0},
    "label_smoothing": {"train.label_smoothing": 0.0},
    "ema": {"train.ema": 0.0},
    "class_weights": {"train.class_weights": False},
    "group_weights": {"train.group_weights": False},
}
_N_SHOWN = 2  # parameters of a change, with their values
WORDS = (*_OFF, "early_stopping", "head")


@dataclass(frozen=True)
class Change:
    """A change of the settings.

    Attributes:
        name: as it was said.
        what: each parameter with its old and new value, in words.
        params: with the change.
    """

    name: str
    what: str
    params: Params


def parse_changes(said: str, values: Mapping[str, Any], *, n_classes: int) -> list[Change]:
    """The changes that a list names, such as "augment,dropout,train.epochs=5"; each alone.

    Args:
        values: of params.yaml, which is valid.
        n_classes: a sigmoid head is for two.

    Raises:
        ParamsError: a word or key is not known, or its value not allowed.
    """
    base = check_params(dict(values), "params.yaml")
    words = [word.strip() for word in said.split(",") if word.strip()]
    if not words:
        raise ParamsError(f"--ablate names nothing; known are {', '.join(WORDS)}; or KEY=VALUE")
    return [_parse(word, values, base, n_classes) for word in dict.fromkeys(words)]


def _parse(word: str, values: Mapping[str, Any], base: Params, n_classes: int) -> Change:
    if "=" in word:
        key, _, text = word.partition("=")
        changed = {_find_key(key.strip()): _load(word, text)}
    else:
        changed = dict(_find_word(word, base, n_classes))
    for key in changed:
        if why := explain_untried(key):
            raise ParamsError(f"--ablate {word}: {key} cannot be tried: {why}")
    params = check_params(apply(values, changed), f"--ablate {word}")
    check_head(params.train.head, n_classes)
    return Change(word, _describe(base, params), params)


def _find_word(word: str, base: Params, n_classes: int) -> Mapping[str, Any]:
    match word:
        case "early_stopping":
            return {
                "train.patience": max(base.train.patience, base.train.epochs, base.train.fine_tune_epochs)
            }
        case "head":
            other = "sigmoid" if n_classes == 2 else "one_vs_rest"
            return {"train.head": other if base.train.head == "softmax" else "softmax"}
        case _ if word in _OFF:
            return _OFF[word]
    for key in list_keys():
        if word in (key, key.partition(".")[2]) and (why := explain_untried(key)):
            raise ParamsError(f"--ablate {word}: {key} cannot be tried: {why}")
    raise ParamsError(
        f"--ablate: {word!r} is not known{nearest(word, WORDS, n=1)}; known are {', '.join(WORDS)}; or "
        "KEY=VALUE of train and augment"
    )


def _find_key(key: str) -> str:
    """The dotted key of a parameter of train or augment that may be said without its section."""
    known = list_keys()
    found = [one for one in known if key in (one, one.partition(".")[2])]
    if len(found) != 1:
        several = f" (say {' or '.join(found)})" if found else nearest(key, known, n=1)
        raise ParamsError(
            f"--ablate {key}=: allowed are keys of train and augment, got {key!r}{several}; other sections "
            "change the pictures: compare rows, `dvc exp run -S ...`"
        )
    return found[0]


def _load(word: str, text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as error:
        raise ParamsError(f"--ablate {word}: not a value of YAML: {one_line(error)}") from None


def _describe(base: Params, params: Params) -> str:
    """Each changed parameter with its old and new value; "" if none is."""
    old, new = base.flatten(), params.flatten()
    changed = {key: key.partition(".")[2] for key in new if old[key] != new[key]}
    if len(changed) > _N_SHOWN and all(new[key] in (0, "none") for key in changed):
        return f"{', '.join(changed.values())} off"
    return ", ".join(f"{name} {_show(old[key])} to {_show(new[key])}" for key, name in changed.items())


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "default" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
