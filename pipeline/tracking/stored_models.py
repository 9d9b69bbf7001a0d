"""A model in the registry, found by its address, and the folder of its classifier on this machine.

MLflow is not imported where the project's own database, or a server that answers plainly, can say it all: the
import takes as long as that of Keras.
"""

import logging
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import ModelError, StorageError, TrackingError, one_line
from pipeline.paths import Paths
from pipeline.storage import hold_lock, translate_errors
from pipeline.tracking.artifacts import download_folder, find_local
from pipeline.tracking.connection import connect, find_database, is_unknown, resolve_uri
from pipeline.tracking.decisions import parse_decision
from pipeline.tracking.packaging import MODEL_NAME
from pipeline.tracking.registry import CHAMPION, MODEL_SEAL_TAG, RUN_TAG, SEAL_TAG
from pipeline.tracking.relocation import repair_locations
from pipeline.tracking.server import UnusualAnswerError, ask, hide_password, is_server

_OWN_TAGS = (RUN_TAG, SEAL_TAG, MODEL_SEAL_TAG)  # of a version, that are asked for here
_ADDRESS = re.compile(r"(?:models:/+)?(?P<name>[^@/:]+)(?:@(?P<alias>[^@/:]+)|/(?P<number>\d{1,9}))")
_ACCURACY = "accuracy"
_EVALUATED_BY = "stage.evaluate.run_id"  # a tag of the row
_N_COPIES = 5  # of models that a server keeps
_VERSION = "SELECT version, storage_location FROM model_versions WHERE name = ? AND version = ?"
_ALIASED = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
_ALIASES = "SELECT alias FROM registered_model_aliases WHERE name = ? AND version = ?"
_TAG = "SELECT value FROM model_version_tags WHERE name = ? AND version = ? AND key = ?"
_TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"
_METRICS = "SELECT key, value FROM latest_metrics WHERE run_uuid = ?"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """A version of a registered model, by its alias or by its number (the other is None)."""

    name: str
    alias: str | None = None
    number: int | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.alias}" if self.alias else f"{self.name}/{self.number}"


@dataclass(frozen=True)
class StoredModel:
    """A version in the registry.

    Attributes:
        location: the URI of its artifacts.
        verdict: of its promotion; "" where its row does not say.
        accuracy: on its test pictures, with the ends of its interval as far as they are known.
        seal: the sha256 of the hashes of its classifier's files; "" where an older Darkroom registered it.
        model_seal: as `seal`, of all files of the model.
        evaluation: the id of the run that evaluated it; "" where its row does not say.
        is_own: Darkroom registered it.
    """

    name: str
    number: int
    aliases: tuple[str, ...]
    location: str
    verdict: str = ""
    accuracy: tuple[float, ...] = ()
    seal: str = ""
    model_seal: str = ""
    evaluation: str = ""
    is_own: bool = True


def parse_address(text: str) -> Address:
    """NAME@alias, NAME/version, or one of them behind "models:/".

    Raises:
        ModelError: it is none of them.
    """
    found = _ADDRESS.fullmatch(text)
    if not found:
        raise ModelError(
            f"{text!r} names no model; allowed: the folder of a classifier, or NAME@alias or NAME/version of "
            "the registry, both also behind models:/"
        )
    return Address(found["name"], found["alias"], int(found["number"]) if found["number"] else None)


def find_model(root: Path, address: Address) -> StoredModel | None:
    """The version at an address of the project's registry; None if there is none.

    Raises:
        TrackingError: the registry cannot be reached, or refuses.
    """
    repair_locations(root)
    with suppress(sqlite3.Error, UnusualAnswerError, OSError, LookupError, TypeError):
        if database := find_database(root):
            return _ask_database(database, address) if database.exists() else None
        if is_server(uri := resolve_uri(root)):
            return _ask_server(uri, address)
    return _ask_client(root, address)


def find_start(root: Path, name: str, start_from: str | int | None) -> StoredModel | None:
    """The version of the model `name` that `train.start_from` names; None if it names none.

    Raises:
        ModelError: the registry does not hold it.
        TrackingError: as `find_model`.
    """
    if start_from is None:
        return None
    address = name_champion(name) if start_from == CHAMPION else Address(name, number=int(start_from))
    found = find_model(root, address)
    if found is None:
        raise ModelError(
            f"train.start_from: the registry holds no {address}; set it to none for a first training, or "
            "name a version of `darkroom registry history`"
        )
    return found


def fetch_model(root: Path, model: StoredModel) -> Path:
    """The folder of a model as MLflow logged it: where the registry keeps it, or a copy of it.

    A copy lies in the project's cache. It is whole or absent, and belongs to one version of one registry.

    Raises:
        ModelError: Darkroom did not register it, so its files are no classifier, and its code is anyone's.
        TrackingError: its files are gone, or cannot be fetched.
    """
    if not model.is_own:
        raise ModelError(
            f"{model.name} version {model.number} was not registered by Darkroom, so it is no model of "
            "Darkroom's and answers nothing here; name another version, or remove its alias"
        )
    place = model.location.rstrip("/")
    if (local := find_local(place)) is not None:
        if not local.is_dir():
            raise TrackingError(_explain_loss(model, local))
        return local
    name = re.sub(r"[^\w-]", "_", f"{model.name}-{model.number}-{_shorten(place)}")
    folder = Paths(root).cache / "models" / name
    with hold_lock(folder.with_suffix(".lock"), lambda: _log.info("another process fetches %s", model.name)):
        if not folder.is_dir():
            download_folder(root, place, folder)
        with translate_errors(folder):
            os.utime(folder)
    _forget_unused(folder.parent)
    return folder


