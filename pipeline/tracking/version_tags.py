"""What the registry tells people of a version: verdict, scores, where it came from, and a description."""

from typing import TYPE_CHECKING, Any

from pipeline.characters import cut

if TYPE_CHECKING:
    from mlflow import MlflowClient

CARD_TAG = "model_card"  # of a row: its model in plain words
TEST_TAG = "test.sha256"  # of the ids of the test pictures
_TOLD = ("accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "macro_f1", "n_test")
# Tags of a row that say where its model came from, and the names that they have on the version.
_ORIGIN = {"dvc.lock_state": "dvc.lock_state", "mlflow.source.git.commit": "git.commit", TEST_TAG: TEST_TAG}
_MAX_PART = 2200  # characters of a paragraph of a description, which holds 5,000


def describe_version(client: "MlflowClient", model_name: str, number: int, *, verdict: str, row: Any) -> None:
    """Tell people what a version is, from its row (an `mlflow.entities.Run`): verdict, scores, origin."""
    metrics, tags = row.data.metrics, row.data.tags
    told = {name: f"{metrics[name]:.6g}" for name in _TOLD if name in metrics} | {"verdict": verdict}
    told |= {name: tags[key] for key, name in _ORIGIN.items() if key in tags}
    digests = {one.dataset.name: one.dataset.digest for one in row.inputs.dataset_inputs}
    told |= {"data.md5": digests["raw"]} if "raw" in digests else {}
    for key, value in told.items():
        client.set_model_version_tag(model_name, str(number), key, value)
    parts = (
        tags.get(CARD_TAG, ""),
        tags.get("mlflow.note.content", verdict),
        f"Row {row.info.run_name!r}. It takes encoded pictures and gives class, probability and one column "
        "per class.",
    )
    text = "\n\n".join(cut(part, _MAX_PART) for part in parts if part)
    client.update_model_version(model_name, str(number), description=text)
