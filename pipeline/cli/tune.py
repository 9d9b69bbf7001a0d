"""`darkroom tune`: the machine looks for better settings, on one or several processes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import make_console
from pipeline.errors import StudyError

if TYPE_CHECKING:
    from optuna.study import Study
    from rich.table import Table

    from pipeline.search.settings import Settings
    from pipeline.search.tuning import Tuning

_N_ROWS = 10  # trials of the table
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Processes at the same time.")]
Trials = Annotated[
    int | None, typer.Option(min=1, max=100_000, help="Settings to try, instead of tune.trials.")
]
Refine = Annotated[
    bool,
    typer.Option("--refine", help="Then a grid around the winner: three values of the three main keys."),
]
Apply = Annotated[bool, typer.Option("--apply", help="Write the winner into params.yaml.")]
Seeds = Annotated[
    int, typer.Option(min=2, max=100, help="Trainings of the winner, and of params.yaml, at the end.")
]
Name = Annotated[str, typer.Option(help="The study to begin, to join or to continue.")]
Storage = Annotated[
    str,
    typer.Option(
        envvar="DARKROOM_STUDIES",
        help="The URL of a database that several hosts share, instead of data/search/studies.db.",
    ),
]


def tune(
    jobs: Jobs = 1,
    *,
    trials: Trials = None,
    refine: Refine = False,
    apply: Apply = False,
    seeds: Seeds = 3,
    study: Name = "tune",
    storage: Storage = "",
) -> None:
    """Look for better settings in tune.space; started again, it continues; started twice, both share it."""
    from pipeline.paths import Paths, project_root
    from pipeline.runner import set_up_logging
    from pipeline.search.study import Address
    from pipeline.search.tuning import Tuning
    from pipeline.tracking.connection import use_experiment

    paths = Paths(project_root())
    address = Address(storage or f"sqlite:///{paths.studies}", study)
    tuning = Tuning.read(paths, address, n_trials=trials, n_workers=jobs)
    use_experiment(tuning.params.data.name)
    set_up_logging()
    try:
        _tune(tuning, refine=refine, n_seeds=seeds, is_applied=apply)
    except KeyboardInterrupt:
        raise StudyError(
            "the search was stopped; what is finished is kept, and the same command continues"
        ) from None


def _tune(tuning: "Tuning", *, refine: bool, n_seeds: int, is_applied: bool) -> None:
    console = make_console()
    found = tuning.look()
    console.print(make_table(found, tuning.space.keys, tuning.terms.metric))
    if refine:
        found = tuning.refine()
        console.print(make_table(found, tuning.space.keys, tuning.terms.metric))
    if ceiling := tuning.describe_ceiling(found):
        console.print(ceiling, soft_wrap=True)
    contest = tuning.compete(found, n_seeds)
    folder = tuning.find_folder(found).relative_to(tuning.paths.root)
    console.print(
        f"plots and all trials are in {folder}; in MLflow: {tuning.experiment}, view Trials", soft_wrap=True
    )
    if contest is None:
        console.print("nothing that was tried is better than params.yaml", soft_wrap=True)
        return
    console.print(contest.describe(), soft_wrap=True)
    console.print(tuning.describe_pictures(), soft_wrap=True)
    if not is_applied:
        console.print("--apply writes the winner into params.yaml", soft_wrap=True)
    elif contest.gain.value <= 0:
        console.print("params.yaml stays as it is", soft_wrap=True)
    else:
        console.print(f"params.yaml now says {describe_settings(tuning.apply(found))}", soft_wrap=True)
        console.print("`dvc repro` trains by it", soft_wrap=True)


def make_table(study: "Study", keys: Sequence[str], metric: str) -> "Table":
    """The best trials: number, value, how it ended, seconds, settings without their section's name."""
    from rich.table import Table

    from pipeline.characters import escape
    from pipeline.search import study as studies
    from pipeline.search.plots import describe_end
    from pipeline.search.tuning import list_best

    table = Table("trial", metric, "ended", "seconds", "settings", title=str(study.study_name))
    for column in table.columns[:4]:
        column.no_wrap = True
    for trial in list_best(study, _N_ROWS):
        settings = studies.read_settings(trial)
        said = ", ".join(f"{key.partition('.')[2]} {_shorten(settings.get(key, ''))}" for key in keys)
        seconds = f"{trial.user_attrs.get('seconds', 0):,.0f}"
        value = f"{studies.read_value(trial):.4f}"
        table.add_row(str(trial.number), value, describe_end(trial), seconds, escape(said))
    finished = studies.list_finished(study)
    n_early = sum(trial.state.name == "PRUNED" for trial in finished)
    n_failed = sum(trial.state.name == "FAIL" for trial in finished)
    reasons = [trial.user_attrs[studies.WHY] for trial in finished if studies.WHY in trial.user_attrs]
    table.caption = f"{len(finished):,} trials, {n_early:,} of them ended early, {n_failed:,} failed" + (
        f": {reasons[-1]}" if reasons else ""
    )
    return table


def describe_settings(settings: "Settings") -> str:
    """Such as "train.epochs: 20, train.dropout: 0.3"."""
    return ", ".join(f"{key}: {_shorten(value)}" for key, value in settings.items())


def _shorten(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
