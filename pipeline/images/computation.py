"""What turns bytes into facts and pixels, as one hash: the code of this room, its libraries, the machine."""

import functools
import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

_ROOM = Path(__file__).parent
_BESIDE = ("characters.py", "errors.py", "refusals.py")  # the words of a refusal
_LIBRARIES = ("Pillow", "numpy", "pdqhash")
_CODECS = ("jpg", "zlib", "libtiff", "webp", "libjpeg_turbo")


@functools.cache
def hash_computation() -> str:
    """A hash that changes whenever a fact or a pixel of a file may: by code, library or kind of processor."""
    hashed = hashlib.sha256()
    for file in (*sorted(_ROOM.glob("*.py")), *(_ROOM.parent / name for name in _BESIDE)):
        hashed.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    hashed.update(repr(describe_machine()).encode())
    return hashed.hexdigest()


def describe_machine() -> dict[str, str]:
    """What facts and pixels depend on beside the code: versions of libraries, and the kind of processor."""
    from PIL import features

    found = {name: version(name) for name in _LIBRARIES}
    found |= {name: str(features.version(name)) for name in _CODECS}
    vectors = np.show_config(mode="dicts").get("SIMD Extensions")
    return found | {"processor": f"{platform.machine()} {vectors}", "Python": platform.python_version()}
