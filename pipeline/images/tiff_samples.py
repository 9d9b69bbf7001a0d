"""The samples of a TIFF's page as numbers, whatever their size, order, planes and predictor.

libtiff, inside Pillow, only unpacks. It is shown the same strips or tiles as an 8-bit grey picture, one pixel
a byte, which it decodes within the size that the header states. What the bytes mean is worked out here.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images import tiff_layout as tags
from pipeline.images.faults import limit_pixels, translate_faults
from pipeline.images.tiff_layout import FLOAT, RAW, SIGNED, Layout
from pipeline.images.tiff_tags import Page

if TYPE_CHECKING:
    from PIL.Image import Image

_MAX_BYTES_PER_PIXEL = 8  # a page with more counts as one of more pixels
_MAX_CLASSIC = (1 << 32) - (1 << 20)  # bytes of a file whose offsets are still 32 bits
_JPEG_TABLES = 347
# What Pillow needs of a page to decode it, and to tell its header facts.
_FOR_PILLOW = (
    256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 292, 293, 296, 317, 322, 323, 338, 339,
    347, 512, 513, 514, 515, 517, 519, 520, 521, 529, 530, 531, 532, 34665,
)  # fmt: skip
_OF_HEADER = (256, 257, 274, 282, 283, 296, 34665)
_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 6: "b", 7: "B", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d"}
_LONG = 4
Tags = Mapping[int, tuple[int, Sequence[Any]]]  # a tag's field type and values


def open_page(page: Page, layout: Layout) -> "Image":
    """The page as a TIFF of one page, opened by Pillow, which can decode it if it `is_for_pillow`."""
    kept = {tag: _copy(page, tag) for tag in _FOR_PILLOW if tag in page.entries}
    if tags.COMPRESSION not in kept:
        kept[tags.COMPRESSION] = (3, [RAW])
    kept[tags.PHOTOMETRIC] = (3, [layout.photometric])
    places = _list_places(page, layout, range(layout.n_chunks * layout.n_planes))
    if needs_packing(layout):
        (_, at), (_, length) = (places[tag] for tag in _name_places(layout))
        chunks = [zlib.compress(page.data[a : a + n], 0) for a, n in zip(at, length, strict=True)]
        lengths = [len(chunk) for chunk in chunks]
        packed = (list(itertools.accumulate(lengths[:-1], initial=8)), lengths)
        places = {tag: (_LONG, new) for tag, new in zip(_name_places(layout), packed, strict=True)}
        kept[tags.COMPRESSION] = (3, [tags.DEFLATE])
        return _open(b"".join([bytes(8), *chunks]), kept | places)
    return _open(page.data, kept | places)


def needs_packing(layout: Layout) -> bool:
    """Whether a page must be packed for Pillow: it reads YCbCr with fewer colour samples by libtiff only."""
    return layout.compression == RAW and layout.photometric == tags.YCBCR


def open_header(page: Page, layout: Layout) -> "Image":
    """The page's header facts, opened by Pillow as of 8 bits; its pixels cannot be decoded from this."""
    kept = {tag: _copy(page, tag) for tag in _OF_HEADER if tag in page.entries}
    n = 1 if layout.n_colours == 1 and layout.photometric != tags.INDEXED else 3
    photometric = tags.MIN_IS_BLACK if n == 1 else tags.RGB
    kept |= {258: (3, [8] * n), 259: (3, [RAW]), 262: (3, [photometric]), 273: (_LONG, [8]), 277: (3, [n])}
    return _open(bytes(8), kept)


def is_heavy(layout: Layout, n_pixels: int) -> bool:
    """Whether a page takes more bytes than a page of so many pixels may."""
    return layout.n_bytes > _MAX_BYTES_PER_PIXEL * n_pixels


