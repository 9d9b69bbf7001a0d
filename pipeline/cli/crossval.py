"""`darkroom crossval`: how good the settings of params.yaml are over folds, and how much of that is luck."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import make_console

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.params import Params
    from pipeline.paths import Paths
    from pipeline.search.answers import Answers
    from pipeline.search.questions import Question

_CONFIDENCE = 0.95
_N_CLASSES = 20  # the worst of more are shown


def crossval(
    k: Annotated[int, typer.Option("--folds", "-k", min=2, max=100, help="How many folds.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Trainings a fold, from train.seed on.")] = 1,
    group: Annotated[
        str,
        typer.Option(help="A regular expression as split.group_by: what it names alike is left out whole."),
    ] = "",
    with_test: Annotated[
        bool, typer.Option("--with-test", help="Use the test pictures too. Then choose no settings by it.")
    ] = False,
) -> None:
    """Train on all folds but one, in turn, and let each network answer its own: the score, and its luck."""
    from pipeline.params_file import load_params
    from pipeline.paths import Paths, project_root
    from pipeline.search.questions import ask

    _check_pattern(group)
    paths = Paths(project_root())
    params = load_params(paths.params)
    question = ask(paths, n_folds=k, pattern=group, with_test=with_test)
    answers = _train(question, params, paths, n_seeds=seeds, asked={"group": group, "with_test": with_test})
    console = make_console()
    console.print(make_fold_table(answers, params.train.seed))
    console.print(make_class_table(answers))
    console.print(describe(answers), soft_wrap=True)
    where = paths.crossval.relative_to(paths.root)
    console.print(f"the answers are in {where}; in MLflow: {_name_experiment()}", soft_wrap=True)


def _check_pattern(pattern: str) -> None:
    from pipeline.errors import ParamsError
    from pipeline.param_types import check_pattern

    try:
        check_pattern(pattern)
    except ValueError as error:
        raise ParamsError(f"--group: {error}") from None


def _name_experiment() -> str:
    from pipeline.tracking.connection import name_experiments

    return name_experiments().search


def _train(
    question: "Question", params: "Params", paths: "Paths", *, n_seeds: int, asked: dict[str, Any]
) -> "Answers":
    """Train and answer, with a run in MLflow."""
    import numpy as np

    from pipeline.backend.device import set_up_device
    from pipeline.progress import track
    from pipeline.runner import set_up_logging
    from pipeline.tables.parquet import write_table
    from pipeline.tracking.connection import use_experiment
    from pipeline.tracking.search_runs import open_search_run
    from pipeline.workers.cluster import check_cluster

    set_up_logging()
    check_cluster()
    set_up_device()  # before Keras is imported
    from pipeline.search.answers import answer

    def show(folds: Iterable[Any], n: int) -> Iterator[Any]:
        return track(folds, total=n, what="crossval: trainings")

    use_experiment(params.data.name)
    asked = {"crossval.folds": question.n_folds, "crossval.seeds": n_seeds} | {
        f"crossval.{name}": value for name, value in asked.items()
    }
    sections = params.train.flatten("train.") | params.augment.flatten("augment.")
    with open_search_run(paths.root, f"crossval {params.train.model}", sections | asked) as run:
        answers = answer(question, params, paths, n_seeds=n_seeds, track=show)
        write_table(answers.to_table(params.train.seed), paths.crossval)
        run.log_artifact(paths.crossval)
        spread = answers.divide_spread()._asdict()
        numbers = answers.bound(_CONFIDENCE).flatten("accuracy") | {
            f"accuracy_sd_{name}": value for name, value in spread.items()
        }
        run.log_metrics({name: value for name, value in numbers.items() if not np.isnan(value)})
        for number, accuracy in enumerate(answers.score_folds().mean(axis=1)):
            run.log_metrics({"fold_accuracy": float(accuracy)}, number)
    return answers


def make_fold_table(answers: "Answers", first_seed: int) -> "Table":
    """A row a fold: its pictures, and the accuracy of each seed."""
    import numpy as np
    from rich.table import Table

    scores = answers.score_folds()
    seeds = [f"seed {first_seed + number}" for number in range(scores.shape[1])]
    table = Table("fold", "learned from", "answered", *(seeds if len(seeds) > 1 else ["accuracy"]))
    sizes = np.bincount(answers.question.fold)
    for number, (n_train, n_test, row) in enumerate(zip(answers.n_train, sizes, scores, strict=True), 1):
        table.add_row(str(number), f"{n_train:,}", f"{n_test:,}", *(f"{score:.1%}" for score in row))
    return table


def make_class_table(answers: "Answers") -> "Table":
    """A row a class, the worst first: its pictures; mean and standard deviation of its recall over folds."""
    import numpy as np
    from rich.table import Table

    from pipeline.characters import escape

    rows = []
    for index, name in enumerate(answers.question.class_names):
        recall = answers.score_class(index).mean(axis=1)
        n = int((answers.question.part.y == index).sum())
        rows.append((float(np.nanmean(recall)), float(np.nanstd(recall, ddof=1)), n, name))
    table = Table("class", "pictures", "recall", "deviation over folds")
    for mean, deviation, n, name in sorted(rows)[:_N_CLASSES]:
        table.add_row(escape(name), f"{n:,}", f"{mean:.1%}", f"{deviation * 100:.1f} points")
    if len(rows) > _N_CLASSES:
        table.add_row(f"{len(rows) - _N_CLASSES} more", "", "", "")
    return table


def describe(answers: "Answers") -> str:
    """The accuracy with its interval, and how much of its spread is fold and how much seed."""
    import math

    mean, low, high = answers.bound(_CONFIDENCE)
    fold, seed = answers.divide_spread()
    points = answers.score_folds().mean(axis=1).std(ddof=1) * 100
    ends = (
        "no interval, as all folds score alike: too few pictures to say more"
        if math.isnan(low)
        else f"{_CONFIDENCE:.0%} interval {max(low, 0):.1%} to {min(high, 1):.1%} "
        "(corrected resampled t, Nadeau and Bengio 2003)"
    )
    n_folds = answers.question.n_folds
    said = f"accuracy {mean:.1%}, standard deviation over {n_folds} folds {points:.1f} points; {ends}"
    if math.isnan(seed):
        return f"{said}; how much of it is the seed: --seeds 3"
    return f"{said}; of the spread of one training, {fold * 100:.1f} points are fold, {seed * 100:.1f} seed"
