"""What a row is called: what differs from the first row of its experiment, as "rotation 0.2, epochs 2"."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.characters import cut

_N_NAMED, _MAX_VALUE = 4, 30  # parameters in a name, and characters of a value
_UNTOLD = ("promote.", "data.name")  # they change no model
_READING = ("data.", "validate.")  # they change the raw manifest of the same pictures
_ALONE = {"image_hw", "model"}  # values that need no key


@dataclass(frozen=True)
class Origin:
    """What a row was made of: parameters as text by dotted key, and the digest of the raw manifest."""

    params: Mapping[str, str]
    pictures: str


def name_row(origin: Origin, first: Origin | None, taken: Collection[str]) -> str:
    """A name for people.

    Args:
        first: of the first row; None if this is the first.
        taken: the names of all rows so far.
    """
    if first is None:
        words = [_show("train.model", origin), _show("clean.image_hw", origin)]
    else:
        changed = find_changed(origin, first)
        words = _describe_changes(origin, changed)
        if origin.pictures != first.pictures and not any(key.startswith(_READING) for key in changed):
            words.append("other pictures")
    name = ", ".join(words) if first else " ".join(words)
    return _number(name or "same parameters", taken)


def find_changed(origin: Origin, first: Origin) -> list[str]:
    """The parameters that differ, in the order of params.yaml, without those that change no model."""
    keys = [key for key in origin.params if not key.startswith(_UNTOLD)]
    return [key for key in keys if origin.params[key] != first.params.get(key)]


def _describe_changes(origin: Origin, changed: Sequence[str]) -> list[str]:
    last = [key.rpartition(".")[2] for key in changed]
    words = []
    for key, short in zip(changed, last, strict=True):
        name = key if last.count(short) > 1 else short
        words.append(_show(key, origin) if name in _ALONE else f"{name} {_show(key, origin)}")
    n_more = len(words) - _N_NAMED
    return words[:_N_NAMED] + ([f"{n_more} more"] if n_more > 0 else [])


def _show(key: str, origin: Origin) -> str:
    text = origin.params.get(key, "")
    if key.endswith("image_hw"):
        sides: Sequence[int] = json.loads(text)
        return "x".join(map(str, sides))
    return cut(text.removeprefix("keras.applications."), _MAX_VALUE)


def _number(name: str, taken: Collection[str]) -> str:
    """The name, or the first of "<name> (2)", "<name> (3)" and so on that is free."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found
