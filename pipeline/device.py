"""Where Keras computes: `DARKROOM_DEVICE` = auto | cpu | gpu. The only file that names a backend."""

import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import ModelError

VARIABLE = "DARKROOM_DEVICE"
CHOICES = ("auto", "cpu", "gpu")

# M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD of malloc.h. The first is as large as glibc allows.
_MALLOC = ((-3, 32 << 20), (-1, 512 << 20), (-2, 64 << 20))

_log = logging.getLogger(__name__)


def set_up_device() -> str:
    """Choose the device before Keras computes anything; returns "cpu" or "gpu".

    GPUs take memory as they need it, not all at once; on a CPU the same work gives the same bits. To be
    called once, at the start of a stage or command.

    Raises:
        ModelError: the variable has another value, or a GPU is asked for and there is none.
    """
    choice = os.environ.get(VARIABLE) or "auto"
    if choice not in CHOICES:
        raise ModelError(f"{VARIABLE}: allowed are {', '.join(CHOICES)}, got {choice!r}")
    if choice == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    _keep_freed_memory()
    with _quiet():
        import keras

    n_gpus = _tensorflow_gpus(choice) if keras.backend.backend() == "tensorflow" else _other_gpus(choice)
    if choice == "gpu" and n_gpus == 0:
        raise ModelError(
            f"{VARIABLE}=gpu, and Keras on {keras.backend.backend()} sees no GPU; install a driver and"
            " `pip install darkroom[gpu]`, or set it to auto or cpu"
        )
    _log.info("computing on %s", f"{n_gpus} GPU(s)" if n_gpus else "the CPU")
    return "gpu" if n_gpus else "cpu"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's start-up notes out of the log, unless the user has set a level.

    Its C++ part writes four lines about CUDA before it reads the level, so they are stopped at the file
    descriptor; what Python raises meanwhile is heard all the same.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next step of training, instead of giving it back each time.

    TensorFlow frees every tensor after use, and threads' heaps shrink and grow a hundred times a second:
    a third of the CPU time of `compact` went into page faults. Digits at 32x32: 1,300 pictures/s instead
    of 620; scans at 128x128: 91 instead of 71; for 40 to 150 MB more memory. Other C libraries lack mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None and "MALLOC_TOP_PAD_" not in os.environ:
        for option, n_bytes in _MALLOC:
            mallopt(option, n_bytes)


def _tensorflow_gpus(choice: str) -> int:
    import tensorflow as tf

    gpus = [] if choice == "cpu" else tf.config.list_physical_devices("GPU")
    tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:  # costs nothing measurable on a CPU; GPU kernels can lose half their speed
        tf.config.experimental.enable_op_determinism()
    return len(gpus)


def _other_gpus(choice: str) -> int:
    import keras

    return 0 if choice == "cpu" else len(keras.distribution.list_devices("gpu"))
