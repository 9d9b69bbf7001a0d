"""Weights in PyTorch's stream format (before 1.6), read without PyTorch and without running what is in it.

Five pickles follow each other: a magic number, the protocol, facts about the system, the state dict, and the
keys of its storages. Then, for each key in turn, come an int64 count and so many little-endian values. A
pickle may call anything. So the unpickler admits an ordered dict, a rebuilt tensor and the kinds of storage,
nothing else.
"""

import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError, one_line

Array = npt.NDArray[Any]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


# What the unpickler and NumPy may raise on a damaged or hostile pickle.
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, OSError, MemoryError, OverflowError, RecursionError, ImportError),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError),
)


class _Tensor(NamedTuple):
    """A view into a storage that is yet to be read; strides and offset count values."""

    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.kinds: dict[str, str] = {}  # storage key -> dtype

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, *_ = pid
        if kind != "storage" or dtype not in STORAGES.values() or not isinstance(key, str):
            raise pickle.UnpicklingError(f"it refers to a {kind!r}")
        self.kinds[key] = dtype
        return key


def read_state_dict(path: Path) -> dict[str, Array]:
    """The tensors of a .pth file by name, as NumPy arrays of their own dtype and shape.

    Raises:
        ModelError: the file is missing, is in another format, is cut off, or asks for anything but tensors.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        raise ModelError(f"train.weights: {path} does not exist; give a .pth, imagenet or none") from None
    except _DAMAGE as error:
        raise ModelError(
            f"train.weights: {path} is not a whole state dict in PyTorch's stream format ({one_line(error)});"
            " save it with torch.save(..., _use_new_zipfile_serialization=False), or give another file"
        ) from None


def _read(file: IO[bytes]) -> dict[str, Array]:
    if (magic := _Unpickler(file).load()) != MAGIC:
        raise ValueError(f"the magic number is {str(magic)[:40]}")
    if (protocol := _Unpickler(file).load()) != PROTOCOL:
        raise ValueError(f"the protocol is {str(protocol)[:40]}")
    _Unpickler(file).load()  # byte order and sizes of the system that wrote it; values are little-endian
    unpickler = _Unpickler(file)
    found = unpickler.load()
    storages = {key: _read_storage(file, unpickler.kinds[key]) for key in _Unpickler(file).load()}
    if not isinstance(found, dict) or not all(isinstance(value, _Tensor) for value in found.values()):
        raise TypeError("it holds more than tensors by name")
    return {str(name): _copy_array(tensor, storages[tensor.key]) for name, tensor in found.items()}


def _read_storage(file: IO[bytes], dtype: str) -> Array:
    (n_values,) = np.frombuffer(_read_exactly(file, 8), "<i8")
    if n_values < 0:
        raise ValueError(f"a storage of {n_values} values")
    return np.frombuffer(_read_exactly(file, int(n_values) * np.dtype(dtype).itemsize), dtype)


def _read_exactly(file: IO[bytes], n_bytes: int) -> bytes:
    data = file.read(n_bytes)
    if len(data) != n_bytes:
        raise EOFError(f"it ends {n_bytes - len(data):,} bytes early")
    return data


def _rebuild(key: str, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(key, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _copy_array(tensor: _Tensor, storage: Array) -> Array:
    """A copy of the view that a tensor is."""
    if min((tensor.offset, *tensor.shape, *tensor.strides), default=0) < 0:
        raise ValueError("a tensor outside its storage")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if 0 not in tensor.shape and last >= len(storage):
        raise ValueError("a tensor outside its storage")
    if math.prod(tensor.shape) > len(storage):  # stride 0 makes gigabytes of a file of some bytes
        raise ValueError("a tensor larger than its storage")
    strides = tuple(step * storage.itemsize for step in tensor.strides)
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False)
    return view.copy()
