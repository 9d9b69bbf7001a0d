"""Which model `darkroom serve` answers with, and how its process is started."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.cli.model_choice import choose_address, choose_model, describe, find_registered
from pipeline.json_file import load_json
from pipeline.paths import Paths
from pipeline.server.deployment import About, Candidate
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.seal import check_model, check_seal
from pipeline.tracking.model_cards import read_card
from pipeline.tracking.packaging import MODEL_NAME
from pipeline.tracking.stored_models import Address, StoredModel, fetch_model


def follow_model(paths: Paths, *, model: str | None, is_last: bool) -> tuple[Callable[[], Candidate], bool]:
    """What names the model that should answer, and whether that may become another one.

    Args:
        model, is_last: as `choose_model` takes them.

    Raises:
        ModelError: no model can be meant.
    """
    if is_last or (model is not None and Path(model).is_dir()):
        candidate = _offer_folder(paths, model, is_last)
        return (lambda: candidate), False
    address = choose_address(paths, model)
    return partial(_find_candidate, paths, address, model is None), address.alias is not None


def _find_candidate(paths: Paths, address: Address, is_default: bool) -> Candidate:
    found = find_registered(paths, address, is_default=is_default)

    def tell() -> About:
        return About(found.name, found.number, describe(found), read_card(paths.root, found))

    return Candidate((found.name, found.number, found.location), tell, partial(_start, paths, found))


def _start(paths: Paths, found: StoredModel) -> ModelProcess:
    folder = fetch_model(paths.root, found)
    check_seal(folder / "artifacts" / MODEL_NAME, found.seal)
    check_model(folder, found.model_seal)
    return ModelProcess(folder)


def _offer_folder(paths: Paths, model: str | None, is_last: bool) -> Candidate:
    chosen = choose_model(paths, model=model, is_last=is_last)

    def tell() -> About:
        card = None
        if is_last and paths.model_card.is_file():
            card = load_json(paths.model_card)
        return About(chosen.folder.name, None, chosen.title.removeprefix("model: "), card)

    def start() -> ModelProcess:
        check_seal(chosen.folder)
        return ModelProcess(chosen.folder, chosen.answers)

    return Candidate(str(chosen.folder), tell, start)