def read_samples(page: Page, layout: Layout, max_pixels: int) -> NDArray[Any]:
    """The samples of a page, [height, width, colours and alpha], unsigned, signed or float.

    Raises:
        ImageError: they are not all there, or are damaged, or take more than 8 bytes for each of
            `max_pixels`.
    """
    if is_heavy(layout, max_pixels):
        raise ImageError(
            "too_many_pixels",
            f"{layout.n_bytes:,} bytes of samples; up to {_MAX_BYTES_PER_PIXEL * max_pixels:,} are allowed",
        )
    used = [*range(layout.n_colours), *([layout.alpha[0]] if layout.alpha else [])]
    if layout.is_planar:  # what is not used may be empty
        return np.concatenate([_read_plane(page, layout, plane) for plane in used], axis=2)
    samples = _read_plane(page, layout, 0)
    return samples if len(used) == layout.n_samples else samples[..., used]


def is_cut(page: Page, layout: Layout) -> bool:
    """Whether a strip or tile reaches beyond the end of the file."""
    n = layout.n_chunks * layout.n_planes
    offsets, counts = (page.read_array(tag, n).astype(np.float64) for tag in _name_places(layout))
    if len(offsets) < n:
        return True
    ends = offsets[:n] + (counts[:n] if len(counts) >= n else 1)
    return bool((ends > len(page.data)).any())


def _read_plane(page: Page, layout: Layout, plane: int) -> NDArray[Any]:
    """[height, width, samples of a pixel in the plane]."""
    n, row_bytes = layout.n_chunks, layout.row_bytes
    if layout.compression == tags.JPEG and layout.n_in_plane > 1:
        raise tags.refuse_layout(f"JPEG of {layout.n_samples} samples a pixel")
    shown = {
        256: (_LONG, [row_bytes * layout.across]),
        257: (_LONG, [layout.height]),
        258: (3, [8]),
        259: (3, [layout.compression]),
        262: (3, [tags.MIN_IS_BLACK]),
        266: (3, [page.read_number(tags.FILL_ORDER, 1)]),
        277: (3, [1]),
        278: (_LONG, [layout.chunk_h]),
    }
    if layout.is_tiled:
        shown |= {322: (_LONG, [row_bytes]), 323: (_LONG, [layout.chunk_h])}
    if layout.compression == tags.JPEG and _JPEG_TABLES in page.entries:
        shown[_JPEG_TABLES] = _copy(page, _JPEG_TABLES)
    shown |= _list_places(page, layout, range(plane * n, plane * n + n))
    with limit_pixels(row_bytes * layout.across * layout.height), translate_faults():
        image = _open(page.data, shown)
        image.load()
        unpacked = np.asarray(image)
    rows = unpacked.reshape(layout.height * layout.across, row_bytes)
    width = layout.chunk_w * layout.n_in_plane
    if layout.predictor == 3 and layout.kind == FLOAT:
        rows, order = _undo_float_predictor(rows, width, layout), ">"
    else:
        order = page.order
    values = _read_numbers(rows, width, layout, order)
    values = values.reshape(-1, layout.chunk_w, layout.n_in_plane)
    if layout.predictor == 2:
        whole = values.view(f"u{values.itemsize}")
        values = np.cumsum(whole, axis=1, dtype=whole.dtype).view(values.dtype)
    return values.reshape(layout.height, -1, layout.n_in_plane)[:, : layout.width]


