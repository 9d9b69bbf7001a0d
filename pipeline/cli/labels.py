"""`darkroom labels`: labels that may be wrong, what a person says about them, and what to label next."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import check_target, make_console
from pipeline.cli.labels_queue import queue

if TYPE_CHECKING:
    from pipeline.collection.label_review import Review
    from pipeline.collection.suspect_labels import Suspect

app = typer.Typer(
    help="See which labels may be wrong, decide about them, and choose what to label next. Decisions are in "
    "data/overrides.csv and data/confirmed_labels.csv, which belong in git.",
    no_args_is_help=True,
)

Pictures = Annotated[
    list[str], typer.Argument(help="Keys (paths in the source), ids, or the first digits of ids.")
]
Note = Annotated[str, typer.Option(help="The reason, for people who read the file.")]


@app.command("list")
def list_suspects(
    n: Annotated[int, typer.Option("--number", "-n", min=1, help="How many to show.")] = 20,
    csv: Annotated[Path | None, typer.Option(help="Write all to a CSV file instead of a table.")] = None,
) -> None:
    """List the labels that may be wrong and about which nothing is decided, the likeliest first."""
    from pipeline.characters import say_count
    from pipeline.collection.label_review import list_open
    from pipeline.collection.suspect_labels import write_suspects

    check_target(csv)
    review = _read_review()
    n_pictures, found = _count_pictures(review), list_open(review)
    said = f"{len(found):,} of {say_count(n_pictures, 'label')} may be wrong"
    if n_decided := len(review.suspects) - len(found):
        said += f", and {n_decided:,} more {'is' if n_decided == 1 else 'are'} decided since the last run"
    if csv:
        write_suspects(found, csv)
        said += f"; all are in {csv}"
    elif found:
        _print_table(found[:n])
        said += f"; the first {'is' if n == 1 else f'{n} are'} shown" if len(found) > n else ""
    make_console().print(said, soft_wrap=True)
    if found and not csv:
        make_console().print(
            "Look at them in data/evaluate/report.html. Then `darkroom labels accept KEY...` gives pictures "
            "the classes that they seem to be, `darkroom labels reject KEY...` keeps their labels",
            soft_wrap=True,
        )


app.command()(queue)


@app.command()
def accept(pictures: Pictures, note: Note = "") -> None:
    """Relabel pictures to what they seem to be, as `darkroom quarantine relabel` does."""
    from pipeline.collection import label_review

    _decide(label_review.accept, pictures, note)


@app.command()
def reject(pictures: Pictures, note: Note = "") -> None:
    """Say that the labels of pictures are right: they are no longer shown, unless they change."""
    from pipeline.collection import label_review

    _decide(label_review.reject, pictures, note)


def _decide(action: "Callable[[Review, Sequence[str], str], list[str]]", words: list[str], note: str) -> None:
    from pipeline.paths import project_root
    from pipeline.tracking.workspace import lock_workspace

    with lock_workspace(project_root()):
        lines = action(_read_review(), words, note)
    make_console().print("\n".join(lines), soft_wrap=True)


def _read_review() -> "Review":
    from pipeline.collection.label_review import Review
    from pipeline.paths import Paths, project_root

    return Review.read(Paths(project_root()))


def _count_pictures(review: "Review") -> int:
    """How many labels the last evaluate looked at.

    Raises:
        DataError: it looked at none, because evaluate.label_audit was false.
    """
    from pipeline.errors import DataError
    from pipeline.json_file import read_json

    details = read_json(review.state.paths.details("evaluate"), "evaluate")
    if "labels/n_pictures" not in details:
        raise DataError(
            "the last run looked at no labels: evaluate.label_audit was false; set it to true in params.yaml "
            "and run `dvc repro`"
        )
    return int(details["labels/n_pictures"])


def _print_table(found: "Sequence[Suspect]") -> None:
    from rich.table import Table

    from pipeline.characters import escape

    table = Table("key", "label", "seems", "id")
    table.columns[0].overflow = "fold"
    for one in found:
        label = f"{escape(one.label)} ({one.label_probability:.0%})"
        seems = f"{escape(one.suggested)} ({one.suggested_probability:.0%})"
        table.add_row(escape(one.key), label, seems, one.id[:8])
    make_console().print(table)
