"""torch_weights: streams written by hand come back whole; anything else is refused, and nothing runs."""

import collections
import io
import os
import pickle
import struct
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import ModelError
from pipeline.models.torch_weights import MAGIC, PROTOCOL, read_state_dict

Array = npt.NDArray[Any]


class Global:
    """Pickled as a reference to module.name, which need not exist here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Storage:
    def __init__(self, kind: str, key: str, n: int) -> None:
        self.pid = ("storage", Global("torch", kind), key, "cpu", n, None)


class Foreign(Storage):
    def __init__(self) -> None:
        self.pid = ("module", *Storage("FloatStorage", "0", 6).pid[1:])


class Call:
    """Pickled as a call of module.name with these arguments."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.function, self.arguments = Global(module, name), arguments


PurePickler: Any = getattr(pickle, "_Pickler")  # noqa: B009 (typeshed does not know it)


class Pickler(PurePickler):  # type: ignore[misc]
    """The pickler in Python, which lets a global be written that cannot be imported."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(obj, Global):
            self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Storage):
            self.save(obj.pid)
            self.write(b"Q")  # BINPERSID
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(b"R")  # REDUCE
        else:
            super().save(obj, save_persistent_id)


def dump(value: Any) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def rebuild(
    kind: str, key: str, n: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Call:
    hooks: dict[str, int] = collections.OrderedDict()
    return Call(
        "torch._utils", "_rebuild_tensor_v2", Storage(kind, key, n), offset, shape, strides, False, hooks
    )


def encode(state: Any, storages: dict[str, Array], *, magic: Any = MAGIC, protocol: Any = PROTOCOL) -> bytes:
    head = b"".join(map(dump, (magic, protocol, {"little_endian": True}, state, sorted(storages))))
    values = [struct.pack("<q", len(storages[key])) + storages[key].tobytes() for key in sorted(storages)]
    return head + b"".join(values)


def lay_out(kind: str, values: Array) -> tuple[Any, dict[str, Array]]:
    strides = tuple(step // values.itemsize for step in values.strides)
    made = rebuild(kind, "0", values.size, 0, values.shape, strides)
    return collections.OrderedDict(weight=made), {"0": values.ravel()}


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("FloatStorage", "<f4"), ("HalfStorage", "<f2"), ("DoubleStorage", "<f8"), ("LongStorage", "<i8"),
     ("IntStorage", "<i4"), ("ByteStorage", "|u1")],
)  # fmt: skip
def test_kinds(kind: str, dtype: str, tmp_path: Path) -> None:
    values = np.arange(6).reshape(2, 3).astype(dtype)
    (tmp_path / "a.pth").write_bytes(encode(*lay_out(kind, values)))
    found = read_state_dict(tmp_path / "a.pth")
    assert list(found) == ["weight"]
    assert found["weight"].dtype == np.dtype(dtype)
    assert np.array_equal(found["weight"], values)


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "expected"),
    [
        pytest.param(0, (), (), 0, id="a scalar"),
        pytest.param(5, (), (), 5, id="a scalar further on"),
        pytest.param(2, (3,), (1,), [2, 3, 4], id="a part"),
        pytest.param(0, (3, 2), (1, 3), [[0, 3], [1, 4], [2, 5]], id="transposed"),
        pytest.param(1, (2, 2), (0, 2), [[1, 3], [1, 3]], id="expanded"),
        pytest.param(0, (0, 3), (3, 1), np.empty((0, 3)).tolist(), id="empty"),
    ],
)
def test_views(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...], expected: Any, tmp_path: Path
) -> None:
    state = {"x": rebuild("FloatStorage", "0", 6, offset, shape, strides)}
    (tmp_path / "a.pth").write_bytes(encode(state, {"0": np.arange(6, dtype="<f4")}))
    found = read_state_dict(tmp_path / "a.pth")["x"]
    assert found.tolist() == expected
    assert found.shape == shape


def test_two_names_of_one_storage(tmp_path: Path) -> None:
    state = {f"x{i}": rebuild("FloatStorage", "s", 2, i, (1,), (1,)) for i in range(2)}
    (tmp_path / "a.pth").write_bytes(encode(state, {"s": np.array([3, 4], "<f4")}))
    assert {k: v.tolist() for k, v in read_state_dict(tmp_path / "a.pth").items()} == {"x0": [3], "x1": [4]}


WHOLE = encode(*lay_out("FloatStorage", np.arange(6, dtype="<f4")))
PLACE = "trap"


def zip_up() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", "x")
    return file.getvalue()


def cut(*place: Any) -> bytes:
    return encode({"x": rebuild("FloatStorage", "0", 6, *place)}, {"0": np.arange(6, dtype="<f4")})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(b"hello", "", id="text"),
        pytest.param(zip_up(), "", id="the newer zip format"),
        pytest.param(WHOLE[:-1], "ends 1 bytes early", id="without the last byte"),
        pytest.param(WHOLE[:-30], "early", id="without the storage"),
        pytest.param(WHOLE[:40], "", id="cut in the state dict"),
        pytest.param(encode({}, {}, magic=7), "the magic number is 7", id="another magic number"),
        pytest.param(encode({}, {}, protocol=9), "the protocol is 9", id="another protocol"),
        pytest.param(encode([1, 2], {}), "more than tensors", id="no dict"),
        pytest.param(encode({"x": 3}, {}), "more than tensors", id="a number"),
        pytest.param(encode(Call("os", "mkdir", PLACE), {}), r"asks for os\.mkdir", id="a call"),
        pytest.param(encode(Call("builtins", "eval", f"open('{PLACE}')"), {}), r"builtins\.eval", id="eval"),
        pytest.param(
            encode(Call("torch.serialization", "load", PLACE), {}), r"torch\.serialization\.load", id="torch"
        ),
        pytest.param(encode({"x": Global("torch", "nn")}, {}), r"torch\.nn", id="a class of torch"),
        pytest.param(cut(3, (4,), (1,)), "outside its storage", id="beyond the end"),
        pytest.param(cut(-1, (1,), (1,)), "outside its storage", id="before the start"),
        pytest.param(cut(0, (2,), (-1,)), "outside its storage", id="backwards"),
        pytest.param(cut(0, (2, 2), (1,)), "", id="strides of another shape"),
        pytest.param(cut(0, (1 << 40, 1 << 40), (0, 0)), "larger than its", id="more than there is memory"),
        pytest.param(cut(0, (7,), (0,)), "a tensor larger than its storage", id="more than its storage"),
        pytest.param(b"\x80\x02" + b"]" * 9_999 + b"a" * 9_998 + b".", "recursion", id="nested deeply"),
        pytest.param(encode({"x": Foreign()}, {}), "refers to a 'module'", id="no storage"),
    ],
)  # fmt: skip
def test_refuses(data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pth").write_bytes(data)
    with pytest.raises(ModelError, match=rf"a\.pth is not a whole state dict.*{message}") as error:
        read_state_dict(Path("a.pth"))
    assert "\n" not in str(error.value)
    assert os.listdir() == ["a.pth"]  # noqa: PTH208 (nothing of what it asked for was done)


def test_a_damaged_stream_never_crashes(tmp_path: Path) -> None:
    """A byte changed anywhere: whole, or refused."""
    rng = np.random.default_rng(0)
    path = tmp_path / "a.pth"
    for _ in range(500):
        data = bytearray(WHOLE)
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data)
        with suppress(ModelError):
            read_state_dict(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"train\.weights: .*a\.pth does not exist; give a \.pth"):
        read_state_dict(tmp_path / "a.pth")