def _read_numbers(rows: NDArray[np.uint8], width: int, layout: Layout, order: str) -> NDArray[Any]:
    """Numbers [rows, width] of bytes [rows, bytes of a row]."""
    bits = layout.bits
    kind = {FLOAT: "f", SIGNED: "i"}.get(layout.kind, "u")
    if bits in (8, 16, 32, 64):
        numbers = rows.view(f"{order}{kind}{bits // 8}")
        return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    out = np.zeros((len(rows), width), np.uint16 if bits <= 16 else np.uint32)
    step = max(1, (1 << 22) // max(1, width * bits))
    for top in range(0, len(rows), step):
        part = rows[top : top + step]
        if bits == 24 and order == "<":
            part = np.ascontiguousarray(part.reshape(len(part), width, 3)[..., ::-1]).reshape(len(part), -1)
        ones = np.unpackbits(part, axis=1)[:, : width * bits].reshape(len(part), width, bits)
        for place in range(bits):
            out[top : top + step] |= ones[..., place].astype(out.dtype) << (bits - 1 - place)
    if kind == "i":
        spare = 8 * out.itemsize - bits
        return (out << spare).view(f"i{out.itemsize}") >> spare
    return out


def _undo_float_predictor(rows: NDArray[np.uint8], width: int, layout: Layout) -> NDArray[np.uint8]:
    """Big-endian floats of rows whose bytes are sorted by significance and differ from the pixel before.

    Adobe Photoshop TIFF Technical Note 3 (2005).
    """
    n, size = layout.n_in_plane, layout.bits // 8
    summed = np.cumsum(rows.reshape(len(rows), -1, n), axis=1, dtype=np.uint8)
    return np.ascontiguousarray(summed.reshape(len(rows), size, width).transpose(0, 2, 1)).reshape(
        len(rows), width * size
    )


def _name_places(layout: Layout) -> tuple[int, int]:
    """The tags of the offsets and lengths of strips or tiles."""
    return (tags.TILE_OFFSETS, tags.TILE_BYTES) if layout.is_tiled else (tags.STRIP_OFFSETS, tags.STRIP_BYTES)


def _list_places(page: Page, layout: Layout, chunks: range) -> dict[int, tuple[int, list[int]]]:
    """The offsets and lengths of some strips or tiles; lengths that are not stated reach to the end."""
    at, length = (
        page.read_array(tag, chunks.stop)[chunks.start :].astype(np.int64) for tag in _name_places(layout)
    )
    if len(at) < len(chunks):
        raise ImageError("truncated", f"{len(at):,} of {len(chunks):,} strips or tiles are listed")
    if at.min() < 0 or at.max() >= len(page.data):
        raise ImageError("truncated", f"a strip or tile should be at byte {at.max():,} of {len(page.data):,}")
    rest = len(page.data) - at
    if len(length) < len(at) or layout.compression == RAW:
        height = np.minimum(layout.chunk_h, layout.height)
        length = np.full(len(at), layout.row_bytes * height) if layout.compression == RAW else rest
    length = np.clip(length, 0, rest)
    return {
        tag: (_LONG, values.tolist()) for tag, values in zip(_name_places(layout), (at, length), strict=True)
    }


def _copy(page: Page, tag: int) -> tuple[int, list[Any]]:
    """A tag's field type and values as a classic TIFF can hold them."""
    kind = page.entries[tag].kind
    numbers = page.read_numbers(tag)
    if kind in _CODES and numbers:
        return kind, numbers
    return _LONG, [min(max(int(number), 0), 0xFFFFFFFF) for number in numbers] or [0]


def _open(data: bytes, shown: Tags) -> "Image":
    """A file's bytes under other tags: a little-endian TIFF of one page."""
    from PIL import Image

    if len(data) > _MAX_CLASSIC:
        raise tags.refuse_layout("more than 4 GB")
    parts, at = [], len(data) + len(data) % 2 + 2 + 12 * len(shown) + 4
    ifd = [struct.pack("<H", len(shown))]
    for tag, (kind, values) in sorted(shown.items()):
        packed = struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
        count = len(values) // 2 if kind in (5, 10) else len(values)
        if len(packed) <= 4:
            place = packed.ljust(4, b"\0")
        else:
            place = struct.pack("<I", at)
            parts.append(packed + bytes(len(packed) % 2))
            at += len(parts[-1])
        ifd.append(struct.pack("<HHI", tag, kind, count) + place)
    head = struct.pack("<2sHI", b"II", 42, len(data) + len(data) % 2)
    whole = b"".join([head, data[8:], bytes(len(data) % 2), *ifd, bytes(4), *parts])
    return Image.open(io.BytesIO(whole), formats=["TIFF"])
