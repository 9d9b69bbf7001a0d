"""Training: phases of epochs, each checkpointed, so that a killed one goes on where it was.

A network that starts at random has one phase. One with weights from elsewhere has a first phase for its head,
on features that are computed once, and may have a second that trains all of it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backend import device
from pipeline.models import backbone_of, build_model, head_of, is_pretrainable, logits_of
from pipeline.models.knobs import Knobs
from pipeline.params import TrainParams
from pipeline.training.augmentations import Policy, alternates, augmenter, mixers
from pipeline.training.batches import Collection, Pictures, batches, picture_weights
from pipeline.training.callbacks import Progress, Row, keeper, reporter
from pipeline.training.checkpoints import Checkpoint, Checkpoints
from pipeline.training.frozen_features import FeatureCache
from pipeline.training.optimizers import build_optimizer
from pipeline.training.training_model import accuracy, loss_of, trainee

# TensorFlow 2.21's XLA has no ImageProjectiveTransformV3 and no StatelessRandomGammaV3.
NOT_IN_XLA = {
    "RandomRotation",
    "RandomZoom",
    "RandomTranslation",
    "RandomShear",
    "RandAugment",
    "MixUp",
    "CutMix",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """Epochs with one network, one feed and one learning rate."""

    network: Any  # to logits
    pictures: Collection
    val: Collection
    policy: Policy
    n_epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Places:
    """Where a training keeps what outlives it; None: nowhere."""

    checkpoints: Checkpoints | None = None
    features: Path | None = None
    tensorboard: Path | None = None


def fit(
    pictures: Pictures,
    val: Pictures,
    *,
    image_hw: tuple[int, int],
    channels: int,
    n_classes: int,
    policy: Policy,
    params: TrainParams,
    places: Places = Places(),
    on_epoch: Callable[[Row], None] = lambda row: None,
) -> tuple[Any, list[Row]]:
    """Train a network; the same arguments give the same weights on a CPU, also when it was interrupted.

    Augmentation, class weights and label smoothing act on training batches; the model that comes back
    holds none of them, and computes in float32 whatever it was trained in.

    Args:
        places: with checkpoints, a training that was killed goes on after its last whole epoch.
        on_epoch: called after every epoch with the row of its history, also for those that an earlier
            process has done.

    Returns:
        The `keras.Model` with the weights of its best epoch, and a row an epoch (from 1): epoch, and CURVES.

    Raises:
        ModelError: no such network or weights, or the loss is no longer a number.
    """
    import keras

    keras.utils.set_random_seed(params.seed)
    shape: dict[str, Any] = {
        "image_hw": image_hw,
        "channels": channels,
        "n_classes": n_classes,
        "head": params.head,
    }
    found = places.checkpoints.load() if places.checkpoints else None
    progress = Progress(params.monitor, on_epoch=on_epoch)
    with device.replicas() as n_replicas, device.policy_scope(device.resolved_precision(params.precision)):
        model = build_model(params.model, **shape, knobs=knobs_of(params), weights=params.weights)
        phases = phases_of(model, pictures, val, policy=policy, params=params, features=places.features)
        for number, phase in enumerate(phases):
            if found is not None and number < found.state["phase"]:
                continue
            resumed = found if found is not None and number == found.state["phase"] else None
            run_phase(
                phase,
                model,
                number=number,
                params=params,
                places=places,
                progress=progress,
                found=resumed,
                n_replicas=n_replicas,
            )
    with device.policy_scope("float32"):
        kept = build_model(params.model, **shape, knobs=knobs_of(params), weights=None)
    kept.set_weights(progress.best_weights)
    return kept, progress.rows


def knobs_of(params: TrainParams) -> Knobs:
    """The part of `train` that changes a network."""
    return Knobs(params.filters, params.units, params.activation, params.dropout, params.kernel_l2)


def phases_of(
    model: Any,
    pictures: Pictures,
    val: Pictures,
    *,
    policy: Policy,
    params: TrainParams,
    features: Path | None,
) -> list[Phase]:
    """One phase, or the head's on features and that of fine-tuning."""
    whole = Phase(logits_of(model), pictures, val, policy, params.epochs, params.learning_rate)
    if not (is_pretrainable(params.model) and params.weights):
        return [whole]
    cache = FeatureCache(backbone_of(model), name=params.model, folder=features)
    if policy:
        _log.info("the backbone is frozen and sees each picture as it is: `augment` acts in fine-tuning only")
    seen = (cache.of(pictures, "training"), cache.of(val, "validation"))
    head = Phase(head_of(model), *seen, (), params.epochs, params.learning_rate)
    rate, n_epochs = params.fine_tune_learning_rate, params.fine_tune_epochs
    tuned = Phase(whole.network, pictures, val, policy, n_epochs, rate)
    return [head, tuned] if n_epochs else [head]


