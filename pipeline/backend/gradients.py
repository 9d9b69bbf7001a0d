"""Gradients, on TensorFlow and on JAX: of a function of a tensor, and of a network's scores by its maps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.backend.anatomy import Step, watch
from pipeline.errors import ModelError

Uint8 = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

_TINY = 1e-7


def differentiate(function: Callable[[Any], Any], at: Float32) -> Float32:
    """The gradient of a function from a tensor to a scalar, at a point of any shape: of that shape.

    Raises:
        ModelError: Keras runs on another backend.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        point = tf.convert_to_tensor(at)
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point)
        gradient = tape.gradient(value, point, unconnected_gradients="zero")
        return np.asarray(gradient.numpy(), np.float32)
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(jax.numpy.asarray(at)), np.float32)
    raise ModelError(f"gradients are computed on tensorflow or jax, Keras runs on {backend}")


def differentiate_scores(
    model: Any, maps: Step, last: Step, pictures: Uint8, classes: Ints
) -> tuple[Float32, Float32]:
    """The maps of pictures, and the gradient of the score of each picture's class by them.

    A score is what the last layer makes a probability of. Where that is not to be had, it is the logarithm
    of the probability. Of two classes it is the lead over the other: a sigmoid scores only one of them.

    Args:
        maps: the step whose maps are asked about; last: the last step; as `anatomy.trace_steps` gives them.
        pictures: uint8 [n, height, width, channels].
        classes: the class that each picture is asked about [n].

    Returns:
        Two arrays float32 [n, rows, columns, n_maps].

    Raises:
        ModelError: as `differentiate`.
    """
    import keras

    seen: dict[str, Any] = {}

    def score(added: Any) -> Any:
        def see(layer: Any, entered: Any, left: Any) -> Any:
            if layer is maps.layer:
                seen["maps"] = left
                return left + keras.ops.cast(added, left.dtype)
            seen["scores"] = _find_scores(layer, entered, left)
            return left

        with watch([maps.layer, last.layer], see):
            model(pictures, training=False)
        n_classes = seen["scores"].shape[-1]
        asked = keras.ops.one_hot(classes, n_classes, dtype="float32")
        asked = 2 * asked - 1 if n_classes == 2 else asked
        return keras.ops.sum(seen["scores"] * asked)

    gradient = differentiate(score, np.zeros((len(pictures), *maps.left.shape), np.float32))
    return np.asarray(keras.ops.convert_to_numpy(seen["maps"]), np.float32), gradient


def _find_scores(layer: Any, entered: Any, left: Any) -> Any:
    """What a last layer makes probabilities of [n, n_classes]."""
    import keras

    if isinstance(layer, keras.layers.Activation | keras.layers.Softmax):
        return entered
    if isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.softmax:
        scores = keras.ops.matmul(entered, layer.kernel)
        return scores if layer.bias is None else scores + layer.bias
    return keras.ops.log(left + _TINY)
