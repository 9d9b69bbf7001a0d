"""Versions of a registered model with files and answers, made up."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.serving.seal import write_seal
from pipeline.tracking import registry, rows
from pipeline.tracking.ledger import Move
from pipeline.tracking.moves import move_champion
from pipeline.tracking.packaging import EXAM, MODEL_NAME, LoggedModel
from pipeline.tracking.runs import create_run
from tests.search.rows import write_answers

if TYPE_CHECKING:
    from mlflow import MlflowClient


def add_version(
    client: "MlflowClient",
    root: Path,
    name: str,
    scratch: Path,
    *,
    n_right: int = 80,
    classes: tuple[str, ...] = ("cat", "dog"),
    is_sealed: bool = True,
) -> registry.Version:
    """A version of a finished row, with its classifier's file and its answers to 100 test images."""
    row = create_run(client, root, f"right {n_right}", row=True, tags={"verdict": "HOLD"})
    made = client.create_logged_model(client.get_run(row.run_id).info.experiment_id, "m", row.run_id)
    folder = scratch / made.model_id / "artifacts"
    (folder / MODEL_NAME).mkdir(parents=True)
    (folder / MODEL_NAME / "model.keras").write_text(f"{name} {n_right}")
    seal = write_seal(folder / MODEL_NAME) if is_sealed else ""
    predictions, names = write_answers(folder, n_right)
    (folder / EXAM).mkdir()
    for path in (predictions, names):
        path.rename(folder / EXAM / path.name)
        path.parent.rmdir()
    client.log_model_artifacts(made.model_id, str(folder.parent))
    client.finalize_logged_model(made.model_id, "READY")
    row.log_metrics({"accuracy": n_right / 100, "accuracy_low": 0.5, "accuracy_high": 0.95, "n_test": 100})
    row.log_params({"train.model": "compact", "train.epochs": n_right})
    logged = LoggedModel(made.model_id, f"models:/{made.model_id}", f"{name} {n_right}", seal)
    version = registry.register_version(client, name, model=logged, run_id=row.run_id, classes=classes)
    rows.record(row, _decide(name, version.number), "note")
    row.finish("FINISHED")
    return version


def add_versions(client: "MlflowClient", root: Path, name: str, scratch: Path, n: int = 3) -> None:
    """Versions 1 to n; the second is champion, the first was."""
    before = None
    for number in range(1, n + 1):
        version = add_version(client, root, name, scratch, n_right=70 + 5 * number)
        if number <= 2:
            decision = "PROMOTE" if before else "FIRST"
            told = (decision, f"better {number}", version.run_id, version.model_md5)
            move_champion(client, root, Move(name, before, number, *told))
            before = number


def _decide(name: str, number: int) -> dict[str, object]:
    return {"verdict": "HOLD", "model_name": name, "version": number, "champion_before": None}
