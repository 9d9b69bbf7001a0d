"""Reading `model.keras`, which may come from anywhere: what it asks for is compared with what it holds.

Keras builds what the archive's JSON says before it looks at the weights. A line of JSON can ask for a layer
of any size, so the network is first built without its weights, and their number is compared with the bytes.
"""

import json
import math
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, one_line
from pipeline.serving.settings import REPAIR

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"  # the names that Keras gives them
_MAX_CONFIG_BYTES = 16 << 20
_FREE_BYTES, _MAX_GROWTH = 64 << 20, 4  # what the archive may unpack to; Keras does not compress


def load_network(path: Path) -> Any:
    """The `keras.Model` in an archive, not compiled.

    Raises:
        ModelError: it is damaged, or it asks for more weights than it holds.
    """
    import keras

    try:
        config, n_bytes = _read_archive(path)
        _check_weights(config, n_bytes)
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # noqa: BLE001 - on a damaged archive Keras raises whatever its parts raise
        raise ModelError(f"{path.parent} is damaged: {one_line(error)}; {REPAIR}") from None


def _read_archive(path: Path) -> tuple[Any, int]:
    """The configuration as plain values, and how many bytes of weights there are."""
    with zipfile.ZipFile(path) as archive:
        n_bytes = sum(info.file_size for info in archive.infolist())
        if n_bytes > max(_FREE_BYTES, _MAX_GROWTH * path.stat().st_size):
            raise ValueError(f"{path.name} unpacks to {n_bytes:,} bytes, many times its size")
        if (n_config := archive.getinfo(_CONFIG).file_size) > _MAX_CONFIG_BYTES:
            raise ValueError(f"its {_CONFIG} has {n_config:,} bytes")
        config = json.loads(archive.read(_CONFIG))
        with archive.open(_WEIGHTS) as weights:
            _check_arrays(weights, archive.getinfo(_WEIGHTS).file_size)
        return config, archive.getinfo(_WEIGHTS).file_size


def _check_arrays(weights: Any, n_bytes: int) -> None:
    """Raise ValueError if the arrays are larger than their file, or lie in another file."""
    import h5py

    sizes = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                raise ValueError(f"its weights {name} lie in another file")
            sizes.append(item.nbytes)

    with h5py.File(weights, "r") as file:
        file.visititems(look)
    if sum(sizes) > n_bytes:
        raise ValueError(f"its weights state {sum(sizes):,} bytes and have {n_bytes:,}")


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
