"""Three convolutions that double their filters, and one dense layer.

Conv16 pool drop .25, Conv32, Conv64 drop .25, Dense128 drop .5, softmax; kernels of 3x3, relu.
`train.units`, `train.dropout: 0` and `train.activation: tanh` give its variants.

Source: a common small network of courses on image classification; valid padding.
Parameters: 688,266 for 28x28x1 and 10 classes; 28,540,709 for 128x128x3 and 5: made for small pictures.
"""

from typing import Any

from pipeline.models.knobs import Knobs

MIN_SIDE_PX = 12


def add_features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, units]."""
    from keras import layers

    x = layers.MaxPooling2D()(knobs.conv(knobs.n_filters(16, first=16), 3)(pictures))
    x = knobs.drop(x, 0.25)
    for n_filters in (32, 64):
        x = knobs.conv(knobs.n_filters(n_filters, first=16), 3)(x)
    x = layers.Flatten()(knobs.drop(x, 0.25))
    return knobs.drop(knobs.dense(knobs.n_units(128, first=128))(x), 0.5)
