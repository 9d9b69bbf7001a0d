"""Cross-validation: each picture is answered by a network that has seen neither it nor its group."""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.backend.inference import compute_outputs
from pipeline.collection.pictures import Part, Pictures, choose_rows
from pipeline.models import is_frozen
from pipeline.params import TrainParams
from pipeline.progress import silence_log
from pipeline.training.folds import Fold
from pipeline.training.policy import Policy
from pipeline.training.trainer import Places, fit, fit_head, read_features

Float32 = npt.NDArray[np.float32]


class FoldAnswerer:
    """Trains on some pictures of a collection and answers others, again and again.

    What a frozen backbone makes of the pictures is computed once. Then a fold trains a head alone.

    Args:
        part: all pictures of the collection; `train.group_weights` weighs its groups.
        features: the folder that keeps the features of a frozen backbone; None: they are not kept.
    """

    def __init__(
        self, shards: Path, part: Part, *, policy: Policy, params: TrainParams, features: Path | None
    ) -> None:
        self._shards, self._part, self._policy, self._folder = shards, part, policy, features
        self._n_classes = int(part.y.max()) + 1
        pictures = Pictures((shards, part))
        self._seen = None
        if is_frozen(params.model, weights=params.weights, fine_tune_epochs=params.fine_tune_epochs):
            self._seen = read_features(pictures, "pictures of all folds", params=params, folder=features)

    def answer(self, fold: Fold, params: TrainParams) -> Float32:
        """Class probabilities [len(fold.test), n_classes] by a network trained on the rest of the fold.

        Args:
            params: those of the collection, but for the seed and what a head obeys.
        """
        with silence_log("pipeline.training", up_to=logging.INFO):  # what each of many folds says
            if self._seen is None:
                return self._answer_whole(fold, params)
            learnt, validated = (self._seen.choose(np.sort(index)) for index in (fold.train, fold.val))
            head = fit_head(learnt, validated, n_classes=self._n_classes, params=params)
            return compute_outputs(head, self._seen.values[fold.test])

    def _answer_whole(self, fold: Fold, params: TrainParams) -> Float32:
        learnt, validated, tested = (
            Pictures((self._shards, choose_rows(self._part, index)))
            for index in (fold.train, fold.val, fold.test)
        )
        places = Places(features=self._folder)
        model, _ = fit(
            *(learnt, validated),
            n_classes=self._n_classes,
            policy=self._policy,
            params=params,
            places=places,
        )
        y_prob = compute_outputs(model, tested.gather(np.arange(len(tested))))
        in_order: Float32 = y_prob[np.argsort(np.argsort(fold.test, kind="stable"), kind="stable")]
        return in_order
