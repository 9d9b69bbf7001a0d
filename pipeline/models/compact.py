"""The default: a small residual network that trains in minutes on two CPU cores.

A stem looks at the whole picture: a convolution, with a max-pool from 40 pixels on, and a stride too from 80
on. Each stage then halves the side and doubles the filters: a convolution, a max-pool and one residual
convolution. Stages follow until the side is at most 4. Global average pooling and dropout come last. The
design is our own, on the blocks of He et al. 2016 (arXiv:1603.05027), with the pool before the batch norm as
in Jordan 2024 (arXiv:2404.00498). docs/benchmarks.md says what its parts bring.
Parameters: 293,882 for 32x32x3 and 10 classes, 293,237 for 128x128x3 and 5; at most 256 filters.
"""

from typing import Any

from pipeline.models.knobs import Knobs

MIN_SIDE_PX = 4
_N_FILTERS, _MAX_FILTERS = 16, 256  # of the stem, of any stage
_MEDIUM_PX, _LARGE_PX = 40, 80  # sides from which the stem halves the picture, and quarters it
_LAST_SIDE_PX = 4  # stages follow until the shorter side is at most this
_MOMENTUM = 0.9  # small collections have few steps per epoch: Keras' 0.99 lags epochs behind


def add_features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, n_filters]."""
    from keras import layers

    side_px = min(pictures.shape[1:3])
    n_filters = _N_FILTERS
    x = _add_conv(
        pictures, n_filters, knobs, stride=1 if side_px < _LARGE_PX else 2, pools=side_px >= _MEDIUM_PX
    )
    while min(x.shape[1:3]) > _LAST_SIDE_PX:
        n_filters = min(2 * n_filters, _MAX_FILTERS)
        x = _add_conv(x, n_filters, knobs, pools=True)
        x = layers.Add()([x, _add_conv(x, n_filters, knobs)])
    return knobs.drop(layers.GlobalAveragePooling2D()(x), 0.2)


def _add_conv(x: Any, own: int, knobs: Knobs, *, stride: int = 1, pools: bool = False) -> Any:
    """Convolution, max-pool, batch norm, activation; the pool comes early, so the last two do a quarter."""
    from keras import layers

    layer = knobs.conv(
        knobs.n_filters(own, first=_N_FILTERS),
        3,
        is_linear=True,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )
    x = layer(x)
    if pools:
        x = layers.MaxPooling2D(padding="same")(x)
    return knobs.act()(layers.BatchNormalization(momentum=_MOMENTUM)(x))
