"""A classifier's predictions of files outside the collection, as a stream: the files are never all in memory.

Workers decode while the network runs. Pictures are answered in batches that depend on the files alone, so a
run that continues after a kill gives the same bits.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.backend.inference import BATCH_SIZE
from pipeline.images.scanning import Scanned
from pipeline.refusals import Refusal
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import Scanners
from pipeline.serving.distant_scanners import DistantScanners
from pipeline.serving.files import Files
from pipeline.sources import Entry, PutOff, Unread, escape_name

_MAX_HELD = 64 << 20  # bytes of files that wait for their answers
_MAX_ROWS = 1024  # files of a batch, where hardly one is a picture


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


class Asked(NamedTuple):
    """A file on its way: where it lies, and its bytes where they are to be kept until it is answered.

    Attributes:
        unread: how another machine reads it, if this one has not.
    """

    files: Files
    entry: Entry | None
    data: bytes = b""
    unread: Unread | None = None

    @property
    def name(self) -> str:
        """As people gave it."""
        return self.files.name(self.entry) if self.entry else escape_name(str(self.files.path))


Ticket = tuple[list[tuple[Asked, Scanned]], Asked]


class Answered(NamedTuple):
    """A file with its prediction, and its facts where there is a picture.

    Attributes:
        ends_batch: a run that continues may begin behind this file.
    """

    asked: Asked
    prediction: Prediction
    facts: Mapping[str, Any] | None
    ends_batch: bool


def predict_files(
    found: Sequence[Files],
    classifier: Classifier,
    scanners: Scanners | DistantScanners,
    *,
    top: int,
    skip: int = 0,
    facts_every: int = 1,
    keeps_bytes: bool = False,
) -> Iterator[Answered]:
    """The predictions of all files, in their order, each with at most `top` classes.

    A file that cannot be read or decoded has a prediction too, with the reason.

    Args:
        skip: files that are answered already; the last of them ended a batch.
        facts_every: of so many files the facts of one are measured; 0: of none.
        keeps_bytes: hand the bytes of what lies in archives on.
    """
    refused: list[tuple[Asked, Scanned]] = []
    put_off = PutOff() if isinstance(scanners, DistantScanners) else None
    feed = _read_files(found, skip, refused, put_off, facts_every=facts_every, keeps_bytes=keeps_bytes)
    with closing(_scan(scanners, feed, refused)) as scanned:
        for batch in _cut_batches(scanned, refused):
            predictions = _answer(batch, classifier, top)
            last = len(batch) - 1
            for place, ((asked, one), prediction) in enumerate(zip(batch, predictions, strict=True)):
                yield Answered(asked, prediction, one.facts, ends_batch=place == last)


def _read_files(
    found: Iterable[Files],
    skip: int,
    refused: list[tuple[Asked, Scanned]],
    put_off: PutOff | None,
    *,
    facts_every: int,
    keeps_bytes: bool,
) -> Iterator[tuple[Ticket, tuple[bytes, bool]]]:
    """The bytes of files, and whether facts are wanted; a ticket is a file with those refused before it.

    What stands behind the last file with bytes is left in `refused`.
    """
    place = skip - 1
    for files in found:
        n_here = len(files.entries) if files.container else 1
        if skip >= n_here:
            skip -= n_here
            continue
        if files.container is None:
            place += 1
            refused.append((Asked(files, None), Scanned(refusal=Refusal("unreadable", files.fault))))
        is_kept = keeps_bytes and files.container is not None and files.container.is_archive
        for content in files.read(skip, None if is_kept else put_off):
            place += 1
            if content.refusal:
                refused.append((Asked(files, content.entry), Scanned(refusal=content.refusal)))
                continue
            asked = Asked(files, content.entry, content.data if is_kept else b"", content.unread)
            before = refused[:]
            refused.clear()
            yield (before, asked), (content.data, facts_every > 0 and place % facts_every == 0)
        skip = 0


def _count_bytes(item: tuple[bytes, bool]) -> int:
    return len(item[0])


def _scan(
    scanners: Scanners | DistantScanners,
    feed: Iterable[tuple[Ticket, tuple[bytes, bool]]],
    refused: list[tuple[Asked, Scanned]],
) -> Generator[tuple[Ticket, Scanned], None, None]:
    """What became of each file with bytes; one that cannot be read elsewhere is refused before the next."""
    if not isinstance(scanners, DistantScanners):
        yield from scanners.map(feed, n_bytes=_count_bytes)
        return
    held: list[tuple[Asked, Scanned]] = []
    with closing(scanners.map(((ticket, ticket[1].unread), item) for ticket, item in feed)) as found:
        for (before, asked), one in found:
            held += before
            if one.is_read:
                yield (held, asked), one.scanned
                held = []
            else:
                held.append((asked, one.scanned))
    refused[:0] = held


def _cut_batches(
    scanned: Iterable[tuple[Ticket, Scanned]],
    refused: list[tuple[Asked, Scanned]],
) -> Iterator[list[tuple[Asked, Scanned]]]:
    """All files in their order, as many at a time as the network answers at once."""
    batch: list[tuple[Asked, Scanned]] = []
    n_pictures = n_held = 0
    for (before, asked), one in scanned:
        batch += [*before, (asked, one)]
        n_pictures += one.picture is not None
        n_held += len(asked.data)
        if n_pictures == BATCH_SIZE or n_held >= _MAX_HELD or len(batch) >= _MAX_ROWS:
            yield batch
            batch, n_pictures, n_held = [], 0, 0
    batch += refused
    if batch:
        yield batch


def _answer(batch: Sequence[tuple[Asked, Scanned]], classifier: Classifier, top: int) -> Iterator[Prediction]:
    pictures = [one.picture for _, one in batch if one.picture is not None]
    answered: Iterator[tuple[Any, str]] = iter(())
    if pictures:
        y_prob = classifier.predict_pictures(np.stack(pictures))
        answered = zip(y_prob, classifier.name_answers(y_prob), strict=True)
    for asked, one in batch:
        if one.picture is None:
            yield Prediction(asked.name, refusal=one.refusal)
        else:
            row, answer = next(answered)
            best = np.argsort(-row, kind="stable")[:top]
            classes = tuple((classifier.class_names[i], float(row[i])) for i in best)
            yield Prediction(asked.name, classes, answer)
