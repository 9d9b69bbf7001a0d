"""The generator as it learns and as it draws: rectified flow, from noise to a picture along straight lines.

A picture x and noise z give a point (1 - t) z + t x, and the network learns the velocity x - z there (Liu et
al. 2022, arXiv:2209.03003). Learning is plain regression, so Keras' own training step does it on every
backend. A picture is drawn by following the velocity from noise at t = 0 to t = 1.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from pipeline.synthesis.network import N_ALTERATIONS

Float32 = npt.NDArray[np.float32]
Uint8 = npt.NDArray[np.uint8]

_BATCH = 64
_MID = 127.5


class FlowModel(keras.Model):  # type: ignore[misc]
    """From {"pictures": uint8 [b, h, w, c], "alterations": [b, N_ALTERATIONS]} to the error of the velocity.

    Times are logit-normal, so the middle of the way is seen most (Esser et al. 2024, arXiv:2403.03206).

    Args:
        network: of `build_network`.
    """

    def __init__(self, network: Any, *, seed: int) -> None:
        super().__init__(dtype="float32", name="flow")
        self.network = network
        self._draws = keras.random.SeedGenerator(seed)

    def call(self, batch: Any, training: bool = False) -> Any:
        """Keras' forward pass: float32 [b, h, w, c]."""
        pictures = ops.cast(batch["pictures"], "float32") / _MID - 1
        noise = keras.random.normal(ops.shape(pictures), seed=self._draws)
        time = ops.sigmoid(keras.random.normal((ops.shape(pictures)[0], 1), seed=self._draws))
        at = ops.reshape(time, (-1, 1, 1, 1))
        noisy = (1 - at) * noise + at * pictures
        velocity = self.network([noisy, time, batch["alterations"]], training=training)
        return velocity - (pictures - noise)


class SquaredError(keras.losses.Loss):  # type: ignore[misc]
    """The mean square of what FlowModel returns; there are no labels."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Keras' forward pass: one loss per picture."""
        return ops.mean(ops.square(y_pred), axis=(1, 2, 3))


def draw_pictures(network: Any, n: int, *, seed: int, n_steps: int) -> Uint8:
    """Draw pictures, uint8 [n, height, width, channels]; picture i depends on (seed, i).

    Heun's method, of second order: two evaluations a step but for the last.
    """
    shape = network.output_shape[1:]
    drawn = [np.empty((0, *shape), np.uint8)]
    for start in range(0, n, _BATCH):
        numbers = range(start, start + _BATCH)  # whole batches: another size would round differently
        noise = np.stack([np.random.default_rng([seed, i]).standard_normal(shape) for i in numbers])
        drawn.append(_follow(network, noise.astype(np.float32), n_steps))
    return np.concatenate(drawn)[:n]


def _follow(network: Any, at: Float32, n_steps: int) -> Uint8:
    plain = np.zeros((len(at), N_ALTERATIONS), np.float32)

    def find_velocity(point: Float32, time: float) -> Float32:
        times = np.full((len(point), 1), time, np.float32)
        return np.asarray(network.predict_on_batch([point, times, plain]), np.float32)

    step = np.float32(1 / n_steps)
    for number in range(n_steps):
        velocity = find_velocity(at, number / n_steps)
        if number + 1 < n_steps:
            ahead = find_velocity(at + step * velocity, (number + 1) / n_steps)
            velocity = (velocity + ahead) / np.float32(2)
        at = at + step * velocity
    pictures: Uint8 = np.clip(np.rint((at + 1) * _MID), 0, 255).astype(np.uint8)
    return pictures
