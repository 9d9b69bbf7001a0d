"""The default: a small residual network that trains in minutes on two CPU cores.

A strided stem brings the picture down; then stages that halve the side and double the filters (a
convolution, max-pool, and one residual convolution) until the side is below 4; global average pooling
and dropout. Own design on the blocks of He et al. 2016 (arXiv:1603.05027). Max-pooling against strided
convolutions: 90.8 against 88.2 % on five kinds of scans at 128x128 (20 epochs), 99.8 against 99.6 % on
digits at 32x32, at up to 1.5 times the time; depthwise convolutions: 99.4 % on digits, and no faster.
Parameters: 293,882 for 32x32x3 and 10 classes, 1,182,581 for 128x128x3 and 5; at most 256 filters.
"""

from typing import Any

from pipeline.models.knobs import Knobs

MIN_SIDE_PX = 4
_N_FILTERS, _MAX_FILTERS = 16, 256  # of the stem, of any stage
_LAST_SIDE_PX = 4  # stages go on while the shorter side is at least this
_MOMENTUM = 0.9  # small collections have few steps an epoch: Keras' 0.99 lags epochs behind


def features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, n_filters]."""
    from keras import layers

    stride = _stem_stride(min(pictures.shape[1:3]))
    n_filters = _N_FILTERS
    x = _convolved(pictures, n_filters, knobs, kernel=7 if stride == 4 else 3, stride=stride)
    while min(x.shape[1:3]) >= _LAST_SIDE_PX:
        n_filters = min(2 * n_filters, _MAX_FILTERS)
        x = layers.MaxPooling2D(padding="same")(_convolved(x, n_filters, knobs))
        x = layers.Add()([x, _convolved(x, n_filters, knobs)])
    return knobs.drop(layers.GlobalAveragePooling2D()(x), 0.2)


def _stem_stride(side_px: int) -> int:
    """1 below 24 pixels, 2 below 48, otherwise 4: the first stage sees 12 to 24 pixels, or a quarter."""
    return 1 if side_px < 24 else 2 if side_px < 48 else 4


def _convolved(x: Any, own: int, knobs: Knobs, *, kernel: int = 3, stride: int = 1) -> Any:
    from keras import layers

    n_filters = knobs.n_filters(own, first=_N_FILTERS)
    layer = knobs.conv(
        n_filters,
        kernel,
        is_linear=True,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )
    return knobs.act()(layers.BatchNormalization(momentum=_MOMENTUM)(layer(x)))
