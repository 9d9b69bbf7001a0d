"""A classifier folder under seal: the sha256 of each file, so that a changed, missing or added one is found.

Promotion seals what it packs into the registered model, and the registry keeps the hash of the seal. So files
are compared with the seal, and the seal with the registry. It is in a file of its own: `classifier.json` is
train's, and a change of it would train again.
"""

import json
import logging
from collections.abc import Set
from pathlib import Path, PurePath

from pipeline.characters import cut, escape
from pipeline.errors import ModelError, ParamsError, one_line
from pipeline.json_file import load_json
from pipeline.storage import hash_file, translate_errors, write_whole
from pipeline.yaml_file import read_yaml

SEAL_FILE = "sha256.json"
# Of a model: what MLflow writes to after the folder was sealed, or when it fetches one.
_MLFLOWS_OWN = frozenset({"MLmodel", "registered_model_meta"})
_LOADING = ("mlflow.pyfunc.loaders.code_model", "code", "pyfunc")  # of MLmodel: how the code is found
_ADVICE = "promote it again (`dvc repro`), or take a whole copy of the model"

_log = logging.getLogger(__name__)


def write_seal(folder: Path, *, but: Set[str] = frozenset()) -> str:
    """Write the hashes of all files of a classifier folder beside them; the sha256 of what was written.

    Args:
        but: paths in the folder that others write to.
    """
    hashes = {name: hash_file(folder / name) for name in _list_files(folder, but)}
    with write_whole(folder / SEAL_FILE) as temporary:
        temporary.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return hash_file(folder / SEAL_FILE)


def seal_model(folder: Path) -> str:
    """As `write_seal`, of a model as MLflow writes it, with the code packed with it."""
    return write_seal(folder, but=_MLFLOWS_OWN)


def check_model(folder: Path, known: str) -> None:
    """As `check_seal`, of a model as MLflow wrote it. "": an older Darkroom registered it, and sealed less.

    MLflow writes into MLmodel after it was sealed: it must lead to sealed files only. What Python compiled of
    the code is removed, since it would run in place of what is sealed.

    Raises:
        ModelError: as `check_seal`; and the model would be loaded otherwise than Darkroom loads one.
    """
    if not known:
        return
    check_seal(folder, known, but=_MLFLOWS_OWN)
    with translate_errors(folder):
        for compiled in folder.rglob("*.pyc"):
            compiled.unlink(missing_ok=True)
    try:
        loading = read_yaml(folder / "MLmodel")["flavors"]["python_function"]
        found = (loading["loader_module"], loading["code"], PurePath(loading["model_code_path"]).stem)
    except (ParamsError, LookupError, TypeError) as error:
        raise _refuse(folder, f"MLmodel cannot be read ({one_line(error)})") from None
    if found != _LOADING:
        raise _refuse(folder, "MLmodel names other code than the model was registered with")


def check_seal(folder: Path, known: str | None = None, *, but: Set[str] = frozenset()) -> None:
    """Compare the files of a classifier folder with its seal, and the seal with what the registry knows.

    A folder without a seal is let through: train makes it so, and so did an older Darkroom.

    Args:
        known: the sha256 of the seal by the registry; "": the registry knows none, and a missing seal is said
            in the log; None: the folder is none of the registry's.
        but: as of `write_seal`.

    Raises:
        ModelError: a file was changed, removed or added since, with its name.
    """
    seal = folder / SEAL_FILE
    if not seal.is_file():
        if known:
            raise _refuse(folder, f"{SEAL_FILE} is missing, whose hash the registry knows")
        if known is not None:
            said = "%s has no %s: it was not promoted, or by an older Darkroom; its files are not checked"
            _log.info(said, folder, SEAL_FILE)
        return
    try:
        if known and hash_file(seal) != known:
            raise _refuse(folder, f"{SEAL_FILE} is another than the registry knows")
        if fault := _find_change(folder, load_json(seal), but):
            raise _refuse(folder, fault)
    except (OSError, ValueError) as error:
        raise _refuse(folder, f"its files cannot be compared with {SEAL_FILE} ({one_line(error)})") from None


def _find_change(folder: Path, hashes: object, but: Set[str]) -> str:
    """The first file, by name, that is not as it was sealed; "" if there is none."""
    if not isinstance(hashes, dict):
        return f"{SEAL_FILE} lists no files"
    for name in sorted({*hashes, *_list_files(folder, but)}):
        shown = cut(escape(name), 100)
        if name not in hashes:
            return f"{shown} was added"
        if not (folder / name).is_file():
            return f"{shown} is missing"
        if hash_file(folder / name) != hashes[name]:
            return f"{shown} was changed"
    return ""


def _list_files(folder: Path, but: Set[str]) -> list[str]:
    """All files of a folder but its seal and what Python compiled, by their path in it.

    A link to elsewhere is a file of its name.
    """
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    named = {path.relative_to(folder).as_posix() for path in found if path.suffix != ".pyc"}
    return sorted(named - {SEAL_FILE} - but)


def _refuse(folder: Path, fault: str) -> ModelError:
    return ModelError(f"{folder} is not as it was registered: {fault}; {_ADVICE}")
