"""What to label next: the work of `darkroom labels queue`, from scans to chosen pictures.

Not asked again is what the collection holds, what waits in a table of `data.labelled`, and what looks like a
picture of the collection by the fingerprints of `clean`. Of scans that look like each other one is asked.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.backend.anatomy import collect_inputs, find_embedding, trace_steps
from pipeline.collection.near_duplicates import link_near
from pipeline.collection.near_links import find_components
from pipeline.evidence.label_choice import choose_pictures, measure_doubt
from pipeline.images.fingerprint import VIEWS, Fingerprint, find_margins
from pipeline.images.picture import Developed
from pipeline.params import CleanParams, DataParams
from pipeline.paths import Paths
from pipeline.progress import log_time, track
from pipeline.refusals import Refusal
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import Developers
from pipeline.serving.files import Files
from pipeline.sources import Container, Content, Entry, escape_name, list_labelled
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.tables.raw_classes import RAW_CLASSES
from pipeline.tables.raw_manifest import RAW_MANIFEST

Float32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_CHUNK = 256  # pictures in memory at a time
_BYTES = 32  # of a fingerprint


@dataclass(frozen=True)
class Scan:
    """A file among the scans.

    Attributes:
        container, entry: where its bytes are.
        name: as `darkroom predict` shows it.
        below: its path below the folder or archive that was named.
    """

    container: Container
    entry: Entry
    name: str
    below: str

    def read(self) -> bytes:
        """Its bytes; b"" if they cannot be read any more."""
        return b"".join(content.data for content in self.container.read([self.entry]))


@dataclass
class Pool:
    """What was found among the scans.

    Attributes:
        scans: those that the model has answered, in the order of their names.
        y_prob: its answers [n, n_classes].
        features: what its last layer receives [n, n_features].
        prints: their fingerprints.
        unread: names of files that are no pictures, with the reason.
        n_known: files whose bytes are known, or come twice.
    """

    scans: list[Scan] = field(default_factory=list)
    y_prob: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    features: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    prints: list[Fingerprint] = field(default_factory=list)
    unread: list[tuple[str, Refusal]] = field(default_factory=list)
    n_known: int = 0

    def __len__(self) -> int:
        return len(self.scans)


@dataclass(frozen=True)
class Queue:
    """The chosen scans in the order in which to label them, as positions in the pool.

    Attributes:
        n_alike: scans that were left out, because they look like pictures of the collection or each other.
    """

    chosen: Ints
    n_alike: int


def read_pool(
    found: Sequence[Files], classifier: Classifier, developers: Developers, known: Collection[str]
) -> Pool:
    """Answer all scans but those whose ids (sha256 of their bytes) are known.

    Args:
        found: as `serving.files.find_files` lists them.
    """
    pool, answers, features = Pool(), [], []
    seen, layer = set(known), None
    for files in found:
        waiting = _develop(files, developers, pool, seen)
        while chunk := list(islice(waiting, _CHUNK)):
            pictures = np.stack([one.picture for _, one in chunk if one.picture is not None])
            pool.scans += [scan for scan, _ in chunk]
            pool.prints += [one.fingerprint for _, one in chunk if one.fingerprint is not None]
            answers.append(classifier.predict_pictures(pictures))
            layer = layer or find_embedding(trace_steps(classifier.network, pictures[0]))
            features.append(collect_inputs(classifier.network, layer, pictures))
    if answers:
        pool.y_prob, pool.features = np.concatenate(answers), np.concatenate(features)
    return pool


@log_time("choosing pictures")
def choose_queue(pool: Pool, kept: pa.Table | None, section: CleanParams, n: int) -> Queue:
    """Choose up to n scans of a pool.

    Args:
        kept: with the columns pdq and pdq_quality of CLEAN_MANIFEST: the collection; None: there is none yet.
        section: `clean` of params.yaml: when two pictures are near-duplicates.
    """
    group, is_known = _find_alike(pool.prints, kept, section)
    order = np.argsort(-measure_doubt(pool.y_prob), kind="stable")
    order = order[~is_known[group[order]]]
    first = np.unique(group[order], return_index=True)[1]
    asked = np.sort(order[first])  # of each group the picture of the most doubt
    chosen = choose_pictures(pool.features[asked], pool.y_prob[asked], n)
    return Queue(asked[chosen], len(pool) - len(asked))


def _develop(
    files: Files, developers: Developers, pool: Pool, seen: set[str]
) -> Iterator[tuple[Scan, Developed]]:
    """The new pictures at one place, by name; other files are noted in the pool."""
    if files.container is None:
        pool.unread.append((escape_name(str(files.path)), Refusal("unreadable", files.fault)))
        return
    container = files.container
    entries = sorted(files.entries, key=lambda entry: entry.name)
    shown = track(container.read(entries), total=len(entries), what=escape_name(files.path.name))
    items = _take_new(shown, files, pool, seen)
    with closing(developers.map(items, n_bytes=len)) as developed:
        for entry, one in developed:
            if one.refusal or one.picture is None or one.fingerprint is None:
                pool.unread.append((files.name(entry), one.refusal or Refusal("unreadable", "")))
            else:
                yield Scan(container, entry, files.name(entry), files.below(entry)), one


def _take_new(
    contents: Iterator[Content], files: Files, pool: Pool, seen: set[str]
) -> Iterator[tuple[Entry, bytes]]:
    for content in contents:
        if content.refusal:
            pool.unread.append((files.name(content.entry), content.refusal))
            continue
        image_id = hashlib.sha256(content.data).hexdigest()
        if image_id in seen:
            pool.n_known += 1
            continue
        seen.add(image_id)
        yield content.entry, content.data


def _find_alike(
    prints: Sequence[Fingerprint], kept: pa.Table | None, section: CleanParams
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The group of near-duplicates of each scan [n]; and by group, whether the collection is in it."""
    n = len(prints)
    pdq = [np.frombuffer(b"".join(one.pdq for one in prints), np.uint8).reshape(n, _BYTES)]
    quality = [np.array([one.quality for one in prints], np.int16)]
    if kept is not None and len(kept):
        pdq.append(np.frombuffer(b"".join(kept.column("pdq").to_pylist()), np.uint8).reshape(-1, _BYTES))
        quality.append(kept.column("pdq_quality").to_numpy())
    fingerprints = np.concatenate(pdq)
    usable = np.concatenate(quality) >= max(section.near_duplicate_min_quality, 1)

    def read_views(start: int, stop: int) -> npt.NDArray[np.uint8]:
        views = np.zeros((stop - start, len(VIEWS), _BYTES), np.uint8)  # none of the collection are kept
        views[:, 0] = fingerprints[start:stop]
        for row in range(start, min(stop, n)):
            if prints[row].views:
                views[row - start] = np.frombuffer(prints[row].views, np.uint8).reshape(-1, _BYTES)
        return views

    links = link_near(
        fingerprints,
        usable,
        read_views,
        max_distance=section.near_duplicate_distance,
        margins=find_margins(),
    )
    group = find_components(len(fingerprints), links.a, links.b)
    is_known = np.zeros(len(fingerprints), np.bool_)
    is_known[group[n:]] = True
    return group[:n], is_known


