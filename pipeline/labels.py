"""Names of folders and classes: their natural order, their list in a file, and names that MLflow allows."""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import DataError
from pipeline.json_file import read_json

LEARN = (
    "learn"  # the part of a picture that a person labels so that the model learns from it; it stays in train
)
_MAX_PART = 100  # characters; MLflow allows 250 for a whole name


def sort_naturally(label: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key in which numbers count as numbers and capitals do not matter: "a2" before "A10"."""
    parts = re.findall(r"[0-9]+|[^0-9]+", label.casefold())
    # The label itself settles ties ("01" and "1"), so the result never depends on the order of the input.
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], label


def compose_label(label: str) -> str:
    """A label in Unicode's composed form (NFC): macOS writes é as two characters, others as one."""
    return label if label.isascii() else unicodedata.normalize("NFC", label)


def find_look_alikes(labels: Iterable[str]) -> list[list[str]]:
    """Labels that people hardly tell apart: only capitals, spaces, _ or -, or the kind of letter differ."""
    alike = defaultdict(list)
    for label in sorted(labels):
        plain = unicodedata.normalize("NFKC", label).casefold()
        alike[re.sub(r"[\s_\-]+", " ", plain).strip()].append(label)
    return [group for group in alike.values() if len(group) > 1]


def spell_label(label: str) -> str:
    """A label in quotes, and again with numbers for characters beyond ASCII: look-alikes then differ."""
    spelt = ascii(label)
    return spelt if label.isascii() else f"{label!r} ({spelt})"


def read_class_names(path: Path) -> tuple[str, ...]:
    """The class names of classes.json, in the order of the model's outputs.

    Raises:
        DataError: the file is missing, or is not a list of names.
    """
    names = read_json(path, "split")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path} must hold a list of class names; run `dvc repro -f split`")
    return tuple(names)


def metric_name(*parts: str) -> str:
    """Parts joined by "/", each made of the characters that MLflow allows (letters, digits, _ - . and space).

    A part that has to be changed gets a hash of the original, so different parts stay different.
    """
    return "/".join(_safe(part) for part in parts)


def _safe(part: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9_\-. ]", "_", part)[:_MAX_PART]
    if kept == part and part.strip(". ") == part and part:
        return part
    return f"{kept.strip('. ')}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"
