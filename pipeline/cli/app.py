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

    from pipeline.collection.quarantine import State
    from pipeline.serving.predictions import Prediction

app = typer.Typer(
    help="From a folder of images per class to a classifier you can trust. `dvc repro` runs the chain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

quarantine = typer.Typer(
    help="See the files that do not go on and why, and decide about them: data/overrides.csv, kept in git.",
    no_args_is_help=True,
)
app.add_typer(quarantine, name="quarantine")

Files = Annotated[
    list[str], typer.Argument(help="Keys (paths in the source), ids, or the first digits of ids.")
]
Note = Annotated[str, typer.Option(help="Why, for people.")]


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
    from pipeline.collection import demos
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

    from pipeline.cli.summary import summary_of
    from pipeline.paths import Paths, project_root

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
    from pipeline.backend.device import set_up_device
    from pipeline.paths import Paths, project_root
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.predictions import find_files, predict_files, write_csv

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


@quarantine.command("list")
def list_quarantined(
    reason: Annotated[str | None, typer.Option(help="Only files with this reason.")] = None,
    label: Annotated[str | None, typer.Option(help="Only files of this class folder.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file instead of a table.")] = None,
) -> None:
    """List the files that do not go on, with the reason, as decided until now."""
    from rich.table import Table

    from pipeline.collection.quarantine import counted, listed, write_list

    found = listed(_state(), reason=reason, label=label)
    if csv:
        write_list(found, csv)
    elif found:
        table = Table("key", "label", "reason", "detail")
        for column in table.columns:
            column.overflow = "fold"
        for file in found:
            table.add_row(file.key, file.label, file.reason, file.detail)
        _console().print(table)
    _console().print(counted(found) + (f", in {csv}" if csv else ""), soft_wrap=True)


@quarantine.command()
def show(
    files: Files,
    png: Annotated[Path | None, typer.Option(help="Where to draw them; data/shown.png if not given.")] = None,
) -> None:
    """Draw files, of the quarantine or not, on a sheet, and print all that validate found out about them."""
    from rich.table import Table

    from pipeline.collection import quarantine as logic

    state = _state()
    path = png or state.paths.shown
    for facts in logic.show(state, files, path):
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in facts.items():
            table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
        _console().print(table, "")
    _console().print(f"drawn in {path}", soft_wrap=True)


@quarantine.command()
def restore(files: Files, note: Note = "") -> None:
    """Let quarantined files go on; of files with the same bytes and several labels, this one."""
    _decide(files, "restore", note=note)


@quarantine.command()
def drop(files: Files, note: Note = "") -> None:
    """Quarantine files that would go on, with all their exact copies."""
    _decide(files, "drop", note=note)


@quarantine.command()
def relabel(
    files: Files,
    to: Annotated[str, typer.Option(help="The class folder that they belong to.")],
    note: Note = "",
) -> None:
    """Give files another class; also those in no class folder, or with several labels."""
    _decide(files, "relabel", label=to, note=note)


@quarantine.command()
def undo(files: Files) -> None:
    """Take back what was decided about files."""
    from pipeline.collection import quarantine as logic

    _console().print("\n".join(logic.undo(_state(), files)), soft_wrap=True)


def _decide(files: list[str], action: str, *, label: str = "", note: str) -> None:
    from pipeline.collection import quarantine as logic

    lines = logic.decide(_state(), files, action=action, label=label, note=note)
    _console().print("\n".join(lines), soft_wrap=True)


def _state() -> "State":
    from pipeline.collection.quarantine import State
    from pipeline.paths import Paths, project_root

    return State.read(Paths(project_root()))


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
