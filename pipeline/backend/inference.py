"""A network's outputs in batches of one fixed size: other sizes round differently."""

from typing import Any

import numpy as np
import numpy.typing as npt

BATCH_SIZE = 32


def compute_outputs(model: Any, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What a `keras.Model` gives for pictures, float32 [n, n_outputs], whatever stands beside each of them.

    Args:
        pictures: uint8 [n, height, width, channels].
    """
    found = [np.empty((0, model.output_shape[1]), np.float32)]
    for start in range(0, len(pictures), BATCH_SIZE):
        part = pictures[start : start + BATCH_SIZE]
        batch = np.zeros((BATCH_SIZE, *pictures.shape[1:]), np.uint8)
        batch[: len(part)] = part
        found.append(np.asarray(model.predict_on_batch(batch), np.float32)[: len(part)])
    return np.concatenate(found)
