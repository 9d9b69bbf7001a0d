"""Two convolutions, the first with a wide kernel, and two small dense layers.

Conv32 5x5 pool, Conv64 3x3 pool, drop .5, Dense128 drop .5, Dense64, softmax.

Source: a common small network for 28x28 pictures, after LeCun et al. 1998 (LeNet-5); valid padding.
Parameters: 233,162 for 28x28x1 and 10 classes; 7,402,437 for 128x128x3 and 5: they grow with the area.
"""

from typing import Any

MIN_SIDE_PX = 12


def features(pictures: Any) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, 64]."""
    from keras import layers

    x = pictures
    for n_filters, kernel in ((32, 5), (64, 3)):
        x = layers.MaxPooling2D()(layers.Conv2D(n_filters, kernel, activation="relu")(x))
    x = layers.Flatten()(layers.Dropout(0.5)(x))
    x = layers.Dropout(0.5)(layers.Dense(128, activation="relu")(x))
    return layers.Dense(64, activation="relu")(x)
