"""Two convolutions, the first with a wide kernel, and two small dense layers.

Conv32 5x5 pool, Conv64 3x3 pool, drop .5, Dense128 drop .5, Dense64, softmax.

Source: a common small network for 28x28 pictures, after LeCun et al. 1998 (LeNet-5); valid padding.
Parameters: 233,162 for 28x28x1 and 10 classes; 7,402,437 for 128x128x3 and 5: they grow with the area.
"""

from typing import Any

from pipeline.models.knobs import Knobs

MIN_SIDE_PX = 12


def add_features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, units / 2]."""
    from keras import layers

    x = pictures
    for n_filters, kernel in ((32, 5), (64, 3)):
        x = layers.MaxPooling2D()(knobs.conv(knobs.n_filters(n_filters, first=32), kernel)(x))
    x = layers.Flatten()(knobs.drop(x, 0.5))
    x = knobs.drop(knobs.dense(knobs.n_units(128, first=128))(x), 0.5)
    return knobs.dense(knobs.n_units(64, first=128))(x)
