"""Reading `model.keras`, which may come from anywhere: what it asks for is compared with what it holds.

`archive_check` lets no foreign class, file or array through. Keras then builds what the archive's JSON says
before it looks at the weights. A line of JSON can ask for a layer of any size, so the network is first built
without its weights, and their number is compared with the bytes. Layers without weights have a bound too.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, one_line
from pipeline.serving.archive_check import check_archive
from pipeline.serving.settings import REPAIR

_MAX_NUMBERS = 1 << 28  # of a layer, of one picture: 256 maps of 1024 x 1024, or 1 GiB


def load_network(path: Path) -> Any:
    """The `keras.Model` in an archive, not compiled.

    Raises:
        ModelError: it is damaged, holds what no network of Darkroom's does, or asks for more weights than it
            holds.
    """
    try:
        config, n_bytes = check_archive(path)
        import keras

        _check_weights(config, n_bytes)
        return keras.saving.load_model(path, compile=False)
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - on a damaged archive Keras raises whatever its parts raise
        raise ModelError(f"{path.parent} is damaged: {one_line(error)}; {REPAIR}") from None


def _check_weights(config: Any, n_bytes: int) -> None:
    """Raise ValueError if a network of this configuration asks for more than there is.

    It may have no more weights than there are bytes, and no tensor of more than _MAX_NUMBERS a picture.
    """
    with ThreadPoolExecutor(1) as thread:  # Keras lists the variables it did not fill, per thread
        n_weights, n_numbers = thread.submit(_measure, config).result()
    if n_weights > n_bytes:
        raise ValueError(f"its layers ask for {n_weights:,} weights and it holds {n_bytes:,} bytes of them")
    if n_numbers > _MAX_NUMBERS:
        raise ValueError(f"a layer makes {n_numbers:,} numbers of one picture; allowed are {_MAX_NUMBERS:,}")


def _measure(config: Any) -> tuple[int, int]:
    """How many weights a network has, of which none is filled, and how large its largest tensor is.

    Keras fills what was left empty when the next such scope of the same thread ends, whoever opens it. So
    call it in a thread that ends.
    """
    import keras

    with keras.StatelessScope(initialize_variables=False):
        network = keras.saving.deserialize_keras_object(config)
    return sum(math.prod(variable.shape) for variable in network.variables), max(_list_sizes(network))


def _list_sizes(network: Any) -> Iterator[int]:
    """The numbers in each tensor that a network makes of one picture, networks inside it included."""
    for operation in getattr(network, "operations", network.layers):  # a Sequential has layers only
        for node in operation._inbound_nodes:
            yield from (math.prod(size or 1 for size in tensor.shape) for tensor in node.output_tensors)
        if hasattr(operation, "layers"):
            yield from _list_sizes(operation)
