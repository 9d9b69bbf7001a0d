"""Everything that a training needs: its pictures, its key, its checkpoints; and the training itself.

The stage `train` calls this, and so does all else that trains.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backend.device import describe_machine
from pipeline.backend.hosts import ALONE, Hosts
from pipeline.backend.precision import resolve_precision, warn_where_emulated
from pipeline.collection.pictures import Part, Pictures, read_extra, read_part
from pipeline.errors import DataError
from pipeline.labels import read_class_names
from pipeline.params import TrainParams
from pipeline.paths import Paths
from pipeline.training.checkpoints import Checkpoints, hash_training
from pipeline.training.history import Row
from pipeline.training.policy import Policy
from pipeline.training.trainer import Places, fit

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sets:
    """The pictures that a network learns from (`n_extra` are copies), and those that choose its weights."""

    train: Pictures
    val: Pictures
    class_names: tuple[str, ...]
    n_extra: int


def read_sets(paths: Paths) -> Sets:
    """The training pictures with their extra copies, and the validation pictures, as the stages left them.

    Raises:
        DataError: a table is missing or damaged, or a class has no picture in one of the two.
    """
    class_names = read_class_names(paths.classes)
    train, val = (
        read_part(name, split_path=paths.split, manifest_path=paths.clean_manifest)
        for name in ("train", "val")
    )
    check_classes(train, "train", class_names)
    check_classes(val, "val", class_names)
    extra = read_extra(paths.extra)
    pictures = Pictures((paths.shards, train), (paths.extra, extra))
    return Sets(pictures, Pictures((paths.shards, val)), class_names, len(extra))


def check_classes(part: Part, name: str, class_names: tuple[str, ...]) -> None:
    """Raise DataError unless a part has pictures of every class."""
    counts = np.bincount(part.y, minlength=len(class_names))
    missing = [class_names[i] for i in np.flatnonzero(counts == 0)]
    if missing:
        raise DataError(
            f"{name} has no picture of {len(missing)} of {len(class_names)} classes"
            f" ({', '.join(missing[:5])}); add pictures of them, merge them in data.classes, or change the"
            " shares or the seed of split"
        )


def describe_computation(params: TrainParams) -> dict[str, Any]:
    """The machine and the precision of a training: another machine rounds differently."""
    precision = resolve_precision(params.precision)
    warn_where_emulated(precision)
    return describe_machine() | {"precision": precision}


def train_network(
    sets: Sets,
    *,
    policy: Policy,
    params: TrainParams,
    computation: Mapping[str, Any],
    inputs: Mapping[str, Any],
    cache: Path,
    on_epoch: Callable[[Row], None],
    start: Any = None,
    hosts: Hosts = ALONE,
) -> tuple[Any, list[Row]]:
    """Train a network, or continue the same training where it was interrupted.

    Args:
        computation: from `describe_computation`.
        inputs: what else the training depends on, as plain JSON values; other values are another training.
        cache: the folder of checkpoints, features and TensorBoard's logs.
        on_epoch: called with each row of the history, including those of an earlier process.
        start: as of `trainer.fit`; `inputs` must say which it is.
        hosts: as of `trainer.fit`. Host 0 alone writes. How many there are makes it no other training.

    Returns:
        As `trainer.fit`.

    Raises:
        WorkersError: a host has other code, data, parameters or libraries, or is lost; and as `trainer.fit`.
    """
    _log.info(
        "%s in %s: %d training pictures (%d of them extra), %d for validation",
        *(params.model, computation["precision"], len(sets.train), sets.n_extra, len(sets.val)),
    )
    key = hash_training({"inputs": inputs, "train": params.model_dump(), "on": computation})
    checkpoints = Checkpoints(cache / "checkpoints", key, is_mine=hosts.is_chief)
    checkpoints.forget_others()
    is_logged = params.tensorboard and hosts.is_chief
    logs = cache / "tensorboard" / checkpoints.key[:8] if is_logged else None
    with checkpoints.alone():
        hosts.agree(list_facts(inputs, params, computation))
        return fit(
            sets.train,
            sets.val,
            n_classes=len(sets.class_names),
            policy=policy,
            params=params,
            places=Places(checkpoints, cache / "features", logs),
            on_epoch=on_epoch,
            start=start,
            hosts=hosts,
        )


def list_facts(
    inputs: Mapping[str, Any], params: TrainParams, computation: Mapping[str, Any]
) -> dict[str, Any]:
    """What must be alike on all hosts that train together: hashes of code and data by path, and values."""
    return {
        **inputs.get("deps", {}),
        **{name: inputs.get(name, "") for name in ("weights", "start")},
        **params.flatten("train."),
        **computation,
    }
