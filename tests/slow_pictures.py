"""Pictures that keep their decoder busy: a PNG of a million empty chunks takes Pillow seconds."""

import struct
import zlib


def stall(side_px: int = 8, n_chunks: int = 10**6) -> bytes:
    """A grey PNG of `side_px` squared, with so many empty private chunks before its pixels."""
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side_px * (side_px + 1)))
    pixels = _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"prVt", b"") * n_chunks + pixels


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
