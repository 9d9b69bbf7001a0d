"""The work of `darkroom quarantine`: look at files of the source, and write decisions about them.

Decisions go into data/overrides.csv alone, and `dvc repro` then carries them out. A file is named by its key,
by a path below the source, by its id or by the first digits of its id.
"""

import csv
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.characters import escape, quote_cell, say_count
from pipeline.collection.contact_sheets import draw_blank_tile
from pipeline.collection.file_plan import File, explain_label, find_obstacle, plan_files
from pipeline.collection.overrides import (
    PAST,
    Override,
    add_decisions,
    drop_repeats,
    find_earlier,
    read_overrides,
    remove_decisions,
    write_overrides,
)
from pipeline.collection.thumbnails import make_thumbnails
from pipeline.errors import DataError, nearest
from pipeline.figures.drawing import shorten
from pipeline.figures.sheets import draw_sheet
from pipeline.labels import compose_label
from pipeline.params_file import load_params
from pipeline.paths import Paths
from pipeline.refusals import REASONS
from pipeline.sources import open_collection
from pipeline.storage import write_whole
from pipeline.tables.parquet import read_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.raw_classes import RAW_CLASSES
from pipeline.tables.raw_manifest import RAW_MANIFEST

LISTED = ("key", "label", "reason", "detail", "id")
_ID_START = re.compile(r"[0-9a-f]{4,64}")
_MANY_KEYS = 50_000  # comparing a misspelt key with so many takes a second
_SHOWN_PX, _SHOWN_IN, _SHOWN_COLUMNS = 288, 3.0, 3


@dataclass(frozen=True)
class State:
    """The source as validate saw it, and the decisions about it so far."""

    paths: Paths
    manifest: pa.Table
    labels: tuple[str, ...]
    overrides: list[Override]

    @classmethod
    def read(cls, paths: Paths) -> "State":
        """The state on disk. Raises DataError if validate has not run yet, or overrides.csv is malformed."""
        manifest = read_table(paths.raw_manifest, RAW_MANIFEST)
        labels = read_table(paths.raw_classes, RAW_CLASSES).column("label").to_pylist()
        return cls(paths, manifest, tuple(labels), read_overrides(paths.overrides))

    @cached_property
    def files(self) -> dict[str, File]:
        """What becomes of each file, by key, with the decisions so far."""
        return plan_files(self.manifest, self.overrides, self.labels)

    @cached_property
    def undecided(self) -> dict[str, File]:
        """What would become of each file without any decision."""
        return plan_files(self.manifest)

    @cached_property
    def where(self) -> Path:
        """The path of the source that params.yaml names now."""
        return self.paths.source(load_params(self.paths.params).data.source)


def list_files(state: State, *, reason: str | None = None, label: str | None = None) -> list[File]:
    """The quarantined files, by key, including those that failed only when clean developed them.

    Raises:
        DataError: there is no such reason or class.
    """
    if reason is not None and reason not in REASONS:
        hint = nearest(reason, REASONS) or f"; allowed: {', '.join(REASONS)}"
        raise DataError(f"there is no reason {reason!r}{hint}")
    label = compose_label(label) if label else label
    if label and label not in state.labels:
        raise DataError(explain_label(label, state.labels))
    found = [file for file in (state.files | _find_failed(state)).values() if file.refusal]
    return [file for file in found if (reason or file.reason) == file.reason and label in (None, file.label)]


def _find_failed(state: State) -> dict[str, File]:
    """Files that validate could inspect and clean could not develop."""
    if not state.paths.quarantine.is_file():
        return {}
    rows = read_table(state.paths.quarantine, QUARANTINE).to_pylist()
    unfit = [row for row in rows if (file := state.undecided.get(row["key"])) and file.id == row["id"]]
    files = {row["key"]: File.from_row(row) for row in unfit}
    return {
        key: file
        for key, file in files.items()
        if state.files[key].refusal is None and find_obstacle(file, "relabel")
    }


def describe_counts(files: Sequence[File]) -> str:
    """How many files there are for each reason, in words."""
    counts = Counter(file.reason for file in files)
    said = ", ".join(f"{reason} {n}" for reason, n in counts.most_common())
    return f"{say_count(len(files), 'file')}: {said}" if files else "no quarantined file"


