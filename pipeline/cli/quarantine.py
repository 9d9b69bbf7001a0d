"""`darkroom quarantine`: look at the files that are not kept, and decide about them."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import check_target, make_console, make_grid

if TYPE_CHECKING:
    from pipeline.collection.quarantine import State

app = typer.Typer(
    help="See the files that are not kept and why, and decide about them. Decisions are in "
    "data/overrides.csv, which belongs in git.",
    no_args_is_help=True,
)

Files = Annotated[
    list[str], typer.Argument(help="Keys (paths in the source), ids, or the first digits of ids.")
]
Note = Annotated[str, typer.Option(help="The reason, for people who read the file.")]


@app.command("list")
def list_quarantined(
    reason: Annotated[str | None, typer.Option(help="Only files with this reason.")] = None,
    label: Annotated[str | None, typer.Option(help="Only files of this class folder.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file instead of a table.")] = None,
) -> None:
    """List the files that are not kept, with the reason, under the decisions so far."""
    from rich.table import Table

    from pipeline.collection import quarantine

    check_target(csv)
    found = quarantine.list_files(_read_state(), reason=reason, label=label)
    if csv:
        quarantine.write_list(found, csv)
    elif found:
        table = Table("key", "label", "reason", "detail")
        for column in table.columns:
            column.overflow = "fold"
        for file in found:
            row = file.to_row()
            table.add_row(row["key"], row["label"], row["reason"], row["detail"])
        make_console().print(table)
    said = quarantine.describe_counts(found) + (f", in {csv}" if csv else "")
    make_console().print(said, soft_wrap=True)


@app.command()
def show(
    files: Files,
    png: Annotated[
        Path | None, typer.Option(help="The PNG file to write; by default data/shown.png.")
    ] = None,
) -> None:
    """Draw files, quarantined or not, on a sheet, and print all that validate found about them."""
    from pipeline.collection import quarantine

    state = _read_state()
    path = png or state.paths.shown
    for facts in quarantine.show(state, files, path):
        rows = ((name, _format(value)) for name, value in facts.items())
        make_console().print(make_grid(rows), "")
    make_console().print(f"drawn in {path}", soft_wrap=True)


@app.command()
def restore(files: Files, note: Note = "") -> None:
    """Keep quarantined files after all. Of files with the same bytes and several labels, keep this one."""
    _decide(files, "restore", note=note)


@app.command()
def drop(files: Files, note: Note = "") -> None:
    """Quarantine files that would be kept, with all their exact copies."""
    _decide(files, "drop", note=note)


@app.command()
def relabel(
    files: Files,
    to: Annotated[str, typer.Option(help="The class folder that they belong to.")],
    note: Note = "",
) -> None:
    """Give files another class, even if they are in no class folder or have several labels."""
    _decide(files, "relabel", label=to, note=note)


@app.command()
def undo(files: Files) -> None:
    """Remove the decisions about files."""
    from pipeline.collection import quarantine

    with _lock():
        lines = quarantine.undo(_read_state(), files)
    make_console().print("\n".join(lines), soft_wrap=True)


def _decide(files: list[str], action: str, *, label: str = "", note: str) -> None:
    from pipeline.collection import quarantine

    with _lock():
        lines = quarantine.decide(_read_state(), files, action=action, label=label, note=note)
    make_console().print("\n".join(lines), soft_wrap=True)


def _lock() -> AbstractContextManager[None]:
    from pipeline.paths import project_root
    from pipeline.tracking.workspace import lock_workspace

    return lock_workspace(project_root())


def _read_state() -> "State":
    from pipeline.collection.quarantine import State
    from pipeline.paths import Paths, project_root

    return State.read(Paths(project_root()))


def _format(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
