"""The two networks of the generator: one makes pictures of noise, one tells them from real ones.

Both are small, after DCGAN (Radford et al. 2016, arXiv:1511.06434). The second has spectral normalisation
(Miyato et al. 2018, arXiv:1802.05957), which keeps its gradients bounded without a penalty.
"""

import math
from typing import Any

import keras
from keras import layers

N_NOISE = 64
_START, _END = 8, 4  # the longer side of the smallest maps of the first and of the second network, at most
_WIDEST, _NARROWEST = 128, 32  # channels
_KERNEL = {"kernel_size": 4, "strides": 2, "padding": "same"}
_SLOPE = 0.2


def build_generator(picture_shape: tuple[int, int, int]) -> Any:
    """A `keras.Model` from noise [b, N_NOISE] to pictures [b, height, width, channels] from -1 to 1."""
    height, width, channels = picture_shape
    n_doublings = max(1, math.ceil(math.log2(max(height, width) / _START)))
    rows, columns = (-(-side // 2**n_doublings) for side in (height, width))
    noise = keras.Input((N_NOISE,), name="noise")
    n_filters = _WIDEST
    x = layers.Dense(rows * columns * n_filters, use_bias=False)(noise)
    x = _normalise(layers.Reshape((rows, columns, n_filters))(x))
    for _ in range(n_doublings - 1):
        n_filters = max(n_filters // 2, _NARROWEST)
        x = _normalise(layers.Conv2DTranspose(n_filters, use_bias=False, **_KERNEL)(x))
    x = layers.Conv2DTranspose(channels, dtype="float32", **_KERNEL)(x)
    top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
    pictures = keras.ops.tanh(x[:, top : top + height, left : left + width])
    return keras.Model(noise, pictures, name="generator")


def build_critic(picture_shape: tuple[int, int, int]) -> Any:
    """A `keras.Model` from pictures, as the generator makes them, to logits [b, 1]: how real they look."""
    pictures = keras.Input(picture_shape, name="pictures")
    x, n_filters, side = pictures, _NARROWEST, max(picture_shape[:2])
    while side > _END:
        x = layers.SpectralNormalization(layers.Conv2D(n_filters, **_KERNEL))(x)
        x = layers.LeakyReLU(_SLOPE)(x)
        n_filters, side = min(2 * n_filters, _WIDEST), -(-side // 2)
    dense = layers.SpectralNormalization(layers.Dense(1, dtype="float32"), dtype="float32")
    return keras.Model(pictures, dense(layers.Flatten(dtype="float32")(x)), name="critic")


def _normalise(x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.8)(x))
