"""Three blocks of two convolutions with batch normalisation, as VGG stacks them, and two dense layers.

[Conv BN Conv BN pool drop .3] with 32, 64, 128 filters, Dense512 drop .25 BN, Dense512 drop .5 BN, softmax.

Source: a small VGG (Simonyan and Zisserman 2014, arXiv:1409.1556) with batch normalisation (Ioffe and Szegedy
2015, arXiv:1502.03167) and dropout; same padding.
Parameters: 1,150,442 for 28x28x1 and 10 classes; 17,335,845 for 128x128x3 and 5: they grow with the area.
"""

from typing import Any

from pipeline.models.knobs import Knobs

MIN_SIDE_PX = 8


def add_features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, units]."""
    from keras import layers

    x = layers.Flatten()(add_blocks(pictures, knobs))
    for rate in (0.25, 0.5):
        x = knobs.drop(knobs.dense(knobs.n_units(512, first=512))(x), rate)
        x = layers.BatchNormalization()(x)
    return x


def add_blocks(pictures: Any, knobs: Knobs) -> Any:
    """The three blocks: maps [batch, height // 8, width // 8, 4 * filters]."""
    from keras import layers

    x = pictures
    for n_filters in (32, 64, 128):
        for _ in range(2):
            x = knobs.conv(knobs.n_filters(n_filters, first=32), 3, padding="same")(x)
            x = layers.BatchNormalization()(x)
        x = knobs.drop(layers.MaxPooling2D()(x), 0.3)
    return x
