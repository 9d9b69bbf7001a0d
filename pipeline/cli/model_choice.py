"""Which model answers: the champion, unless the command names another."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.cli.summary import describe_promotion, read_decision
from pipeline.errors import DataError, ModelError, ParamsError
from pipeline.json_file import load_json
from pipeline.params_file import load_params
from pipeline.paths import Paths
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.models_of_rows import find_model_of_row
from pipeline.tracking.registry import CHAMPION
from pipeline.tracking.stored_models import (
    Address,
    StoredModel,
    describe_accuracy,
    fetch_classifier,
    find_model,
    name_champion,
    parse_address,
)

_ALIASES = ("champion", "previous", "challenger")  # that go without the name of the model
_NUMBER, _RUN_ID = re.compile(r"\d{1,9}"), re.compile(r"[0-9a-f]{32}")
_ACCURACY = ("accuracy", "accuracy_low", "accuracy_high")


class Choice(NamedTuple):
    """The folder of a classifier, in one line what is known of it, and where the rule of its answers lies.

    `answers` is None where the folder holds that file, or there is none; and so is `facts`, the file of what
    its training pictures were like. `seal` is what the registry knows of the hashes of its files; None where
    it is none of the registry's.
    """

    folder: Path
    title: str
    answers: Path | None = None
    facts: Path | None = None
    seal: str | None = None


def choose_model(paths: Paths, *, model: str | None, is_last: bool) -> Choice:
    """The model that is asked for.

    Args:
        model: a folder; an alias or a number of a version of this project's model; the id of a row in MLflow;
        or
            an address as `parse_address` takes it. None: the champion.
        is_last: the model of the last run.

    Raises:
        ModelError: there is no such model.
        TrackingError: the registry cannot be reached, or its files are gone.
    """
    if model is not None and is_last:
        raise ModelError("--last and --model name two models; give one of them")
    if is_last:
        return choose_last(paths)
    if model is not None and Path(model).is_dir():
        return Choice(Path(model), f"model: {model}")
    found = find_registered(paths, choose_address(paths, model), is_default=model is None)
    return Choice(fetch_classifier(paths.root, found), f"model: {describe(found)}", seal=found.seal)


def choose_address(paths: Paths, model: str | None) -> Address:
    """The address that a command names; None: that of the champion.

    Raises:
        ModelError: it is no address.
    """
    return name_champion(find_name(paths)) if model is None else _find_address(paths, model)


def find_registered(paths: Paths, address: Address, *, is_default: bool) -> StoredModel:
    """The version at an address of the registry.

    Args:
        is_default: nobody named it; the advice is then another.

    Raises:
        ModelError: there is no such model.
        TrackingError: the registry cannot be reached.
    """
    found = find_model(paths.root, address)
    if found is None:
        raise ModelError(_explain_missing(paths, address, is_default=is_default))
    return found


def _find_address(paths: Paths, model: str) -> Address:
    if model in _ALIASES:
        return Address(find_name(paths), alias=model)
    if _NUMBER.fullmatch(model):
        return Address(find_name(paths), number=int(model))
    if not _RUN_ID.fullmatch(model):
        return parse_address(model)
    if (found := find_model_of_row(paths.root, model)) is None:
        raise ModelError(f"there is no row {model} with a model in MLflow; `darkroom compare` lists the rows")
    return found


def find_name(paths: Paths) -> str:
    """The registered model of this project: that of the last decision, where it is of this name.

    Its name is a longer one if a champion of this name has other classes.
    """
    name = load_params(paths.params).model_name
    try:
        decided = str(load_json(paths.decision)["model_name"])
    except (OSError, ValueError, LookupError, TypeError):
        return name
    return decided if decided.startswith(f"{name}-") else name


def describe(found: StoredModel) -> str:
    """What is known of a version, in one line."""
    aliases = f" ({', '.join(found.aliases)})" if found.aliases else ""
    is_by_hand = CHAMPION in found.aliases and found.verdict not in ("", "PROMOTE")
    known = (
        f"{found.name} version {found.number}{aliases}",
        "made champion by hand" if is_by_hand else found.verdict,
        describe_accuracy(found.accuracy),
    )
    return ", ".join(filter(None, known))


def choose_last(paths: Paths) -> Choice:
    """The model of the last run. Raises ModelError if there is none."""
    if not paths.classifier.is_dir():
        raise ModelError(
            f"there is no model of a last run: {paths.classifier} does not exist; `dvc repro` trains one"
        )
    title = f"model of the last run: {_describe_last(paths)}"
    return Choice(paths.classifier, title, paths.answers, paths.training_facts)


def _describe_last(paths: Paths) -> str:
    """The verdict about the model of the last run, and its test accuracy.

    What dvc.lock does not hold beside this very model is about another one.
    """
    lineage = Lineage(paths)
    model = paths.classifier.relative_to(paths.root).as_posix()

    def read_of_model(path: Path, stage: str, read: Callable[[Path], Any]) -> dict[str, Any]:
        try:
            if lineage.is_recorded(stage, (model, path.relative_to(paths.root).as_posix())):
                return dict(read(path))
        except (OSError, ValueError, LookupError, TypeError, DataError, ParamsError):
            pass
        return {}

    decision = read_of_model(paths.decision, "promote", lambda _: read_decision(paths))
    metrics = read_of_model(paths.metrics("evaluate"), "evaluate", load_json)
    verdict = describe_promotion(decision) if decision else _explain_lack(paths)
    accuracy = [value for name in _ACCURACY if isinstance(value := metrics.get(name), int | float)]
    return "; ".join(filter(None, (verdict, describe_accuracy(accuracy))))


def _explain_lack(paths: Paths) -> str:
    """Why there is no decision about the model of the last run: it is damaged, or about another model."""
    if paths.decision.exists():
        try:
            read_decision(paths)
        except DataError as error:
            return str(error)
    return "not compared yet; run `dvc repro`"


def _explain_missing(paths: Paths, address: Address, *, is_default: bool) -> str:
    if not is_default:
        return f"the registry holds no {address}; `darkroom ui` shows what it holds, under Models"
    said = (
        f"there is no champion of {address.name!r} in the registry; `dvc repro` trains "
        "a model, and promotes it if it is good enough"
    )
    if not paths.classifier.is_dir():
        return said
    return f"{said}; --last answers with the model of the last run ({_describe_last(paths)})"
