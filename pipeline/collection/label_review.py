"""The work of `darkroom labels`: what may be labelled wrongly, and what people decide about it.

A suggestion that is accepted is a decision in data/overrides.csv, which `dvc repro` carries out. A label that
is right is remembered in data/confirmed_labels.csv, so that it is not shown again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote

from pipeline.characters import escape, say_count
from pipeline.collection.classes import list_folders
from pipeline.collection.confirmed_labels import (
    Confirmed,
    ConfirmedLabels,
    add_confirmed,
    read_confirmed,
    remove_confirmed,
    write_confirmed,
)
from pipeline.collection.quarantine import State, decide_each, find
from pipeline.collection.suspect_labels import Suspect, read_suspects
from pipeline.errors import DataError, nearest
from pipeline.params_file import load_params
from pipeline.paths import Paths


@dataclass(frozen=True)
class Review:
    """The suspect labels of the last evaluate, and what people have decided since.

    Attributes:
        state: the source, and the decisions about its files.
        classes: `data.classes`.
    """

    state: State
    suspects: list[Suspect]
    confirmed: list[Confirmed]
    classes: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, paths: Paths) -> "Review":
        """The review on disk. Raises DataError if evaluate has not run yet, or a file is malformed."""
        suspects, confirmed = read_suspects(paths.suspect_labels), read_confirmed(paths.confirmed_labels)
        return cls(State.read(paths), suspects, confirmed, load_params(paths.params).data.classes)

    def list_folders(self, name: str) -> list[str]:
        """The class folders of the class `name`."""
        if not self.classes or name not in self.classes:
            return [name]
        return list_folders(name, classes=self.classes, folders=self.state.labels)

    @cached_property
    def class_of(self) -> dict[str, str]:
        """The class of each folder that the class map names."""
        return {folder: name for name in self.classes for folder in self.list_folders(name)}

    def is_decided(self, one: Suspect) -> bool:
        """Whether the picture has another label by now, or will have one after `dvc repro`, or be gone."""
        file = self.state.files.get(one.key)
        return file is None or bool(file.refusal) or self.class_of.get(file.label, file.label) != one.label


def list_open(review: Review) -> list[Suspect]:
    """The suspect labels about which nothing is decided, the likeliest first."""
    known = ConfirmedLabels(review.confirmed)
    return [
        one
        for one in review.suspects
        if not known.covers(one.id, one.key, one.label) and not review.is_decided(one)
    ]


def accept(review: Review, words: Sequence[str], note: str = "") -> list[str]:
    """Relabel pictures to what they seem to be; returns what that does, line by line.

    Nothing is written if one of them cannot be relabelled.

    Raises:
        DataError: a word names no suspect label, or several folders belong to the suggested class.
    """
    found = _find_suspects(review, words)
    folders = {one.key: _choose_folder(one, review) for one in found}
    lines = decide_each(review.state, folders, action="relabel", note=note)
    left = remove_confirmed(review.confirmed, [(one.id, one.key) for one in found])
    if left != review.confirmed:
        write_confirmed(left, review.state.paths.confirmed_labels)
    return lines


def reject(review: Review, words: Sequence[str], note: str = "") -> list[str]:
    """Remember that the labels of pictures are right; returns what that does, line by line.

    Raises:
        DataError: a word names no suspect label, or the picture has another label by now.
    """
    found = _find_suspects(review, words)
    for one in found:
        if review.is_decided(one):
            raise DataError(
                f"{one.key} is decided otherwise in data/overrides.csv; `darkroom quarantine undo "
                f"{quote(one.key)}` takes that back"
            )
    note = escape(" ".join(note.split()))
    new = [Confirmed(one.id, one.key, one.label, note) for one in found]
    confirmed = add_confirmed(review.confirmed, new)
    lines = [f"{one.key}: {one.label} is right" for one in found]
    return [*lines, _write_changes(confirmed, review)]


def _write_changes(confirmed: list[Confirmed], review: Review) -> str:
    path: Path = review.state.paths.confirmed_labels
    name = path.relative_to(review.state.paths.root)
    if set(confirmed) == set(review.confirmed):
        return f"{name} already says so; nothing was changed"
    write_confirmed(confirmed, path)
    return f"{name} holds {say_count(len(confirmed), 'label')}; `dvc repro` now runs evaluate and promote"


def _find_suspects(review: Review, words: Sequence[str]) -> list[Suspect]:
    """The suspect labels that words name, each once."""
    by_id = {one.id: one for one in review.suspects}
    found = {}
    for word in words:
        file = find(review.state, word)[0]
        if file.id not in by_id:
            raise DataError(
                f"{file.key} is not among the labels that may be wrong, see `darkroom labels list`; "
                f"`darkroom quarantine relabel {quote(file.key)} --to LABEL` gives any picture another one"
            )
        found[file.id] = by_id[file.id]
    return list(found.values())


def _choose_folder(one: Suspect, review: Review) -> str:
    """The class folder of the suggested class.

    Raises:
        DataError: the class has several folders, or does not exist any more.
    """
    by_hand = f"`darkroom quarantine relabel {quote(one.key)} --to FOLDER`"
    if review.classes and one.suggested not in review.classes:
        raise DataError(
            f"{one.key} seems {one.suggested}, which is no class of data.classes any more"
            f"{nearest(one.suggested, review.classes)}; run `dvc repro`, or {by_hand}"
        )
    found = review.list_folders(one.suggested)
    if len(found) != 1:
        raise DataError(
            f"{one.key} seems {one.suggested}, and data.classes gives that class {len(found)} folders "
            f"({', '.join(found[:5])}{', ...' if len(found) > 5 else ''}); choose one: {by_hand}"
        )
    return found[0]
