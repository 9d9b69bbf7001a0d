"""A classifier's predictions of files outside the collection: single images, folders, archives."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt

from pipeline.characters import cut
from pipeline.errors import SourceError
from pipeline.progress import track
from pipeline.refusals import Refusal
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import Decoders
from pipeline.sources import Container, Content, Entry, escape_name, open_container

_MAX_FAULT = 300  # characters
_CHUNK = 256  # pictures in memory at a time

NamedPicture = tuple[str, npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Prediction:
    """One file: its most likely classes with their probabilities, in falling order; or why there are none.

    Attributes:
        answer: the most likely class; or that a person should look, where the model is not sure enough.
    """

    file: str
    classes: tuple[tuple[str, float], ...] = ()
    answer: str = ""
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Files:
    """The files at one path that was asked about; `container` is None if it cannot be read, for `fault`."""

    path: Path
    container: Container | None
    entries: tuple[Entry, ...] = ()
    fault: str = ""

    def name(self, entry: Entry) -> str:
        """An entry's name with the path in front of it, as it was given."""
        is_itself = self.path.is_file() and not (self.container and self.container.is_archive)
        path = escape_name(str(self.path))
        return path if is_itself else str(PurePath(path, entry.name))


def find_files(paths: Sequence[Path]) -> list[Files]:
    """List the files at `paths`: images, folders of any depth, .zip, .tar, .tar.gz or .tgz.

    Hidden files inside folders and archives are left out.

    Raises:
        SourceError: a path does not exist, or there is no file in any of them.
    """
    for path in paths:
        if not path.exists():
            raise SourceError(f"{path} does not exist; name images, folders, .zip or .tar files of images")
    found = [_list(path) for path in paths]
    if not any(files.entries or files.container is None for files in found):
        raise SourceError(f"there is no file in {', '.join(map(str, paths))}")
    return found


def predict_files(
    found: Iterable[Files], classifier: Classifier, decoders: Decoders, *, top: int
) -> list[Prediction]:
    """One prediction per file, with at most `top` classes; sorted by name within each of the paths.

    A file that cannot be read or decoded has a prediction too, with the reason.
    """
    return [
        prediction
        for files in found
        for prediction in sorted(_predict(files, classifier, decoders, top), key=lambda one: one.file)
    ]


def _list(path: Path) -> Files:
    try:
        container = open_container(path)
    except SourceError as error:
        return Files(path, None, fault=cut(str(error), _MAX_FAULT))
    is_listed = container.is_archive or path.is_dir()
    entries = (entry for entry in container.entries if not (is_listed and _is_hidden(entry.name)))
    return Files(path, container, tuple(entries))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _predict(files: Files, classifier: Classifier, decoders: Decoders, top: int) -> Iterator[Prediction]:
    if files.container is None:
        yield Prediction(escape_name(str(files.path)), refusal=Refusal("unreadable", files.fault))
        return
    contents = files.container.read(files.entries)
    shown = track(contents, total=len(files.entries), what=escape_name(files.path.name))
    unread: list[Prediction] = []
    with closing(decoders.map(_set_aside(shown, files, unread), n_bytes=len)) as developed:
        while chunk := list(islice(developed, _CHUNK)):
            unread += [Prediction(name, refusal=one) for name, one in chunk if isinstance(one, Refusal)]
            pictures = [(name, one) for name, one in chunk if not isinstance(one, Refusal)]
            yield from _answer(pictures, classifier, top)
    yield from unread


def _set_aside(
    contents: Iterable[Content], files: Files, unread: list[Prediction]
) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of files; what has no bytes becomes a prediction in `unread`."""
    for content in contents:
        name = files.name(content.entry)
        if content.refusal:
            unread.append(Prediction(name, refusal=content.refusal))
        else:
            yield name, content.data


def _answer(pictures: Sequence[NamedPicture], classifier: Classifier, top: int) -> Iterator[Prediction]:
    if not pictures:
        return
    y_prob = classifier.predict_pictures(np.stack([picture for _, picture in pictures]))
    answers = classifier.name_answers(y_prob)
    for (name, _), row, answer in zip(pictures, y_prob, answers, strict=True):
        best = np.argsort(-row, kind="stable")[:top]
        yield Prediction(name, tuple((classifier.class_names[i], float(row[i])) for i in best), answer)
