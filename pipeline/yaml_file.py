"""YAML files as plain values: YAML 1.2 as DVC reads it, and nothing that is built to exhaust its reader.

A file is walked through before anything is made of it. So 5,000 brackets, or aliases of aliases that stand
for a billion values, cost no more than a look.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from pipeline.errors import ParamsError, explain_unread, one_line
from pipeline.storage import write_whole

_MAX_BYTES = 4 << 20
_MAX_DEPTH = 50  # of lists and mappings in each other
_MAX_NODES = 100_000  # with all that aliases stand for
# What the library's constructors raise on values such as `2026-99-99`, `!!int x` or ten thousand digits.
_BAD_VALUE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file, as plain values; raises ParamsError if the file does not hold one."""
    yaml = YAML(typ="safe", pure=True)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ParamsError(f"{path.name} has more than {_MAX_BYTES:,} bytes; restore it from git")
        text = data.decode("utf-8")
        if fault := _find_excess(text):
            raise ParamsError(f"{path.name} {fault}; restore it from git")
        values = yaml.load(text)
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist; run from the project's folder, or restore it from git"
        ) from None
    except OSError as error:
        raise ParamsError(explain_unread(path.name, error)) from None
    except (YAMLError, *_BAD_VALUE) as error:
        raise ParamsError(f"{path.name} is not valid YAML: {one_line(error)}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path.name} must hold a mapping of sections, got {type(values).__name__}")
    return values


def write_values(path: Path, values: Mapping[str, Any]) -> None:
    """Change values of a YAML file by dotted key; its comments, and the order of its lines, stay.

    It is written as `dvc exp run -S` writes it.

    Raises:
        ParamsError: the file is missing or malformed, or has no such key.
        StorageError: it cannot be written.
    """
    read_yaml(path)  # bounds what is to be parsed
    yaml = YAML()
    document = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        *sections, name = key.split(".")
        place = document
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or name not in place:
            raise ParamsError(f"{path.name} has no {key}; restore it from git")
        if isinstance(value, list) and isinstance(place[name], list):
            place[name][:] = value
        else:
            place[name] = value
    text = io.StringIO()
    yaml.dump(document, text)
    with write_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys, such as {"train.epochs": 30}; lists and empty mappings stay whole."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _find_excess(text: str) -> str:
    """What is too much in a YAML text, in words, or ""."""
    sizes: dict[str, int] = {}  # of the lists and mappings with an anchor, in values; too many while open
    around: list[tuple[str | None, int]] = []  # anchors of what is open, and where their count began
    n_nodes = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, CollectionStartEvent):
            around.append((event.anchor, n_nodes))
            sizes |= {event.anchor: _MAX_NODES + 1} if event.anchor else {}
        if isinstance(event, NodeEvent):
            n_nodes += sizes.get(event.anchor, 1) if isinstance(event, AliasEvent) else 1
        elif isinstance(event, CollectionEndEvent):
            anchor, start = around.pop()
            sizes |= {anchor: n_nodes - start} if anchor else {}
        if len(around) > _MAX_DEPTH:
            return f"holds lists or mappings more than {_MAX_DEPTH} deep"
        if n_nodes > _MAX_NODES:
            return f"holds more than {_MAX_NODES:,} values, with all that its aliases stand for"
    return ""
