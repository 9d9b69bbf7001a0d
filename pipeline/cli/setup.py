"""`darkroom setup`: looks at a collection, proposes what suits it, and writes it into params.yaml."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import make_console
from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.setup.proposal import Change
    from pipeline.setup.survey import Survey
    from pipeline.sources import Place


def setup(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder with one sub-folder per class; an archive; a table; s3://bucket/prefix."
        ),
    ],
    *,
    preset: Annotated[
        str | None,
        typer.Option(
            help="fast: a small network. good: a network that knows photos, for pictures of 64 pixels and "
            "more. new_sources: the same, for scans of sources that are not in the collection yet."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the collection is called.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
) -> None:
    """Look at your pictures, and propose what to write into params.yaml, with a reason for each line."""
    from pipeline.cli.check import report
    from pipeline.params_file import load_params
    from pipeline.paths import Paths, project_root
    from pipeline.setup.problems import find_problems
    from pipeline.setup.proposal import PRESETS, list_values, name_collection, propose
    from pipeline.setup.survey import survey_source
    from pipeline.yaml_file import write_values

    chosen = next((one for one in PRESETS if one == preset), None)
    if preset is not None and chosen is None:
        raise ParamsError(f"--preset: allowed are {', '.join(PRESETS)}, got {preset!r}")
    paths = Paths(project_root())
    params = load_params(paths.params)
    where, place = _locate(source, paths.root)
    survey = survey_source(place, params)
    _check_name(name)
    changes = propose(
        survey,
        source=where,
        name=name or name_collection(place, paths.root),
        preset=chosen,
    )
    _show(survey, changes)
    if not yes and not typer.confirm(
        "Write this into params.yaml? (--yes does it without asking)", default=True
    ):
        raise typer.Exit(1)
    write_values(paths.params, list_values(changes))
    make_console().print("written into params.yaml", soft_wrap=True)
    if not report(find_problems(paths)):
        raise typer.Exit(1)
    make_console().print("next: `dvc repro`, then `darkroom summary`", soft_wrap=True)


def _locate(source: str, root: Path) -> "tuple[str, Place]":
    """A source as it is to be written, a path relative to the root if it lies there; and where it leads."""
    from pipeline.sources import find_place, is_url

    if is_url(source):
        return source, find_place(root, source)
    place = Path(os.path.abspath(Path(source).expanduser()))  # noqa: PTH100 (without "..", links as they are)
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else str(place), place


def _check_name(name: str | None) -> None:
    """Raise ParamsError for a name that MLflow would refuse, before anything is written."""
    from pydantic import TypeAdapter, ValidationError

    from pipeline.param_types import ModelName

    try:
        TypeAdapter(ModelName).validate_python(name or "pictures")
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ParamsError(f"data.name: {said}") from None


def _show(survey: "Survey", changes: "Sequence[Change]") -> None:
    from rich.table import Table

    from pipeline.characters import escape, say_count
    from pipeline.setup.proposal import show_value

    console = make_console()
    counts = [f"{escape(label)} {n:,}" for label, n in survey.counts.items()]
    n_more = len(counts) - 12
    more = f" and {say_count(n_more, 'more class', 'more classes')}" if n_more > 0 else ""
    console.print(f"{survey.where}: {', '.join(counts[:12])}{more}", soft_wrap=True)
    was = "was" if survey.n_looked_at == 1 else "were"
    said = f"{say_count(survey.n_looked_at, 'picture')} {was} looked at"
    if survey.n_refused:
        said += f"; {survey.n_refused} of them cannot be used, and validate will say why"
    console.print(said, "", sep="\n", soft_wrap=True)
    table = Table("params.yaml", "value", "because")
    table.columns[2].overflow = "fold"
    for change in changes:
        table.add_row(change.key, escape(show_value(change.value)), escape(change.reason))
    console.print(table)
