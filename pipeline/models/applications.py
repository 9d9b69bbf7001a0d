"""Any network of `keras.applications`, by the name "keras.applications.<Name>", as the features of a picture.

Each family needs its pictures scaled in its own way. The way is found by passing single channels to its
`preprocess_input`, and is built into the network. So every family takes uint8 pictures. Sources and parameter
counts: https://keras.io/api/applications/
"""

import ast
import functools
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import ModelError, nearest, one_line
from pipeline.models.keras_weights import load_keras_weights
from pipeline.models.levels import add_levels, find_stages

PREFIX = "keras.applications."


class Scaling(NamedTuple):
    """How a family scales a picture: channels in another order, times `scale`, plus `offset`."""

    is_reversed: bool  # to blue, green, red
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


def build_backbone(
    name: str, *, image_hw: tuple[int, int], channels: int, weights: str | None, all_levels: bool = False
) -> Any:
    """A `keras.Model` named "backbone": uint8 [batch, height, width, channels] to float32 [batch, n].

    Grey pictures become colour pictures of three equal channels.

    Args:
        name: such as "keras.applications.MobileNetV2".
        weights: "imagenet" (Keras downloads them), a path to .weights.h5 or .keras of this model or to an .h5
            of Keras' own without the top, or None (at random).
        all_levels: more features in front: the means of the outputs of `levels.find_stages`.

    Raises:
        ModelError: no such network, pictures too small for it, or weights that cannot be loaded or do not
            fit.
    """
    import keras

    build, module = find(name)
    own_file = weights is not None and weights.endswith((".weights.h5", ".keras"))
    trunk = _build_trunk(name, build, image_hw=image_hw, weights=None if own_file else weights)
    if all_levels:
        trunk = add_levels(trunk, find_stages(trunk))
    pictures = keras.Input((*image_hw, channels), dtype="uint8")
    x = keras.layers.Concatenate()([pictures] * 3) if channels == 1 else pictures
    features = trunk(_add_scaling(x, find_scaling(module)))
    model = keras.Model(
        pictures, keras.layers.Activation("linear", dtype="float32")(features), name="backbone"
    )
    if own_file:
        load_keras_weights(model, Path(str(weights)))
    return model


def find(name: str) -> tuple[Callable[..., Any], ModuleType]:
    """The function that builds a network, and its module.

    Raises:
        ModelError: there is none of that name.
    """
    short = name.removeprefix(PREFIX)
    if short not in (known := list_names()):
        hint = nearest(short, known) or f"; they are {', '.join(known)}"
        raise ModelError(f"train.model: keras.applications has no {short!r}{hint}")
    import keras

    build: Callable[..., Any] = getattr(keras.applications, short)
    module: ModuleType = getattr(keras.applications, build.__module__.rpartition(".")[2])
    return build, module


def list_names() -> list[str]:
    """The networks of `keras.applications`, sorted; from its index: importing Keras takes seconds."""
    return sorted(_list_homes())


def check_network(name: str, image_hw: tuple[int, int]) -> None:
    """Raise ModelError unless there is a network "keras.applications.<Name>" that takes such pictures."""
    homes, short = _list_homes(), name.removeprefix(PREFIX)
    if short not in homes:
        hint = nearest(short, homes) or f"; they are {', '.join(sorted(homes))}"
        raise ModelError(f"train.model: keras.applications has no {short!r}{hint}")
    source = (_locate_keras() / "src" / "applications" / f"{homes[short]}.py").read_text(encoding="utf-8")
    found = re.search(r"min_size=(\d+)", source)
    min_side_px = int(found[1]) if found else 1
    if min(image_hw) < min_side_px:
        raise ModelError(
            f"train.model: {name} needs sides of at least {min_side_px} pixels, got clean.image_hw "
            f"{image_hw[0]}x{image_hw[1]}; enlarge it, or use a network for smaller pictures"
        )


def _list_homes() -> dict[str, str]:
    """The networks, and the module of Keras that each is in."""
    index = ast.parse((_locate_keras() / "applications" / "__init__.py").read_text(encoding="utf-8"))
    return {
        alias.name: node.module.rpartition(".")[2]
        for node in index.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if alias.name[0].isupper()
    }


@functools.cache
def _locate_keras() -> Path:
    found = find_spec("keras")
    if found is None or not found.origin:
        raise ModelError("Keras is not installed; run `make install`")
    return Path(found.origin).parent


def find_scaling(module: ModuleType) -> Scaling:
    """The scaling of a family: what its `preprocess_input` makes of black, and of single channels of 1."""
    probes = np.concatenate([np.zeros((1, 3)), np.eye(3)]).astype(np.float32).reshape(4, 1, 1, 3)
    black, *single = np.asarray(module.preprocess_input(probes.copy())).reshape(4, 3)
    gains = np.array(single) - black  # one row per input channel, one column per output channel
    is_reversed = not gains[0, 0]
    scale = gains[::-1].diagonal() if is_reversed else gains.diagonal()
    return Scaling(is_reversed, _make_triple(scale), _make_triple(black))


def _make_triple(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _add_scaling(x: Any, scaling: Scaling) -> Any:
    import keras

    if scaling.is_reversed:
        x = keras.ops.flip(x, axis=-1)
    return keras.layers.Rescaling(list(scaling.scale), offset=list(scaling.offset), dtype="float32")(x)


def _build_trunk(
    name: str, build: Callable[..., Any], *, image_hw: tuple[int, int], weights: str | None
) -> Any:
    if weights not in (None, "imagenet") and not Path(str(weights)).is_file():
        raise ModelError(f"train.weights: {weights} does not exist; give a file, imagenet or none")
    try:
        return build(include_top=False, pooling="avg", input_shape=(*image_hw, 3), weights=weights)
    except Exception as error:  # noqa: BLE001 (a download that fails is a bare Exception in Keras)
        if weights == "imagenet" and "URL fetch failure" in str(error):
            raise ModelError(
                f"train.weights: the ImageNet weights of {name} cannot be downloaded ({one_line(error)});"
                " give the path of a file, or none"
            ) from None
        raise ModelError(
            f"train.model: {name} cannot be built for clean.image_hw {image_hw[0]}x{image_hw[1]} and"
            f" train.weights {weights} ({one_line(error)}); enlarge the pictures, or change the weights"
        ) from None
