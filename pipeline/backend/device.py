"""The device that Keras computes on (`DARKROOM_DEVICE` = auto | cpu | gpu), and a description of it."""

import logging
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.backend.gpu_memory import has_nvidia, limit_jax, limit_tensorflow, read_limit_mb
from pipeline.backend.inference import switch_on_onednn
from pipeline.backend.logs import silence_retracing
from pipeline.backend.memory import keep_freed_memory
from pipeline.errors import ModelError

VARIABLE = "DARKROOM_DEVICE"
CHOICES = ("auto", "cpu", "gpu")
_GPU_NAMES = ("gpu", "cuda", "rocm")  # how JAX begins the names of its devices

_log = logging.getLogger(__name__)


def set_up_device() -> str:
    """Choose the device before Keras computes anything; returns "cpu" or "gpu".

    A GPU's memory is taken as it is needed, up to `DARKROOM_GPU_MEMORY_MB`. On a CPU the same work gives
    the same bits. Call this once, at the start of a stage or command.

    Raises:
        ModelError: a variable has another value, or it asks for a GPU and there is none.
    """
    choice = choose_device()
    limit_mb = read_limit_mb()
    keep_freed_memory()
    switch_on_onednn()
    silence_retracing()
    with silence_start():
        import keras

    is_tensorflow = keras.backend.backend() == "tensorflow"
    n_gpus = _set_up_tensorflow(choice, limit_mb) if is_tensorflow else _set_up_other(choice, limit_mb)
    if choice == "gpu" and n_gpus == 0:
        raise ModelError(
            f"{VARIABLE}=gpu, but Keras on {keras.backend.backend()} sees no GPU; install a driver and"
            " `pip install darkroom[gpu]`, or set it to auto or cpu"
        )
    _log.info("computing on %s", f"{n_gpus} GPU(s)" if n_gpus else "the CPU")
    return "gpu" if n_gpus else "cpu"


def choose_device() -> str:
    """The choice of `DARKROOM_DEVICE`, which JAX knows afterwards: it must before it is imported.

    Raises:
        ModelError: the variable has another value.
    """
    choice = os.environ.get(VARIABLE) or "auto"
    if choice not in CHOICES:
        raise ModelError(f"{VARIABLE}: allowed are {', '.join(CHOICES)}, got {choice!r}")
    if choice == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return choice


@contextmanager
def share_batches(devices: Sequence[str] | None = None, *, n_hosts: int = 1) -> Iterator[int]:
    """Models that are built inside share each batch among several GPUs, or hosts; yields how many devices.

    TensorFlow uses MirroredStrategy, which works with Keras 3 on one host (not on several: keras#20585). JAX
    uses keras.distribution.DataParallel, which refuses a batch that the number of replicas does not divide.
    With one device or none, nothing is changed.

    Args:
        devices: their names; None: all GPUs of this host.
        n_hosts: with several, all devices of all of them, in the order of the hosts.
    """
    import keras

    if devices is None:
        devices = list_gpus() if n_hosts == 1 else keras.distribution.list_devices()
    chosen = list(devices)
    if len(chosen) < 2:
        yield 1
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(chosen).scope():
            yield len(chosen)
    else:
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)
        )
        try:
            yield len(chosen)
        finally:
            keras.distribution.set_distribution(before)


def describe_machine() -> dict[str, Any]:
    """The backend, its version and its device as stable plain values: another machine rounds differently."""
    import keras

    backend, gpus = keras.backend.backend(), list_gpus()
    return {
        "backend": backend,
        "keras": version("keras"),
        backend: version(backend),
        "device": "gpu" if gpus else "cpu",
        "n_devices": max(len(gpus), 1),
        "processor": _name_gpu(gpus) if gpus else name_processor(read_cpuinfo()),
    }


def name_processor(cpuinfo: str) -> str:
    """The processor's name in /proc/cpuinfo, or what the platform calls it."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, flags=re.M)
    return found[1].strip() if found else platform.processor() or platform.machine()


def list_gpus() -> list[str]:
    """The names of the GPUs that Keras may use."""
    import keras

    if os.environ.get(VARIABLE) == "cpu":
        return []
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return [
            device.name.removeprefix("/physical_device:") for device in tf.config.get_visible_devices("GPU")
        ]
    return _list_other_gpus()


def read_cpuinfo() -> str:
    """The text of /proc/cpuinfo; "" where there is no such file, as outside Linux."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _name_gpu(gpus: Sequence[str]) -> str:
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        first = tf.config.get_visible_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(first).get("device_name", gpus[0]))
    import jax

    return str(jax.local_devices(backend="gpu")[0].device_kind)


@contextmanager
def silence_start() -> Iterator[None]:
    """Keep TensorFlow's start-up notes out of the log, unless the user has set a level.

    Its C++ part writes four lines about CUDA before it reads the level, so the file descriptor is redirected.
    Exceptions of Python still come through.
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


def _set_up_tensorflow(choice: str, limit_mb: int | None) -> int:
    import tensorflow as tf

    gpus = [] if choice == "cpu" else tf.config.list_physical_devices("GPU")
    tf.config.set_visible_devices(gpus, "GPU")
    limit_tensorflow(tf.config, gpus, limit_mb)
    if not gpus:  # costs nothing measurable on a CPU; GPU kernels can lose half their speed
        tf.config.experimental.enable_op_determinism()
    return len(gpus)


def _set_up_other(choice: str, limit_mb: int | None) -> int:
    if choice == "cpu":
        return 0
    if limit_mb is not None and has_nvidia():
        limit_jax(limit_mb)  # JAX reads it when it first looks for devices, in the next line
    return len(_list_other_gpus())


def _list_other_gpus() -> list[str]:
    """The GPUs of this host that JAX computes on. Asked for "gpu" by name, it raises where there is none."""
    import jax

    return [f"{one.platform}:{one.id}" for one in jax.local_devices() if one.platform in _GPU_NAMES]
