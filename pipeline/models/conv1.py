"""The lab's network with one convolution: Conv32 3x3, max-pool, dropout 0.2, Dense128, softmax.

Source: khanhnamle1994/fashion-mnist, `CNN-1Conv.ipynb` (valid padding).
Parameters: 693,962 for 28x28x1 and 10 classes; the dense layer makes them grow with the picture's area.
"""

from typing import Any

from pipeline.models.knobs import Knobs

MIN_SIDE_PX = 4


def add_features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, units]."""
    from keras import layers

    x = layers.MaxPooling2D()(knobs.conv(knobs.n_filters(32, first=32), 3)(pictures))
    x = layers.Flatten()(knobs.drop(x, 0.2))
    return knobs.dense(knobs.n_units(128, first=128))(x)
