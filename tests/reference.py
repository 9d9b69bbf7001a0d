"""docs/reference.md, made of the commands and of params.yaml: `make docs` writes it, a test compares it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from pipeline.cli.app import app
from pipeline.param_types import NONE, Section
from pipeline.params import Params
from pipeline.setup.proposal import show_value
from pipeline.yaml_file import read_yaml

REPO = Path(__file__).resolve().parents[1]
PAGE = REPO / "docs" / "reference.md"
_HEAD = """# Reference

Every command and every parameter, made by `make docs` from the code and from `params.yaml`: do not edit it.
[The guide](guide.md) says when to use what.

"""
_PARAMETERS = """## Parameters

All are in `params.yaml`, in this order. Shapes are height, width in pixels. Shares are from 0 to 1.

"""
_MAPS = {
    "object": "key: {float: [low, high]}, int, log or choice",
    "array": "class: list of folders",
    "": "score: number, or {class: number}; numbers from 0 to 1",
}
_KINDS = {"boolean": "true or false", "string": "text", "integer": "whole number", "number": "number"}


def write_page() -> str:
    """The whole page."""
    return _HEAD + "".join(_describe_commands()) + _PARAMETERS + "".join(_describe_parameters())


def _describe_commands() -> Iterator[str]:
    yield "## Commands\n\n"
    group: Any = get_command(app)
    yield "`darkroom` without a command, and `darkroom COMMAND --help`, say the same in the terminal.\n\n"
    yield from _draw_options("darkroom", group)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield f"### `darkroom {name}`\n\n{' '.join(command.help.split())}\n\n"
            for inner, one in command.commands.items():
                yield from _describe_command(f"darkroom {name} {inner}", one, level=4)
        else:
            yield from _describe_command(f"darkroom {name}", command, level=3)


def _describe_command(name: str, command: Any, *, level: int) -> Iterator[str]:
    arguments = [f" {_name_argument(one)}" for one in command.params if one.param_type_name == "argument"]
    yield f"{'#' * level} `{name}{''.join(arguments)}`\n\n{' '.join(command.help.split())}\n\n"
    yield from _draw_options(name, command)


def _name_argument(argument: Any) -> str:
    word = argument.name.upper() + ("..." if argument.nargs != 1 else "")
    return word if argument.required else f"[{word}]"


def _draw_options(name: str, command: Any) -> Iterator[str]:
    rows = [_describe_option(one) for one in command.params if one.name != "help"]
    if rows:
        yield f"| `{name}` | default | what it is |\n|---|---|---|\n" + "".join(rows) + "\n"


def _describe_option(option: Any) -> str:
    is_argument = option.param_type_name == "argument"
    said = _name_argument(option) if is_argument else ", ".join((*option.opts, *option.secondary_opts))
    if not is_argument and not option.is_flag:
        said += f" {option.name.upper()}"
    default = "" if option.default in (None, False, (), "") or option.required else f"`{option.default}`"
    variable = f" Variable: `{option.envvar}`." if option.envvar else ""
    return f"| `{said}` | {default} | {_escape((option.help or '') + variable)} |\n"


def _describe_parameters() -> Iterator[str]:
    values, comments = read_yaml(REPO / "params.yaml"), dict(read_comments(REPO / "params.yaml"))
    schemas = Params.model_json_schema()
    for section, inner in values.items():
        field = next(one for key, one in Params.model_fields.items() if (one.alias or key) == section)
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, Section)
        allowed = dict(_list_allowed(section, field.annotation, schemas["$defs"]))
        yield f"### `{section}`\n\n{field.annotation.__doc__}\n\n"
        yield "| parameter | default | allowed | what it is |\n|---|---|---|---|\n"
        for key, words in allowed.items():
            default = _find(inner, key.split(".")[1:])
            cells = (f"`{key}`", f"`{show_value(default)}`", words, _escape(comments.get(key, "")))
            yield f"| {' | '.join(cells)} |\n"
        yield "\n" if section != list(values)[-1] else ""


def _find(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values[key]
    return values


def _list_allowed(
    prefix: str, section: type[Section], schemas: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Each parameter of a section by its dotted key, and its allowed values in words."""
    for name, field in section.model_fields.items():
        key, inner = f"{prefix}.{name}", field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from _list_allowed(key, inner, schemas)
            continue
        word = "none" if NONE in field.metadata else "default"
        yield key, _escape(_say_allowed(schemas[section.__name__]["properties"][name], word))


def _say_allowed(schema: Mapping[str, Any], word: str = "") -> str:
    """A JSON schema in words, such as "whole number, 1 to 100"."""
    if "anyOf" in schema:
        said = [_say_allowed(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join([*said, f"`{word}`"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        if "prefixItems" in schema:
            return f"two of: {_say_allowed(schema['prefixItems'][0])}; or one for both"
        return "list of texts"
    if schema["type"] == "object":
        return _MAPS[schema["additionalProperties"].get("type", "")]
    return ", ".join(filter(None, (_KINDS[schema["type"]], _say_range(schema))))


def _say_range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    if isinstance(above, int) and abs(above) >= 1 << 60:
        return "of 64 bits"
    bounds = ((low, "at least"), (above, "above"), (high, "at most"), (below, "below"))
    return " and ".join(f"{word} {bound:,}" for bound, word in bounds if bound is not None)


def read_comments(path: Path) -> Iterator[tuple[str, str]]:
    """The comments of a params.yaml, each with the dotted key that it stands above or beside."""
    keys: list[str] = []
    above: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text, depth = line.strip(), (len(line) - len(line.lstrip())) // 2
        if text.startswith("#"):
            above.append(text.lstrip("# "))
        elif found := re.match(r"([a-z0-9_]+):(?:\s+(?:'[^']*'|[^#]*?))?(?:\s+# (.*))?$", text):
            keys = [*keys[:depth], found[1]]
            yield ".".join(keys), " ".join([*above, *filter(None, [found[2]])])
            above = []
        elif not text.startswith("-"):
            above = []


def _escape(text: str) -> str:
    """A text for a cell of a table, where Markdown must find no marks of its own."""
    return re.sub(r"([\\|*<])", r"\\\1", " ".join(text.split()))


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
