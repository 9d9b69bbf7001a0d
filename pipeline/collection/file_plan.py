"""What becomes of each file of the source: validate's verdicts, people's decisions, and exact copies.

Files with the same bytes are one picture. If their labels agree, one of them is kept. A file of the source's
own test set comes first, so that test set stays as it is. If their labels differ, none is kept, unless a
person says which is right. A decision is about a picture, so about all files with its bytes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from sys import intern
from typing import Any, Self

import pyarrow as pa

from pipeline.collection.overrides import PAST, Override
from pipeline.errors import DataError, nearest
from pipeline.labels import LEARN, compose_label
from pipeline.refusals import OVERRULABLE, Refusal

_PREFERRED = {"test": 0, "val": 1, LEARN: 3}  # which copy is kept: the lowest; others have 2
_BATCH_ROWS = 4096
_COLUMNS = ["id", "key", "label", "source_split", "reason", "detail", "repairs"]


@dataclass(frozen=True, slots=True)
class File:
    """A file of the source and what becomes of it.

    Attributes:
        refusal: why it is quarantined; None: it is kept.
        at: its picture's number among those kept, or -1.
        is_restored: validate quarantined it and a person put it back.
    """

    id: str | None
    key: str
    label: str
    source_split: str
    refusal: Refusal | None
    repairs: tuple[str, ...]
    at: int = -1
    is_restored: bool = False

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The file of a row of RAW_MANIFEST or QUARANTINE."""
        refusal = Refusal(row["reason"], row["detail"]) if row["reason"] else None
        repairs = tuple(row.get("repairs", ()))
        # Few labels, many files: interning holds each label in memory once.
        return cls(row["id"], row["key"], intern(row["label"]), row["source_split"], refusal, repairs)

    def to_row(self) -> dict[str, Any]:
        """The columns that CLEAN_MANIFEST and QUARANTINE take from it."""
        return {
            "id": self.id,
            "key": self.key,
            "label": self.label,
            "source_split": self.source_split,
            "repairs": self.repairs,
            "reason": self.reason,
            "detail": self.refusal.detail if self.refusal else "",
        }

    @property
    def reason(self) -> str:
        """The reason of its refusal; "" if it is kept."""
        return self.refusal.reason if self.refusal else ""


def plan_files(
    manifest: pa.Table, overrides: Sequence[Override] = (), labels: Collection[str] = ()
) -> dict[str, File]:
    """What becomes of each file, by key and in the order of keys. No picture is read.

    Args:
        manifest: of schema RAW_MANIFEST.
        labels: all classes of the source, the empty ones too.

    Returns:
        The files of the manifest after people's decisions. Copies that are not kept have their reason; kept
        files are numbered from 0.

    Raises:
        DataError: two files have the same key, or a decision cannot be carried out.
    """
    files = _read_files(manifest)
    decisions = _find_decisions(files, _spell_keys(overrides, files), labels)
    files |= {key: _decide(files[key], override) for key, override in decisions.items()}
    for copies in _find_copies(files):
        files |= {file.key: file for file in _refuse_copies(copies, decisions.get(copies[0].key))}
    _check_obeyed(files, decisions)
    numbers = count()
    return {
        key: files[key] if files[key].refusal else replace(files[key], at=next(numbers))
        for key in sorted(files)
    }


def find_obstacle(file: File, action: str) -> str:
    """Why a person cannot bring a quarantined file back by `action` (restore, relabel); "" if they can."""
    if action == "drop" or file.refusal is None or file.reason == "dropped":
        return ""
    reason, detail = file.refusal
    if reason == "duplicate":
        return f"it is {detail}" if action == "restore" else ""
    if reason not in OVERRULABLE:
        allowed = ", ".join(OVERRULABLE)
        return f"it is {reason} ({detail}), and only {allowed} can be overruled; repair the file itself"
    if not file.label and action == "restore":
        return "it has no class; say which with `darkroom quarantine relabel --to LABEL`"
    return ""


def explain_label(label: str, labels: Collection[str]) -> str:
    """The error text for a label that the source does not have."""
    hint = nearest(label, labels) or f" (allowed: {', '.join(labels)})"
    return f"{label!r} is no class folder of the source{hint}; name another or make that folder"


def find_unused(files: Mapping[str, File], overrides: Sequence[Override]) -> list[Override]:
    """The decisions about files that the source does not hold, or no longer holds with these bytes."""
    ids = {file.id for file in files.values()} if overrides else set()
    spelt = zip(overrides, _spell_keys(overrides, files), strict=True)
    return [one for one, held in spelt if (one.id not in ids if one.id else held.key not in files)]


