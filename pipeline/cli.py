"""The `darkroom` command, for people. What DVC runs are the stages; none of this is in dvc.yaml."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import DarkroomError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pipeline.predictions import Prediction

app = typer.Typer(
    help="From a folder of images per class to a classifier you can trust. `dvc repro` runs the chain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the command; what the user can put right is one line on stderr and exit code 1."""
    try:
        app()
    except DarkroomError as error:
        _console(stderr=True).print(f"error: {error}", style="red", soft_wrap=True)
        sys.exit(1)


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="digits, fashion-mnist or mnist")],
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Do nothing if there is something.")] = False,
) -> None:
    """Fill an empty data/raw with a public data set."""
    from pipeline import demos
    from pipeline.paths import Paths, project_root

    raw = Paths(project_root()).raw
    if if_empty and not demos.is_empty(raw):
        return
    demos.fill(name, raw)
    console = _console()
    console.print(f"{name} is in {raw}", soft_wrap=True)
    if demos.PARAMS[name]:
        console.print(f"In params.yaml, this suits it:\n\n{demos.PARAMS[name]}\n", soft_wrap=True)


@app.command()
def summary() -> None:
    """Say what the last run came to: how good, what was decided, where to look."""
    from rich.table import Table

    from pipeline.paths import Paths, project_root
    from pipeline.summary import summary_of

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in summary_of(Paths(project_root())).items():
        table.add_row(heading, text)
    _console().print(table)


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="Images; or folders, .zip or .tar files of images.")],
    model: Annotated[
        Path | None, typer.Option(help="A classifier's folder; the last run's if not given.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show a file.")] = 1,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file instead of a table.")] = None,
) -> None:
    """Say what class images are of. A file that cannot be decoded is listed with the reason."""
    from pipeline.classifier import Classifier
    from pipeline.device import set_up_device
    from pipeline.paths import Paths, project_root
    from pipeline.predictions import find_files, predict_files, write_csv

    found = find_files(files)
    set_up_device()
    classifier = Classifier.load(model or Paths(project_root()).classifier)
    predictions = predict_files(found, classifier, top=top)
    n_unread = sum(bool(prediction.reason) for prediction in predictions)
    if csv:
        write_csv(predictions, csv)
        said = f"{len(predictions)} files in {csv}, {n_unread} of them could not be read"
        _console().print(said, soft_wrap=True)
    else:
        _console().print(_table(predictions))
    if n_unread == len(predictions):
        raise DarkroomError(f"none of the {n_unread} files could be read as an image")


def _table(predictions: "Sequence[Prediction]") -> "Table":
    from rich.table import Table

    table = Table("file", "class", "probability")
    table.columns[0].overflow = "fold"
    for prediction in predictions:
        if prediction.reason:
            table.add_row(prediction.file, prediction.reason, "", style="red")
        else:
            names, probabilities = zip(*prediction.classes, strict=True)
            table.add_row(prediction.file, "\n".join(names), "\n".join(f"{p:.4f}" for p in probabilities))
    return table


def _console(*, stderr: bool = False) -> "Console":
    """A console that takes every text as it is: file names may hold square brackets."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


if __name__ == "__main__":
    main()
