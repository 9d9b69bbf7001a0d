"""The convolutions of vgg_bn, whose map a recurrent network then reads row by row, from the top.

Three blocks of two convolutions, GRU 512 in both directions, GRU 256, softmax.

Source: after Visin et al. 2015 (arXiv:1505.00393), who read the rows of maps with the GRUs of Cho et al. 2014
(arXiv:1406.1078).
Parameters: 4,034,026 for 28x28x1 and 10 classes; 9,145,125 for 128x128x3 and 5.
"""

from typing import Any

from pipeline.models import vgg_bn

MIN_SIDE_PX = vgg_bn.MIN_SIDE_PX


def features(pictures: Any) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, 256]."""
    from keras import layers

    maps = vgg_bn.blocks(pictures)
    height, width, n_filters = maps.shape[1:]
    rows = layers.Reshape((height, width * n_filters))(maps)
    x = layers.Bidirectional(layers.GRU(512, return_sequences=True))(rows)
    return layers.GRU(256)(x)
