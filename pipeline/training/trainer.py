"""Training in phases of epochs; each epoch is checkpointed, so a killed training continues where it was.

A network with random weights has one phase. A network with given weights first trains its head, on features
that are computed once. A second phase may then train all of it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.backend import precision
from pipeline.backend.device import share_batches
from pipeline.backend.hosts import ALONE, Hosts, check_batch_size
from pipeline.backend.logs import translate_log_errors
from pipeline.backend.streaming import stream
from pipeline.collection.pictures import Pictures
from pipeline.models import (
    build_head,
    build_model,
    complete_head,
    cut_to_logits,
    find_backbone,
    find_head,
    is_pretrainable,
    standardise,
)
from pipeline.models.knobs import Knobs
from pipeline.params import TrainParams
from pipeline.training.augmentations import build_augmenter, build_mixers
from pipeline.training.batches import Batches, Collection, Floats, weigh_pictures
from pipeline.training.callbacks import EpochKeeper, EpochOrder, EpochReporter
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.frozen_features import FeatureCache, Features
from pipeline.training.history import Row
from pipeline.training.optimizers import build_optimizer
from pipeline.training.policy import Policy, alternates
from pipeline.training.state import TrainingState, start_with
from pipeline.training.training_model import CrossEntropy, TrainingModel, build_accuracy, choose_jit_for

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """Epochs with one network, one collection and one learning rate."""

    network: Any  # to logits
    pictures: Collection
    val: Collection
    policy: Policy
    n_epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Places:
    """Where a training keeps what outlives it; None: it is not kept."""

    checkpoints: Checkpoints | None = None
    features: Path | None = None
    tensorboard: Path | None = None


def fit(
    pictures: Pictures,
    val: Pictures,
    *,
    n_classes: int,
    policy: Policy,
    params: TrainParams,
    places: Places = Places(),
    on_epoch: Callable[[Row], None] = lambda row: None,
    start: Any = None,
    hosts: Hosts = ALONE,
) -> tuple[Any, list[Row]]:
    """Train a network. On a CPU the same arguments give the same weights, interrupted or not.

    Augmentation, class weights and label smoothing act on training batches only. The returned model holds
    none of them, and computes in float32 whatever it was trained in.

    Args:
        places: with checkpoints, a training that was killed continues after its last whole epoch.
        on_epoch: called after every epoch with the row of its history, and with the rows of an earlier
            process.
        start: a `keras.Model` of the same layers: training starts from its weights; None: from nothing.
        hosts: train together, and all call this: the same with each, within rounding.

    Returns:
        The `keras.Model` with the weights of its best epoch, and one row per epoch (from 1): epoch and
        CURVES.

    Raises:
        ModelError: no such network or weights, `start` is another network, or the loss is no longer a number.
        ParamsError: the devices of several hosts cannot share a batch evenly.
        WorkersError: a host has another checkpoint, or is lost.
    """
    keras.utils.set_random_seed(params.seed)
    height, width, channels = pictures.picture_shape
    how: dict[str, Any] = {
        "image_hw": (height, width),
        "channels": channels,
        "n_classes": n_classes,
        "head": params.head,
        "knobs": read_knobs(params),
    }
    state = TrainingState.load(params.monitor, on_epoch=on_epoch, checkpoints=places.checkpoints)
    hosts.agree({"epochs": len(state.rows), "their loss": str([row["loss"] for row in state.rows])})
    trained_in = precision.resolve_precision(params.precision)
    with share_batches(n_hosts=hosts.n) as n_replicas, precision.use_precision(trained_in):
        check_batch_size(params.batch_size, n_replicas, hosts)
        model = build_model(params.model, **how, weights=params.weights)
        start_with(model, start)
        phases = list_phases(model, pictures, val, policy=policy, params=params, features=places.features)
        start_with(model, start)  # again: a phase on features standardises the head by these pictures
        for number in range(state.phase, len(phases)):
            state.enter(number, model)
            run_phase(
                *(phases[number], model, state),
                params=params,
                places=places,
                n_replicas=n_replicas,
                hosts=hosts,
            )
    with precision.use_precision("float32"):
        kept = build_model(params.model, **how, weights=None)
    kept.set_weights(state.best_weights)
    return kept, state.rows


def fit_head(learnt: Features, val: Features, *, n_classes: int, params: TrainParams) -> Any:
    """Train the head of a frozen backbone by itself, as `fit` does, and keep nothing on disk.

    Returns:
        The `keras.Model` from features [n, n_features] to class probabilities, of the best epoch.
    """
    keras.utils.set_random_seed(params.seed)
    head = build_head(learnt.picture_shape[0], n_classes, head=params.head, knobs=read_knobs(params))
    standardise(head, learnt.values)
    state = TrainingState(params.monitor)
    phase = Phase(head, learnt, val, (), params.epochs, params.learning_rate)
    run_phase(phase, head, state, params=params, places=Places(), n_replicas=1)
    head.set_weights(state.best_weights)
    return complete_head(head, params.head)


def read_features(pictures: Pictures, what: str, *, params: TrainParams, folder: Path | None) -> Features:
    """What the frozen backbone of a network makes of pictures, in the precision that training has.

    Args:
        what: says in the log which pictures these are.
        folder: keeps features; None: nothing is kept.
    """
    height, width, channels = pictures.picture_shape
    how: dict[str, Any] = {"image_hw": (height, width), "channels": channels, "knobs": read_knobs(params)}
    with precision.use_precision(precision.resolve_precision(params.precision)):
        model = build_model(params.model, n_classes=2, weights=params.weights, **how)
        return FeatureCache(find_backbone(model), name=params.model, folder=folder).read(pictures, what)


def read_knobs(params: TrainParams) -> Knobs:
    """The part of `train` that changes a network."""
    of_layers = (params.filters, params.units, params.activation, params.dropout, params.kernel_l2)
    return Knobs(*of_layers, all_levels=params.features == "all")


def list_phases(
    model: Any,
    pictures: Pictures,
    val: Pictures,
    *,
    policy: Policy,
    params: TrainParams,
    features: Path | None,
) -> list[Phase]:
    """One phase; or, with given weights, that of the head on features and that of fine-tuning."""
    whole = Phase(cut_to_logits(model), pictures, val, policy, params.epochs, params.learning_rate)
    if not (is_pretrainable(params.model) and params.weights):
        return [whole]
    cache = FeatureCache(find_backbone(model), name=params.model, folder=features)
    if policy:
        _log.info("the backbone is frozen and sees each picture as it is: `augment` acts in fine-tuning only")
    seen = (cache.read(pictures, "training pictures"), cache.read(val, "validation pictures"))
    standardise(find_head(model), seen[0].values)
    head = Phase(find_head(model), *seen, (), params.epochs, params.learning_rate)
    rate, n_epochs = params.fine_tune_learning_rate, params.fine_tune_epochs
    tuned = Phase(whole.network, pictures, val, policy, n_epochs, rate)
    return [head, tuned] if n_epochs else [head]


def run_phase(
    phase: Phase,
    model: Any,
    state: TrainingState,
    *,
    params: TrainParams,
    places: Places,
    n_replicas: int,
    hosts: Hosts = ALONE,
) -> None:
    """Run the epochs of a phase that are still to do, from the state."""
    fed, validated = feed(phase, params, first_epoch=len(state.rows), n_replicas=n_replicas, hosts=hosts)
    trained = compile_phase(phase, params, n_steps_an_epoch=len(fed))
    state.restore(trained)
    if state.is_done:
        return
    optimizer, last_epoch = trained.optimizer, state.phase_start + phase.n_epochs
    n_pictures, patience = len(phase.pictures), params.patience
    callbacks = [
        EpochOrder(fed),
        EpochKeeper(state, model=model, optimizer=optimizer, last_epoch=last_epoch, patience=patience),
        EpochReporter(state, optimizer=optimizer, n_pictures=n_pictures, last_epoch=last_epoch),
        *log_to_tensorboard(places.tensorboard),
    ]
    with translate_log_errors(places.tensorboard):
        trained.fit(
            stream(fed),
            validation_data=stream(validated),
            initial_epoch=len(state.rows),
            epochs=last_epoch,
            verbose=0,
            shuffle=False,  # `fed` shuffles; Keras would use Python's global generator
            callbacks=callbacks,
        )


def feed(
    phase: Phase, params: TrainParams, *, first_epoch: int, n_replicas: int, hosts: Hosts = ALONE
) -> tuple[Batches, Batches]:
    """The training and the validation batches of a phase: of each, the part of this host."""
    shared: dict[str, Any] = {
        "n_classes": phase.network.output_shape[1],
        "batch_size": params.batch_size,
        "multiple_of": n_replicas,
        "part": (hosts.number, hosts.n),
    }
    fed = Batches(
        phase.pictures,
        **shared,
        weights=weigh(phase.pictures, params),
        shuffle_seed=params.seed,
        mirrored=alternates(phase.policy),
        first_epoch=first_epoch,
    )
    return fed, Batches(phase.val, **shared)


def weigh(pictures: Collection, params: TrainParams) -> Floats:
    """The weight of each picture [n]; sources weigh alike by themselves where they have names."""
    by_group = pictures.has_sources if params.group_weights == "auto" else params.group_weights
    return weigh_pictures(pictures, by_class=params.class_weights, by_group=by_group)


def compile_phase(phase: Phase, params: TrainParams, *, n_steps_an_epoch: int) -> TrainingModel:
    """The training model of a phase with its optimizer; all variables of both exist."""
    warmup_epochs = min(params.warmup_epochs, phase.n_epochs - 1)
    optimizer = build_optimizer(
        params.optimizer,
        learning_rate=phase.learning_rate,
        schedule=params.schedule,
        n_steps=phase.n_epochs * n_steps_an_epoch,
        n_warmup_steps=round(warmup_epochs * n_steps_an_epoch),
        momentum=params.momentum,
        weight_decay=params.weight_decay,
        ema=params.ema,
    )
    size = phase.pictures.picture_shape
    augmenter = None
    if phase.policy:
        height, width, channels = size
        augmenter = build_augmenter(phase.policy, image_hw=(height, width), channels=channels)
    trained = TrainingModel(
        phase.network,
        augmenter=augmenter,
        mixers=build_mixers(phase.policy),
        label_smoothing=params.label_smoothing,
    )
    trained.compile(
        optimizer=optimizer,
        loss=CrossEntropy(params.head),
        metrics=[build_accuracy()],
        jit_compile=choose_jit_for(phase.policy),
    )
    nothing = np.zeros((1, *size), phase.network.inputs[0].dtype)
    trained({"pictures": nothing, "labels": np.zeros((1, phase.network.output_shape[1]), np.float32)})
    trained.optimizer.build(trained.trainable_variables)
    return trained


def log_to_tensorboard(folder: Path | None) -> list[Any]:
    """The callback that writes TensorBoard's logs; none without a folder."""
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False)] if folder else []
