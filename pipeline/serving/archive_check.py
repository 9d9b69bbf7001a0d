"""What may be in a `model.keras`: looked at without Keras, before anything in it is built or run.

The archive holds three members. Its JSON names the classes that Keras makes; its HDF5 file holds the arrays
that fill them. Only what Darkroom's own networks consist of is let through. Such a list stays right when
Keras gains a class that runs code or opens files.
"""

import json
import stat
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.characters import cut, escape
from pipeline.errors import ModelError

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"  # the names that Keras gives
MEMBERS = frozenset({CONFIG, WEIGHTS, METADATA})
_MAX_BYTES = {CONFIG: 4 << 20, METADATA: 64 << 10}  # the largest of keras.applications takes 1 MB
_FREE_BYTES, _MAX_GROWTH = 64 << 20, 4  # what the archive may unpack to; Keras does not compress
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_TENSOR = "__keras_tensor__"  # where a layer's input comes from: a shape and names
_NUMBERS = "fiub"  # NumPy's kinds of the arrays that Keras writes: floats, integers and truth values
_MAX_NAME, _MAX_DEPTH = 255, 32  # of a group of weights
_MAX_PLACE = 100  # characters of a place or a name in a message
_INSIDE = "keras.src."  # of what Keras does not export; it alone repeats its name as `registered_name`

