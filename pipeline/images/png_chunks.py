"""A PNG's chunks before Pillow reads them: large texts and profiles are left out, and sBIT is read.

Programs that make pictures keep their workflow in a text chunk, and scanners their profile: some MB, of no
use here. Pillow refuses a file for a text or profile above 1 MB. Without them, nothing large is unpacked.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PACKED = (b"zTXt", b"iTXt", b"iCCP")
_TEXTS = (*_PACKED, b"tEXt", b"tXMP")
_MAX_TEXT_BYTES = 1 << 20  # unpacked: what Pillow takes
_MAX_TEXTS_BYTES = 16 << 20  # of a file, of the 64 MB that Pillow takes
_MAX_CHUNKS = 1 << 16  # that are looked at: a picture of 1 GB in blocks of 16 kB


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    stop: int


def drop_large_texts(data: bytes) -> bytes:
    """The file without the texts and profiles that would be large when unpacked."""
    if not data.startswith(_SIGNATURE):
        return data
    parts, done, n_bytes = [], 0, 0
    for chunk in _list_chunks(data):
        if chunk.kind not in _TEXTS:
            continue
        n_text = chunk.stop - chunk.start
        if n_bytes + n_text <= _MAX_TEXTS_BYTES:
            n_text = _count_unpacked(chunk.kind, data[chunk.start + 8 : chunk.stop - 4])
        if n_text > _MAX_TEXT_BYTES or n_bytes + n_text > _MAX_TEXTS_BYTES:
            parts.append(data[done : chunk.start])
            done = chunk.stop
        else:
            n_bytes += n_text
    return b"".join([*parts, data[done:]]) if done else data


def read_significant_bits(data: bytes) -> int | None:
    """How many bits of a sample count, by the chunk sBIT, at most over the channels; None without one."""
    for chunk in _list_chunks(data):
        if chunk.kind == b"IDAT":
            return None
        if chunk.kind == b"sBIT":
            return max(data[chunk.start + 8 : chunk.stop - 4], default=0) or None
    return None


def _list_chunks(data: bytes) -> Iterator[_Chunk]:
    at = len(_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(data):
            return
        n_bytes, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + n_bytes > len(data):
            return
        yield _Chunk(kind, at, at + 12 + n_bytes)
        at += 12 + n_bytes


def _count_unpacked(kind: bytes, body: bytes) -> int:
    """The bytes of a text, counted up to a little more than is allowed."""
    if kind not in _PACKED:
        return len(body)
    after = body.find(b"\0") + 1
    packed = body[after + 1 :]
    if kind == b"iTXt":
        if body[after : after + 1] != b"\1":
            return len(body)
        packed = body[after + 2 :].split(b"\0", 2)[-1]
    try:
        return len(zlib.decompressobj().decompress(packed, _MAX_TEXT_BYTES + 1))
    except zlib.error:
        return len(body)
