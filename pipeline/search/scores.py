"""The score of settings: a training by them, on the validation pictures or over folds.

Importing this imports Keras: set the device up before.
"""

from typing import Any

import numpy as np

from pipeline.backend.memory import forget_models
from pipeline.collection.pictures import Ints
from pipeline.errors import StudyError
from pipeline.params import Params
from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.search.questions import ask
from pipeline.search.settings import Settings, apply
from pipeline.search.terms import Terms, hash_data
from pipeline.search.trials import Report
from pipeline.training.assembly import describe_computation, read_sets
from pipeline.training.checkpoints import Checkpoints, hash_training
from pipeline.training.cross_validation import FoldAnswerer
from pipeline.training.folds import choose_fold
from pipeline.training.history import Row, find_best_row
from pipeline.training.policy import Policy, build_policy
from pipeline.training.trainer import Places, fit

_SMALLEST = 1e-7  # probability: the log loss of a certain mistake is finite


class Scorer:
    """Trains by settings and scores: the accuracy, or the log loss, as `terms.metric` says.

    With `terms.folds` it is the mean over folds of the training and validation pictures, which is reported
    after each fold. Otherwise it is that of the validation pictures at the epoch that is kept, reported
    after each epoch; and a training that was interrupted continues after its last epoch.

    Args:
        values: of params.yaml, with those sections replaced that the terms hold.

    Raises:
        StudyError: the collection is not that of the terms.
    """

    def __init__(self, paths: Paths, terms: Terms, values: dict[str, Any]) -> None:
        self._paths, self._terms, self._values = paths, terms, values
        if terms.folds:
            self._question = ask(paths, n_folds=terms.folds, pattern="", with_test=False)
        else:
            self._sets = read_sets(paths)

    def __call__(self, number: int, settings: Settings, report: Report) -> float:
        """The score of settings. `report` may end the training early, by an exception."""
        if hash_data(self._paths) != self._terms.data:
            raise StudyError(
                "the collection has changed since the study began; begin another with --study NAME"
            )
        params = check_params(apply(self._values, settings), "the settings")
        try:
            return (self._score_folds if self._terms.folds else self._score_val)(params, report)
        finally:
            forget_models()

    def _score_val(self, params: Params, report: Report) -> float:
        sets, rows = self._sets, list[Row]()
        policy = build_policy(params.augment, channels=sets.train.picture_shape[2])
        name = "val_accuracy" if self._terms.metric == "accuracy" else "val_loss"

        def on_epoch(row: Row) -> None:
            rows.append(row)
            report(len(rows), find_best_row(rows, params.train.monitor)[name])

        checkpoints = Checkpoints(self._paths.cache / "search", self._hash(params, policy))
        checkpoints.forget_others()
        with checkpoints.alone():
            fit(
                sets.train,
                sets.val,
                n_classes=len(sets.class_names),
                policy=policy,
                params=params.train,
                places=Places(checkpoints, self._paths.cache / "features"),
                on_epoch=on_epoch,
            )
        return float(find_best_row(rows, params.train.monitor)[name])

    def _score_folds(self, params: Params, report: Report) -> float:
        asked, scores = self._question, list[float]()
        answerer = FoldAnswerer(
            *(self._paths.shards, asked.part),
            policy=build_policy(params.augment, channels=params.clean.channels),
            params=params.train,
            features=self._paths.cache / "features",
        )
        for k in range(asked.n_folds):
            fold = choose_fold(asked.fold, k, params.train.seed)
            y_prob = answerer.answer(fold, params.train)
            scores.append(score(asked.part.y[fold.test], y_prob, self._terms.metric))
            report(k + 1, float(np.mean(scores)))
        return float(np.mean(scores))

    def _hash(self, params: Params, policy: Policy) -> str:
        computation = describe_computation(params.train)
        inputs = {"policy": list(policy), "data": self._terms.data}
        return hash_training({"inputs": inputs, "train": params.train.model_dump(), "on": computation})


def score(y: Ints, y_prob: Any, metric: str) -> float:
    """The accuracy, or the mean log loss in nats, of probabilities [n, n_classes] for classes [n]."""
    if metric == "accuracy":
        return float((y_prob.argmax(axis=1) == y).mean())
    return float(-np.log(np.maximum(y_prob[np.arange(len(y)), y], _SMALLEST)).mean())
