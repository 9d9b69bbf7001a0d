"""Reading `model.keras`, which may come from anywhere: what it asks for is compared with what it holds.

`archive_check` lets no foreign class, file or array through. Keras then builds what the archive's JSON says
before it looks at the weights. A line of JSON can ask for a layer of any size, so the network is first built
without its weights, and their number is compared with the bytes.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, one_line
from pipeline.serving.archive_check import check_archive
from pipeline.serving.settings import REPAIR


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
    """Raise ValueError if a network of this configuration has more weights than there are bytes."""
    with ThreadPoolExecutor(1) as thread:  # Keras lists the variables it did not fill, per thread
        n_weights = thread.submit(_count_weights, config).result()
    if n_weights > n_bytes:
        raise ValueError(f"its layers ask for {n_weights:,} weights and it holds {n_bytes:,} bytes of them")


def _count_weights(config: Any) -> int:
    """How many weights a network has, of which none is filled: no memory is taken.

    Keras fills what was left empty when the next such scope of the same thread ends, whoever opens it. So
    call it in a thread that ends.
    """
    import keras

    with keras.StatelessScope(initialize_variables=False):
        network = keras.saving.deserialize_keras_object(config)
    return sum(math.prod(variable.shape) for variable in network.variables)
