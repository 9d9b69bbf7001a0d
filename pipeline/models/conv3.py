"""Three convolutions that double their filters, and one dense layer.

Conv16 pool drop .25, Conv32, Conv64 drop .25, Dense128 drop .5, softmax; kernels of 3x3, relu.

Source: a common small network of courses on image classification; valid padding.
Parameters: 688,266 for 28x28x1 and 10 classes; 28,540,709 for 128x128x3 and 5: made for small pictures.
"""

from typing import Any

MIN_SIDE_PX = 12


def features(pictures: Any) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, 128]."""
    from keras import layers

    x = layers.Conv2D(16, 3, activation="relu")(pictures)
    x = layers.Dropout(0.25)(layers.MaxPooling2D()(x))
    for n_filters in (32, 64):
        x = layers.Conv2D(n_filters, 3, activation="relu")(x)
    x = layers.Flatten()(layers.Dropout(0.25)(x))
    return layers.Dropout(0.5)(layers.Dense(128, activation="relu")(x))
