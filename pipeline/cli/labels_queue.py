"""`darkroom labels queue`: which unlabelled pictures a person should label next."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import Last, Model, check_target, make_console
from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.cli.model_choice import Choice
    from pipeline.evidence.label_queue import Pool, Queue
    from pipeline.params import Params
    from pipeline.paths import Paths
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.files import Files

_MOST = 1000  # pictures on a sheet
_N_UNREAD = 20  # files that are named
_N_CLASSES = 20  # classes that are named


def queue(
    scans: Annotated[
        list[Path], typer.Argument(help="Images; or folders, .zip or .tar files of images, without labels.")
    ],
    *,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=_MOST, help="How many to choose.")] = 30,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="The table to fill in; its pictures are copied beside it.  [default: data/labels/queue.csv, "
            "or the next number]"
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="The pictures on one sheet, a PNG.  [default: beside the table]")
    ] = None,
    model: Model = None,
    last: Last = False,
) -> None:
    """Choose the pictures to label next: those that the model doubts, and that are unlike each other.

    Fill in the column `label` of the table. `dvc repro` then learns from these pictures, too.
    """
    from pipeline.cli.model_choice import choose_model
    from pipeline.evidence.label_queue_files import check_new, draw_queue, find_free_table, write_queue
    from pipeline.params_file import load_params
    from pipeline.paths import Paths, project_root
    from pipeline.serving.files import find_files
    from pipeline.tracking.workspace import lock_workspace

    paths = Paths(project_root())
    params, table = load_params(paths.params), csv or find_free_table(paths.label_queue)
    sheet = sheet or table.with_suffix(".png")
    check_target(table)
    check_target(sheet)
    if sheet.resolve() == table.resolve():
        raise ParamsError(f"{sheet} is both the table and the sheet; name two files")
    check_new(table, sheet)
    found = find_files(scans)
    chosen = choose_model(paths, model=model, is_last=last)
    console = make_console()
    console.print(chosen.title, soft_wrap=True)
    classifier, pool, chosen_queue = _choose(found, chosen, params, paths, number)
    _tell_unread(pool)
    if len(chosen_queue.chosen):
        at, names = chosen_queue.chosen.tolist(), classifier.class_names
        with lock_workspace(paths.root):
            check_new(table, sheet)  # another one may have written there meanwhile
            copies = write_queue(pool, at, names, table)
        draw_queue(pool, at, copies, class_names=names, recipe=classifier.settings.recipe, path=sheet)
    console.print(_describe(pool, chosen_queue, table, sheet), soft_wrap=True)
    if len(chosen_queue.chosen):
        console.print(_explain(params, paths, table, classifier.class_names), soft_wrap=True)


def _choose(
    found: "Sequence[Files]",
    chosen: "Choice",
    params: "Params",
    paths: "Paths",
    number: int,
) -> "tuple[Classifier, Pool, Queue]":
    """Answer the scans and choose; a first worker starts while Keras is imported, which takes longest."""
    from pipeline.backend.device import set_up_device
    from pipeline.evidence.label_queue import choose_queue, list_known, read_kept, read_pool
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.decoding import make_developers
    from pipeline.serving.settings import read_settings

    known = list_known(paths, params.data)
    with make_developers(read_settings(chosen.folder).recipe) as developers:
        developers.start()
        set_up_device()
        classifier = Classifier.load(chosen.folder, chosen.answers, seal=chosen.seal)
        pool = read_pool(found, classifier, developers, known)
    return classifier, pool, choose_queue(pool, read_kept(paths), params.clean, number)


def _tell_unread(pool: "Pool") -> None:
    from pipeline.characters import say_count

    console = make_console(stderr=True)
    for name, refusal in pool.unread[:_N_UNREAD]:
        console.print(f"{name}: {refusal}", style="red", soft_wrap=True)
    if (n_more := len(pool.unread) - _N_UNREAD) > 0:
        said = f"and {say_count(n_more, 'more file')} that cannot be used; `darkroom predict` lists all"
        console.print(said, style="red", soft_wrap=True)


def _describe(pool: "Pool", chosen: "Queue", table: Path, sheet: Path) -> str:
    """How many scans there are, what became of each, and where the chosen ones are."""
    from pipeline.characters import say_count

    n = len(chosen.chosen)
    n_left = len(pool) - chosen.n_alike - n
    said = [
        f"{n:,} to label" if n else "none to label",
        *([f"{n_left:,} for another time"] if n_left else []),
        *([f"{chosen.n_alike:,} look like these or like the collection"] if chosen.n_alike else []),
        *([f"{pool.n_known:,} are known already"] if pool.n_known else []),
        *([f"{len(pool.unread):,} could not be read (the reasons are above)"] if pool.unread else []),
    ]
    total = len(pool) + pool.n_known + len(pool.unread)
    where = f"; the table is {table}, the sheet {sheet}" if n else ""
    return f"{say_count(total, 'file')}: {', '.join(said)}{where}"


def _explain(params: "Params", paths: "Paths", table: Path, class_names: Sequence[str]) -> str:
    """What to do with the table: the classes are those of the source, which data.classes may join."""
    from pipeline.characters import escape
    from pipeline.evidence.label_queue import list_labels

    labels = list_labels(paths) or class_names
    some = ", ".join(map(escape, labels[:_N_CLASSES])) + (", ..." if len(labels) > _N_CLASSES else "")
    place = (paths.root / params.data.labelled).resolve()
    inside = table.resolve().is_relative_to(place)
    first = "" if inside else f"set data.labelled to {table} in params.yaml, "
    return (
        f"Now {first}fill in the column label ({some}; leave empty what you do not know) and run `dvc repro`"
    )
