"""Which parts of a picture speak for a class: Grad-CAM.

Selvaraju et al. 2017 (arXiv:1610.02391): the maps of the last layer that still knows where things are, each
weighed by how much the score of the class grows with it on average; what speaks against the class is left
out. It needs no training, and goes through a frozen backbone as through any other network.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.backend.anatomy import Step, find_maps
from pipeline.backend.gradients import differentiate_scores

Uint8 = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


def attribute(model: Any, steps: Sequence[Step], pictures: Uint8, classes: Ints) -> Float32 | None:
    """How much each place speaks for a class: float32 [n, rows, columns], each from 0 to at most 1.

    The largest value of a picture is 1, or 0 where nothing speaks for the class. Rows and columns are those
    of the network's last maps, which cover the picture. None for a network without convolutions, or whose
    maps are a single point.

    Args:
        steps: of any picture, as `trace_steps` gives them.
        pictures: uint8 [n, height, width, channels]; n at least 1.
        classes: of whom is asked, for each picture [n].
    """
    target = find_maps(steps)
    if target is None:
        return None
    maps, gradient = differentiate_scores(model, target, steps[-1], pictures, classes)
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    heat = np.maximum((maps * weights).sum(axis=-1), 0)
    largest = heat.max(axis=(1, 2), keepdims=True)
    return np.asarray(heat / np.where(largest > 0, largest, 1), np.float32)
