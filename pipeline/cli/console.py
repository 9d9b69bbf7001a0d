"""What the commands print with: text as it is, tables of headings and values."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def make_console(*, stderr: bool = False) -> "Console":
    """A console that takes every text as it is: file names may hold square brackets."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def make_grid(rows: Iterable[tuple[str, str]]) -> "Table":
    """Headings and what to say under each, without lines around them."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in rows:
        table.add_row(heading, text)
    return table
