"""A network's outputs, computed in batches of one fixed size, because other sizes round differently.

Three promises, all of them tested:

- the same pictures in the same order give the same bits;
- the other pictures in a batch change no bit of a picture's outputs;
- a picture's place in the batch may change the last bit, by at most 1e-6, on processors without AVX-512
  (TensorFlow 2.21, a dense layer behind a convolution). So a picture that is served alone answers within 1e-6
  of its evaluation.
"""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH_SIZE = 32


def switch_on_onednn() -> None:
    """Let TensorFlow use oneDNN's kernels on every processor; to be called before Keras is imported.

    TensorFlow does so by itself only where there is AVX-512. With AVX2 it trained the demo 1.3 to 1.6 times
    as fast (`benchmarks/onednn.py`). `TF_ENABLE_ONEDNN_OPTS=0` in the environment switches it off.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def compute_outputs(model: Any, pictures: npt.NDArray[np.uint8 | np.float32]) -> npt.NDArray[np.float32]:
    """The outputs of a `keras.Model` for pictures, float32 [n, n_outputs].

    Args:
        pictures: uint8 [n, height, width, channels]; or the features of a head, float32 [n, n_features].
    """
    found = [np.empty((0, model.output_shape[1]), np.float32)]
    for start in range(0, len(pictures), BATCH_SIZE):
        part = pictures[start : start + BATCH_SIZE]
        batch = np.zeros((BATCH_SIZE, *pictures.shape[1:]), pictures.dtype)
        batch[: len(part)] = part
        found.append(np.asarray(model.predict_on_batch(batch), np.float32)[: len(part)])
    return np.concatenate(found)
