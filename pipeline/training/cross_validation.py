"""Cross-validation: each picture is answered by a network that has seen neither it nor its group."""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.backend.inference import compute_outputs
from pipeline.collection.pictures import Ints, Part, Pictures
from pipeline.params import TrainParams
from pipeline.progress import silence_log
from pipeline.training.folds import Fold, cut_folds
from pipeline.training.policy import Policy
from pipeline.training.trainer import Places, fit

Float32 = npt.NDArray[np.float32]

_log = logging.getLogger(__name__)


def answer_all(
    shards: Path, part: Part, *, n_folds: int, policy: Policy, params: TrainParams, features: Path | None
) -> Float32:
    """Class probabilities [n, n_classes] of all pictures, each by a network that has not seen its group.

    Args:
        n_folds: fewer, where a class has fewer groups than that; at least 2.
        features: as `answer_fold` takes it.
    """
    groups = np.array(part.group or part.ids)
    fewest = min(len(set(groups[part.y == c])) for c in range(int(part.y.max()) + 1))
    y_prob = np.zeros((len(part), int(part.y.max()) + 1), np.float32)
    n_folds = max(2, min(n_folds, fewest))
    for number, fold in enumerate(cut_folds(part.y, groups, n_folds=n_folds, seed=params.seed), start=1):
        _log.info("cross-validation: fold %d of %d", number, n_folds)
        y_prob[fold.test] = answer_fold(shards, part, fold, policy=policy, params=params, features=features)
    return y_prob


def answer_fold(
    shards: Path, part: Part, fold: Fold, *, policy: Policy, params: TrainParams, features: Path | None
) -> Float32:
    """Class probabilities [len(fold.test), n_classes] by a network trained on the rest of a collection.

    Args:
        part: all pictures of the collection; `train.group_weights` weighs its groups alike.
        features: the folder that keeps the features of a frozen backbone; None: they are not kept.
    """
    learnt, validated, tested = (
        Pictures((shards, choose_rows(part, index))) for index in (fold.train, fold.val, np.sort(fold.test))
    )
    with silence_log("pipeline.training", up_to=logging.INFO):  # what each of many folds says
        model, _ = fit(
            learnt,
            validated,
            n_classes=int(part.y.max()) + 1,
            policy=policy,
            params=params,
            places=Places(features=features),
        )
    y_prob = compute_outputs(model, tested.gather(np.arange(len(tested))))
    in_order: Float32 = y_prob[np.argsort(np.argsort(fold.test, kind="stable"), kind="stable")]
    return in_order


def choose_rows(part: Part, index: Ints) -> Part:
    """Some pictures of a part, in the order of the part."""
    chosen = np.sort(index)

    def choose(words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return tuple(words[i] for i in chosen) if words else None

    return Part(
        tuple(part.ids[i] for i in chosen),
        part.shard[chosen],
        part.row[chosen],
        part.y[chosen],
        copy=None if part.copy is None else part.copy[chosen],
        group=choose(part.group),
        duplicate_group=choose(part.duplicate_group),
    )
