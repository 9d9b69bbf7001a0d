"""Ablation: the settings as they are, and each change of them alone, trained with the same seeds.

They learn from the training pictures and are asked the validation pictures, or both are cut into folds. The
test pictures stay out. Importing this imports Keras: set the device up before.
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from pipeline.backend.inference import compute_outputs
from pipeline.backend.memory import forget_models
from pipeline.backend.precision import resolve_precision
from pipeline.models import build_model, is_pretrainable
from pipeline.params import Params, TrainParams
from pipeline.paths import Paths
from pipeline.progress import silence_log
from pipeline.search.answers import Answers, answer
from pipeline.search.changes import Change
from pipeline.search.effects import Effect, Float64, bound_over_folds, bound_over_seeds
from pipeline.search.questions import Question
from pipeline.tracking.runs import Run
from pipeline.tracking.search_runs import open_search_run
from pipeline.training.assembly import Sets
from pipeline.training.history import CURVES, Row, find_best_row
from pipeline.training.policy import Policy, build_policy
from pipeline.training.trainer import Places, fit, read_knobs, weigh

_BASE = "as it is"
_ELSEWHERE = {"seed", "test_mirror", "tensorboard", "class_weights", "group_weights"}


@dataclass(frozen=True)
class Plan:
    """What is to be trained: settings, and the layers of their augmentation."""

    name: str
    params: Params
    policy: Policy


class Validated(NamedTuple):
    """What a training answered: 1 where right [n_val]; and its accuracy on the pictures it learned from."""

    right: Float64
    learnt: float


class Asked(Protocol):
    """How a setting is trained and asked, with one seed at a time."""

    @property
    def n_steps(self) -> int:
        """Networks that a setting takes with one seed."""

    def train(self, plan: Plan, train: TrainParams, run: Run, steps: Iterator[int]) -> Any:
        """What the networks of a plan answered with one seed; each network takes one of `steps`."""

    def score(self, answered: Sequence[Any]) -> float:
        """The mean accuracy of the answers of all seeds."""

    def score_learnt(self, answered: Sequence[Any]) -> float:
        """The mean accuracy on the pictures that were learned from; nan where nobody has kept it."""

    def compare(self, change: Sequence[Any], base: Sequence[Any]) -> Any:
        """The difference with its interval."""


@dataclass(frozen=True)
class OnValidation:
    """Each setting learns from the training pictures, and is asked the validation pictures."""

    sets: Sets
    features: Path
    n_steps: int = 1

    def train(self, plan: Plan, train: TrainParams, run: Run, steps: Iterator[int]) -> Validated:
        """The answers with one seed, and how well the training pictures were known in the best epoch."""

        def log_curves(row: Row) -> None:
            run.log_metrics({f"curve/{name}": row[name] for name in CURVES}, int(row["epoch"]))

        model, history = fit(
            self.sets.train,
            self.sets.val,
            n_classes=len(self.sets.class_names),
            policy=plan.policy,
            params=train,
            places=Places(features=self.features),
            on_epoch=log_curves,
        )
        y_prob = compute_outputs(model, self.sets.val.gather(np.arange(len(self.sets.val))))
        right: Float64 = (y_prob.argmax(axis=1) == self.sets.val.y).astype(np.float64)
        next(steps, None)
        return Validated(right, float(find_best_row(history, train.monitor)["accuracy"]))

    def score(self, answered: Sequence[Validated]) -> float:
        """The mean accuracy."""
        return float(np.mean([one.right for one in answered]))

    def score_learnt(self, answered: Sequence[Validated]) -> float:
        """The mean over the seeds."""
        return float(np.mean([one.learnt for one in answered]))

    def compare(self, change: Sequence[Validated], base: Sequence[Validated]) -> Any:
        """The difference with its interval over seeds and pictures."""
        first, second = (np.stack([one.right for one in side]) for side in (change, base))
        return bound_over_seeds(first, second, self.sets.val.groups)


@dataclass(frozen=True)
class OverFolds:
    """Each setting answers training and validation pictures by cross-validation."""

    question: Question
    paths: Paths

    @property
    def n_steps(self) -> int:
        """One network a fold."""
        return self.question.n_folds

    def train(self, plan: Plan, train: TrainParams, run: Run, steps: Iterator[int]) -> Answers:
        """The answers with one seed."""
        params = plan.params.model_copy(update={"train": train})

        def step(folds: Any, _n: int) -> Iterator[Any]:
            for fold in folds:
                yield fold
                next(steps, None)

        answers = answer(self.question, params, self.paths, n_seeds=1, track=step, policy=plan.policy)
        for number, accuracy in enumerate(answers.score_folds()[:, 0]):
            run.log_metrics({"fold_accuracy": float(accuracy)}, number)
        return answers

    def score(self, answered: Sequence[Answers]) -> float:
        """The mean accuracy over folds."""
        return float(np.mean([one.score_folds() for one in answered]))

    def score_learnt(self, answered: Sequence[Answers]) -> float:
        """nan: folds keep the answers to what they have not learned from."""
        return math.nan

    def compare(self, change: Sequence[Answers], base: Sequence[Answers]) -> Any:
        """The difference with its corrected resampled interval."""
        scores = [np.concatenate([one.score_folds() for one in side], axis=1) for side in (change, base)]
        return bound_over_folds(*scores, test_share=base[0].test_share)


def list_plans(base: Params, changes: Sequence[Change], sets: Sets) -> tuple[list[Plan], dict[str, str]]:
    """The settings as they are and each change that alters the training; and why the others do not.

    Args:
        sets: the pictures; how they are weighed is part of a training.
    """
    channels = sets.train.picture_shape[2]
    first = Plan(_BASE, base, build_policy(base.augment, channels=channels))
    plans, idle, known = [first], dict[str, str](), {_sign(first, sets): _BASE}
    for change in changes:
        plan = Plan(change.name, change.params, build_policy(change.params.augment, channels=channels))
        same = known.setdefault(_sign(plan, sets), change.name)
        if not change.what:
            idle[change.name] = "so it is in params.yaml already"
        elif same == _BASE:
            idle[change.name] = f"it alters nothing in a training of {base.train.model} with these settings"
        elif same != change.name:
            idle[change.name] = f"the same as {same}"
        else:
            plans.append(plan)
    return plans, idle


def train_plans(
    plans: Sequence[Plan], asked: Asked, *, n_seeds: int, root: Path, parent: Run, steps: Iterator[int]
) -> dict[str, list[Any]]:
    """What each plan answered with each seed, by its name; each training is a run in MLflow.

    Seed by seed, so that what an interruption leaves is comparable.
    """
    answered: dict[str, list[Any]] = {plan.name: [] for plan in plans}
    for number in range(n_seeds):
        for plan in plans:
            train = plan.params.train.model_copy(update={"seed": plan.params.train.seed + number})
            told = train.flatten("train.") | plan.params.augment.flatten("augment.")
            name = f"{plan.name}, seed {train.seed}"
            with (
                open_search_run(root, name, told | {"ablate.change": plan.name}, parent=parent) as run,
                silence_log("pipeline.training", up_to=logging.INFO),
            ):
                found = asked.train(plan, train, run, steps)
                run.log_metrics({"val_accuracy": asked.score([found])})
                if not math.isnan(learnt := asked.score_learnt([found])):
                    run.log_metrics({"train_accuracy": learnt})
            forget_models()
            answered[plan.name].append(found)
    return answered


def judge(
    changes: Sequence[Change], idle: Mapping[str, str], answered: Mapping[str, Sequence[Any]], asked: Asked
) -> tuple[Effect, list[Effect]]:
    """The settings as they are, and what each change brought, in the order said."""
    base = answered[_BASE]
    effects = [
        Effect(change.name, change.what, idle=idle[change.name])
        if change.name in idle
        else Effect(
            change.name,
            change.what,
            asked.score(answered[change.name]),
            asked.compare(answered[change.name], base),
            learnt=asked.score_learnt(answered[change.name]),
        )
        for change in changes
    ]
    return describe_base(asked.score(base), asked.score_learnt(base)), effects


def describe_base(accuracy: float = math.nan, learnt: float = math.nan) -> Effect:
    """The settings as they are; nan where they were not trained."""
    return Effect(f"none: {_BASE}", "", accuracy, learnt=learnt)


def _sign(plan: Plan, sets: Sets) -> str:
    """A hash of what a training does: of two plans with the same, one is enough."""
    train = plan.params.train
    effective = train.model_dump(exclude=_ELSEWHERE)
    is_given = is_pretrainable(train.model) and train.weights is not None
    for name in ("filters", "units", "activation", "dropout", "kernel_l2"):
        del effective[name]  # the layers say it
    if not is_pretrainable(train.model):
        del effective["weights"]
    n_tuned = train.fine_tune_epochs if is_given else 0
    effective["fine_tuning"] = (n_tuned, effective.pop("fine_tune_learning_rate") if n_tuned else 0)
    del effective["fine_tune_epochs"]
    n_epochs = max(train.epochs, n_tuned)
    effective["patience"] = min(train.patience, max(1, n_epochs - 1))  # a higher one stops nothing
    effective["warmup_epochs"] = min(train.warmup_epochs, n_epochs - 1)
    if train.optimizer not in ("rmsprop", "sgd"):
        del effective["momentum"]
    if train.optimizer not in ("adamw", "muon", "sgd"):
        del effective["weight_decay"]
    effective["precision"] = resolve_precision(train.precision)
    weights = weigh(sets.train, train)
    parts = [effective, [] if is_given and not n_tuned else plan.policy, _list_layers(train, sets)]
    text = json.dumps(parts, sort_keys=True, default=str).encode()
    return hashlib.sha256(text + weights.round(6).tobytes()).hexdigest()


def _list_layers(train: TrainParams, sets: Sets) -> list[Any]:
    """The layers of a network without their names, which Keras numbers."""
    height, width, channels = sets.train.picture_shape
    model = build_model(
        train.model,
        image_hw=(height, width),
        channels=channels,
        n_classes=len(sets.class_names),
        head=train.head,
        knobs=read_knobs(train),
    )
    return [
        [type(layer).__name__, {key: value for key, value in layer.get_config().items() if key != "name"}]
        for layer in model._flatten_layers()
        if not getattr(layer, "layers", None)
    ]