def fetch_classifier(root: Path, model: StoredModel) -> Path:
    """The folder of a model's classifier, inside that of the model.

    Raises:
        ModelError, TrackingError: as `fetch_model`.
    """
    folder = fetch_model(root, model) / "artifacts" / MODEL_NAME
    if not folder.is_dir():
        raise TrackingError(_explain_loss(model, folder))
    return folder


def _explain_loss(model: StoredModel, folder: Path) -> str:
    return (
        f"the files of {model.name} version {model.number} are gone, or on another machine: {folder} does "
        "not exist; put them back, or name another version"
    )


def describe_accuracy(values: Iterable[float]) -> str:
    """An accuracy, and its interval if it has one, in words."""
    said = [f"{value:.1%}" for value in values]
    interval = f" ({said[1]} to {said[2]})" if len(said) == 3 else ""
    return f"test accuracy {said[0]}{interval}" if said else ""


def _shorten(location: str) -> str:
    import hashlib

    return hashlib.sha256(location.encode()).hexdigest()[:16]


def _forget_unused(cache: Path) -> None:
    """Remove all but the copies that were used last; a failure is left to the next time."""
    with suppress(OSError, StorageError):
        copies = [path for path in cache.iterdir() if path.is_dir() and path.suffix != ".part"]
        for old in sorted(copies, key=lambda path: path.stat().st_mtime)[:-_N_COPIES]:
            part, lock = old.with_suffix(".part"), old.with_suffix(".lock")
            with hold_lock(lock, lambda: None):
                shutil.rmtree(part, ignore_errors=True)
                old.rename(part)  # a copy is whole or absent, also after a kill
                shutil.rmtree(part)
                lock.unlink()


def _ask_database(database: Path, address: Address) -> StoredModel | None:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        number = address.number
        if address.alias:
            aliased = db.execute(_ALIASED, (address.name, address.alias)).fetchone()
            number = int(aliased[0]) if aliased else None
        version = (address.name, number)
        found = db.execute(_VERSION, version).fetchone()
        if not found:
            return None
        aliases = tuple(alias for (alias,) in db.execute(_ALIASES, version).fetchall())
        own = {tag: value for tag in _OWN_TAGS for (value,) in db.execute(_TAG, (*version, tag)).fetchall()}
        row_id = (own.get(RUN_TAG, ""),)
        tags, metrics = (dict(db.execute(asked, row_id).fetchall()) for asked in (_TAGS, _METRICS))
    if not found[1]:
        raise LookupError("registered from a place that only MLflow can resolve")
    model = _seal(StoredModel(address.name, int(found[0]), aliases, found[1]), own)
    return _add_results(model, tags, metrics)


def _ask_server(uri: str, address: Address) -> StoredModel | None:
    asked = f"name={quote(address.name, safe='')}"
    if address.alias:
        found = ask(uri, f"registered-models/alias?{asked}&alias={quote(address.alias, safe='')}")
    else:
        found = ask(uri, f"model-versions/get?{asked}&version={address.number}")
    version = found["model_version"]
    number = int(version["version"])
    where = ask(uri, f"model-versions/get-download-uri?{asked}&version={number}")["artifact_uri"]
    own = _index(version.get("tags", []))
    row_id = own.get(RUN_TAG)
    data = ask(uri, f"runs/get?run_id={row_id}")["run"]["data"] if row_id else {}
    tags, metrics = _index(data.get("tags", [])), _index(data.get("metrics", []))
    aliases = tuple(version.get("aliases", ()))
    model = _seal(StoredModel(address.name, number, aliases, where), own)
    return _add_results(model, tags, metrics)


def _ask_client(root: Path, address: Address) -> StoredModel | None:
    """As `_ask_database`, of any registry that MLflow can reach."""
    client: Any = connect(root)
    from mlflow.exceptions import MlflowException

    try:
        if address.alias:
            version = client.get_model_version_by_alias(address.name, address.alias)
        else:
            version = client.get_model_version(address.name, str(address.number))
        where = client.get_model_version_download_uri(address.name, version.version)
    except MlflowException as error:
        if is_unknown(error):
            return None
        raise TrackingError(
            f"the registry at {hide_password(resolve_uri(root))} cannot name {address}: {one_line(error)}"
        ) from None
    tags, metrics = {}, {}
    with suppress(MlflowException, LookupError):  # its row was deleted
        data = client.get_run(version.tags[RUN_TAG]).data
        tags, metrics = data.tags, data.metrics
    aliases = tuple(version.aliases)
    model = _seal(StoredModel(address.name, int(version.version), aliases, where), version.tags)
    return _add_results(model, tags, metrics)


def _seal(model: StoredModel, tags: Mapping[str, str]) -> StoredModel:
    """A version with what its own tags say of its origin."""
    seal, model_seal = (tags.get(tag, "") for tag in (SEAL_TAG, MODEL_SEAL_TAG))
    return replace(model, seal=seal, model_seal=model_seal, is_own=bool(tags.get(RUN_TAG)))


def _index(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in pairs}


def _add_results(found: StoredModel, tags: Mapping[str, str], metrics: Mapping[str, Any]) -> StoredModel:
    """A version with what the tags and metrics of its row say of it."""
    decision = parse_decision(tags) or {}
    names = (_ACCURACY, f"{_ACCURACY}_low", f"{_ACCURACY}_high")
    accuracy = tuple(float(metrics[one]) for one in names if one in metrics)
    verdict, evaluation = str(decision.get("verdict", "")), str(tags.get(_EVALUATED_BY, ""))
    return replace(found, verdict=verdict, accuracy=accuracy, evaluation=evaluation)


def name_champion(model_name: str) -> Address:
    """The address of the version that answers by default."""
    return Address(model_name, alias=CHAMPION)
