"""The number format that Keras computes in: float32, or bfloat16 where the machine multiplies in it."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.backend.device import list_gpus, read_cpuinfo

BITS = {"float32": 32, "mixed_bfloat16": 16, "mixed_float16": 16}

_log = logging.getLogger(__name__)


def resolve_precision(choice: str) -> str:
    """The Keras dtype policy for `train.precision`: float32, mixed_bfloat16 or mixed_float16.

    auto is mixed_bfloat16 where the hardware multiplies in it. That is a GPU of compute capability 8.0 or
    more, or a CPU with avx512_bf16 or amx_bf16 under TensorFlow (1.4 to 1.8 times as fast; JAX on a CPU
    emulates it). A policy that is asked for by name is used as it is.
    """
    if choice == "auto":
        return "mixed_bfloat16" if _computes_bfloat16() else "float32"
    return choice


def warn_where_emulated(precision: str) -> None:
    """Log a warning if this machine only emulates a Keras dtype policy."""
    is_emulated = {"mixed_bfloat16": not _computes_bfloat16(), "mixed_float16": not list_gpus()}
    if is_emulated.get(precision, False):
        _log.warning(
            "train.precision: this machine only emulates %s, which is slow; set it to auto", precision
        )


@contextmanager
def use_precision(precision: str) -> Iterator[None]:
    """Layers that are built inside use this Keras dtype policy."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def multiplies_bfloat16(cpuinfo: str) -> bool:
    """Whether /proc/cpuinfo lists instructions for bfloat16."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, flags=re.M)
    return bool(flags and {"avx512_bf16", "amx_bf16"} & set(flags[1].split()))


def _computes_bfloat16() -> bool:
    import keras

    is_tensorflow = keras.backend.backend() == "tensorflow"
    if not list_gpus():
        return is_tensorflow and multiplies_bfloat16(read_cpuinfo())
    if is_tensorflow:
        import tensorflow as tf

        details = map(tf.config.experimental.get_device_details, tf.config.get_visible_devices("GPU"))
        return all(found.get("compute_capability", (0, 0)) >= (8, 0) for found in details)
    import jax

    return all(float(device.compute_capability) >= 8 for device in jax.local_devices(backend="gpu"))
