"""What Keras fits: a network with augmentation, label mixing and smoothing, its loss and its accuracy.

All of this acts in training only, batch by batch, on the device of the network. The network itself holds none
of it. It is backend-neutral Keras: the labels travel through the model, so what mixes pictures mixes their
labels too.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from pipeline.backend.streaming import choose_jit
from pipeline.training.policy import Policy

LOGITS_ROW, TARGETS_ROW = 0, 1

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


class TrainingModel(keras.Model):  # type: ignore[misc]
    """From {"pictures": [b, ...], "labels": [b, n_classes]} to float32 [b, 2, n_classes].

    Row 0 of the output holds the logits, row 1 their targets: the labels, in training mixed and smoothed.

    Args:
        network: a `keras.Model` from pictures (uint8) or features (float32) to logits [b, n_classes].
        augmenter: a `keras.Model`, uint8 to uint8; None: pictures as they are.
        mixers: layers such as MixUp and CutMix, called with {"images", "labels"}.
    """

    def __init__(
        self, network: Any, *, augmenter: Any, mixers: Sequence[Any], label_smoothing: float
    ) -> None:
        super().__init__(dtype="float32", name="training_model")  # labels must not be cast to bfloat16
        self.network, self.augmenter, self.mixers = network, augmenter, list(mixers)
        self.label_smoothing = label_smoothing

    def build(self, input_shape: Any) -> None:
        """Build the mixers: Keras' own build calls nothing that acts in training only."""
        for mixer in self.mixers:
            mixer.build({"images": input_shape["pictures"], "labels": input_shape["labels"]})

    def call(self, batch: Any, training: bool = False) -> Any:
        """Keras' forward pass: logits and targets, stacked."""
        pictures, targets = batch["pictures"], batch["labels"]
        if training:
            pictures, targets = self._alter(pictures, targets)
        return ops.stack([self.network(pictures, training=training), targets], axis=1)

    def _alter(self, pictures: Any, targets: Any) -> Any:
        if self.augmenter is not None:
            pictures = self.augmenter(pictures, training=True)
        for mixer in self.mixers:
            both = {"images": ops.cast(pictures, "float32"), "labels": targets}
            both = mixer(both, training=True)
            pictures = ops.cast(ops.clip(ops.round(both["images"]), 0, 255), "uint8")
            targets = both["labels"]
        even = self.label_smoothing / targets.shape[-1]
        return pictures, targets * (1 - self.label_smoothing) + even


class CrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of a training model's output; for the head one_vs_rest, its mean over classes."""

    def __init__(self, head: str) -> None:
        super().__init__(name="loss")
        is_binary = head == "one_vs_rest"
        self._entropy = (
            keras.losses.binary_crossentropy if is_binary else keras.losses.categorical_crossentropy
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Keras' forward pass: one loss per picture. The labels in `y_true` are those before mixing."""
        return self._entropy(y_pred[:, TARGETS_ROW], y_pred[:, LOGITS_ROW], from_logits=True)


def build_accuracy() -> Any:
    """The share of pictures whose largest logit is their true class: a `keras.metrics.Metric`."""
    return keras.metrics.MeanMetricWrapper(_compare_classes, name="accuracy")


def _compare_classes(y_true: Any, y_pred: Any) -> Any:
    classes = ops.argmax(y_true, axis=-1), ops.argmax(y_pred[:, LOGITS_ROW], axis=-1)
    return ops.cast(ops.equal(*classes), "float32")


def choose_jit_for(policy: Policy) -> bool | str:
    """The `jit_compile` for a policy: XLA has neither geometry nor draws from a gamma distribution."""
    cannot = any(entry["class_name"] in NOT_IN_XLA for entry in policy)
    wanted = choose_jit()
    return False if cannot and wanted is True else wanted