def run_phase(
    phase: Phase,
    model: Any,
    *,
    number: int,
    params: TrainParams,
    places: Places,
    progress: Progress,
    found: Checkpoint | None,
    n_replicas: int,
) -> None:
    """The epochs of a phase that are still to do; they begin at the best weights of the phase before."""
    if found is not None:
        progress.restore(found)
    elif progress.best_weights:
        model.set_weights(progress.best_weights)
    n_before = found.state["phase_start"] if found else len(progress.rows)
    fed, validated = feeds(phase, params, first_epoch=len(progress.rows), n_replicas=n_replicas)
    trained = compiled(phase, params, n_steps_an_epoch=len(fed))
    if found is not None:
        restore(trained, found)
        _log.info(
            "goes on after epoch %d, from %s",
            len(progress.rows),
            places.checkpoints and places.checkpoints.path,
        )
    if found is not None and found.state["phase_done"]:
        return
    last_epoch = n_before + phase.n_epochs
    kept = keeper(
        progress,
        model=model,
        optimizer=trained.optimizer,
        first_epoch=n_before + 1,
        last_epoch=last_epoch,
        patience=params.patience,
        save=saver(places.checkpoints, trained, progress, phase=number, phase_start=n_before),
    )
    told = reporter(
        progress, optimizer=trained.optimizer, n_pictures=len(phase.pictures), last_epoch=last_epoch
    )
    trained.fit(
        device.streamed(fed),
        validation_data=device.streamed(validated),
        initial_epoch=len(progress.rows),
        epochs=last_epoch,
        verbose=0,
        shuffle=False,  # `fed` does; Keras would shuffle its batches by Python's global generator
        callbacks=[turning(fed), kept, told, *tensorboard(places.tensorboard)],
    )


def feeds(phase: Phase, params: TrainParams, *, first_epoch: int, n_replicas: int) -> tuple[Any, Any]:
    """The training and the validation batches of a phase."""
    n_classes = phase.network.output_shape[1]
    shared = {"n_classes": n_classes, "batch_size": params.batch_size, "multiple_of": n_replicas}
    fed = batches(
        phase.pictures,
        **shared,
        weights=picture_weights(phase.pictures, by_class=params.class_weights, by_group=params.group_weights),
        shuffle_seed=params.seed,
        mirrored=alternates(phase.policy),
        first_epoch=first_epoch,
    )
    return fed, batches(phase.val, **shared)


def compiled(phase: Phase, params: TrainParams, *, n_steps_an_epoch: int) -> Any:
    """The trainee of a phase with its optimizer, both with all their variables made."""
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
    altered = None
    if phase.policy:
        height, width, channels = size
        altered = augmenter(phase.policy, image_hw=(height, width), channels=channels)
    trained = trainee(
        phase.network, augmenter=altered, mixers=mixers(phase.policy), label_smoothing=params.label_smoothing
    )
    trained.compile(
        optimizer=optimizer,
        loss=loss_of(params.head),
        metrics=[accuracy()],
        jit_compile=jit_compile(phase.policy),
    )
    nothing = np.zeros((1, *size), phase.network.inputs[0].dtype)
    trained({"pictures": nothing, "labels": np.zeros((1, phase.network.output_shape[1]), np.float32)})
    trained.optimizer.build(trained.trainable_variables)
    return trained


def jit_compile(policy: Policy) -> bool | str:
    """What to give to `compile`; XLA takes neither geometry nor what draws from a gamma distribution."""
    cannot = any(entry["class_name"] in NOT_IN_XLA for entry in policy)
    wanted = device.jit_compile()
    return False if cannot and wanted is True else wanted


def saver(
    checkpoints: Checkpoints | None, trained: Any, progress: Progress, *, phase: int, phase_start: int
) -> Callable[[bool], None]:
    """A function that writes a checkpoint: all variables (also of random draws), best weights, rows."""

    def save(is_done: bool) -> None:
        if checkpoints is not None:
            state = {"phase": phase, "phase_start": phase_start, "phase_done": is_done}
            arrays = {f"now/{i}": np.asarray(value) for i, value in enumerate(variables_of(trained))}
            checkpoints.save(state | progress.state(), arrays | progress.arrays())

    return save


def restore(trained: Any, found: Checkpoint) -> None:
    """Put a checkpoint's values into all variables."""
    for i, variable in enumerate(variables_of(trained)):
        variable.assign(found.arrays[f"now/{i}"])


def variables_of(trained: Any) -> Sequence[Any]:
    """Weights, states of random generators, and the optimizer's variables, in a fixed order."""
    metrics = {id(variable) for variable in trained.metrics_variables}
    return [v for v in (*trained.variables, *trained.optimizer.variables) if id(v) not in metrics]


def turning(fed: Any) -> Any:
    """The callback that gives each epoch its order."""
    import keras

    return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: fed.set_epoch(epoch))


def tensorboard(folder: Path | None) -> list[Any]:
    """The callback that writes TensorBoard's logs; none without a folder."""
    if folder is None:
        return []
    import keras

    return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]
