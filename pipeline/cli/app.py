"""The commands of `darkroom`, and the place where their errors become one line."""

import sys
from contextlib import suppress
from typing import Annotated

import typer

from pipeline.cli import (
    check,
    compare,
    crossval,
    export,
    labels,
    mistakes,
    predict,
    quarantine,
    registry,
    serve,
    setup,
    synthesize,
    tracking,
    tune,
    ui,
)
from pipeline.cli.console import guard_output, make_console, make_grid, refuse_empty
from pipeline.errors import DarkroomError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(setup.setup)
app.command()(check.check)
app.command()(predict.predict)
app.command()(serve.serve)
app.command()(export.export)
app.command()(mistakes.mistakes)
app.command()(compare.compare)
app.command()(crossval.crossval)
app.command()(tune.tune)
app.command()(synthesize.synthesize)
app.command()(ui.ui)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(labels.app, name="labels")
app.add_typer(registry.app, name="registry")
app.add_typer(tracking.app, name="tracking")


def main() -> None:
    """Run the command; an error that the user can put right becomes one line on stderr and exit code 1."""
    guard_output()
    try:
        refuse_empty(sys.argv[1:])
        app()
    except DarkroomError as error:
        with suppress(OSError):  # where nobody can be told, the exit code is left
            make_console(stderr=True).print(f"error: {error}", style="red", soft_wrap=True)
        sys.exit(1)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        make_console().print(f"darkroom {version('darkroom')}")
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end."),
    ] = False,
) -> None:
    """From a folder of images per class to a classifier you can trust. `dvc repro` runs the chain."""


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="digits, fashion-mnist or mnist")],
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing if data/raw is not empty.")
    ] = False,
) -> None:
    """Fill an empty data/raw with a public data set."""
    from pipeline.collection import demos
    from pipeline.paths import Paths, project_root

    raw = Paths(project_root()).raw
    if if_empty and not demos.is_empty(raw):
        return
    demos.fill(name, raw)
    console = make_console()
    console.print(f"{name} is in {raw}", soft_wrap=True)
    if demos.PARAMS[name]:
        console.print(f"These lines of params.yaml suit it:\n\n{demos.PARAMS[name]}\n", soft_wrap=True)


@app.command()
def summary() -> None:
    """Show the result of the last run: how good the model is, what was decided, where to look."""
    from pipeline.cli.summary import summarise
    from pipeline.paths import Paths, project_root

    make_console().print(make_grid(summarise(Paths(project_root())).items()))


if __name__ == "__main__":
    main()
