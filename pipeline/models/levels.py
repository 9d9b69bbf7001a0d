"""Features of all levels: the mean over the picture of every stage's output, before the last features.

Early stages hold what a picture is made of (strokes, paper, grain) and the last ones what it shows. A head
that sees both answers pictures of new sources better (docs/benchmarks.md, Scans).
"""

from collections.abc import Sequence
from typing import Any


def add_levels(network: Any, stages: Sequence[Any]) -> Any:
    """A `keras.Model` like `network`, whose features [batch, n] have more columns in front.

    Args:
        network: a functional `keras.Model` from pictures to float32 features [batch, n].
        stages: tensors inside it [batch, height, width, channels], the earliest first.
    """
    import keras

    means = [keras.layers.GlobalAveragePooling2D(dtype="float32")(one) for one in stages]
    features = keras.layers.Concatenate(dtype="float32")([*means, network.output])
    return keras.Model(network.input, features, name=network.name)


def find_stages(network: Any) -> list[Any]:
    """The output of each stage of a network that is known only by its layers.

    A stage ends at the last residual addition of one shape. In a network without residual additions it ends
    at the last layer of one height and width.
    """
    import keras

    pictures = [layer for layer in network.layers if len(layer.output.shape) == 4]
    additions = [layer for layer in pictures if isinstance(layer, keras.layers.Add)]
    if additions:
        return list({layer.output.shape[1:]: layer.output for layer in additions}.values())
    entered = network.input.shape[1:3]
    ends = {layer.output.shape[1:3]: layer.output for layer in pictures}
    return [output for size, output in ends.items() if size != entered]
