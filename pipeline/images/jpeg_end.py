"""JPEGs that were cut and ended properly: libjpeg fills the rest with grey, and Pillow does not tell.

A copy that broke off, or a recovery tool, leaves such files. After the cut libjpeg returns blocks of no
content (its jdhuff.c: "uniform gray for the remainder"), so the last pixel is neutral grey. Real pictures may
end in this grey too. To tell them apart, the file is decoded once more, small, with further bytes at the end
of every scan: a whole picture never reads them, a cut one turns them into pixels.
"""

import hashlib
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.faults import translate_faults

if TYPE_CHECKING:
    from PIL.Image import Image

_FILLER = hashlib.shake_128(b"").digest(4096).replace(b"\xff", b"")  # FF would begin a marker
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_MAX_SCANS = 200  # of a progressive file: cameras and programs write up to about 15
_GREY, _OFF = 128, 2
_SOF2, _SOS, _EOI, _TEM = 0xC2, 0xDA, 0xD9, 0x01
_BARE = (*range(0xD0, 0xD9), _TEM)  # markers without a length


class _Segment(NamedTuple):
    """A marker's kind, the bytes of its header, and where it ends, with the entropy-coded data of a scan."""

    kind: int
    head: bytes
    stop: int


def check_jpeg_end(data: bytes, image: "Image") -> None:
    """Raise ImageError if a decoded JPEG ends in the grey that libjpeg put where nothing was."""
    from PIL import Image

    if "progression" in image.info and (n := _count_unfinished(data)):
        raise ImageError("truncated", f"the progressive JPEG lacks the last scans of {n} components")
    if not _ends_grey(image):
        return
    filled = _fill_scans(data)
    with translate_faults():
        before, after = (Image.open(io.BytesIO(one), formats=["JPEG"]) for one in (data, filled))
        for one in (before, after):
            one.draft(None, (1, 1))  # an eighth of the size: differing blocks differ in their means
        if before.tobytes() != after.tobytes():
            share = _find_first_change(before, after)
            raise ImageError("truncated", f"the JPEG ends after {share:.0%} of its height; the rest is grey")


def _ends_grey(image: "Image") -> bool:
    """Whether the last pixel is what libjpeg makes of a block without content."""
    last = image.getpixel((image.width - 1, image.height - 1))
    bands = last if isinstance(last, tuple) else (last,)
    return all(abs((value or 0) - _GREY) <= _OFF for value in bands)


def _find_first_change(before: "Image", after: "Image") -> float:
    rows = (np.asarray(before) != np.asarray(after)).reshape(before.height, -1).any(axis=1)
    return float(np.argmax(rows)) / before.height


def _fill_scans(data: bytes) -> bytes:
    """The file with further bytes at the end of the entropy-coded part of every scan."""
    parts, done = [], 0
    for segment in _list_segments(data):
        if segment.kind == _SOS:
            parts += [data[done : segment.stop], _FILLER]
            done = segment.stop
    return b"".join([*parts, data[done:]])


def _count_unfinished(data: bytes) -> int:
    """Components of which a progressive JPEG leaves out coefficients, or their last bits (T.81, G.1)."""
    missing: dict[int, NDArray[np.bool_]] = {}
    for segment in _list_segments(data):
        if segment.kind == _SOF2:
            ids = segment.head[6 : 6 + 3 * segment.head[5] : 3]
            missing = {one: np.ones(64, np.bool_) for one in ids}
        elif segment.kind == _SOS:
            n = segment.head[0]
            first, last, bits = segment.head[1 + 2 * n : 4 + 2 * n]
            for one in segment.head[1 : 1 + 2 * n : 2]:
                if one in missing and not bits & 15:
                    missing[one][first : last + 1] = False
    return sum(bool(left.any()) for left in missing.values())


def _list_segments(data: bytes) -> Iterator[_Segment]:
    """The segments before the end of the picture, up to _MAX_SCANS scans."""
    at, n_scans = 2, 0
    while at + 4 <= len(data) and n_scans < _MAX_SCANS:
        kind = data[at + 1]
        if data[at] != 0xFF or kind == 0xFF:
            at += 1
            continue
        if kind in _BARE:
            at += 2
            continue
        if kind == _EOI:
            return
        head_at, at = at + 4, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        head = data[head_at:at]
        if kind == _SOS:
            n_scans += 1
            end = _SCAN_END.search(data, at)
            at = end.start() if end else len(data)
        yield _Segment(kind, head, at)
