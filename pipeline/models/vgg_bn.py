"""Three blocks of two convolutions with batch normalisation, as VGG stacks them, and two dense layers.

[Conv BN Conv BN pool drop .3] with 32, 64, 128 filters, Dense512 drop .25 BN, Dense512 drop .5 BN, softmax.

Source: a small VGG (Simonyan and Zisserman 2014, arXiv:1409.1556) with batch normalisation (Ioffe and Szegedy
2015, arXiv:1502.03167) and dropout; same padding.
Parameters: 1,150,442 for 28x28x1 and 10 classes; 17,335,845 for 128x128x3 and 5: they grow with the area.
"""

from typing import Any

MIN_SIDE_PX = 8


def features(pictures: Any) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, 512]."""
    from keras import layers

    x = layers.Flatten()(blocks(pictures))
    x = layers.BatchNormalization()(layers.Dropout(0.25)(layers.Dense(512, activation="relu")(x)))
    return layers.BatchNormalization()(layers.Dropout(0.5)(layers.Dense(512, activation="relu")(x)))


def blocks(pictures: Any) -> Any:
    """The three blocks: maps [batch, height // 8, width // 8, 128]."""
    from keras import layers

    x = pictures
    for n_filters in (32, 64, 128):
        for _ in range(2):
            x = layers.Conv2D(n_filters, 3, padding="same", activation="relu")(x)
            x = layers.BatchNormalization()(x)
        x = layers.Dropout(0.3)(layers.MaxPooling2D()(x))
    return x
