"""What would stop the chain, or spoil its result, told all at once before anything runs.

DVC hashes the source before any stage of ours runs, and fails there without words. Parameters of the last
stage would fail after the training.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.characters import say_count
from pipeline.collection import confirmed_labels
from pipeline.collection.classes import index_classes
from pipeline.collection.overrides import COLUMNS, read_overrides
from pipeline.errors import DarkroomError, ParamsError, nearest
from pipeline.images.reading import check_formats
from pipeline.models import check_head, check_network, is_pretrainable
from pipeline.models.efficientnet_lite0 import find_package_file
from pipeline.params import Params
from pipeline.params_file import read_params
from pipeline.paths import Paths
from pipeline.sources import Source, find_obstacles, find_scheme, is_url, open_collection
from pipeline.tracking.connection import find_database, resolve_uri
from pipeline.tracking.server import hide_password, is_server, probe
from pipeline.tracking.stored_models import find_start
from pipeline.yaml_file import read_yaml

_DEMO = "digits"  # the name that params.yaml comes with
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  # whose registry keeps aliases
_SQLITE_HEAD = b"SQLite format 3\0"
_SPARE_BYTES = 1 << 30  # beside the pictures: tables, figures, checkpoints, models
_COPIES = 2  # of the developed pictures: data/clean and DVC's cache
_N_NAMED = 5


@dataclass
class Findings:
    """What was found: `problems` stop the chain, `notes` do not; and what would run, if anything is known."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    params: Params | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """What would run, in words."""
        if self.params is None:
            return "nothing"
        height, width = self.params.clean.image_hw
        n_files, n_classes = sum(self.counts.values()), len(self.counts)
        files = (
            f"{say_count(n_files, 'file')} in {say_count(n_classes, 'class', 'classes')}, "
            if n_classes
            else ""
        )
        return f"{files}{self.params.train.model} at {height}x{width}; called {self.params.data.name!r}"


def find_problems(paths: Paths) -> Findings:
    """Look at params.yaml, the source, the model, the disk and the tracking server; nothing is changed.

    It takes about a second. Pictures are listed, and not read.
    """
    found = Findings()
    try:
        values = read_yaml(paths.params)
    except ParamsError as error:
        found.problems.append(str(error))
        return found
    params = read_params(values)
    if isinstance(params, Params):
        found.params = params
    else:
        found.problems += params
    found.problems += _check_source_text(values, paths)
    if found.params is not None:
        found.problems += _try(_check_model, found.params)
        found.problems += _try(lambda params: check_formats(params.validate_.formats), found.params)
        _look_at_labelled(found, found.params, paths)
        if not any(problem.startswith(("data.source", "data.labelled")) for problem in found.problems):
            _look_at_source(found, found.params, paths)
        found.problems += _check_disk(found, paths)
    found.problems += (lost := _check_tracking(paths)) + _check_state(paths)
    if found.params is not None and not lost:
        found.problems += _try(partial(_check_start, paths.root), found.params)
    return found


def _try(check: Callable[[Params], None], params: Params) -> list[str]:
    try:
        check(params)
    except DarkroomError as error:
        return [str(error)]
    return []


def _check_source_text(values: dict[str, Any], paths: Paths) -> list[str]:
    """What is wrong with `data.source` as it is written."""
    section = values.get("data")
    text = section.get("source") if isinstance(section, dict) else None
    if not isinstance(text, str) or not text or is_url(text):
        return []
    if text.startswith("~"):
        return [
            f"data.source: DVC does not know what ~ means, got {text!r}; write "
            f"{str(Path(text).expanduser())!r}"
        ]
    place = paths.source(text)
    if place.exists() or place.is_symlink():
        return []
    parent = place.parent
    near = nearest(place.name, (one.name for one in parent.iterdir())) if parent.is_dir() else ""
    if known := find_scheme(text):
        return [
            f"data.source: {text!r} does not exist; a place in an object store is {known}://BUCKET/PREFIX"
        ]
    missing = "" if parent.is_dir() else f"; the folder {parent} does not exist either"
    return [
        f"data.source: {text!r} does not exist{near}{missing}; write the folder or archive of your pictures, "
        "or run `darkroom setup PATH`"
    ]


def _check_model(params: Params) -> None:
    check_network(params.train.model, params.clean.image_hw)
    weights = params.train.weights
    if is_pretrainable(params.train.model) and weights is not None:
        if weights != "imagenet" and not Path(weights).is_file():
            raise ParamsError(f"train.weights: {weights} does not exist; give a file, imagenet or none")
        if weights == "imagenet" and not params.train.model.startswith("keras."):
            find_package_file()


def _look_at_labelled(found: Findings, params: Params, paths: Paths) -> None:
    """Add what of the labelled pictures DVC fails on, beginning with a place that is not there."""
    text = params.data.labelled
    if not (paths.root / text).exists():
        found.problems.append(
            f"data.labelled: {text!r} does not exist, and validate depends on it; make that folder, or name "
            "data/labels, or a table of labels"
        )
        return
    obstacles = find_obstacles(paths.root / text, params.data)
    found.problems += [f"data.labelled: {one}" for one in obstacles if one.is_fatal][:_N_NAMED]


def _look_at_source(found: Findings, params: Params, paths: Paths) -> None:
    """Add what is wrong with the source as it lies there."""
    text = params.data.source
    obstacles = [] if is_url(text) else find_obstacles(paths.source(text), params.data)
    found.problems += [f"data.source: {one}" for one in obstacles if one.is_fatal][:_N_NAMED]
    found.notes += [f"data.source: {one}" for one in obstacles if not one.is_fatal][:_N_NAMED]
    try:
        source = open_collection(paths.root, params.data)
        found.notes += [f"data.source: {note}" for note in source.notes]
        names, index_of = index_classes(
            source.labels, classes=params.data.classes, class_names=params.data.class_names
        )
        check_head(params.train.head, len(names))
    except DarkroomError as error:
        found.problems.append(str(error))
        return
    _count_classes(found, source, params, names, index_of)


def _count_classes(
    found: Findings, source: Source, params: Params, names: list[str], index_of: dict[str, int]
) -> None:
    """Add classes with too few files, where that is known without reading any."""
    if source.list_keys is None:
        return
    of_label = Counter(label for _, label in source.list_keys() if label)
    found.counts = dict.fromkeys(names, 0)
    for label in source.labels:
        found.counts[names[index_of[label]]] += of_label[label]
    least = params.validate_.min_images_per_class
    for label in source.labels:
        if of_label[label] < least:
            found.problems.append(
                f"class {label!r} has {of_label[label]} files, and validate.min_images_per_class requires "
                f"{least}; add pictures, leave the folder out with data.ignore, or lower the limit"
            )
    is_demo = set(names) <= set("0123456789")
    if params.data.name == _DEMO and not is_demo and params.promote.model_name is None:
        found.notes.append(
            f"data.name is {_DEMO!r}, as for the demo; give this collection a name of its own, or its "
            "results and models stand beside the demo's"
        )


def _check_disk(found: Findings, paths: Paths) -> list[str]:
    """Whether there is room, and whether data/ can be written."""
    problems = []
    data = paths.root / "data"
    try:
        with tempfile.TemporaryFile(dir=data if data.is_dir() else paths.root):
            pass
    except OSError as error:
        problems.append(f"{data} cannot be written ({error.strerror}); allow writing there")
    if found.params is not None:
        height, width = found.params.clean.image_hw
        n_bytes = sum(found.counts.values()) * height * width * found.params.clean.channels * _COPIES
        free = shutil.disk_usage(paths.root).free
        if free < n_bytes + _SPARE_BYTES:
            problems.append(
                f"the disk of {paths.root} has {free / 1e9:.1f} GB free, and the chain takes about "
                f"{(n_bytes + _SPARE_BYTES) / 1e9:.1f} GB; free some, or make clean.image_hw smaller"
            )
    return problems


def _check_start(root: Path, params: Params) -> None:
    find_start(root, params.model_name, params.train.start_from)


def _check_tracking(paths: Paths) -> list[str]:
    uri = resolve_uri(paths.root)
    if is_server(uri):
        try:
            probe(uri)
        except (OSError, ValueError) as error:
            reason = str(error).split("\n")[0]
            return [
                f"MLFLOW_TRACKING_URI: {hide_password(uri)} does not answer ({reason}); start the server, "
                "or unset it"
            ]
        return []
    database = find_database(paths.root)
    if database is None:
        kind = uri.partition(":")[0].lower().partition("+")[0]
        return (
            []
            if kind in _DATABASES
            else [
                f"MLFLOW_TRACKING_URI: {hide_password(uri)} is no server and no database; allowed: "
                f"http(s)://, {', '.join(f'{one}://' for one in _DATABASES)}; unset it for mlflow/mlflow.db"
            ]
        )
    place = next((one for one in (database, *database.parents) if one.exists()), database)
    if database.is_dir() or not os.access(place, os.W_OK):
        return [f"{database} cannot be written; allow it, or set MLFLOW_TRACKING_URI"]
    if database.exists() and database.stat().st_size and not _is_sqlite(database):
        return [f"MLFLOW_TRACKING_URI: {database} is no SQLite database; name another file"]
    return []


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE_HEAD)) == _SQLITE_HEAD


def _check_state(paths: Paths) -> list[str]:
    """What is wrong with the files that Git keeps of earlier runs: dvc.lock, and decisions of people."""
    problems = []
    if paths.dvc_lock.exists():
        try:
            read_yaml(paths.dvc_lock)
        except ParamsError as error:
            problems.append(f"{error}; restore it from git, or delete it, and `dvc repro` writes it anew")
    for path, stage, columns, read in (
        (paths.overrides, "clean", COLUMNS, read_overrides),
        (paths.confirmed_labels, "evaluate", confirmed_labels.COLUMNS, confirmed_labels.read_confirmed),
    ):
        problems += _check_decisions(path, stage, columns, read)
    return problems


def _check_decisions(
    path: Path, stage: str, columns: Sequence[str], read: Callable[[Path], object]
) -> list[str]:
    """What is wrong with a file that people decide in, and that a stage depends on."""
    if not path.exists():
        return [
            f"{path} does not exist, and {stage} depends on it; `git checkout data/{path.name}`, "
            f"or write a file with the line {','.join(columns)}"
        ]
    try:
        read(path)
    except DarkroomError as error:
        return [str(error)]
    return []
