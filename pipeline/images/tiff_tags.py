"""The tags of a TIFF's pages, read within bounds, and which page is the picture.

Only what decoding needs is read, and only when it is asked for. A page list may be a loop, lead out of the
file or name a thumbnail first; counts and offsets may be anything.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError

MAX_PAGES = 1000  # that are counted
_MAX_ENTRIES = 4096  # of a page; a page has about 20
_MAX_ENTRIES_IN_ALL = 1 << 16
_MAX_NUMBERS = 1 << 16  # of a tag other than the places of strips
SUBFILE, OLD_SUBFILE, SUB_IFDS = 254, 255, 330
_REDUCED, _MASK = 1, 4  # bits of SUBFILE
# NumPy's kinds of TIFF's field types; a rational is two integers.
_DTYPES = {
    1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i4", 11: "f4",
    12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8",
}  # fmt: skip
_RATIONALS = (5, 10)


class Entry(NamedTuple):
    """A tag's field type, the number of its values, and the offset in the file where they lie."""

    kind: int
    n_values: int
    at: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a TIFF: the file's bytes, its byte order ("<" or ">"), and its tags."""

    data: bytes
    order: str
    entries: Mapping[int, Entry]

    def read_array(self, tag: int, limit: int = _MAX_NUMBERS) -> NDArray[Any]:
        """Up to `limit` values of a tag (twice as many for rationals), those that lie inside the file."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _DTYPES:
            return np.zeros(0, dtype=np.int64)
        dtype = np.dtype(self.order + _DTYPES[entry.kind])
        count = min(entry.n_values, limit) * (2 if entry.kind in _RATIONALS else 1)
        inside = max(0, len(self.data) - entry.at) // dtype.itemsize
        return np.frombuffer(self.data, dtype, min(count, inside), min(entry.at, len(self.data)))

    def read_numbers(self, tag: int, limit: int = _MAX_NUMBERS) -> list[Any]:
        """`read_array` as plain numbers."""
        numbers: list[Any] = self.read_array(tag, limit).tolist()
        return numbers

    def read_number(self, tag: int, default: int) -> int:
        """The first value of a tag; `default` without one."""
        numbers = self.read_numbers(tag, 1)
        return int(numbers[0]) if numbers and numbers[0] == numbers[0] // 1 else default

    def read_text(self, tag: int) -> str:
        """The value of a text tag, up to its first zero byte; "" without one."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (2, 7):
            return ""
        return bytes(self.read_array(tag, 100).tolist()).split(b"\0")[0].decode("latin-1").strip()


class Book(NamedTuple):
    """The page of a TIFF that is its picture, how many pages it has, and what was put right to find it.

    Thumbnails and masks do not count as pages.
    """

    page: Page
    n_pages: int
    repairs: tuple[str, ...]
    is_first: bool  # whether the page is the first of the file


def is_tiff(data: bytes) -> bool:
    """Whether the first bytes are those of a TIFF or BigTIFF, of either byte order."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_book(data: bytes) -> Book:
    """Find the picture of a TIFF.

    Raises:
        ImageError: it has no page that can be read.
    """
    pages, fault = _walk(data)
    if not pages:
        reason, where = fault or ("corrupt", "there is none")
        raise ImageError(reason, f"a TIFF whose first page cannot be read: {where}")
    repairs = ["lost_pages"] if fault else []
    whole = [page for page in pages if _is_picture(page)]
    if not _is_picture(pages[0]):
        whole = whole or [page for page in _read_inner(pages[0]) if _is_picture(page)]
        repairs += ["thumbnail_first"] if whole else []
    page = (whole or pages)[0]
    return Book(page, max(1, len(whole)), tuple(repairs), page is pages[0])


class _LostPageError(Exception):
    """A page is not where the page list says; with a reason and words, as an ImageError."""


def _is_picture(page: Page) -> bool:
    return not page.read_number(SUBFILE, 0) & (_REDUCED | _MASK) and page.read_number(OLD_SUBFILE, 1) != 2


def _walk(data: bytes) -> tuple[list[Page], tuple[str, str] | None]:
    """Up to MAX_PAGES pages, and why the list breaks off; one that comes back to a page ends there."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = 43 in data[2:4]
    pages: list[Page] = []
    seen: set[int] = set()
    n_entries = 0
    try:
        at = _unpack(data, order, "Q" if is_big else "I", 8 if is_big else 4)
        while at and at not in seen and len(pages) < MAX_PAGES and n_entries < _MAX_ENTRIES_IN_ALL:
            seen.add(at)
            page, at = _read_page(data, order, is_big, at)
            pages.append(page)
            n_entries += len(page.entries)
    except _LostPageError as error:
        return pages, error.args[0]
    return pages, None


def _unpack(data: bytes, order: str, code: str, at: int) -> int:
    size = struct.calcsize(order + code)
    if not 0 <= at <= len(data) - size:
        raise _LostPageError(("truncated", f"it should be at byte {at:,} of {len(data):,}"))
    return int(struct.unpack_from(order + code, data, at)[0])


def _read_page(data: bytes, order: str, is_big: bool, at: int) -> tuple[Page, int]:
    """The page at an offset, and the offset of the next (0: it is the last)."""
    n = _unpack(data, order, "Q" if is_big else "H", at)
    if not 0 < n <= _MAX_ENTRIES:
        raise _LostPageError(("corrupt", f"at byte {at:,} there are {n:,} tags"))
    first, size = (at + 8, 20) if is_big else (at + 2, 12)
    if first + n * size > len(data):
        raise _LostPageError(("truncated", f"its tags reach beyond the end at byte {len(data):,}"))
    entries: dict[int, Entry] = {}
    for tag, entry in _read_entries(data, order, is_big, range(first, first + n * size, size)):
        entries.setdefault(tag, entry)  # of a tag that is there twice the first counts, as in libtiff
    page = Page(data, order, entries)
    if 256 not in page.entries or 257 not in page.entries:
        raise _LostPageError(("corrupt", f"what is at byte {at:,} has no size"))
    try:
        return page, _unpack(data, order, "Q" if is_big else "I", first + n * size)
    except _LostPageError:
        return page, 0  # nothing after the tags: some writers leave it out


def _read_entries(data: bytes, order: str, is_big: bool, places: range) -> Iterator[tuple[int, Entry]]:
    code, inline = ("HHQ", 8) if is_big else ("HHI", 4)
    for at in places:
        tag, kind, count = struct.unpack_from(order + code, data, at)
        value_at = at + struct.calcsize(order + code)
        n_bytes = count * np.dtype(_DTYPES.get(kind, "u1")).itemsize * (2 if kind in _RATIONALS else 1)
        if n_bytes > inline:
            value_at = struct.unpack_from(order + ("Q" if is_big else "I"), data, value_at)[0]
        yield tag, Entry(kind, count, value_at)


def _read_inner(page: Page) -> Iterator[Page]:
    """The pages below a page, in which cameras and scanners keep the picture of a thumbnail."""
    is_big = 43 in page.data[2:4]
    for at in page.read_numbers(SUB_IFDS, 8):
        try:
            yield _read_page(page.data, page.order, is_big, int(at))[0]
        except _LostPageError:
            continue