# By module, the classes of every network that `pipeline.models` builds (tests/serving/test_archive_check.py).
ALLOWED = {
    "keras": frozenset({"DTypePolicy", "Sequential"}),
    "keras.initializers": frozenset(
        {"GlorotUniform", "HeNormal", "Ones", "Orthogonal", "VarianceScaling", "Zeros"}
    ),
    "keras.layers": frozenset(
        {
            *("Activation", "Add", "AveragePooling2D", "BatchNormalization", "Bidirectional", "Concatenate"),
            *("Conv2D", "Cropping2D", "Dense", "DepthwiseConv2D", "Dropout", "Flatten", "GRU"),
            *("GlobalAveragePooling2D", "Identity", "InputLayer", "LayerNormalization", "MaxPooling2D"),
            *("Multiply", "Normalization", "ReLU", "Rescaling", "Reshape", "SeparableConv2D"),
            "ZeroPadding2D",
        }
    ),
    "keras.regularizers": frozenset({"L2"}),
    "keras.src.applications.convnext": frozenset({"LayerScale"}),
    "keras.src.applications.inception_resnet_v2": frozenset({"CustomScaleLayer"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.ops.nn": frozenset({"LogSigmoid"}),
    "keras.src.ops.numpy": frozenset({"Add", "Flip", "Multiply", "Pad"}),
}


class Archive(NamedTuple):
    """What was found in an archive: its configuration as plain values, and how many bytes of weights."""

    config: dict[str, Any]
    n_bytes: int


def check_archive(path: Path) -> Archive:
    """Read the configuration of a .keras archive that holds nothing but a network of Darkroom's.

    Keras is not imported, and nothing that the archive names is made, run or opened.

    Raises:
        ModelError: it holds anything else; in one line.
        ValueError, OSError, KeyError, RecursionError, zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if fault := _find_foreign_member(archive, path.stat().st_size):
            raise _refuse(path, fault)
        config = json.loads(archive.read(CONFIG))
        if fault := _find_foreign_class(config):
            raise _refuse(path, fault)
        n_bytes = archive.getinfo(WEIGHTS).file_size
        with archive.open(WEIGHTS) as weights:
            if fault := _find_foreign_array(weights, n_bytes):
                raise _refuse(path, fault)
    return Archive(config, n_bytes)


def _refuse(path: Path, fault: str) -> ModelError:
    return ModelError(
        f"{path} is refused, and nothing in it was run: {fault}; take the model from whom you trust, or train"
        " it here (`dvc repro`)"
    )


def _find_foreign_member(archive: zipfile.ZipFile, n_bytes: int) -> str:
    """What is wrong with the members of an archive of so many bytes; "" if nothing is."""
    members = archive.infolist()
    if (total := sum(info.file_size for info in members)) > max(_FREE_BYTES, _MAX_GROWTH * n_bytes):
        return f"it unpacks to {total:,} bytes, many times its {n_bytes:,}"
    names = [info.filename for info in members]
    foreign = (f"it holds the file {_show(name)}" for name in names if name not in MEMBERS)
    repeated = (
        f"it holds the file {name} {names.count(name)} times" for name in names if names.count(name) > 1
    )
    missing = (f"it lacks the file {name}" for name in sorted(MEMBERS - set(names)))
    if fault := next(chain(foreign, repeated, missing), ""):
        return f"{fault}; allowed are {', '.join(sorted(MEMBERS))}, each once"
    return next(filter(None, map(_find_odd_packing, members)), "")


def _find_odd_packing(info: zipfile.ZipInfo) -> str:
    """Why a member is not packed as Keras packs it; "" if it is."""
    if stat.S_ISLNK(info.external_attr >> 16):
        return f"its {info.filename} is a link to another file; allowed is a file"
    if info.compress_type not in _PACKINGS or info.flag_bits & 1:
        return f"its {info.filename} is encrypted, or packed in an odd way; allowed are stored and deflated"
    most = _MAX_BYTES.get(info.filename, info.file_size)
    if info.file_size > most:
        return f"its {info.filename} has {info.file_size:,} bytes; allowed are {most:,}"
    return ""


def _find_foreign_class(config: Any) -> str:
    """What a configuration asks for that no network of Darkroom's consists of; "" if there is nothing."""
    if not isinstance(config, dict) or "class_name" not in config:
        return f"its {CONFIG} describes no network"
    allowed = "allowed are the parts of the networks that Darkroom builds"
    for place, asked in _list_objects(config):
        module, name = asked.get("module"), asked["class_name"]
        if name == _TENSOR and module is None:
            continue
        where = f"its {CONFIG} asks at {place.lstrip('.') or 'its top'} for"
        if not isinstance(module, str) or not isinstance(name, str) or name not in ALLOWED.get(module, ()):
            return f"{where} the class {_show(name)} of the module {_show(module)}; {allowed}"
        other = asked.get("registered_name")
        if other not in ((None, name) if module.startswith(_INSIDE) else (None,)):
            return f"{where} {module}.{name} under the name {_show(other)}, which may be any class; {allowed}"
    return ""


def _list_objects(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mapping with a `class_name` in a configuration, at any depth, and where it is."""
    waiting: list[tuple[str, Any]] = [("", config)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict) and "class_name" in value:
            yield place, value
        inner = [(f".{key}", one) for key, one in value.items()] if isinstance(value, dict) else []
        inner += [(f"[{number}]", one) for number, one in enumerate(value)] if isinstance(value, list) else []
        waiting += [(_go_on(place, step), one) for step, one in inner if isinstance(one, dict | list)]


def _go_on(place: str, step: str) -> str:
    """A place further inside, in few letters: a name may have millions, and as many things in it."""
    return cut(f"{place}{step}", _MAX_PLACE)


def _find_foreign_array(weights: Any, n_bytes: int) -> str:
    """What is in an HDF5 file of so many bytes that is no array of its own numbers; "" if nothing is."""
    import h5py

    total, seen = 0, set()
    with h5py.File(weights, "r") as file:
        waiting: list[tuple[str, int, Any]] = [("", 1, file)]
        while waiting:
            place, depth, group = waiting.pop()
            for name in group:
                inside = _go_on(place, f"/{name}")
                where = f"its {WEIGHTS} at {_show(inside.lstrip('/'))}"
                if len(name) > _MAX_NAME or depth > _MAX_DEPTH:  # the library keeps the whole path of each
                    most = f"{_MAX_NAME} letters of a name and {_MAX_DEPTH} groups in each other"
                    return f"{where} has a longer name or lies deeper than Keras writes; allowed are {most}"
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    return f"{where} has a link to another place or file; allowed are arrays of its own"
                item = group[name]
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:  # a group may hold itself
                    continue
                seen.add(address)
                if isinstance(item, h5py.Group):
                    waiting.append((inside, depth + 1, item))
                elif fault := _find_odd_array(item):
                    return f"{where} {fault}"
                else:
                    total += item.nbytes
    return f"its weights state {total:,} bytes and have {n_bytes:,}" if total > n_bytes else ""


def _find_odd_array(item: Any) -> str:
    """Why an object in an HDF5 file is no array of numbers of its own; "" if it is one."""
    import h5py

    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in _NUMBERS:
        return "holds no numbers; allowed are arrays of numbers"
    if item.is_virtual or item.external:
        return "has its numbers in another file; allowed are arrays of its own"
    return ""


def _show(value: Any) -> str:
    """A name out of the archive, short and without what a terminal obeys."""
    return cut(repr(escape(cut(value, _MAX_PLACE)) if isinstance(value, str) else value), _MAX_PLACE)
