"""`darkroom predict`: the classes of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.characters import escape
from pipeline.cli.console import Last, Model, check_target, make_console
from pipeline.errors import DarkroomError

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.cli.model_choice import Choice
    from pipeline.serving.predictions import Files, Prediction
    from pipeline.serving.settings import Settings


def predict(
    files: Annotated[list[Path], typer.Argument(help="Images; or folders, .zip or .tar files of images.")],
    *,
    model: Model = None,
    last: Last = False,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show per file.")] = 1,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file instead of a table.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON per file instead of a table (JSON Lines).")
    ] = False,
) -> None:
    """Predict the class of images. A file that cannot be decoded is shown with the reason."""
    from pipeline.cli.model_choice import choose_model
    from pipeline.paths import Paths, project_root
    from pipeline.serving.predictions import find_files
    from pipeline.serving.reports import describe_as_json, describe_counts, write_csv
    from pipeline.serving.settings import read_settings

    if csv and as_json:
        raise DarkroomError("--csv and --json are two forms of the answer; give one of them")
    check_target(csv)
    found = find_files(files)
    chosen = choose_model(Paths(project_root()), model=model, is_last=last)
    settings = read_settings(chosen.folder)
    console = make_console(stderr=as_json)  # then standard output holds JSON alone
    console.print(chosen.title, soft_wrap=True)
    predictions = _predict(found, chosen, settings, top)
    if csv:
        write_csv(predictions, csv)
    elif as_json:
        for prediction in predictions:
            typer.echo(describe_as_json(prediction))
    else:
        console.print(_make_table(predictions))
    console.print(describe_counts(predictions, csv), soft_wrap=True)
    if all(prediction.refusal for prediction in predictions):
        raise DarkroomError(f"no file of {len(predictions):,} could be read as an image")


def _predict(
    found: "Sequence[Files]", chosen: "Choice", settings: "Settings", top: int
) -> "list[Prediction]":
    """The answers of a classifier; a first worker starts while Keras is imported, which takes longest."""
    from pipeline.backend.device import set_up_device
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.decoding import make_decoders
    from pipeline.serving.predictions import predict_files

    with make_decoders(settings.recipe) as decoders:
        decoders.start()
        set_up_device()
        classifier = Classifier.load(chosen.folder, chosen.answers, seal=chosen.seal)
        return predict_files(found, classifier, decoders, top=top)


def _make_table(predictions: "Sequence[Prediction]") -> "Table":
    """A row a file; the columns `answer` and `reason` are there only where a file needs one."""
    from rich.table import Table

    has_reasons = any(prediction.refusal for prediction in predictions)
    asks = any(one.classes and one.answer != one.classes[0][0] for one in predictions)
    columns = [*(["answer"] if asks else []), "class", "probability", *(["reason"] if has_reasons else [])]
    table = Table("file", *columns)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[columns.index("probability") + 1].no_wrap = True
    for prediction in predictions:
        names = "\n".join(escape(name) for name, _ in prediction.classes)
        probabilities = "\n".join(f"{p:.4f}" for _, p in prediction.classes)
        row = [prediction.file, *([escape(prediction.answer)] if asks else []), names, probabilities]
        if has_reasons:
            row.append(str(prediction.refusal or ""))
        table.add_row(*row, style="red" if prediction.refusal else None)
    return table
