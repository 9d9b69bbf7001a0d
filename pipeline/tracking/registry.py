"""The model registry: versions, the alias `champion`, and which state each version came from.

Only aliases and tags are used; MLflow's registry stages are deprecated.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PromotionError

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
MODEL_TAG = "dvc.classifier"  # DVC's md5 of the classifier folder: the same model is one version
RUN_TAG = "pipeline.run_id"


@dataclass(frozen=True)
class Version:
    """A registered version: its number, DVC's md5 of its classifier folder, the row that registered it."""

    number: int
    model_md5: str
    run_id: str


def find_champion(client: "MlflowClient", model_name: str) -> Version | None:
    """The version that carries the alias `champion`; None while there is none.

    Raises:
        PromotionError: the alias points to a version that Darkroom did not register.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version_by_alias(model_name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise PromotionError(f"the registry cannot name the champion of {model_name}: {error}") from None
    version = _read_version(found)
    if not version.run_id:
        raise PromotionError(
            f"{model_name} version {version.number} is champion but was not registered by Darkroom, so its "
            f"test predictions are not known; remove the alias {CHAMPION!r}, or set promote.model_name"
        )
    return version


def register_version(
    client: "MlflowClient", model_name: str, *, model_uri: str, model_md5: str, run_id: str
) -> Version:
    """The version of a model, registered unless the registry holds this very model already.

    Args:
        model_uri: what `packaging.log_model` returned.
        model_md5: DVC's md5 of the classifier folder.
        run_id: the row that it belongs to.
    """
    from mlflow.exceptions import MlflowException

    known = client.search_model_versions(f"name = '{model_name}' and tags.`{MODEL_TAG}` = '{model_md5}'")
    if known:
        return min(map(_read_version, known), key=lambda version: version.number)
    try:
        client.create_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise PromotionError(f"cannot register the model {model_name!r}: {error}") from None
    tags = {MODEL_TAG: model_md5, RUN_TAG: run_id}
    return _read_version(client.create_model_version(model_name, model_uri, run_id, tags=tags))


def crown(client: "MlflowClient", model_name: str, number: int) -> None:
    """Move the alias `champion` to a version; in MLflow this is one atomic change."""
    client.set_registered_model_alias(model_name, CHAMPION, str(number))


def fetch_artifact(client: "MlflowClient", run_id: str, name: str, into: Path) -> Path:
    """Download one artifact of a run.

    Raises:
        PromotionError: the run or its artifact is gone.
    """
    from mlflow.exceptions import MlflowException

    try:
        return Path(client.download_artifacts(run_id, name, str(into)))
    except (MlflowException, OSError) as error:
        raise PromotionError(
            f"{name} of run {run_id} cannot be read ({error}); without it no model can be compared with the "
            f"champion: restore it, or remove the alias {CHAMPION!r} to start over"
        ) from None


def _read_version(found: Any) -> Version:
    return Version(int(found.version), found.tags.get(MODEL_TAG, ""), found.tags.get(RUN_TAG, ""))
