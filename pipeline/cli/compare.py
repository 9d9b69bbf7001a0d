"""`darkroom compare`: two results side by side, in a few lines."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import make_console
from pipeline.errors import TrackingError

if TYPE_CHECKING:
    from rich.table import Table

_SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "n_test", "train_seconds")
_N_PARAMS = 6  # that differ; more do not fit
_CHAMPION, _LAST = "champion", "last"
Row = Annotated[str, typer.Argument(help="The name of a row, the first digits of its id, champion or last.")]


def compare(first: Row = _CHAMPION, second: Row = _LAST) -> None:
    """Compare two results: by default the champion and the last one."""
    from pipeline.params_file import load_params
    from pipeline.paths import Paths, project_root
    from pipeline.tracking.connection import connect, translate_errors, use_experiment
    from pipeline.tracking.relocation import repair_locations
    from pipeline.tracking.runs import search_runs

    root = project_root()
    use_experiment(load_params(Paths(root).params).data.name)
    repair_locations(root)
    client = connect(root)
    with translate_errors():
        rows = search_runs(client, "attributes.status = 'FINISHED'", row=True)
    one, other = find_row(rows, first), find_row(rows, second)
    if one.info.run_id == other.info.run_id:
        same = f"{first} and {second} are the same result, {one.info.run_name!r}"
        make_console().print(f"{same}; name another, or try one: `dvc exp run -S ...`", soft_wrap=True)
        return
    make_console().print(make_table(one, other))


def find_row(rows: Sequence[Any], said: str) -> Any:
    """The row that is meant, of rows that begin with the newest.

    Raises:
        TrackingError: there is none, or more than one.
    """
    if not rows:
        raise TrackingError("there is no result yet; run `dvc repro`")
    if said == _LAST:
        return rows[0]
    found = [row for row in rows if said == row.info.run_name or _is_champion(row, said)] or [
        row for row in rows if len(said) > 3 and row.info.run_id.startswith(said)
    ]
    if not found:
        names = ", ".join(repr(row.info.run_name) for row in rows[:8])
        raise TrackingError(f"there is no row {said!r}; the newest are {names}; also: champion, last")
    return found[0]


def make_table(first: Any, second: Any) -> "Table":
    """Verdicts, scores, and the parameters that differ, of two rows (`mlflow.entities.Run`)."""
    from rich.table import Table

    from pipeline.characters import escape

    table = Table("", *(escape(row.info.run_name) for row in (first, second)), "change")
    for column in table.columns:
        column.overflow = "fold"
    verdicts = [_describe_verdict(row.data.tags) for row in (first, second)]
    table.add_row("verdict", *verdicts, "")
    for name in _SCORES:
        values = [row.data.metrics.get(name) for row in (first, second)]
        if None not in values:
            ends = [_describe_ends(row.data.metrics, name) for row in (first, second)]
            texts = [f"{value:.4g}{end}" for value, end in zip(values, ends, strict=True)]
            table.add_row(name, *texts, f"{values[1] - values[0]:+.4g}")
    params = [row.data.params for row in (first, second)]
    differing = [key for key in {**params[0], **params[1]} if params[0].get(key) != params[1].get(key)]
    for key in differing[:_N_PARAMS]:
        table.add_row(key, *(escape(one.get(key, "")) for one in params), "")
    if n_more := len(differing[_N_PARAMS:]):
        table.add_row(f"{n_more} more parameters", "", "", "")
    return table


def _is_champion(row: Any, said: str) -> bool:
    return said == _CHAMPION and row.data.tags.get("champion") == "champion"


def _describe_verdict(tags: Mapping[str, str]) -> str:
    champion = tags.get("champion")
    return tags.get("verdict", "none") + (f" ({champion})" if champion else "")


def _describe_ends(metrics: Mapping[str, float], name: str) -> str:
    low, high = (metrics.get(f"{name}_{end}") for end in ("low", "high"))
    return "" if low is None or high is None else f" ({low:.3g} to {high:.3g})"