def _spell_keys(overrides: Sequence[Override], files: Mapping[str, File]) -> list[Override]:
    """The decisions with their keys as the source writes them: é may be one character there, or two."""
    if all(one.key in files or one.key.isascii() for one in overrides):
        return list(overrides)
    held = {compose_label(key): key for key in files if not key.isascii()}
    return [
        one if one.key in files else replace(one, key=held.get(compose_label(one.key), one.key))
        for one in overrides
    ]


def _read_files(manifest: pa.Table) -> dict[str, File]:
    files: dict[str, File] = {}
    for batch in manifest.select(_COLUMNS).to_batches(max_chunksize=_BATCH_ROWS):
        for row in batch.to_pylist():
            file = File.from_row(row)
            if file.key in files:
                raise DataError(f"two files have the key {file.key!r}; rename one and run `dvc repro`")
            files[file.key] = file
    return files


def _find_decisions(
    files: Mapping[str, File], overrides: Sequence[Override], labels: Collection[str]
) -> dict[str, Override]:
    """The decisions by the key of their file, for the files that have one."""
    by_id: dict[str | None, Override] = {}
    by_key: dict[str, Override] = {}
    idle = set(find_unused(files, overrides))  # about another source, whose classes may have gone too
    for override in overrides:
        if override.action == "relabel" and override.label not in labels and override not in idle:
            about = override.key or override.id
            raise DataError(f"overrides.csv: relabel {about}: {explain_label(override.label, labels)}")
        image_id = override.id or (files[override.key].id if override.key in files else None)
        other = by_id.get(image_id) if image_id else None
        if other:
            raise DataError(
                f"overrides.csv: {override.key} and {other.key} are the same picture, and it is decided "
                f"twice ({override.action}, {other.action}); remove one of the two lines"
            )
        if image_id:
            by_id[image_id] = override
        else:
            by_key[override.key] = override
    if not overrides:
        return {}
    found = ((key, by_id.get(file.id) or by_key.get(key)) for key, file in files.items())
    return {key: override for key, override in found if override}


def _decide(file: File, override: Override) -> File:
    """A file after a person's decision, copies aside; unchanged if the decision cannot be carried out."""
    if override.action == "drop":
        detail = override.note or "by a person, without a note"
        return file if file.refusal else replace(file, refusal=Refusal("dropped", detail))
    if file.refusal and file.reason not in OVERRULABLE:
        return file
    label = intern(override.label) if override.action == "relabel" else file.label
    if not label:
        return replace(file, refusal=Refusal("no_label", "the file lies in no class folder"))
    return replace(file, label=label, refusal=None, is_restored=bool(file.refusal))


def _find_copies(files: Mapping[str, File]) -> list[list[File]]:
    groups: dict[str | None, list[File]] = {}
    for file in files.values():
        if file.refusal is None:
            groups.setdefault(file.id, []).append(file)
    return [group for group in groups.values() if len(group) > 1]


def _refuse_copies(copies: list[File], decision: Override | None) -> Iterator[File]:
    """The files of one group of copies that are not kept, with the reason."""
    ranked = sorted(copies, key=lambda file: (_PREFERRED.get(file.source_split, 2), file.key))
    agree = len({file.label for file in copies}) == 1
    right = ranked[0] if agree else _find_restored(ranked, decision)
    if not right:
        by_label = {file.label: file.key for file in sorted(copies, key=lambda file: file.key, reverse=True)}
        named = ", ".join(f"{key} ({label})" for label, key in sorted(by_label.items()))
    for file in ranked:
        if right and file.key == right.key:
            continue
        if right and file.label == right.label:
            refusal = Refusal("duplicate", f"the same bytes as {right.key}, which is kept")
        elif right:
            refusal = Refusal(
                "conflicting_labels", f"the same bytes as {right.key}, restored as {right.label}"
            )
        else:
            refusal = Refusal("conflicting_labels", f"the same bytes under labels that differ: {named}")
        yield replace(file, refusal=refusal)


def _find_restored(copies: Sequence[File], decision: Override | None) -> File | None:
    if not decision or decision.action != "restore":
        return None
    return next((file for file in copies if file.key == decision.key), None)


def _check_obeyed(files: Mapping[str, File], decisions: Mapping[str, Override]) -> None:
    """Raise DataError if a person wants a picture kept, and none of the files with its bytes is."""
    meant: dict[Override, list[File]] = {}
    for key, override in decisions.items():
        if override.action != "drop":
            meant.setdefault(override, []).append(files[key])
    for override, about in meant.items():
        if all(file.refusal for file in about):
            named = next((file for file in about if file.key == override.key), about[0])
            detail = named.refusal.detail if named.refusal else ""
            why = find_obstacle(named, override.action) or f"{detail}; name the one to keep"
            raise DataError(f"overrides.csv: {named.key} cannot be {PAST[override.action]}: {why}")
