"""params.yaml read and checked: one message names every fault."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.characters import cut, escape
from pipeline.errors import ParamsError, nearest, quote_value
from pipeline.params import Params
from pipeline.yaml_file import flatten, read_yaml

_PATHS = ("data.source", "train.weights")
# Keys of earlier versions, and what takes their place.
_REPLACED = {
    "promote.min_gain": "promote.alpha and promote.margin: a gain must be more than luck",
    "promote.min_accuracy": "promote.floors: {accuracy: ...}",
    "promote.min_class_recall": 'promote.floors: {recall: {"*": ...}}',
}
_MAX_FAULTS = 20  # in one message


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ParamsError: the file is missing or not YAML; or as `check_params`.
    """
    return check_params(read_yaml(path), path.name)


def check_params(values: dict[str, Any], name: str) -> Params:
    """The values of a params.yaml as sections.

    Args:
        name: of the file that holds them, for messages.

    Raises:
        ParamsError: a key is unknown, missing, of a wrong type or out of
            range. One message names every bad key, what is allowed and what was found.
    """
    params = read_params(values)
    if isinstance(params, Params):
        return params
    raise ParamsError(f"{name}: {'; '.join(params)}")


def read_params(values: dict[str, Any]) -> Params | list[str]:
    """The sections; or every bad key, with what is allowed and what was found."""
    if unseen := [key for key, value in flatten(values).items() if _hides(key, value)]:
        return [f"{', '.join(unseen)}: a character is invisible; write it again"]
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        faults = [_describe(fault) for fault in error.errors()[:_MAX_FAULTS]]
        if (n_more := error.error_count() - len(faults)) > 0:
            faults.append(f"and {n_more:,} more faults")
        return faults


def _hides(key: str, value: object) -> bool:
    """Whether a key or its texts hold what no one sees; in names of files of this machine, it may be so."""
    texts = [key] if key in _PATHS else [key, *value] if isinstance(value, list) else [key, value]
    return any(isinstance(text, str) and escape(text) != text for text in texts)


def _describe(fault: Any) -> str:
    key = cut(".".join(str(part) for part in fault["loc"]), 100) or "params"
    said = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "extra_forbidden" if key in _REPLACED:
            return f"{key} is gone; take {_REPLACED[key]}"
        case "extra_forbidden":
            return f"{key} is not a known key{_suggest(fault['loc'])}"
        case "missing":
            return f"{key} is missing"
        case _ if "got" in said:
            return f"{key}: {said}"
        case _:
            return f"{key}: {said}, got {quote_value(fault['input'])}"


def _suggest(loc: tuple[str | int, ...]) -> str:
    """A hint for a misspelt key: the most similar known key of the same section, or all of its keys."""
    section: type[BaseModel] | None = Params
    for part in loc[:-1]:
        field = _list_fields(section).get(str(part)) if section else None
        section = field if isinstance(field, type) and issubclass(field, BaseModel) else None
    known = list(_list_fields(section)) if section else []
    return nearest(str(loc[-1])[:100], known, n=1) or f" (allowed: {', '.join(known)})"


def _list_fields(section: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}
