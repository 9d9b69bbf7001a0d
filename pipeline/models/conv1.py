"""The lab's network with one convolution: Conv32 3x3, max-pool, dropout 0.2, Dense128, softmax.

Source: khanhnamle1994/fashion-mnist, `CNN-1Conv.ipynb` (valid padding).
Parameters: 693,962 for 28x28x1 and 10 classes; the dense layer makes them grow with the picture's area.
"""

from typing import Any

MIN_SIDE_PX = 4


def features(pictures: Any) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, 128]."""
    from keras import layers

    x = layers.Conv2D(32, 3, activation="relu")(pictures)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Flatten()(x)
    return layers.Dense(128, activation="relu")(x)