def list_known(paths: Paths, section: DataParams) -> set[str]:
    """The ids of pictures that need not be asked: labelled ones of the collection, and those that wait.

    Raises:
        SourceError: a table of `data.labelled` cannot be read.
    """
    known = set()
    if paths.raw_manifest.is_file():
        table = read_table(paths.raw_manifest, RAW_MANIFEST)
        known = set(table.filter(pc.not_equal(table.column("label"), "")).column("id").to_pylist()) - {None}
    for path in {row.path for row in list_labelled(paths.root, section) if row.path}:
        with suppress(OSError):  # a picture that cannot be read is asked again, and validate names it
            known.add(hashlib.sha256(path.read_bytes()).hexdigest())
    return known


def read_kept(paths: Paths) -> pa.Table | None:
    """The fingerprints of the collection; None before the first run."""
    if not paths.clean_manifest.is_file():
        return None
    return read_table(paths.clean_manifest, CLEAN_MANIFEST).select(["pdq", "pdq_quality"])


def list_labels(paths: Paths) -> list[str]:
    """The class folders of the source as validate saw them; [] before the first run."""
    if not paths.raw_classes.is_file():
        return []
    labels: list[str] = read_table(paths.raw_classes, RAW_CLASSES).column("label").to_pylist()
    return labels
