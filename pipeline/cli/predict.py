"""`darkroom predict`: the classes of images, as a table, a file, lines of JSON, or sorted folders."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.characters import escape
from pipeline.cli.console import Last, Model, make_console
from pipeline.errors import DarkroomError, ParamsError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pipeline.cli.model_choice import Choice
    from pipeline.cli.predict_request import Plan, Request
    from pipeline.serving.journal import Journal

_MOST_ROWS = 300  # of a table on the terminal


Asked = Annotated[
    list[Path],
    typer.Argument(help="Images; or folders, .zip or .tar files of images; - reads paths, one a line."),
]
Top = Annotated[int, typer.Option(min=1, help="How many classes to show per file.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Write the answers to a .csv, .parquet or .jsonl. Killed and repeated, it continues."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print a line of JSON per file instead of a table (JSON Lines).")
]
SortInto = Annotated[
    Path | None, typer.Option(help="Put each file into the folder of its answer, below this folder.")
]
LinkHow = Annotated[
    str, typer.Option(help="copy, hard or sym: how a file gets there. From archives: copy only.")
]
ReviewInto = Annotated[
    Path | None, typer.Option(help="Put the files that are left to a person into this folder.")
]
FitHow = Annotated[
    str | None, typer.Option(help="stretch, pad or crop, in place of what the model was trained with.")
]
Content = Annotated[
    float | None,
    typer.Option(min=0.1, max=1, help="Find the object; it takes this share of a square, in its middle."),
]
InvertHow = Annotated[
    str, typer.Option(help="Swap dark and light: yes, no, or auto (where the training was the other way).")
]


def predict(
    files: Asked,
    *,
    model: Model = None,
    last: Last = False,
    top: Top = 1,
    out: Out = None,
    as_json: AsJson = False,
    sort_into: SortInto = None,
    link: LinkHow = "copy",
    review_into: ReviewInto = None,
    fit: FitHow = None,
    content: Content = None,
    invert: InvertHow = "no",
) -> None:
    """Predict the class of images. A file that cannot be decoded is shown with the reason."""
    from pipeline.cli.model_choice import choose_model
    from pipeline.cli.predict_request import Request
    from pipeline.paths import Paths, project_root

    kinds: Any = {
        "link": _choose("--link", link, "copy", "hard", "sym"),
        "fit": _choose("--fit", fit, "stretch", "pad", "crop"),
        "invert": _choose("--invert", invert, "auto", "yes", "no"),
    }
    asked = Request(files, top, out, as_json, sort_into, review_into=review_into, content=content, **kinds)
    asked.check()
    request = asked.find()
    chosen = choose_model(Paths(project_root()), model=model, is_last=last)
    plan = request.plan(chosen)
    console = make_console(stderr=as_json)  # then standard output holds JSON alone
    with _hold_journal(request, chosen) as journal:
        console.print(chosen.title, soft_wrap=True)
        rows = _run(request, chosen, plan, journal, console)
        _tell(request, plan, rows, console)
        if journal:
            journal.remove()
    if not plan.answers.tally.answers:
        raise DarkroomError(f"no file of {len(plan.answers.tally):,} could be read as an image")


@contextmanager
def _hold_journal(request: "Request", chosen: "Choice") -> "Iterator[Journal | None]":
    from pipeline.serving.journal import open_journal

    if request.journal is None:
        yield None
        return
    with open_journal(request.journal, request.out, request.describe_origin(chosen)) as journal:
        yield journal


def _run(
    request: "Request", chosen: "Choice", plan: "Plan", journal: "Journal | None", console: "Console"
) -> list[dict[str, Any]]:
    """Answer what is not answered yet, and write the output; the rows of the table, if there is one."""
    from pipeline.serving.files import count_files
    from pipeline.serving.reports import write_rows

    n_files = count_files(request.found)
    shows = n_files <= _MOST_ROWS and not request.as_json and not request.out
    kept: list[dict[str, Any]] = []
    if journal:
        if journal.told:
            console.print(journal.told, soft_wrap=True)
        plan.answers.resume(journal)
    if len(plan.answers.tally) < n_files:
        for row in _answer(request, chosen, plan, journal, n_files):
            if request.as_json:
                typer.echo(json.dumps(row))
            elif shows and not journal:
                kept.append(row)
    if journal and not journal.is_finished:
        journal.finish(partial(write_rows, top=plan.top, more=plan.more))
    return list(journal.read_rows()) if shows and journal else kept


def _answer(
    request: "Request", chosen: "Choice", plan: "Plan", journal: "Journal | None", n_files: int
) -> Iterator[dict[str, Any]]:
    """The rows that are missing; a first worker starts while Keras is imported, which takes longest."""
    from pipeline.backend.device import set_up_device
    from pipeline.progress import track
    from pipeline.serving.answering import answer_files
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.decoding import make_scanners
    from pipeline.serving.distant_scanners import DistantScanners
    from pipeline.workers import is_on_cluster

    answers = plan.answers
    make: Any = DistantScanners if is_on_cluster() else make_scanners
    with make(plan.recipe, framing=plan.framing) as scanners:
        scanners.start()
        set_up_device()
        classifier = Classifier.load(chosen.folder, chosen.answers, seal=chosen.seal)
        rows = answer_files(request.found, classifier, scanners, answers, top=plan.top, journal=journal)
        try:
            yield from track(rows, total=n_files - len(answers.tally), what="predict")
        except KeyboardInterrupt:
            if journal:
                said = f"interrupted; the same command continues behind {journal.n_rows:,} files"
                make_console(stderr=True).print(said, soft_wrap=True)
            raise


def _tell(request: "Request", plan: "Plan", rows: list[dict[str, Any]], console: "Console") -> None:
    """The table, or what to do where it would be too long; counts; how far the files are unlike."""
    from pipeline.serving.reports import describe_counts, describe_review

    tally, is_listed = plan.answers.tally, bool(rows or request.out or request.as_json)
    if rows:
        console.print(_make_table(rows))
    if not is_listed:
        errors = make_console(stderr=True)
        for name, reason in tally.unread:
            errors.print(f"{name}: {reason}", style="red", soft_wrap=True)
        if (n_more := tally.n_unread - len(tally.unread)) > 0:
            errors.print(f"and {n_more:,} more that could not be read", style="red", soft_wrap=True)
    console.print(describe_counts(tally, request.out), soft_wrap=True)
    if in_review := describe_review(tally, plan.rule, plan.review):
        console.print(in_review, soft_wrap=True)
    if not is_listed:
        console.print(f"More than {_MOST_ROWS} files: --out answers.csv lists each of them.", soft_wrap=True)
    if request.sort_into:
        console.print(f"Each file is in the folder of its answer, below {request.sort_into}.", soft_wrap=True)
    if request.review_into:
        console.print(f"What is left to a person is in {request.review_into}.", soft_wrap=True)
    for line in plan.describe_drift():
        console.print(line, soft_wrap=True)


def _make_table(rows: list[dict[str, Any]]) -> "Table":
    """A row a file; the columns `answer` and `reason` are there only where a file needs one."""
    from rich.table import Table

    has_reasons = any(row["reason"] for row in rows)
    asks = any(row["answer"] != row["class"] for row in rows)
    columns = [*(["answer"] if asks else []), "class", "probability", *(["reason"] if has_reasons else [])]
    table = Table("file", *columns)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[columns.index("probability") + 1].no_wrap = True
    for row in rows:
        names = "\n".join(escape(one["class"]) for one in row["top"])
        probabilities = "\n".join(f"{one['probability']:.4f}" for one in row["top"])
        cells = [row["file"], *([escape(row["answer"] or "")] if asks else []), names, probabilities]
        if has_reasons:
            cells.append(row["reason"] or "")
        table.add_row(*cells, style="red" if row["reason"] else None)
    return table


def _choose(option: str, value: str | None, *allowed: str) -> str | None:
    if value is not None and value not in allowed:
        raise ParamsError(f"{option} must be {', '.join(allowed[:-1])} or {allowed[-1]}, got {value}")
    return value
