"""The convolutions of vgg_bn, and a recurrent network that reads their map row by row, from the top.

Three blocks of two convolutions, GRU 512 in both directions, GRU 256, softmax. The GRUs keep their tanh,
whatever `train.activation` says.

Source: after Visin et al. 2015 (arXiv:1505.00393), who read the rows of maps with the GRUs of Cho et al. 2014
(arXiv:1406.1078).
Parameters: 4,034,026 for 28x28x1 and 10 classes; 9,145,125 for 128x128x3 and 5.
"""

from typing import Any

from pipeline.models import vgg_bn
from pipeline.models.knobs import Knobs

MIN_SIDE_PX = vgg_bn.MIN_SIDE_PX


def add_features(pictures: Any, knobs: Knobs) -> Any:
    """Pictures in [0, 1], float [batch, height, width, channels], to features [batch, units / 2]."""
    from keras import layers

    maps = vgg_bn.add_blocks(pictures, knobs)
    height, width, n_filters = maps.shape[1:]
    rows = layers.Reshape((height, width * n_filters))(maps)
    wide, narrow = (knobs.n_units(own, first=512) for own in (512, 256))
    x = layers.Bidirectional(layers.GRU(wide, return_sequences=True, **knobs.penalty()))(rows)
    return layers.GRU(narrow, **knobs.penalty())(x)
