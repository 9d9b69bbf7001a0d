"""Runs of stages that could not be sent: in `.darkroom/spool`, each whole, until `replay` sends them.

A spooled run is a folder: `run.json`, and the files that the stage logged. Only the run of a stage that ended
well is kept: what another one left is removed by DVC, and it runs again.
"""

import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import StorageError, TrackingError, one_line
from pipeline.json_file import load_json
from pipeline.paths import Paths
from pipeline.storage import hash_file, hold_lock, is_leftover, make_folder, sync_folder, translate_errors

SPOOL_TAG = "darkroom.spool"  # of a run: which spooled one it is, so that none is sent twice
VERSION = 1  # of the format
_DATA, _FILES = "run.json", "files"
_FILE, _MODEL = "file", "model"

_log = logging.getLogger(__name__)


def _now() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Dataset:
    """An input of a run: a file's name, its md5, where it lies in the project, and what it was used for."""

    name: str
    md5: str
    uri: str
    context: str

    @classmethod
    def read(cls, name: str, path: Path, context: str) -> "Dataset":
        """The description of a file; the URI is relative to the project, so it is the same everywhere."""
        return cls(name, hash_file(path, "md5"), f"data/{path.parent.name}/{path.name}", context)


@dataclass(frozen=True)
class Metric:
    """A number of a run: its name, its value, when it was logged (ms since 1970), and its step."""

    name: str
    value: float
    when: int
    step: int


@dataclass
class Spooled:
    """What a stage says of its run, noted in memory; `keep` writes it.

    It takes what `runs.Run` takes. Files are read when it is kept: until then they are the stage's own.

    Attributes:
        experiment: the name of the experiment that the run belongs to.
        logged: kind ("file" or "model"), path and folder of what is to be an artifact.
    """

    stage: str
    experiment: str
    tags: dict[str, str]
    params: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    start: int = field(default_factory=_now)
    end: int = 0
    metrics: list[Metric] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    logged: list[tuple[str, Path, str]] = field(default_factory=list)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """As `runs.Run.log_metrics`."""
        now = _now()
        self.metrics += [Metric(name, float(value), now, step or 0) for name, value in metrics.items()]

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """As `runs.Run.log_artifact`."""
        self.logged.append((_FILE, path, folder))

    def log_dataset(self, name: str, path: Path, context: str) -> None:
        """As `runs.Run.log_dataset`."""
        self.datasets.append(Dataset.read(name, path, context))

    def log_classifier(self, folder: Path) -> None:
        """As `runs.Run.log_classifier`; MLflow makes a model of it when it is sent."""
        self.logged.append((_MODEL, folder, ""))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """As `runs.Run.set_tags`."""
        self.tags.update(tags)

    def keep(self, root: Path) -> None:
        """Write the run into the spool, whole or not at all; a full disk is a warning only."""
        try:
            self._write(locate_spool(root))
        except StorageError as error:
            _log.warning("the run of %s is not kept, and promote will rebuild it: %s", self.stage, error)

    def _write(self, spool: Path) -> None:
        self.end = _now()
        with hold_lock(spool / "write.lock", lambda: None), translate_errors(spool):
            _remove_leftovers(spool)
            scratch = spool / f".darkroom-{self.id}"
            (scratch / _FILES).mkdir(parents=True)
            for number, (_, path, _) in enumerate(self.logged):
                _copy(path, scratch / _FILES / str(number) / path.name)
            data = asdict(self) | {
                "version": VERSION,
                "logged": [[kind, path.name, folder] for kind, path, folder in self.logged],
            }
            (scratch / _DATA).write_text(json.dumps(data, default=str), encoding="utf-8")
            _sync(scratch)
            scratch.rename(spool / f"{self.start:015d}-{self.stage}-{self.id}")
            sync_folder(spool)


@dataclass(frozen=True)
class Waiting:
    """A run in the spool.

    Attributes:
        place: its folder.
        run: what is to be sent; the paths in `logged` lead into the folder.
    """

    place: Path
    run: Spooled

    def remove(self) -> None:
        """Remove it; a kill leaves it whole, or as a leftover that nobody reads."""
        with translate_errors(self.place):
            gone = self.place.with_name(f".darkroom-{self.place.name}")
            self.place.rename(gone)
            shutil.rmtree(gone)


def locate_spool(root: Path) -> Path:
    """The folder of runs that wait. It is in no cache that others share: nothing else holds these runs."""
    return Paths(root).home / ".darkroom" / "spool"


def has_waiting(root: Path) -> bool:
    """Whether any run waits."""
    return bool(_list_places(locate_spool(root)))


def read_waiting(root: Path) -> list[Waiting]:
    """The runs that wait, the oldest first.

    Raises:
        TrackingError: one was written by a newer Darkroom, or is damaged; nothing was sent or removed.
    """
    return [Waiting(place, _read(place)) for place in _list_places(locate_spool(root))]


@contextmanager
def hold_spool(root: Path) -> Iterator[None]:
    """Let one process at a time send what waits."""
    spool = locate_spool(root)
    with hold_lock(
        spool / "replay.lock", lambda: _log.info("another process sends %s: waiting for it", spool)
    ):
        with hold_lock(spool / "write.lock", lambda: None), translate_errors(spool):
            _remove_leftovers(spool)
        yield


def _list_places(spool: Path) -> list[Path]:
    if not spool.is_dir():
        return []
    return sorted(path for path in spool.iterdir() if path.is_dir() and not is_leftover(path.name))


def _read(place: Path) -> Spooled:
    try:
        data = load_json(place / _DATA)
        version = int(data.pop("version"))
        if version > VERSION:
            raise TrackingError(
                f"{place} was written by a newer Darkroom (format {version}, this one knows {VERSION}); "
                "upgrade, then `darkroom tracking replay`"
            )
        data["metrics"] = [Metric(**one) for one in data["metrics"]]
        data["datasets"] = [Dataset(**one) for one in data["datasets"]]
        data["logged"] = [
            (kind, _find(place / _FILES / str(number), name), folder)
            for number, (kind, name, folder) in enumerate(data["logged"])
        ]
        return Spooled(**data)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrackingError(
            f"{place} is damaged ({one_line(error)}); move it away: promote rebuilds its run from the files"
        ) from None


def _find(folder: Path, name: str) -> Path:
    path = folder / Path(name).name
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is missing")
    return path


def _copy(path: Path, to: Path) -> None:
    make_folder(to.parent)
    if path.is_dir():
        shutil.copytree(path, to)
    else:
        shutil.copy(path, to)


def _sync(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _remove_leftovers(spool: Path) -> None:
    """Remove what killed processes left half-written or half-removed; needs the lock to write."""
    for path in spool.iterdir():
        if path.is_dir() and is_leftover(path.name):
            shutil.rmtree(path, ignore_errors=True)
