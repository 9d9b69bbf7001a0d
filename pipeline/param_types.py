"""The kinds of values in params.yaml: their ranges, and how each is read.

Every number is finite and has a largest value, so that none fails only where it is used.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.errors import quote_value

_TINY, _HUGE = 1e-30, 1_000_000_000
_FLOORS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_precision")
_CLASS_FLOORS = ("recall", "precision", "f1")
_MAX_NAME = 200  # characters of the registered model; MLflow allows 256


class Section(BaseModel):
    """A frozen section that refuses unknown keys and wrong types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def flatten(self, prefix: str = "") -> dict[str, Any]:
        """The values by dotted key, such as {"train.epochs": 30}.

        A list or a mapping is one value, as JSON: its keys are free text, which no other system need accept
        as a name.
        """
        flat: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            key, value = f"{prefix}{field.alias or name}", getattr(self, name)
            if isinstance(value, Section):
                flat |= value.flatten(f"{key}.")
            else:
                flat[key] = (
                    json.dumps(value, ensure_ascii=False) if isinstance(value, tuple | dict) else value
                )
        return flat


def _as_tuple(value: object) -> object:
    """A YAML list as a tuple: sections are frozen, and strict mode accepts no list for a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _as_sides(value: object) -> object:
    """One number as both sides of a picture; otherwise as `_as_tuple`."""
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else _as_tuple(value)


def _accept_word(word: str) -> BeforeValidator:
    """A word that stands for None. DVC rewrites params.yaml, and cannot write null as it stood."""

    def read(value: object) -> object:
        return None if value == word else value

    return BeforeValidator(read)


def check_name(name: str) -> str:
    """Raise ValueError unless a name is safe in every registry, in its addresses and in its searches."""
    if len(name) > _MAX_NAME:
        raise ValueError(f"at most {_MAX_NAME} characters are allowed, got {len(name)}")
    if not re.fullmatch(r"\w[\w.\- ]*(?<! )", name):
        raise ValueError(f"letters, digits, '_', '-', '.' and spaces in between are allowed, got {name!r}")
    return name


def _check_texts(value: object) -> object:
    """Raise ValueError for a list with numbers, dates and the like: YAML reads 0 and 2020-01-01 as such."""
    if isinstance(value, list) and (bare := [item for item in value if not isinstance(item, str)]):
        quoted = ", ".join(f'"{item}"' for item in bare[:3])
        raise ValueError(f"a list of texts is allowed: put {quoted} in quotes, got {quote_value(value)}")
    return value


def _check_keys(value: object) -> object:
    """Raise ValueError for a mapping whose keys are no texts."""
    if isinstance(value, dict) and (bare := [key for key in value if not isinstance(key, str)]):
        raise ValueError(f'names of classes are texts: put "{bare[0]}" in quotes, got {quote_value(bare[0])}')
    return value


def check_pattern(pattern: str) -> str:
    """Raise ValueError unless a text is a regular expression that matches something, or empty."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error}), got {pattern!r}") from None
    if pattern and compiled.fullmatch(""):
        raise ValueError(f"it matches the empty text, and so every key, got {pattern!r}")
    return pattern


def _check_choices(value: object) -> tuple[object, ...]:
    """Raise ValueError unless a value is a list of numbers, texts, true and false."""
    values = tuple(value) if isinstance(value, list | tuple) else (None,)
    if not all(isinstance(one, bool | str) or _is_usual(one) for one in values):
        raise ValueError(
            "a list of texts, true, false, and numbers of at most a thousand million is allowed, got "
            f"{quote_value(value)}"
        )
    return values


def _is_usual(value: object) -> bool:
    """Whether a value is a number that a setting may have: finite, and not beyond all measure."""
    return isinstance(value, int | float) and (value == 0 or _TINY <= abs(value) <= _HUGE)


def _check_space(value: object) -> object:
    """Raise ValueError unless a value is a mapping of keys, each to one of float, int, log and choice."""
    each = value.values() if isinstance(value, dict) else [None]
    if not all(isinstance(one, dict) for one in each):
        raise ValueError(
            "keys of train and augment are allowed, each with {float: [low, high]}, int, log or choice, got "
            f"{quote_value(value)}"
        )
    return value


def _check_floors(value: object) -> object:
    """Raise ValueError unless a value maps scores to numbers, and those of classes to one for each class."""
    allowed = (
        f"{', '.join(_FLOORS)}, each with a number from 0 to 1, and {', '.join(_CLASS_FLOORS)}, each with "
        '{class: number}, where "*" is every other class, are allowed'
    )
    for score, floor in value.items() if isinstance(value, dict) else [(None, value)]:
        numbers = floor if isinstance(floor, dict) else {"": floor}
        is_known = score in (_CLASS_FLOORS if isinstance(floor, dict) else _FLOORS)
        if not is_known or not all(isinstance(name, str) and _is_share(one) for name, one in numbers.items()):
            got = quote_value(floor if score is None else {score: floor})
            raise ValueError(f"{allowed}, got {got}")
    return value


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _check_start(value: object) -> object:
    """Raise ValueError unless a value names a registered model, or none."""
    if value in ("champion", None) or (type(value) is int and 1 <= value <= _MAX_VERSION):
        return value
    raise ValueError(
        f"none, champion or the number of a registered version is allowed, got {quote_value(value)}"
    )


def _refuse_truth(value: object) -> object:
    """Raise ValueError for true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"a number is allowed, got {str(value).lower()}")  # noqa: TRY004 (pydantic's)
    return value


_MAX_VERSION = 1_000_000_000
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=4096)]
ImageHw = Annotated[tuple[Side, Side], BeforeValidator(_as_sides)]
Words = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), BeforeValidator(_check_texts)]
Choices = Annotated[tuple[Any, ...], BeforeValidator(_check_choices)]
Space = Annotated[dict[str, dict[str, Choices]], BeforeValidator(_check_space)]
FloorMap = Annotated[dict[str, Share | dict[str, Share]], BeforeValidator(_check_floors)]
ClassMap = Annotated[dict[str, Words], BeforeValidator(_check_keys)]
Channels = Annotated[Literal[1, 3], BeforeValidator(_refuse_truth)]
Activation = Literal["relu", "tanh", "elu", "gelu", "leaky_relu", "selu", "silu"]
Layout = Literal["auto", "first_folder", "second_folder"]
PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]
Epochs = Annotated[int, Field(ge=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]  # what NumPy and Keras take
TextSeed = Annotated[int, Field(gt=-(1 << 63), lt=1 << 63)]  # hashed as text
Width = Annotated[int, Field(ge=1, le=65_536)]  # of a layer
Rate = Annotated[float, Field(gt=0, le=1000)]
Weight = Annotated[float, Field(ge=0, le=1000)]
ModelName = Annotated[str, Field(max_length=_MAX_NAME), AfterValidator(check_name)]


DEFAULT, NONE = _accept_word("default"), _accept_word("none")
StartFrom = Annotated[int | Literal["champion"] | None, BeforeValidator(_check_start), NONE]
