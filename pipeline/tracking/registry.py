"""The model registry: versions, their aliases, and which state each version came from.

`champion` answers, `previous` was champion before it, `challenger` was the last that did not become champion.

Only aliases and tags are used; MLflow's registry stages are deprecated.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import PromotionError, one_line
from pipeline.tracking.connection import is_unknown
from pipeline.tracking.packaging import LoggedModel

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
MODEL_TAG = "dvc.classifier"  # DVC's md5 of the classifier and its answers: the same model is one version
RUN_TAG = "pipeline.run_id"
CLASSES_TAG = "classes.sha256"
EXAM_SEAL_TAG = "seal.exam"  # of each file of the answers to test pictures
MODEL_SEAL_TAG = "seal.model.sha256"  # of the hashes of all files of the model
SEAL_TAG = "seal.sha256"  # of the hashes of the classifier's files, to compare what is loaded by name


@dataclass(frozen=True)
class Version:
    """A registered version: its number, DVC's md5 of its classifier folder, its row, its logged model.

    `exam` is as of `packaging.LoggedModel`; "" where an older Darkroom registered it.
    """

    number: int
    model_md5: str
    run_id: str
    model_id: str
    exam: str = ""


def find_champion(client: "MlflowClient", model_name: str) -> Version | None:
    """The version that carries the alias `champion`; None while there is none.

    Raises:
        PromotionError: the alias points to a version that Darkroom did not register.
    """
    found = _ask_alias(client, model_name, CHAMPION)
    if found is None:
        return None
    version = _read_version(found)
    if not version.run_id:
        raise PromotionError(
            f"{model_name} version {version.number} is champion but was not registered by Darkroom, so its "
            f"test predictions are not known; remove the alias {CHAMPION!r}, or set promote.model_name"
        )
    return version


def hash_classes(names: Iterable[str]) -> str:
    """A hash of a set of classes, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(names)).encode()).hexdigest()


def read_classes(client: "MlflowClient", model_name: str) -> str:
    """The hash of the champion's classes; "" without a champion, or where it is not known."""
    found = _ask_alias(client, model_name, CHAMPION)
    return "" if found is None else str(found.tags.get(CLASSES_TAG, ""))


def find_alias(client: "MlflowClient", model_name: str, alias: str) -> int | None:
    """The number of the version that carries an alias, whoever registered it; None if none does."""
    found = _ask_alias(client, model_name, alias)
    return None if found is None else int(found.version)


def find_version(client: "MlflowClient", model_name: str, number: int) -> Version | None:
    """A version by its number; None if the registry holds none."""
    with suppress_missing():
        return _read_version(client.get_model_version(model_name, str(number)))
    return None


def list_versions(client: "MlflowClient", model_name: str) -> list[Any]:
    """All versions of a registered model as MLflow has them; [] where there is none."""
    found: list[Any] = []
    page = None
    while page is None or page.token:
        token = page.token if page else None
        page = client.search_model_versions(_filter_name(model_name) or None, page_token=token)
        found += page
    return [one for one in found if one.name == model_name]


def _filter_name(model_name: str) -> str:
    """MLflow's filter for a name; "" where it can write none: a text with both kinds of quotes."""
    quote = next((one for one in "'\"" if one not in model_name), "")
    return quote and f"name = {quote}{model_name}{quote}"


def read_tags(client: "MlflowClient", model_name: str, number: int) -> dict[str, str] | None:
    """The tags of a version; None if the registry holds no such version."""
    with suppress_missing():
        return dict(client.get_model_version(model_name, str(number)).tags)
    return None


