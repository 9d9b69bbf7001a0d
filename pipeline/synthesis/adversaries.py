"""The generator and its critic as one model that Keras trains by its own step, on every backend.

The loss of the critic reaches the critic alone, and that of the generator the generator alone: the first sees
made-up pictures without their history, the second sees them through a critic whose weights stand still.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from pipeline.synthesis.alterations import alter
from pipeline.synthesis.network import N_NOISE

Float32 = npt.NDArray[np.float32]
Uint8 = npt.NDArray[np.uint8]

_MID = 127.5
_BATCH = 64  # pictures are made in batches of one size: another would round differently
_N_SETTLING = 30  # batches: at momentum 0.8, a thousandth of the beginning is left


class Adversaries(keras.Model):  # type: ignore[misc]
    """From real pictures, uint8 [b, h, w, c], to logits [b, 3]: of real ones, of made-up ones twice.

    The second column teaches the critic, the third the generator.
    """

    def __init__(self, generator: Any, critic: Any, *, seed: int) -> None:
        super().__init__(dtype="float32", name="adversaries")
        self.generator, self.critic = generator, critic
        self._noise, self._altered = (keras.random.SeedGenerator(seed + place) for place in (0, 1))

    def call(self, pictures: Any, training: bool = False) -> Any:
        """Keras' forward pass."""
        real = ops.cast(pictures, "float32") / _MID - 1
        noise = keras.random.normal((ops.shape(real)[0], N_NOISE), seed=self._noise)
        made = self.generator(noise, training=training)
        both = alter(ops.concatenate([real, ops.stop_gradient(made)]), self._altered)
        logits = self.critic(both, training=training)
        of_real, of_made = ops.split(logits, 2)
        still = [ops.stop_gradient(ops.convert_to_tensor(one)) for one in self.critic.trainable_variables]
        others = self.critic.non_trainable_variables
        seen, _ = self.critic.stateless_call(still, others, alter(made, self._altered), training=False)
        return ops.concatenate([of_real, of_made, seen], axis=1)


class HingeLoss(keras.losses.Loss):  # type: ignore[misc]
    """The hinge loss of the critic, and that of the generator (Lim and Ye 2017, arXiv:1705.02894), in sum."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Keras' forward pass: one loss per picture; there are no labels."""
        of_real, of_made, seen = y_pred[:, 0], y_pred[:, 1], y_pred[:, 2]
        return ops.relu(1 - of_real) + ops.relu(1 + of_made) - seen


class PartOfLoss(keras.metrics.Mean):  # type: ignore[misc]
    """The mean of one part of HingeLoss: "critic_loss" or "generator_loss"."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Keras' hook: take in a batch."""
        of_real, of_made, seen = y_pred[:, 0], y_pred[:, 1], y_pred[:, 2]
        of_critic = ops.relu(1 - of_real) + ops.relu(1 + of_made)
        super().update_state(of_critic if self.name == "critic_loss" else -seen)


def settle(generator: Any, seed: int) -> None:
    """Let the batch norms of a generator learn the statistics of its weights as they are now."""
    for layer in generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(ops.zeros(layer.moving_mean.shape))
            layer.moving_variance.assign(ops.ones(layer.moving_variance.shape))
    for number in range(_N_SETTLING):
        generator(_draw_noise(range(_BATCH), [seed, 1, number]), training=True)


def make_pictures(generator: Any, n: int, *, seed: int) -> Uint8:
    """Pictures of a trained generator, uint8 [n, height, width, channels]; picture i depends on (seed, i)."""
    made = [np.empty((0, *generator.output_shape[1:]), np.uint8)]
    for start in range(0, n, _BATCH):
        drawn = generator.predict_on_batch(_draw_noise(range(start, start + _BATCH), [seed, 0]))
        levels = np.rint((np.asarray(drawn, np.float32) + 1) * np.float32(_MID))
        made.append(np.clip(levels, 0, 255).astype(np.uint8))
    return np.concatenate(made)[:n]


def _draw_noise(numbers: range, key: list[int]) -> Float32:
    drawn = [np.random.default_rng([*key, i]).standard_normal(N_NOISE) for i in numbers]
    return np.stack(drawn).astype(np.float32)
