"""`darkroom predict`: the classes of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.characters import escape
from pipeline.cli.console import make_console
from pipeline.errors import DarkroomError

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.serving.predictions import Prediction


def predict(
    files: Annotated[list[Path], typer.Argument(help="Images; or folders, .zip or .tar files of images.")],
    model: Annotated[
        Path | None, typer.Option(help="The folder of a classifier; by default that of the last run.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show per file.")] = 1,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file instead of a table.")] = None,
) -> None:
    """Predict the class of images. A file that cannot be decoded is shown with the reason."""
    from pipeline.backend.device import set_up_device
    from pipeline.paths import Paths, project_root
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.predictions import find_files, predict_files, write_csv

    found = find_files(files)
    set_up_device()
    classifier = Classifier.load(model or Paths(project_root()).classifier)
    predictions = predict_files(found, classifier, top=top)
    n_unread = sum(prediction.refusal is not None for prediction in predictions)
    if csv:
        write_csv(predictions, csv)
        said = f"{len(predictions)} files in {csv}, {n_unread} of them could not be read"
        make_console().print(said, soft_wrap=True)
    else:
        make_console().print(_make_table(predictions))
    if n_unread == len(predictions):
        raise DarkroomError(f"none of the {n_unread} files could be read as an image")


def _make_table(predictions: "Sequence[Prediction]") -> "Table":
    from rich.table import Table

    table = Table("file", "class", "probability")
    table.columns[0].overflow = "fold"
    for prediction in predictions:
        if prediction.refusal:
            table.add_row(prediction.file, str(prediction.refusal), "", style="red")
        else:
            names, probabilities = zip(*prediction.classes, strict=True)
            table.add_row(
                prediction.file, "\n".join(map(escape, names)), "\n".join(f"{p:.4f}" for p in probabilities)
            )
    return table
