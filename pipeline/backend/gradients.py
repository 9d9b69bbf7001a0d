"""Gradients of a function of a tensor, on TensorFlow and on JAX."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

Float32 = npt.NDArray[np.float32]


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
