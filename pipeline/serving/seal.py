"""A classifier folder under seal: the sha256 of each file, so that a changed, missing or added one is found.

Promotion seals what it packs into the registered model, and the registry keeps the hash of the seal. So files
are compared with the seal, and the seal with the registry. It is in a file of its own: `classifier.json` is
train's, and a change of it would train again.
"""

import hashlib
import json
import logging
from pathlib import Path

from pipeline.characters import cut, escape
from pipeline.errors import ModelError, one_line
from pipeline.json_file import load_json
from pipeline.storage import write_whole

SEAL_FILE = "sha256.json"
_ADVICE = "promote it again (`dvc repro`), or take a whole copy of the model"

_log = logging.getLogger(__name__)


def write_seal(folder: Path) -> str:
    """Write the hashes of all files of a classifier folder beside them; the sha256 of what was written."""
    hashes = {name: hash_file(folder / name) for name in _list_files(folder)}
    with write_whole(folder / SEAL_FILE) as temporary:
        temporary.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return hash_file(folder / SEAL_FILE)


def check_seal(folder: Path, known: str | None = None) -> None:
    """Compare the files of a classifier folder with its seal, and the seal with what the registry knows.

    A folder without a seal is let through: train makes it so, and so did an older Darkroom.

    Args:
        known: the sha256 of the seal by the registry; "": the registry knows none, and a missing seal is said
            in the log; None: the folder is none of the registry's.

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
        if fault := _find_change(folder, load_json(seal)):
            raise _refuse(folder, fault)
    except (OSError, ValueError) as error:
        raise _refuse(folder, f"its files cannot be compared with {SEAL_FILE} ({one_line(error)})") from None


def hash_file(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find_change(folder: Path, hashes: object) -> str:
    """The first file, by name, that is not as it was sealed; "" if there is none."""
    if not isinstance(hashes, dict):
        return f"{SEAL_FILE} lists no files"
    for name in sorted({*hashes, *_list_files(folder)}):
        shown = cut(escape(name), 100)
        if name not in hashes:
            return f"{shown} was added"
        if not (folder / name).is_file():
            return f"{shown} is missing"
        if hash_file(folder / name) != hashes[name]:
            return f"{shown} was changed"
    return ""


def _list_files(folder: Path) -> list[str]:
    """All files of a folder but its seal, by their path in it; a link to elsewhere is a file of its name."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted({path.relative_to(folder).as_posix() for path in found} - {SEAL_FILE})


def _refuse(folder: Path, fault: str) -> ModelError:
    return ModelError(f"{folder} is not as it was registered: {fault}; {_ADVICE}")
