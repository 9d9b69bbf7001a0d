"""Features of a frozen backbone, computed once per picture and kept on disk by content.

A feature is found by the sha256 of the picture's pixels, below a folder named after the hash of all that
computes it: weights, precision, backend. So only new pictures are computed, and a feature is never used after
something it depends on has changed. The folder may be deleted at any time.
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.backend.device import describe_machine
from pipeline.backend.inference import compute_outputs
from pipeline.collection.pictures import Ints, Pictures, cut_into_runs
from pipeline.errors import one_line
from pipeline.progress import track
from pipeline.storage import write_whole

Floats = npt.NDArray[np.float32]

_A_FILE = 512  # pictures per file; a killed process loses no more

_log = logging.getLogger(__name__)


class Features:
    """Features [n, n_features] float32 of a collection, with its classes and groups; for `Batches`."""

    def __init__(self, values: Floats, y: Ints, groups: Ints, *, has_sources: bool = False) -> None:
        self.values, self.y, self.groups, self.has_sources = values, y, groups, has_sources
        self.picture_shape: tuple[int, ...] = values.shape[1:]
        self.parity = np.zeros(len(y), np.bool_)

    def __len__(self) -> int:
        return len(self.y)

    def gather(self, index: Ints) -> Floats:
        """Features by position: float32 [len(index), n_features]."""
        gathered: Floats = self.values[index]
        return gathered

    def choose(self, index: Ints) -> Self:
        """The features at some positions, as a collection."""
        chosen = (self.values[index], self.y[index], self.groups[index])
        return type(self)(*chosen, has_sources=self.has_sources)


class FeatureCache:
    """The features that a backbone (uint8 pictures to float32 [b, n_features]) gives, kept in a folder.

    Args:
        name: of the network; part of what identifies the backbone.
        folder: for the features of every backbone; None: nothing is kept.
    """

    def __init__(self, backbone: Any, *, name: str, folder: Path | None) -> None:
        self._backbone = backbone
        self._folder = folder / hash_backbone(backbone, name) if folder else None

    def read(self, pictures: Pictures, what: str) -> Features:
        """The features of a collection; `what` names its pictures in the log, such as "training pictures"."""
        keys = [
            digest
            for index in cut_into_runs(len(pictures), _A_FILE)
            for digest in hash_pictures(pictures.gather(index))
        ]
        known = self._read(set(keys))
        position = {key: i for i, key in reversed(list(enumerate(keys))) if key not in known}
        missing = np.array(sorted(position.values()), np.int64)
        _log.info("features of %d %s: %d known from before", len(keys), what, len(keys) - len(missing))
        for part in track(
            [missing[index] for index in cut_into_runs(len(missing), _A_FILE)],
            total=-(-len(missing) // _A_FILE),
            what=f"features, {_A_FILE} pictures at a time",
        ):
            values = compute_outputs(self._backbone, pictures.gather(part))
            of_part = [keys[i] for i in part]
            self._write(of_part, values)
            known |= dict(zip(of_part, values, strict=True))
        n_features = self._backbone.output_shape[1]
        found = np.stack([known[key] for key in keys]) if keys else np.empty((0, n_features), np.float32)
        return Features(found, pictures.y, pictures.groups, has_sources=pictures.has_sources)

    def _read(self, wanted: set[bytes]) -> dict[bytes, Floats]:
        known: dict[bytes, Floats] = {}
        for path in sorted(self._folder.glob("*.npz")) if self._folder else []:
            try:
                with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                    keys, values = file["keys"], file["values"]
                    known |= {k: v for k, v in zip(map(bytes, keys), values, strict=True) if k in wanted}
            except Exception as error:  # noqa: BLE001 (a flipped bit makes zip raise nearly anything)
                _log.warning("%s cannot be read (%s): its features are computed again", path, one_line(error))
        return known

    def _write(self, keys: list[bytes], values: Floats) -> None:
        if self._folder:
            path = self._folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}.npz"
            with write_whole(path) as temporary, temporary.open("wb") as file:
                np.savez(file, keys=np.array([np.frombuffer(key, np.uint8) for key in keys]), values=values)


def hash_backbone(backbone: Any, name: str) -> str:
    """A hash of all that a feature depends on besides the picture."""
    hashed = hashlib.sha256(
        repr((name, backbone.input_shape, backbone.output_shape, sorted(describe_backend().items()))).encode()
    )
    hashed.update(repr(sorted({layer.compute_dtype for layer in backbone.layers})).encode())
    for weight in backbone.get_weights():
        hashed.update(np.ascontiguousarray(weight).tobytes())
    return hashed.hexdigest()[:32]


def describe_backend() -> Mapping[str, str]:
    """The backend and its versions: another one rounds differently."""
    return {name: str(value) for name, value in describe_machine().items()}


def hash_pictures(pictures: npt.NDArray[np.uint8]) -> list[bytes]:
    """The sha256 of each picture's pixels, uint8 [n, height, width, channels]."""
    return [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
