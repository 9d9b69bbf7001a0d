"""`darkroom mistakes`: the test pictures that the last model got wrong, and how to correct their labels."""

import csv
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.console import check_target, make_console


def mistakes(
    n: Annotated[int, typer.Option("--number", "-n", min=1, help="How many to show.")] = 20,
    csv: Annotated[Path | None, typer.Option(help="Write all to a CSV file instead of a table.")] = None,
) -> None:
    """List the test pictures that were answered wrongly, the most confident first."""
    from pipeline.characters import say_count
    from pipeline.evidence.answers import list_mistakes
    from pipeline.paths import Paths, project_root
    from pipeline.tables.parquet import read_table
    from pipeline.tables.predictions import PREDICTIONS

    check_target(csv)
    answers = read_table(Paths(project_root()).predictions, PREDICTIONS)
    found, console = list_mistakes(answers), make_console()
    were = "was" if len(found) == 1 else "were"
    said = f"{len(found):,} of {say_count(len(answers), 'test picture')} {were} answered wrongly"
    if csv:
        write_mistakes(found, csv)
        console.print(f"{said}; all are in {csv}", soft_wrap=True)
        return
    if found:
        _print_table(found[:n])
    console.print(
        said + (f"; the first {'is' if n == 1 else f'{n} are'} shown" if len(found) > n else ""),
        soft_wrap=True,
    )
    if found:
        said = "If a label is wrong, correct it:  darkroom quarantine relabel KEY --to CLASS"
        console.print(f"{said}  (--csv writes the command of each)", soft_wrap=True)


def write_command(row: dict[str, Any]) -> str:
    """The command that gives a picture the class that was answered."""
    key, label = shlex.quote(row["key"]), shlex.quote(row["predicted"])
    if row["key"].startswith("-") or row["predicted"].startswith("-"):  # which would be taken for an option
        return f"darkroom quarantine relabel --to={label} -- {key}"
    return f"darkroom quarantine relabel {key} --to {label}"


def write_mistakes(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Write all mistakes as CSV, each with the command that corrects its label."""
    from pipeline.characters import quote_cell
    from pipeline.storage import write_whole

    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("key", "class", "predicted", "probability", "relabel"))
        for row in found:
            texts = (row["key"], row["class_name"], row["predicted"])
            key, label, predicted = map(quote_cell, texts)
            table.writerow((key, label, predicted, f"{row['probability']:.4f}", write_command(row)))


def _print_table(found: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    from pipeline.characters import escape

    table = Table("key", "class", "predicted", "probability")
    table.columns[0].overflow = "fold"
    for row in found:
        texts = map(escape, (row["key"], row["class_name"], row["predicted"]))
        table.add_row(*texts, f"{row['probability']:.1%}")
    make_console().print(table)
