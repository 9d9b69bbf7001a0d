"""`darkroom registry`: which models were champion and why, and moves that a person decides."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.characters import escape, say_count
from pipeline.cli.console import make_console
from pipeline.errors import PromotionError
from pipeline.tracking.ledger import MAX_NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient

    from pipeline.params import Params
    from pipeline.paths import Paths
    from pipeline.tracking.ledger import Ledger, Line

app = typer.Typer(
    help="See which models were champion and why, go back to an earlier one, or crown one by hand. Every "
    "move is a line of the ledger: mlflow/ledger.jsonl, or on a server the tags of the model.",
    no_args_is_help=True,
)

_MAX_FAULTS = 20  # that are named

Name = Annotated[
    str | None, typer.Option(help="The registered model. Default: that of the last decision of this project.")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; the ledger keeps it.")]
Version = Annotated[int, typer.Argument(min=1, max=MAX_NUMBER, help="The number of a version.")]


@app.command()
def history(
    name: Name = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the lines as they are (JSON Lines).")
    ] = False,
) -> None:
    """List the moves of the champion, the newest last, with who made them and why."""
    from pipeline.tracking.connection import connect, translate_errors
    from pipeline.tracking.ledger import FileLedger, TagLedger, count_unread, find_file, read_lines

    paths, _, model = _choose(name)
    file = find_file(paths.root)
    if file:  # no MLflow, whose import takes seconds
        ledger: Ledger = FileLedger(file)
        lines, n_unread = read_lines(ledger, model), count_unread(ledger)
    else:
        ledger = TagLedger(connect(paths.root), model)
        with translate_errors():
            lines, n_unread = read_lines(ledger, model), count_unread(ledger)
    if as_json:
        for line in lines:
            typer.echo(_make_json(line))
    elif lines:
        make_console().print(_make_table(lines))
    elif not n_unread:
        said = f"no move of the champion of {escape(model)} is recorded yet; `dvc repro` makes the first"
        if file and file.exists():
            said = (
                f"{file} holds no move of {escape(model)}; `darkroom registry verify` says if any is missing"
            )
        make_console().print(said, soft_wrap=True)
    if n_unread:
        said = f"{say_count(n_unread, 'line')} cannot be read; `darkroom registry verify` says more"
        raise PromotionError(f"{ledger.place}: {said}")


@app.command()
def verify(name: Name = None) -> None:
    """Check that no line of the ledger was changed, removed or reordered, and that the last holds."""
    from pipeline.tracking.connection import translate_errors
    from pipeline.tracking.ledger import open_ledger
    from pipeline.tracking.ledger_check import find_faults

    paths, _, model, client = _open(name)
    place = open_ledger(client, paths.root, model).place
    with translate_errors():
        n, faults = find_faults(client, paths.root, model)
    if faults:
        n_more = len(faults) - _MAX_FAULTS
        more = [f"and {say_count(n_more, 'more fault')}"] if n_more > 0 else []
        raise PromotionError(f"{place}: {'; '.join([*faults[:_MAX_FAULTS], *more])}")
    make_console().print(
        f"{place}: {say_count(n, 'line')}, whole; the champion is that of the last", soft_wrap=True
    )


@app.command()
def rollback(
    *,
    to: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_NUMBER, help="The version. Default: the champion before this one."),
    ] = None,
    reason: Reason = "",
    name: Name = None,
) -> None:
    """Let an earlier version be champion again. The one that it replaces is not promoted again by itself."""
    from pipeline.promotion.by_hand import roll_back

    paths, _, model, client = _open(name)
    _say_moved(roll_back(client, paths.root, model, to=to, reason=reason))


@app.command()
def promote(
    version: Version,
    *,
    force: Annotated[bool, typer.Option("--force", help="Whatever the exam decided.")] = False,
    reason: Reason = "",
    name: Name = None,
) -> None:
    """Let a version be champion that the exam did not choose."""
    from pipeline.promotion import by_hand

    if not force:
        raise PromotionError(
            "the exam decides who becomes champion, in `dvc repro`; `darkroom registry compare` shows it for "
            "two versions; to decide it yourself: "
            f'`darkroom registry promote {version} --force --reason "TEXT"`'
        )
    paths, _, model, client = _open(name)
    _say_moved(by_hand.force(client, paths.root, model, version, reason=reason))


@app.command()
def compare(
    first: Annotated[int, typer.Argument(min=1, max=MAX_NUMBER, help="The version that counts as champion.")],
    second: Annotated[
        int, typer.Argument(min=1, max=MAX_NUMBER, help="The version that counts as challenger.")
    ],
    name: Name = None,
) -> None:
    """Compare two versions on the test images that both have answered; nothing is recorded."""
    from pipeline.promotion.version_pair import compare_versions
    from pipeline.tracking.connection import translate_errors

    if first == second:
        raise PromotionError(f"version {first} is compared with itself; name two versions")
    paths, params, model, client = _open(name)
    console = make_console()
    with translate_errors():
        decision = compare_versions(client, paths, model, (first, second), params)
        _print_rows(client, model, (first, second), params)
    said = f"with version {first} as champion, the exam says {decision.verdict} of version {second}: "
    console.print(said + "; ".join(decision.reasons), soft_wrap=True)


def _open(name: str | None) -> "tuple[Paths, Params, str, MlflowClient]":
    """As `_choose`, with the registry."""
    from pipeline.tracking.connection import connect
    from pipeline.tracking.relocation import repair_locations

    paths, params, model = _choose(name)
    repair_locations(paths.root)
    return paths, params, model, connect(paths.root)


def _choose(name: str | None) -> "tuple[Paths, Params, str]":
    """The project, its parameters, and the name of the registered model.

    Raises:
        PromotionError: there is no registry yet.
    """
    from pipeline.cli.model_choice import find_name
    from pipeline.params_file import load_params
    from pipeline.paths import Paths, project_root
    from pipeline.tracking.connection import find_database, use_experiment

    paths = Paths(project_root())
    params = load_params(paths.params)
    use_experiment(params.data.name)
    if (database := find_database(paths.root)) and not database.exists():
        raise PromotionError(
            f"there is no registry yet: {database} does not exist; `dvc repro` makes it, or set "
            "MLFLOW_TRACKING_URI"
        )
    return paths, params, name or find_name(paths)


def _print_rows(client: "MlflowClient", model: str, numbers: tuple[int, int], params: "Params") -> None:
    """The rows of two versions side by side, as `darkroom compare` prints them; a word where one is gone."""
    import tempfile

    from pipeline.cli.comparison_table import make_pair
    from pipeline.search.comparison import compare_rows
    from pipeline.tracking import exam_files, registry

    found = [registry.find_version(client, model, number) for number in numbers]
    versions = {one.run_id: one for one in found if one and registry.is_active_run(client, one.run_id)}
    console = make_console()
    if len(versions) < len(numbers):
        console.print("the row of one of them is gone from MLflow, so their scores are not shown")
        return

    def fetch(row: Any) -> tuple[Path, Path] | None:
        return exam_files.fetch_exam(client, versions[row.info.run_id], Path(tempfile.mkdtemp(dir=scratch)))

    with tempfile.TemporaryDirectory() as scratch:
        compared = compare_rows(
            [client.get_run(run_id) for run_id in versions],
            sort=params.promote.metric,
            metric=params.promote.metric,
            fetch=fetch,
            n_tested=len(versions),
            min_common=params.promote.min_common_images,
        )
    table, words = make_pair(compared, list(versions))
    console.print(table)
    for line in words:
        console.print(line, soft_wrap=True)


def _say_moved(line: "Line") -> None:
    move = line.move
    was = "" if move.before is None else f", it was version {move.before}"
    said = f"{escape(move.model)}: version {move.version} is champion{was} (line {line.n} of the ledger)"
    make_console().print(said, soft_wrap=True)


def _make_table(lines: "Sequence[Line]") -> Any:
    """A row a move; in between, what was moved outside Darkroom."""
    from rich.table import Table

    table = Table("", "when (UTC)", "who", "champion", "decision", "reason")
    for column in table.columns:
        column.overflow = "fold"
    champion: int | None = None
    for line in lines:
        move = line.move
        if move.before != champion:
            moved = _show_move(champion, move.before)
            table.add_row("", "", "", moved, "", "outside Darkroom, or by an older one", style="dim")
        when = line.when.replace("T", " ").partition("+")[0]
        when, who, decision, reason = map(escape, (when, line.who, move.decision, move.reason))
        table.add_row(str(line.n), when, who, _show_move(move.before, move.version), decision, reason)
        champion = move.version
    return table


def _make_json(line: "Line") -> str:
    """A line as it is; in ASCII where it holds what a terminal obeys or nobody sees."""
    return line.text if escape(line.text) == line.text else json.dumps(json.loads(line.text))


def _show_move(before: int | None, after: int | None) -> str:
    return f"{before or '-'} > {after or '-'}"
