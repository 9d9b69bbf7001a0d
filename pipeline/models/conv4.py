"""The lab's network with four convolutions, batch normalisation and dropout, and two dense layers.

[Conv32 BN Conv32 BN pool drop .25] [Conv64 BN drop .25] [Conv128 BN pool drop .25]
Dense512 BN drop .5, Dense128 BN drop .5, softmax.

Source: khanhnamle1994/fashion-mnist, `CNN-4Conv.ipynb` (valid padding).
Parameters: 1,221,546 for 28x28x1 and 10 classes, 55 million for 128x128x3: made for small pictures.
"""

from typing import Any

from pipeline.models.knobs import Knobs

MIN_SIDE_PX = 16


def add_features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, units / 4]."""
    from keras import layers

    x = pictures
    for n_filters, pool, drop in ((32, False, 0.0), (32, True, 0.25), (64, False, 0.25), (128, True, 0.25)):
        x = knobs.conv(knobs.n_filters(n_filters, first=32), 3)(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D()(x) if pool else x
        x = knobs.drop(x, drop) if drop else x
    x = layers.Flatten()(x)
    for n_units in (512, 128):
        x = knobs.dense(knobs.n_units(n_units, first=512))(x)
        x = knobs.drop(layers.BatchNormalization()(x), 0.5)
    return x
