"""`darkroom compare --ablate`: the trainings, and in the terminal what each change brought."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.characters import escape, say_count
from pipeline.cli.console import make_console
from pipeline.errors import ParamsError
from pipeline.storage import make_folder

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.paths import Paths
    from pipeline.search.ablation import Asked, Plan
    from pipeline.search.changes import Change
    from pipeline.search.effects import Effect

_INTERRUPTED = 130  # exit code, as shells have it


def run_ablation(
    paths: "Paths", said: str, *, n_seeds: int, n_folds: int, csv: Path | None, png: Path | None
) -> None:
    """Train the settings of params.yaml, and each change of them alone; print and write what each brought.

    Args:
        n_folds: of cross-validation; 0: the validation pictures are asked.

    Raises:
        DarkroomError: a change is not known or not allowed, or the stages have not run.
    """
    from pipeline.labels import read_class_names
    from pipeline.runner import set_up_logging
    from pipeline.search.changes import parse_changes
    from pipeline.search.effects import describe_luck
    from pipeline.search.effects_files import draw_effects, write_effects
    from pipeline.yaml_file import read_yaml

    if n_seeds < 2 and not n_folds:
        raise ParamsError("one seed does not tell what is luck: --seeds 2 or more, or --folds 5")
    for file in filter(None, (csv, png)):
        make_folder(file.parent)  # before hours of training
    changes = parse_changes(said, read_yaml(paths.params), n_classes=len(read_class_names(paths.classes)))
    set_up_logging()
    base, effects, asked = _train(paths, changes, n_seeds, n_folds)
    console = make_console()
    console.print(make_table(base, effects))
    if sentence := describe_luck(effects, asked=asked):
        console.print(sentence, soft_wrap=True)
    if csv:
        write_effects(base, effects, csv)
    if png:
        draw_effects(effects, png)
    for written in (csv, png):
        if written:
            console.print(f"written: {written}", soft_wrap=True)


def make_table(base: "Effect", effects: Sequence["Effect"]) -> "Table":
    """A line for the settings as they are, and one a change."""
    from rich.table import Table

    from pipeline.search.effects import describe_effect

    has_fit = any(one.fit for one in (base, *effects))
    fits = ["fit (gap)"] if has_fit else []
    table = Table("change", "what", "accuracy", *fits, "difference, points", "in words")
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    if not math.isnan(base.accuracy):
        table.add_row(base.name, "", f"{base.accuracy:.1%}", *([base.fit] if has_fit else []), "", "")
    for effect in effects:
        value, low, high = (100 * one for one in effect.brought)
        ends = "" if math.isnan(low) else f" ({low:+.1f} to {high:+.1f})"
        brought = "" if effect.idle else f"{value:+.1f}{ends}"
        reached = ["" if effect.idle else f"{effect.accuracy:.1%}", *([effect.fit] if has_fit else [])]
        table.add_row(escape(effect.name), escape(effect.what), *reached, brought, describe_effect(effect))
    return table


def _train(
    paths: "Paths", changes: Sequence["Change"], n_seeds: int, n_folds: int
) -> tuple["Effect", list["Effect"], str]:
    """The settings as they are, the effects of the changes, and what was asked, in words."""
    from pipeline.backend.device import set_up_device
    from pipeline.params_file import load_params
    from pipeline.search.effects import Effect
    from pipeline.search.questions import ask
    from pipeline.tracking.connection import use_experiment

    set_up_device()  # before Keras is imported
    from pipeline.search.ablation import OnValidation, OverFolds, describe_base, judge, list_plans
    from pipeline.training.assembly import read_sets

    base, sets = load_params(paths.params), read_sets(paths)
    use_experiment(base.data.name)
    plans, idle = list_plans(base, changes, sets)
    if len(plans) == 1:
        return describe_base(), [Effect(one.name, one.what, idle=idle[one.name]) for one in changes], ""
    asked: Asked = OnValidation(sets, paths.cache / "features")
    said = f"{say_count(n_seeds, 'training')}, asked {say_count(len(sets.val), 'validation picture')}"
    if n_folds:
        asked = OverFolds(ask(paths, n_folds=n_folds, pattern="", with_test=False), paths)
        said = f"{say_count(n_seeds, 'seed')} over {n_folds} folds of the training and validation pictures"
    told = {"ablate.changes": ",".join(one.name for one in changes), "ablate.folds": n_folds}
    answered = _answer(plans, asked, told, paths.root, n_seeds=n_seeds)
    return *judge(changes, idle, answered, asked), said


def _answer(
    plans: Sequence["Plan"], asked: "Asked", told: dict[str, Any], root: Path, *, n_seeds: int
) -> dict[str, list[Any]]:
    """What each plan answered, with progress on stderr and a run in MLflow; Ctrl+C is one line."""
    from pipeline.progress import track
    from pipeline.search.ablation import train_plans
    from pipeline.tracking.connection import name_experiments
    from pipeline.tracking.search_runs import open_search_run

    base, total, done = plans[0].params, asked.n_steps * n_seeds * len(plans), 0

    def count() -> Iterator[int]:
        nonlocal done
        while done < total:
            yield done
            done += 1

    told = told | base.train.flatten("train.") | base.augment.flatten("augment.") | {"ablate.seeds": n_seeds}
    steps = track(count(), total=total, what="compare: trainings")
    try:
        with open_search_run(root, f"ablate {base.train.model}", told) as parent:
            next(steps)
            answered = train_plans(plans, asked, n_seeds=n_seeds, root=root, parent=parent, steps=steps)
            parent.log_metrics({"val_accuracy": asked.score(answered[plans[0].name])})
            return answered
    except KeyboardInterrupt:
        steps.close()  # type: ignore[attr-defined]
        where = name_experiments().search
        line = f"interrupted after {done} of {say_count(total, 'training')}; they are in MLflow, in {where}"
        make_console(stderr=True).print(line, soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from None
