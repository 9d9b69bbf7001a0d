"""The registry of networks: `build_model("compact", ...)`. One file per family, each with its source.

A network of our own gives `add_features(pictures, knobs) -> tensor`, and `MIN_SIDE_PX`, the shortest side
that it can take. A network with weights from elsewhere gives `build_backbone(...)`, a `keras.Model` from
pictures to features. What all share is here: uint8 in, a head, class probabilities out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError, nearest
from pipeline.models import (
    applications,
    compact,
    conv1,
    conv2,
    conv3,
    conv4,
    conv_gru,
    efficientnet_lite0,
    vgg_bn,
)
from pipeline.models.knobs import Knobs

Head = Literal["softmax", "sigmoid", "one_vs_rest"]

BACKBONE, HEAD, LOGITS, STANDARDISED = "backbone", "head", "logits", "standardised"  # names of layers
_BACKBONE_DROPOUT = 0.2
_AS_PUBLISHED = Knobs()


class Family(NamedTuple):
    """How a network of our own makes features of pictures, and the shortest side that it can take."""

    features: Callable[[Any, Knobs], Any]
    min_side_px: int


FAMILIES: Mapping[str, Family] = {
    "compact": Family(compact.add_features, compact.MIN_SIDE_PX),
    "conv1": Family(conv1.add_features, conv1.MIN_SIDE_PX),
    "conv2": Family(conv2.add_features, conv2.MIN_SIDE_PX),
    "conv3": Family(conv3.add_features, conv3.MIN_SIDE_PX),
    "conv4": Family(conv4.add_features, conv4.MIN_SIDE_PX),
    "conv_gru": Family(conv_gru.add_features, conv_gru.MIN_SIDE_PX),
    "vgg_bn": Family(vgg_bn.add_features, vgg_bn.MIN_SIDE_PX),
}
EFFICIENTNET_LITE0 = "efficientnet_lite0"


def build_model(
    name: str,
    *,
    image_hw: tuple[int, int],
    channels: int,
    n_classes: int,
    head: Head = "softmax",
    knobs: Knobs = _AS_PUBLISHED,
    weights: str | None = None,
) -> Any:
    """A `keras.Model` from uint8 pictures [batch, height, width, channels] to float32 [batch, n_classes].

    Each row of the output sums to 1. Scaling the pictures is part of the model. Initial weights come from
    Keras' global seed (`keras.utils.set_random_seed`). Layers compute in Keras' global dtype policy.

    Args:
        name: a key of FAMILIES, "efficientnet_lite0", or "keras.applications.<Name>".
        head: softmax; sigmoid, one unit for the second of two classes; one_vs_rest, one sigmoid per class,
            whose answers are divided by their sum, as scikit-learn's OneVsRestClassifier does.
        weights: for the networks with a backbone: "imagenet", a path, or None; others begin at random.

    Raises:
        ModelError: no network of that name, pictures too small for it, a head for another number of classes,
            or weights that cannot be loaded.
    """
    check_head(head, n_classes)
    check_network(name, image_hw)
    import keras

    pictures = keras.Input((*image_hw, channels), dtype="uint8", name="pictures")
    if is_pretrainable(name):
        how: dict[str, Any] = {"weights": weights, "all_levels": knobs.all_levels}
        backbone = _build_backbone(name, image_hw=image_hw, channels=channels, **how)
        top = build_head(backbone.output_shape[1], n_classes, head=head, knobs=knobs)
        if weights is not None:
            _keep_statistics(backbone)
        logits = top(backbone(pictures))
    else:
        features = _build_features(name, pictures, knobs=knobs)
        logits = _add_logits(features, n_classes, head=head, knobs=knobs)
    logits = keras.layers.Identity(dtype="float32", name=LOGITS)(logits)
    return keras.Model(pictures, _add_probabilities(logits, head), name=name.rpartition(".")[2])


def check_head(head: Head, n_classes: int) -> None:
    """Raise ModelError if a head cannot tell so many classes apart."""
    if head == "sigmoid" and n_classes != 2:
        raise ModelError(
            f"train.head: sigmoid is for two classes, got {n_classes}; set softmax or one_vs_rest, or merge"
            " classes in data.classes"
        )


def check_network(name: str, image_hw: tuple[int, int]) -> None:
    """Raise ModelError unless there is such a network, and it takes such pictures; Keras is not imported."""
    if name.startswith(applications.PREFIX):
        applications.check_network(name, image_hw)
    elif name == EFFICIENTNET_LITE0:
        efficientnet_lite0.check_network(image_hw)
    elif name in FAMILIES:
        _check_side(name, image_hw)
    elif name in (networks := applications.list_names()):
        raise ModelError(f"train.model: got {name!r} (did you mean {applications.PREFIX}{name}?)")
    else:
        known = [*FAMILIES, EFFICIENTNET_LITE0]
        named = {one.casefold(): one for one in known}
        named |= {one.casefold(): applications.PREFIX + one for one in networks}
        close = nearest(name.casefold(), named, n=1)
        hint = re.sub("mean (.*)[?]", lambda found: f"mean {named[found[1]]}?", close)
        allowed = f"{', '.join(known)} and {applications.PREFIX}<Name>"
        raise ModelError(f"train.model: allowed are {allowed}, got {name!r}{hint}")


def _check_side(name: str, image_hw: tuple[int, int]) -> None:
    family = FAMILIES[name]
    if min(image_hw) < family.min_side_px:
        raise ModelError(
            f"train.model: {name} needs sides of at least {family.min_side_px} pixels, got clean.image_hw"
            f" {image_hw[0]}x{image_hw[1]}; enlarge it, or use a network for smaller pictures"
        )


def is_pretrainable(name: str) -> bool:
    """Whether a network has a backbone whose weights may come from elsewhere."""
    return name == EFFICIENTNET_LITE0 or name.startswith(applications.PREFIX)


def is_frozen(name: str, *, weights: str | None, fine_tune_epochs: int) -> bool:
    """Whether given weights stay as they are: a head alone is trained, and sees no altered picture."""
    return is_pretrainable(name) and weights is not None and not fine_tune_epochs


def cut_to_logits(model: Any) -> Any:
    """The part of a model of `build_model` that ends before its probabilities: logits [batch, n_classes]."""
    import keras

    return keras.Model(model.input, model.get_layer(LOGITS).output, name="network")


def find_backbone(model: Any) -> Any:
    """The backbone of a network that has one: uint8 pictures to float32 features [batch, n]."""
    return model.get_layer(BACKBONE)


def build_head(
    n_features: int, n_classes: int, *, head: Head = "softmax", knobs: Knobs = _AS_PUBLISHED
) -> Any:
    """A head as `build_model` puts it on a backbone: float32 features to logits [batch, n_classes]."""
    check_head(head, n_classes)
    import keras

    features = keras.Input((n_features,), dtype="float32")
    even = _add_standardised(features) if knobs.all_levels else features
    dropped = knobs.drop(even, _BACKBONE_DROPOUT)
    return keras.Model(features, _add_logits(dropped, n_classes, head=head, knobs=knobs), name=HEAD)


def complete_head(network: Any, head: Head) -> Any:
    """The `keras.Model` from features to class probabilities that ends a head to logits."""
    import keras

    return keras.Model(network.input, _add_probabilities(network.output, head))


def find_head(model: Any) -> Any:
    """The head of a network with a backbone: float32 features [batch, n] to logits [batch, n_classes]."""
    return model.get_layer(HEAD)


def _build_features(name: str, pictures: Any, *, knobs: Knobs) -> Any:
    import keras

    return FAMILIES[name].features(keras.layers.Rescaling(1 / 255)(pictures), knobs)


def _build_backbone(name: str, **how: Any) -> Any:
    if name == EFFICIENTNET_LITE0:
        return efficientnet_lite0.build_backbone(**how)
    return applications.build_backbone(name, **how)


def _keep_statistics(backbone: Any) -> None:
    """Make batch norms use the statistics they came with, in fine-tuning too, by freezing them.

    Nothing else stops them: Keras 3 hands an outer `training=True` on to a model that was called with
    `training=False`.
    """
    import keras

    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _add_standardised(features: Any) -> Any:
    """Each feature with mean 0 and variance 1, once `standardise` has said what they are."""
    import keras

    how: dict[str, Any] = {"center": False, "scale": False, "epsilon": 1e-6, "dtype": "float32"}
    return keras.layers.BatchNormalization(name=STANDARDISED, trainable=False, **how)(features)


def standardise(head: Any, features: npt.NDArray[np.float32]) -> None:
    """Set the mean and the variance by which a head standardises features [n, n_features], if it does."""
    if any(layer.name == STANDARDISED for layer in head.layers):
        mean, variance = features.mean(axis=0, dtype=np.float64), features.var(axis=0, dtype=np.float64)
        head.get_layer(STANDARDISED).set_weights([mean, variance])


def _add_logits(x: Any, n_classes: int, *, head: Head, knobs: Knobs) -> Any:
    """Logits [batch, n_classes]. A sigmoid's one unit z gives (0, z), whose softmax is the sigmoid."""
    import keras

    n_units = 1 if head == "sigmoid" else n_classes
    dense = keras.layers.Dense(n_units, dtype="float32", name="logits_dense", **knobs.penalty())(x)
    return keras.ops.pad(dense, ((0, 0), (1, 0))) if head == "sigmoid" else dense


def _add_probabilities(logits: Any, head: Head) -> Any:
    import keras

    if head == "one_vs_rest":  # softmax of log s is s divided by its sum, without a division by 0
        logits = keras.ops.log_sigmoid(logits)
    return keras.layers.Activation("softmax", dtype="float32", name="y_prob")(logits)
