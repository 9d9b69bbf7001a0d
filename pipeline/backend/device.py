"""Where and in what Keras computes: `DARKROOM_DEVICE` = auto | cpu | gpu, precision, several GPUs.

The only file that names a backend.
"""

import ctypes
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
    keep_freed_memory()
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


def resolved_precision(choice: str) -> str:
    """The Keras dtype policy for `train.precision`: float32, mixed_bfloat16 or mixed_float16.

    auto is mixed_bfloat16 where the hardware multiplies in it: a GPU of compute capability 8.0 or more, a CPU
    with avx512_bf16 or amx_bf16 under TensorFlow (1.4 to 1.8 times as fast; JAX on a CPU emulates it). What
    is asked for by name is obeyed.
    """
    if choice == "auto":
        return "mixed_bfloat16" if _has_bfloat16() else "float32"
    return choice


def warn_where_emulated(precision: str) -> None:
    """Say so in the log where this machine only emulates a Keras dtype policy."""
    is_emulated = {"mixed_bfloat16": not _has_bfloat16(), "mixed_float16": not _gpus()}
    if is_emulated.get(precision, False):
        _log.warning("train.precision: this machine only emulates %s, which is slow; auto is not", precision)


@contextmanager
def policy_scope(precision: str) -> Iterator[None]:
    """Layers that are built inside compute in this Keras dtype policy."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def replicas(devices: Sequence[str] | None = None) -> Iterator[int]:
    """What is built and trained inside shares its batches among several GPUs of this host; yields how many.

    TensorFlow: MirroredStrategy, which works with Keras 3 on one host (not on several: keras#20585). JAX:
    keras.distribution.DataParallel, which refuses a batch that the number of replicas does not divide.
    One device, or none: nothing is done.

    Args:
        devices: their names; None: all GPUs.
    """
    import keras

    chosen = list(_gpus() if devices is None else devices)
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


def streamed(fed: Any) -> Any:
    """A `keras.utils.PyDataset`, its batches gathered ahead by a thread, as the backend takes it best.

    TensorFlow gets a tf.data.Dataset without autotuning, which Keras would switch on. Its thread sleeps for
    10 ms, 20 ms, 40 ms ... and an epoch that is over waits for it to wake: up to as long again as it took.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return fed
    import tensorflow as tf

    def gathered() -> Iterator[Any]:
        return map(fed.__getitem__, range(len(fed)))

    def spec(array: Any) -> Any:
        return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

    options = tf.data.Options()
    options.autotune.enabled = False
    signature = tf.nest.map_structure(spec, fed[0])
    batches = tf.data.Dataset.from_generator(gathered, output_signature=signature)
    return batches.prefetch(2).apply(tf.data.experimental.assert_cardinality(len(fed))).with_options(options)


def jit_compile() -> bool | str:
    """For `model.compile`: XLA on one GPU only (on a CPU it is 2 to 5 times slower); JAX decides for itself.

    Inside `replicas` Keras would warn, and go on without it.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return bool(_gpus()) and tf.distribute.get_strategy().num_replicas_in_sync == 1


def description() -> dict[str, Any]:
    """What computes here, as plain values that are the same each time: another machine rounds differently."""
    import keras

    backend, gpus = keras.backend.backend(), _gpus()
    return {
        "backend": backend,
        "keras": version("keras"),
        backend: version(backend),
        "device": "gpu" if gpus else "cpu",
        "n_devices": max(len(gpus), 1),
        "processor": _gpu_name(gpus) if gpus else processor_of(_cpuinfo()),
    }


def processor_of(cpuinfo: str) -> str:
    """The processor's name in /proc/cpuinfo, or what the platform calls it."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, flags=re.M)
    return found[1].strip() if found else platform.processor() or platform.machine()


def multiplies_bfloat16(cpuinfo: str) -> bool:
    """Whether /proc/cpuinfo lists instructions for bfloat16."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, flags=re.M)
    return bool(flags and {"avx512_bf16", "amx_bf16"} & set(flags[1].split()))


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _gpus() -> list[str]:
    """The GPUs that Keras may use, by name."""
    import keras

    if os.environ.get(VARIABLE) == "cpu":
        return []
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return [
            device.name.removeprefix("/physical_device:") for device in tf.config.get_visible_devices("GPU")
        ]
    return list(keras.distribution.list_devices("gpu"))


def _has_bfloat16() -> bool:
    import keras

    is_tensorflow = keras.backend.backend() == "tensorflow"
    if not _gpus():
        return is_tensorflow and multiplies_bfloat16(_cpuinfo())
    if is_tensorflow:
        import tensorflow as tf

        details = map(tf.config.experimental.get_device_details, tf.config.get_visible_devices("GPU"))
        return all(found.get("compute_capability", (0, 0)) >= (8, 0) for found in details)
    import jax

    return all(float(device.compute_capability) >= 8 for device in jax.devices("gpu"))


def _gpu_name(gpus: Sequence[str]) -> str:
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        first = tf.config.get_visible_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(first).get("device_name", gpus[0]))
    import jax

    return str(jax.devices("gpu")[0].device_kind)


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


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next step of training, instead of giving it back each time.

    TensorFlow frees every tensor after use, and threads' heaps shrink and grow a hundred times a second:
    a third of the CPU time of `compact` went into page faults. Digits at 32x32: 1,300 pictures/s instead
    of 620; scans at 128x128: 91 instead of 71; for 40 to 150 MB more memory. Other C libraries lack mallopt.
    To be said again once training has begun: a dataset from a generator sets TensorFlow's own threshold of
    128 kB.
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
