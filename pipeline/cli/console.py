"""How the commands print (plain text, tables of headings and texts), and the options that several take."""

import io
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.storage import translate_errors

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


Model = Annotated[
    str | None,
    typer.Option(
        help="champion, a version's number, the id of a row in MLflow, the folder of a classifier; or "
        "NAME@alias, NAME/version or models:/...  [default: champion]"
    ),
]
Last = Annotated[
    bool, typer.Option("--last", help="Use the model of the last run, which may have been rejected.")
]


_MAY_BE_EMPTY = ("--note", "--reason")


class _Output(io.FileIO):
    """Standard output: what cannot be written, as on a full disk, is one line. A closed pipe is none."""

    is_lost = False  # Python writes at its exit again what could not be written

    def write(self, data: object, /) -> int:
        if self.is_lost:
            return memoryview(data).nbytes  # type: ignore[arg-type]
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            raise
        except OSError:
            self.is_lost = True
            with translate_errors(Path("standard output")):
                raise


def guard_output() -> None:
    """Let `sys.stdout` raise StorageError where it cannot be written; a stand-in of tests stays as it is."""
    if type(sys.stdout) is io.TextIOWrapper:
        raw = _Output(sys.stdout.fileno(), "wb", closefd=False)
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            line_buffering=sys.stdout.line_buffering,
            write_through=sys.stdout.write_through,
        )


def refuse_empty(words: Sequence[str]) -> None:
    """Raise ParamsError where a word of a command is empty: as a path it would be the working folder."""
    from pipeline.errors import ParamsError

    for before, word in pairwise(["", *words]):
        option, is_given, value = word.partition("=") if word.startswith("--") else (before, "=", word)
        if is_given and not value and option not in _MAY_BE_EMPTY:
            said = f"{option} is empty" if option.startswith("-") else "an argument is empty"
            raise ParamsError(f"{said}, as a variable of the shell without a value is; name what you mean")


def check_target(path: Path | None) -> None:
    """Raise ParamsError where a file to be written is one of those in which people decide."""
    from pipeline.errors import ParamsError
    from pipeline.paths import Paths, project_root

    paths = Paths(project_root())
    if path is None:
        return
    is_labels = path.exists() and path.suffix == paths.label_queue.suffix
    if path.resolve() in (paths.overrides.resolve(), paths.confirmed_labels.resolve()) or (
        is_labels and path.resolve().is_relative_to(paths.label_queue.parent.resolve())
    ):
        raise ParamsError(f"{path} holds decisions of people, which would be lost; name another file")


def make_console(*, stderr: bool = False) -> "Console":
    """A console that prints text unchanged, because file names may hold square brackets."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def make_grid(rows: Iterable[tuple[str, str]]) -> "Table":
    """Headings and their texts as a table without lines."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in rows:
        table.add_row(heading, text)
    return table