def write_list(files: Sequence[File], path: Path) -> None:
    """Write a CSV with one line per file: key, label, reason, detail, id.

    A text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(LISTED)
        writer.writerows([quote_cell(file.to_row()[name] or "") for name in LISTED] for file in files)


def find(state: State, word: str) -> list[File]:
    """The file that a word names by key or path, or all files whose id begins with it.

    Raises:
        DataError: there is no such file, or the ids of several pictures begin with the word.
    """
    files = state.undecided
    if word not in files and not word.isascii():
        word = next((key for key in files if compose_label(key) == compose_label(word)), word)
    if word in files:
        return [files[word]]
    path, spelt = Path(word).resolve(), [posixpath.normpath(word)]  # without "./"
    if path.is_relative_to(state.where.resolve()):
        key = path.relative_to(state.where.resolve()).as_posix()
        spelt = [key, key.partition("/")[2], *spelt]  # a wrapper folder is left out of keys
    if known := next((key for key in spelt if key in files), None):
        return [files[known]]
    if _ID_START.fullmatch(word.lower()):
        found = [file for file in files.values() if (file.id or "").startswith(word.lower())]
        if len({file.id for file in found}) > 1:
            raise DataError(
                f"the ids of {len({f.id for f in found})} pictures begin with {word}; give more digits"
            )
        if found:
            return found
    raise DataError(f"{word} is not a file of the source{_suggest_key(word, files)}; give a key or an id")


def _suggest_key(word: str, keys: Mapping[str, File]) -> str:
    name = word.rpartition("/")[2].casefold()
    if same := [key for key in keys if key.rpartition("/")[2].casefold() == name][:3]:
        return f" (did you mean {' or '.join(same)}?)"
    return nearest(word, keys) if len(keys) <= _MANY_KEYS else ""


def decide(state: State, words: Sequence[str], *, action: str, label: str = "", note: str = "") -> list[str]:
    """Write one action for some files, in place of earlier ones; returns what that does, line by line.

    Raises:
        DataError: as `decide_each`.
    """
    return decide_each(state, dict.fromkeys(words, label), action=action, note=note)


def decide_each(state: State, labels: Mapping[str, str], *, action: str, note: str = "") -> list[str]:
    """As `decide`, with a label for each word, "" where the action takes none.

    Restoring a file that is kept without any decision removes its decision. Nothing is written if one file
    cannot be decided.

    Raises:
        DataError: a word names no file, there is no such class, or a file cannot be brought back.
    """
    labels = {word: compose_label(label) for word, label in labels.items()}
    if action == "relabel" and (unknown := set(labels.values()) - set(state.labels)):
        raise DataError(explain_label(min(unknown), state.labels))
    found = ((_find_one(state, word, action), label) for word, label in labels.items())
    named = {file.key: (file, label) for file, label in found}
    for key in named:
        if why := find_obstacle(state.files[key], action):
            raise DataError(f"{key} cannot be {PAST[action]}: {why}")
    note = escape(" ".join(note.split()))
    wanted = drop_repeats(
        [Override(file.id or "", file.key, action, label, note) for file, label in named.values()]
    )
    others = remove_decisions(state.overrides, wanted)
    before = plan_files(state.manifest, others, state.labels)
    new = [one for one in wanted if not _is_so(before[one.key], one)]
    kept = [find_earlier(state.overrides, one) or one for one in new]
    overrides = add_decisions(others, kept)
    after = plan_files(state.manifest, overrides, state.labels)
    return [*(f"{key}: {_describe(after[key])}" for key in named), _write_changes(state, overrides)]


def undo(state: State, words: Sequence[str]) -> list[str]:
    """Remove what was decided about some files; returns what that does, line by line.

    Raises:
        DataError: a word names no file of the source and no decision.
    """
    gone: list[Override] = []
    for word in words:
        about = [one for one in state.overrides if word in (one.key, one.id)]
        files = [] if about else find(state, word)
        gone += about or [Override(file.id or "", file.key, "drop") for file in files]
    overrides = remove_decisions(state.overrides, gone)
    # Written before `plan_files`, which raises if another decision is wrong: this change is right all the
    # same.
    written = _write_changes(state, overrides)
    after = plan_files(state.manifest, overrides, state.labels)
    return [*(f"{one.key}: {_describe(after[one.key])}" for one in gone if one.key in after), written]


def show(state: State, words: Sequence[str], png: Path) -> list[dict[str, Any]]:
    """Draw some files on a sheet; returns all that validate found out about each.

    A file that cannot be decoded is a crossed grey tile.
    """
    wanted = {file.key: file for word in words for file in find(state, word)}
    params = load_params(state.paths.params)
    source = open_collection(state.paths.root, params.data)
    formats = sorted({*state.manifest.column("format").to_pylist()} - {None})
    limits = params.validate_
    tiles = make_thumbnails(
        ((record.key, record.data) for record in source.pick_records(wanted)),
        side_px=_SHOWN_PX,
        formats=formats,
        max_pixels=limits.max_pixels,
        max_seconds=limits.max_seconds_per_file,
    )
    pictures = np.stack([tiles.get(key, draw_blank_tile(_SHOWN_PX)) for key in wanted])
    captions = [f"{_describe(state.files[key], in_full=False)}\n{shorten(key, 50)}" for key in wanted]
    title = f"{len(wanted)} of {say_count(len(state.files), 'file')}"
    draw_sheet(pictures, captions, title=title, path=png, n_columns=_SHOWN_COLUMNS, tile_in=_SHOWN_IN)
    rows = state.manifest.filter(pc.is_in(state.manifest.column("key"), pa.array(list(wanted)))).to_pylist()
    now = ({"now": _describe(state.files[row["key"]])} for row in rows)
    known = ({name: value for name, value in row.items() if value not in (None, "", [])} for row in rows)
    return [facts | said for facts, said in zip(known, now, strict=True)]


def _find_one(state: State, word: str, action: str) -> File:
    """The one file that a word names; of several with the same bytes, one that is kept comes first."""
    found = find(state, word)
    if action == "restore" and len({file.label for file in found}) > 1:
        keys = ", ".join(f"{file.key} ({file.label or 'no class'})" for file in found)
        raise DataError(
            f"{word} names {len(found)} files under different labels: {keys}; name one by its key"
        )
    return min(found, key=lambda file: (state.files[file.key].refusal is not None, file.key))


def _is_so(file: File, wanted: Override) -> bool:
    """Whether a file is as the decision wants it, even without the decision."""
    if wanted.action == "drop" or file.refusal:
        return False
    return wanted.action == "restore" or file.label == wanted.label


def _write_changes(state: State, overrides: list[Override]) -> str:
    """Write the decisions if they changed; returns what to do next."""
    name = state.paths.overrides.relative_to(state.paths.root)
    if set(overrides) == set(state.overrides):
        return f"{name} already says so; nothing was changed"
    write_overrides(overrides, state.paths.overrides)
    n = say_count(len(overrides), "decision")
    return f"{name} holds {n}; `dvc repro` now runs clean and the stages after it, but not validate"


def _describe(file: File, *, in_full: bool = True) -> str:
    if file.refusal is None:
        return f"kept as {file.label}"
    return f"quarantined, {file.refusal}" if in_full else f"quarantined, {file.reason}"
