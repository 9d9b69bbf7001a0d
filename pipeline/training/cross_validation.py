"""Cross-validation: each picture is answered by a network that has seen neither it nor its group."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.backend.inference import compute_outputs
from pipeline.collection.pictures import Ints, Part, Pictures
from pipeline.params import TrainParams
from pipeline.training.policy import Policy
from pipeline.training.trainer import Places, fit

Float32 = npt.NDArray[np.float32]

_VAL_SHARE = 10  # one in so many pictures of the other folds chooses the weights


class Fold(NamedTuple):
    """Positions of pictures: those to learn from, to choose the weights on, and to answer."""

    train: Ints
    val: Ints
    test: Ints


def cut_folds(y: Ints, groups: npt.NDArray[np.str_], *, n_folds: int, seed: int) -> Iterator[Fold]:
    """Folds over whole groups, with classes as even as groups allow; each picture is tested once.

    Args:
        y: classes [n].
        groups: what a fold never divides, such as a source [n].
        seed: chooses the validation pictures; the test folds are the same for every seed.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    for rest, test in folds.split(y, y, groups):
        order = np.random.default_rng(seed).permutation(rest)
        n_val = len(order) // _VAL_SHARE
        yield Fold(order[n_val:], order[:n_val], test)


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
