"""What validate learned of files, as bytes in the store of results: facts, repairs, or why a file is refused.

A file that was given up, or whose process was killed, is tried again in the next run: that is no fact.
"""

import json
from typing import Any

from pipeline.collection.known_files import KnownFiles
from pipeline.images.computation import hash_computation
from pipeline.images.facts import FACTS
from pipeline.images.inspection import Inspection, find_claim
from pipeline.refusals import Refusal
from pipeline.sources import Record

_FACTS = tuple(fact.name for fact in FACTS if fact.dtype)


class KnownInspections:
    """Inspections of files; a `known_files.Book`.

    Args:
        settings: of `inspection.inspect`.
    """

    def __init__(self, known: KnownFiles, settings: dict[str, Any]) -> None:
        self._shelf = known.store.shelf("facts", hash_computation(), sorted(settings.items()))
        self.is_empty = self._shelf.is_empty

    def find(self, record: Record, image_id: str) -> Inspection | None:
        """The inspection of a file under the name of its record."""
        body = self._shelf.find(image_id + find_claim(record.key))
        return _read_inspection(image_id, body) if body else None

    def keep(self, record: Record, result: Inspection) -> None:
        """Keep an inspection, unless the file could not be read at the moment."""
        if record.refusal is None and (result.refusal is None or result.refusal.reason != "unreadable"):
            self._shelf.put(result.id + find_claim(record.key), _write_inspection(result))


def _write_inspection(found: Inspection) -> bytes:
    values = [found.facts.get(name) for name in _FACTS]
    return json.dumps([values, found.repairs, found.refusal], separators=(",", ":")).encode()


def _read_inspection(image_id: str, body: bytes) -> Inspection:
    values, repairs, refusal = json.loads(body)
    facts = dict(zip(_FACTS, values, strict=True))
    return Inspection(image_id, facts, tuple(repairs), Refusal(*refusal) if refusal else None)
