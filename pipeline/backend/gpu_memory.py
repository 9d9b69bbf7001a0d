"""How much memory of each GPU this process may take (`DARKROOM_GPU_MEMORY_MB`): others may use it, too."""

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, one_line, quote_value

VARIABLE = "DARKROOM_GPU_MEMORY_MB"
_LEAST_MB = 256  # less does not hold the kernels
_ASK = ("--query-gpu=memory.total", "--format=csv,noheader,nounits")
_TIMEOUT_S = 30
_DRIVER = Path("/proc/driver/nvidia")
_SHARES = ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION")  # its name, and its earlier name

_log = logging.getLogger(__name__)


def read_limit_mb() -> int | None:
    """The limit for each GPU, in MiB; None: there is none.

    Raises:
        ModelError: the variable is no whole number of 256 or more.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        return None
    if not (said.isascii() and said.isdecimal()) or len(said) > 9 or int(said) < _LEAST_MB:
        raise ModelError(
            f"{VARIABLE} must be a whole number of {_LEAST_MB} or more (MiB of each GPU), got "
            f"{quote_value(said)}; correct it, or unset it for no limit"
        )
    return int(said)


def limit_gpus() -> None:
    """Keep the limit in a process that this package does not set up: one that loads a model to serve it.

    Once TensorFlow has used a GPU it is too late. A limit that is not kept is a warning.

    Raises:
        ModelError: as `read_limit_mb` and `limit_jax`.
    """
    limit_mb = read_limit_mb()
    import keras

    if keras.backend.backend() != "tensorflow":
        if limit_mb is not None and has_nvidia():
            limit_jax(limit_mb)
        return
    import tensorflow as tf

    try:
        limit_tensorflow(tf.config, tf.config.list_physical_devices("GPU"), limit_mb)
    except (RuntimeError, ValueError) as error:
        if limit_mb is not None:
            _log.warning("%s is not kept: %s", VARIABLE, one_line(error))


def limit_tensorflow(config: Any, gpus: Sequence[Any], limit_mb: int | None) -> None:
    """Let TensorFlow take memory of each GPU as it needs it, up to the limit.

    A limit is that of one logical device on each GPU. Where there are logical devices, TensorFlow takes their
    memory at once, and `set_memory_growth` is without effect; its environment variable is not.

    Args:
        config: `tf.config`, before any GPU is used.
    """
    for gpu in gpus:
        if limit_mb is None:
            config.experimental.set_memory_growth(gpu, True)
        else:
            os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
            whole = config.LogicalDeviceConfiguration(memory_limit=limit_mb)
            config.set_logical_device_configuration(gpu, [whole])


def has_nvidia() -> bool:
    """Whether a driver of NVIDIA's is loaded."""
    return _DRIVER.exists() or shutil.which("nvidia-smi") is not None


def limit_jax(limit_mb: int) -> None:
    """Let JAX take at most the limit of each GPU; to be called before JAX looks for devices.

    JAX knows shares only, one for all GPUs: the limit is divided by the memory of the smallest. JAX takes its
    share at once. A share that the user has set stays.

    Raises:
        ModelError: nvidia-smi does not say how much memory there is.
    """
    if any(os.environ.get(name) for name in _SHARES):
        return
    try:
        share = limit_mb / min(_ask_totals_mb())
    except (OSError, ValueError, ArithmeticError, subprocess.SubprocessError) as error:
        raise ModelError(
            f"{VARIABLE} cannot be kept on JAX, which knows shares of the memory only, since nvidia-smi does "
            f"not say how much there is ({one_line(error)}); set {_SHARES[0]} instead, or use TensorFlow"
        ) from None
    os.environ[_SHARES[0]] = f"{min(share, 1.0):.4f}"


def _ask_totals_mb() -> list[int]:
    """The memory of each GPU, in MiB, as nvidia-smi says it."""
    program = shutil.which("nvidia-smi") or "nvidia-smi"
    asked = subprocess.run(  # noqa: S603 (a program of the driver)
        [program, *_ASK], capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
    )
    return [int(line) for line in asked.stdout.split()]
