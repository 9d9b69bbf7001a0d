"""`darkroom export`: a model for people who serve without TensorFlow."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import Last, Model, make_console
from pipeline.errors import StorageError


def export(
    folder: Annotated[Path, typer.Argument(help="Where to write; a new folder, or an empty one.")],
    *,
    model: Model = None,
    last: Last = False,
) -> None:
    """Write a model as ONNX, with its settings, the rule of its answers and a README.

    It needs the packages of the extra "onnx".
    """
    from pipeline.cli.model_choice import choose_model
    from pipeline.paths import Paths, project_root

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} is there already, and not an empty folder; name another place")
    chosen = choose_model(Paths(project_root()), model=model, is_last=last)
    console = make_console()
    console.print(chosen.title, soft_wrap=True)

    from pipeline.backend.device import set_up_device
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.onnx_export import ONNX_FILE, export_onnx

    set_up_device()
    classifier = Classifier.load(chosen.folder, chosen.answers, seal=chosen.seal)
    is_folder = model is not None and Path(model).is_dir()  # whose place on this machine concerns nobody else
    title = chosen.folder.resolve().name if is_folder else chosen.title.removeprefix("model: ")
    worst = export_onnx(classifier, chosen.folder, folder, title=title)
    console.print(
        f"{folder / ONNX_FILE} answers as the network does: no probability differs by more than {worst:.0e}",
        soft_wrap=True,
    )
