"""What happens inside a network: which layer runs when, what enters and leaves it, and what it costs.

A network is run as it is, layer by layer and without compilation, while its layers are watched. So networks
may lie inside each other in any way. What Keras has compiled before is not touched.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Uint8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
See = Callable[[Any, Any, Any], Any]

BATCH_SIZE = 32  # pictures at a time


@dataclass(frozen=True)
class Step:
    """One call of a layer, for one picture: what entered and what left, arrays without the batch's axis."""

    layer: Any
    entered: npt.NDArray[Any]
    left: npt.NDArray[Any]


def list_leaves(model: Any) -> list[Any]:
    """The layers of a network; of a network inside it, its layers."""
    import keras

    return [
        leaf
        for layer in model.layers
        for leaf in (list_leaves(layer) if isinstance(layer, keras.Model) else [layer])
    ]


@contextmanager
def watch(layers: Sequence[Any], see: See) -> Iterator[None]:
    """Inside the block, what a layer gives is what `see(layer, entered, left)` makes of it."""
    watched = list(dict.fromkeys(layers))  # a layer that two networks share is listed twice
    for layer in watched:
        layer.call = _wrap(layer, see)
    try:
        yield
    finally:
        for layer in watched:
            del layer.call


def trace_steps(model: Any, picture: Uint8 | Float32) -> list[Step]:
    """The calls of a network's layers in their order, for one picture uint8 [height, width, channels].

    A head takes features float32 [n_features] in its place.

    Layers that take several tensors or give several are left out.
    """
    steps: list[Step] = []

    def see(layer: Any, entered: Any, left: Any) -> Any:
        if hasattr(entered, "shape") and hasattr(left, "shape"):
            steps.append(Step(layer, _to_array(entered)[0], _to_array(left)[0]))
        return left

    with watch(list_leaves(model), see):
        model(picture[None], training=False)
    return steps


def find_embedding(steps: Sequence[Step]) -> Any:
    """The layer whose input a network decides by: its last dense one, otherwise its last one."""
    import keras

    dense = [step.layer for step in steps if isinstance(step.layer, keras.layers.Dense)]
    return (dense or [step.layer for step in steps])[-1]


def find_maps(steps: Sequence[Step]) -> Step | None:
    """The last call that gives maps [height, width, n] larger than a point; None if no convolution ran."""
    if not find_convolutions(steps):
        return None
    spatial = [step for step in steps if step.left.ndim == 3 and step.left.shape[0] * step.left.shape[1] > 1]
    return spatial[-1] if spatial else None


def find_convolutions(steps: Sequence[Step]) -> list[Step]:
    """The calls of two-dimensional convolutions that mix channels, in their order."""
    import keras

    kinds = (keras.layers.Conv2D, keras.layers.SeparableConv2D)
    return [step for step in steps if isinstance(step.layer, kinds)]


def read_filters(layer: Any) -> Float32 | None:
    """The kernel of a convolution: float32 [height, width, channels, n]; None if it has not one."""
    kernel = getattr(layer, "kernel", None)
    return None if kernel is None else np.asarray(kernel.numpy(), np.float32)


def collect_inputs(model: Any, layer: Any, pictures: Uint8 | Float32) -> Float32:
    """What enters a layer for each picture, flat: float32 [n, d], in batches of one size.

    Args:
        pictures: uint8 [n, height, width, channels]; or the features of a head, float32 [n, n_features].
    """
    entering: list[Any] = []

    def see(_: Any, entered: Any, left: Any) -> Any:
        entering.append(_to_array(entered))
        return left

    found = []
    with watch([layer], see):
        for start in range(0, len(pictures), BATCH_SIZE):
            part = pictures[start : start + BATCH_SIZE]
            batch = np.zeros((BATCH_SIZE, *pictures.shape[1:]), pictures.dtype)
            batch[: len(part)] = part
            entering.clear()
            model(batch, training=False)
            found.append(entering[-1].reshape(BATCH_SIZE, -1)[: len(part)].astype(np.float32))
    return np.concatenate(found)


def count_multiplications(steps: Sequence[Step]) -> int:
    """About how many multiplications one picture costs: those of the layers with a kernel."""
    return sum(_count_of(step) for step in steps)


def _count_of(step: Step) -> int:
    kernel = getattr(step.layer, "kernel", None)
    if kernel is None:
        return 0
    places = step.left.shape[:-1] if len(kernel.shape) > 2 else ()
    return int(math.prod(kernel.shape) * math.prod(places))


def _wrap(layer: Any, see: See) -> Callable[..., Any]:
    call = layer.call

    def wrapped(*args: Any, **named: Any) -> Any:
        return see(layer, args[0] if args else None, call(*args, **named))

    return wrapped


def _to_array(tensor: Any) -> npt.NDArray[Any]:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))
