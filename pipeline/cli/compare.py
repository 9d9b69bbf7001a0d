"""`darkroom compare`: results as a table, which is better, and whether the difference may be luck."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import make_console
from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.paths import Paths

Rows = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ROW]...",
        help="Names of rows, first digits of ids, champion, last. None: all. One: it and the last.",
    ),
]
_N_SHOWN = 20


def compare(
    row: Rows = None,
    *,
    sort: Annotated[str, typer.Option(help="The metric to sort by. Default: promote.metric.")] = "",
    limit: Annotated[
        int, typer.Option(min=1, help="How many rows to show; a CSV file holds all.")
    ] = _N_SHOWN,
    csv: Annotated[Path | None, typer.Option(help="Write every number to a CSV file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw the scores with their intervals.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page for people.")] = None,
    ablate: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Train without these, each alone: augment, rotation, dropout, early_stopping, head, ...; "
            "or KEY=VALUE of train and augment. Separated by commas.",
        ),
    ] = "",
    seeds: Annotated[
        int | None, typer.Option(min=1, max=100, help="With --ablate: trainings of each. Default: 3.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2, max=100, help="With --ablate: over so many folds, not on the validation pictures."
        ),
    ] = None,
) -> None:
    """Compare results: all, or those that are named. With --ablate: what parts of the settings bring."""
    from pipeline.paths import Paths, project_root

    paths = Paths(project_root())
    for name, file in (("csv", csv), ("png", png), ("html", html)):
        _check_file(name, file, paths)
    if ablate:
        from pipeline.cli.ablation_table import run_ablation

        if row or sort or html:
            raise ParamsError("--ablate trains by params.yaml: it takes no rows, no --sort and no --html")
        run_ablation(paths, ablate, n_seeds=seeds or 3, n_folds=folds or 0, csv=csv, png=png)
        return
    if seeds or folds:
        raise ParamsError(
            "--seeds and --folds belong to --ablate, such as `darkroom compare --ablate augment`"
        )
    _compare(paths, row or [], sort, limit=limit, csv=csv, png=png, html=html)


def _check_file(kind: str, file: Path | None, paths: "Paths") -> None:
    """Raise ParamsError unless a file to be written is of its kind, and none of the project's own."""
    own = (paths.overrides.resolve(), paths.confirmed_labels.resolve())
    if file and (file.suffix != f".{kind}" or file.resolve() in own):
        raise ParamsError(f"--{kind} takes the name of a file that ends in .{kind}, got {str(file)!r}")


def _compare(
    paths: "Paths",
    said: list[str],
    sort: str,
    *,
    limit: int,
    csv: Path | None,
    png: Path | None,
    html: Path | None,
) -> None:
    from pipeline.cli.comparison_table import make_pair, make_table
    from pipeline.params_file import load_params
    from pipeline.search.comparison import choose_rows, compare_rows
    from pipeline.search.comparison_files import draw_comparison, write_csv, write_page
    from pipeline.tracking.artifacts import fetch_answers

    params = load_params(paths.params)
    rows = choose_rows(_read_rows(paths, params.data.name), said)
    console = make_console()
    if len(rows) == 1 and said:
        names = " and ".join(dict.fromkeys([*said, "last"] if len(said) == 1 else said))
        same = f"{names} are the same result, {rows[0].info.run_name!r}"
        console.print(
            f"{same}; name another (`darkroom compare` lists them), or try one: `dvc exp run -S ...`",
            soft_wrap=True,
        )
        return
    found = compare_rows(
        rows,
        sort=sort or params.promote.metric,
        metric=params.promote.metric,
        fetch=lambda row: fetch_answers(paths.root, row),
        n_tested=len(rows) if csv else min(limit, len(rows)),
        min_common=params.promote.min_common_images,
    )
    order = [row.info.run_id for row in rows] if said else [entry.run_id for entry in found.entries]
    table, words = (
        make_pair(found, order) if len(rows) == 2 else make_table(found, n=limit, width=console.width)
    )
    console.print(table)
    for line in words:
        console.print(line, soft_wrap=True)
    if csv:
        write_csv(found, csv)
    if png:
        draw_comparison(found, n=limit, path=png)
    if html:
        write_page(found, name=params.data.name, n=limit, path=html)
    for file in filter(None, (csv, png, html)):
        console.print(f"written: {file}", soft_wrap=True)


def _read_rows(paths: "Paths", name: str) -> list[Any]:
    """The finished rows, the newest first."""
    from pipeline.tracking.connection import connect, translate_errors, use_experiment
    from pipeline.tracking.relocation import repair_locations
    from pipeline.tracking.runs import search_runs

    use_experiment(name)
    repair_locations(paths.root)
    client = connect(paths.root)
    with translate_errors():
        return search_runs(client, "attributes.status = 'FINISHED'", row=True)