def _ask_alias(client: "MlflowClient", model_name: str, alias: str) -> Any:
    """MLflow's version that carries an alias; None while there is none.

    Raises:
        PromotionError: the registry cannot tell.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(model_name, alias)
    except MlflowException as error:
        if is_unknown(error):
            return None
        raise PromotionError(
            f"the registry cannot name the {alias} of {model_name}: {one_line(error)}"
        ) from None


def register_version(
    client: "MlflowClient", model_name: str, *, model: LoggedModel, run_id: str, classes: Iterable[str]
) -> Version:
    """The version of a model, registered unless the registry holds this very model already.

    A version that a killed promotion left, or whose logged model is gone, is none. Where two processes
    register one model together, the first version stays.

    Args:
        run_id: the row that it belongs to.
        classes: the names of the classes that it tells apart.
    """
    from mlflow.exceptions import MlflowException

    if known := _find_usable(client, model_name, model.md5, run_id):
        return known[0]
    try:
        client.create_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise PromotionError(f"cannot register the model {model_name!r}: {one_line(error)}") from None
    tags = {MODEL_TAG: model.md5, RUN_TAG: run_id, CLASSES_TAG: hash_classes(classes)}
    seals = {SEAL_TAG: model.seal, MODEL_SEAL_TAG: model.model_seal, EXAM_SEAL_TAG: model.exam}
    tags |= {name: seal for name, seal in seals.items() if seal}
    made = client.create_model_version(model_name, model.uri, run_id, tags=tags, model_id=model.id)
    first = _find_usable(client, model_name, model.md5, run_id)[0]
    if first.number != int(made.version):
        client.delete_model_version(model_name, made.version)
    return first


def crown(client: "MlflowClient", model_name: str, number: int, *, before: int | None = None) -> None:
    """Move the alias `champion` to a version; in MLflow this is one atomic change.

    `previous` moves first, so after a kill no champion is forgotten. The new champion is no challenger any
    more.

    Args:
        before: the version that was champion.
    """
    if before is not None and before != number and has_version(client, model_name, before):
        client.set_registered_model_alias(model_name, PREVIOUS, str(before))
    client.set_registered_model_alias(model_name, CHAMPION, str(number))
    if find_alias(client, model_name, CHALLENGER) == number:
        client.delete_registered_model_alias(model_name, CHALLENGER)


def name_challenger(client: "MlflowClient", model_name: str, number: int) -> None:
    """Let a version that was compared with the champion, and did not replace it, be the challenger."""
    if find_alias(client, model_name, CHAMPION) not in (None, number):
        client.set_registered_model_alias(model_name, CHALLENGER, str(number))


def has_version(client: "MlflowClient", model_name: str, number: int) -> bool:
    """Whether the registry holds a version."""
    return find_version(client, model_name, number) is not None


def adopt_version(client: "MlflowClient", model_name: str, number: int, run_id: str) -> bool:
    """Let a version belong to this row if its own row was deleted; whether it was."""
    owner = _read_version(client.get_model_version(model_name, str(number))).run_id
    is_orphan = owner != run_id and not is_finished_row(client, owner)
    if is_orphan:
        client.set_model_version_tag(model_name, str(number), RUN_TAG, run_id)
    return is_orphan


def delete_versions(client: "MlflowClient", run_id: str) -> None:
    """Delete the versions that a row registered; one that carries an alias stays."""
    for found in client.search_model_versions(f"tags.`{RUN_TAG}` = '{run_id}'"):
        if not client.get_model_version(found.name, found.version).aliases:
            client.delete_model_version(found.name, found.version)


def is_finished_row(client: "MlflowClient", run_id: str) -> bool:
    """Whether a run exists, is finished and was not deleted."""
    return is_active_run(client, run_id) and client.get_run(run_id).info.status == "FINISHED"


def is_active_run(client: "MlflowClient", run_id: str) -> bool:
    """Whether a run exists and was not deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


def read_metric(client: "MlflowClient", version: Version, name: str) -> float | None:
    """A metric of a version's row; None if the row is gone, or has none."""
    with suppress_missing():
        found: float | None = client.get_run(version.run_id).data.metrics.get(name)
        return found
    return None


def _find_usable(client: "MlflowClient", model_name: str, model_md5: str, run_id: str) -> list[Version]:
    """The versions of a model by number, without those that lead to nothing."""
    asked = " and ".join(filter(None, (_filter_name(model_name), f"tags.`{MODEL_TAG}` = '{model_md5}'")))
    found = (one for one in client.search_model_versions(asked) if one.name == model_name)
    known = sorted(map(_read_version, found), key=lambda one: one.number)
    return [one for one in known if one.run_id == run_id or _is_usable(client, one)]


def _is_usable(client: "MlflowClient", version: Version) -> bool:
    """Whether the model of a version can be loaded, and no unfinished row may take the version back."""
    with suppress_missing():
        is_whole = client.get_logged_model(version.model_id).status == "READY"
        row = client.get_run(version.run_id).info
        return is_whole and (row.status == "FINISHED" or row.lifecycle_stage != "active")
    return False


@contextmanager
def suppress_missing() -> Iterator[None]:
    """Leave the block where MLflow says that something does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if not is_unknown(error):
            raise


def _read_version(found: Any) -> Version:
    model_id = found.source.removeprefix("models:/")  # the version's own field stays empty in MLflow 3.17
    md5, run_id, exam = (found.tags.get(tag, "") for tag in (MODEL_TAG, RUN_TAG, EXAM_SEAL_TAG))
    return Version(int(found.version), md5, run_id, model_id, exam)
