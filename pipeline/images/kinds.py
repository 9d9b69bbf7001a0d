"""What a file that no allowed decoder opens is, by its first bytes, and what to do about it."""

import io
import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import ImageError
from pipeline.images.faults import translate_faults

_CONVERT = "convert it to JPEG or PNG"
# A file may lie in a collection, or be asked about with `darkroom predict` or over HTTP.
_LEAVE_OUT = "leave {} out (of a collection: with data.ignore)"
_EXPORT = "export the picture from the program that made it, as PNG"


class _Kind(NamedTuple):
    """A kind of file: its name, what to do about it, and whether it holds a picture at all."""

    name: str
    advice: str = _CONVERT
    is_image: bool = True


_CR2 = b"II*\0\x10\0\0\0CR"  # a TIFF whose first page is a preview
# (offset, bytes, kind): the first that fits. Names in capitals are Pillow's, and may be allowed.
_MAGIC = (
    (0, b"\xff\xd8\xff", _Kind("JPEG")),
    (0, b"\x89PNG\r\n\x1a\n", _Kind("PNG")),
    (0, b"GIF8", _Kind("GIF")),
    (8, b"WEBP", _Kind("WEBP")),
    (0, _CR2, _Kind("camera RAW (Canon CR2)", "develop it to JPEG or TIFF")),
    (0, b"II*\0", _Kind("TIFF")),
    (0, b"MM\0*", _Kind("TIFF")),
    (0, b"II+\0", _Kind("TIFF")),
    (0, b"MM\0+", _Kind("TIFF")),
    (0, b"BM", _Kind("BMP")),
    (0, b"\0\0\0\x0cjP  \r\n", _Kind("JPEG2000")),
    (0, b"\xff\x4f\xff\x51", _Kind("JPEG2000")),
    (0, b"\xff\x0a", _Kind("JPEG XL")),
    (0, b"\0\0\0\x0cJXL ", _Kind("JPEG XL")),
    (0, b"%PDF", _Kind("PDF", "save its pages as pictures, such as with `pdftoppm -png`")),
    (0, b"%!PS", _Kind("EPS", _EXPORT)),
    (0, b"\xc5\xd0\xd3\xc6", _Kind("EPS", _EXPORT)),
    (0, b"8BPS", _Kind("PSD", _EXPORT)),
    (0, b"gimp xcf", _Kind("XCF", _EXPORT)),
    (0, b"qoif", _Kind("QOI")),
    (0, b"AT&TFORM", _Kind("DjVu", "save its pages as pictures, such as with `ddjvu -format=tiff`")),
    (128, b"DICM", _Kind("DICOM", "export it as 16-bit PNG or TIFF")),
    (0, b"SIMPLE  =", _Kind("FITS", "export it as 16-bit PNG or TIFF")),
    (0, b"FUJIFILMCCD-RAW", _Kind("camera RAW (Fujifilm RAF)", "develop it to JPEG or TIFF")),
    (0, b"FOVb", _Kind("camera RAW (Sigma X3F)", "develop it to JPEG or TIFF")),
    (0, b"IIRO", _Kind("camera RAW (Olympus ORF)", "develop it to JPEG or TIFF")),
    (0, b"IIRS", _Kind("camera RAW (Olympus ORF)", "develop it to JPEG or TIFF")),
    (0, b"MMOR", _Kind("camera RAW (Olympus ORF)", "develop it to JPEG or TIFF")),
    (0, b"IIU\0", _Kind("camera RAW (Panasonic RW2)", "develop it to JPEG or TIFF")),
    (0, b"II\xbc\x01", _Kind("JPEG XR")),
    (0, b"\xd7\xcd\xc6\x9a", _Kind("WMF", _EXPORT)),
    (40, b" EMF", _Kind("EMF", _EXPORT)),
    (0, b"PK\x03\x04", _Kind("a zip archive", "unpack it, or give it as the source", is_image=False)),
    (0, b"Rar!\x1a\x07", _Kind("a RAR archive", "unpack it", is_image=False)),
    (0, b"7z\xbc\xaf\x27\x1c", _Kind("a 7z archive", "unpack it", is_image=False)),
    (0, b"\x1f\x8b", _Kind("a gzip file", "unpack it", is_image=False)),
    (0, b"ID3", _Kind("an MP3 recording", _LEAVE_OUT.format("it"), is_image=False)),
    (0, b"\x1aE\xdf\xa3", _Kind("a video (Matroska)", "save single frames as pictures", is_image=False)),
    (8, b"AVI ", _Kind("a video (AVI)", "save single frames as pictures", is_image=False)),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _Kind("an old Office document", _EXPORT, is_image=False)),
    (
        0,
        b"\0\0\0\x01Bud1",
        _Kind("a macOS folder record", _LEAVE_OUT.format(".DS_Store"), is_image=False),
    ),
    (0, b"\0\x05\x16\x07", _Kind("a macOS sidecar", _LEAVE_OUT.format("._*"), is_image=False)),
)
_LFS = _Kind("a Git LFS pointer", "run `git lfs pull` where the pictures come from", is_image=False)
_ANNEX = _Kind("a git-annex pointer", "run `git annex get` where the pictures come from", is_image=False)
_HTML = _Kind("an HTML page", "the download gave a page instead of the picture: get it again", is_image=False)
_SVG = _Kind("SVG", "draw it as a PNG, such as with `rsvg-convert`")
_TEXT = _Kind("a text file", _LEAVE_OUT.format("it"), is_image=False)
_ZEROS = _Kind("a file of zeros", "its content was lost in copying: get it again", is_image=False)
_XML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.*?\?>)?\s*(?:<!--.*?-->\s*)*(?:<!DOCTYPE[^>]*>)?\s*", re.DOTALL
)
# Brands of ISO base media files: https://mp4ra.org and ISO/IEC 23008-12, annex B.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_HEIF = (b"mif1", b"mif2", b"msf1", b"miaf")
_BRANDS = (
    ((b"avif", b"avis"), _Kind("AVIF", f"{_CONVERT}, or add AVIF to validate.formats before training")),
    ((b"crx ",), _Kind("camera RAW (Canon CR3)", "develop it to JPEG or TIFF")),
    (_HEIC, _Kind("HEIC", _CONVERT)),
    (_HEIF, _Kind("HEIF", _CONVERT)),
)
_HEAD_BYTES = 4096


def is_camera_raw(data: bytes) -> bool:
    """Whether a file is a camera's raw data that would be opened as a TIFF, of its preview."""
    return data.startswith(_CR2)


def explain_unidentified(data: bytes, formats: Sequence[str]) -> ImageError:
    """Why no allowed decoder opens a file: another format, damage at its start, or no image at all."""
    kind = _find_kind(data)
    if kind and kind.name in formats:
        return ImageError("corrupt", f"it starts as a {kind.name} and cannot be opened")
    if kind and not kind.is_image:
        return ImageError("not_an_image", f"this is {kind.name}; {kind.advice}")
    kind = kind or _ask_pillow(data, formats)
    if kind:
        return ImageError(
            "unsupported_format", f"this is {kind.name}; allowed: {', '.join(formats)}; {kind.advice}"
        )
    if _is_text(data[:_HEAD_BYTES]):
        return ImageError("not_an_image", f"this is {_TEXT.name}; {_TEXT.advice}")
    return ImageError("not_an_image", f"starts with {data[:8].hex(' ')}")


def _find_kind(data: bytes) -> _Kind | None:
    head = data[:_HEAD_BYTES]
    for at, magic, kind in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return kind
    if head[4:8] == b"ftyp":
        return _find_brand(head)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return _LFS
    if head.startswith((b"/annex/objects/", b"../.git/annex/objects/")):
        return _ANNEX
    if not any(head):
        return None if data.strip(b"\0") else _ZEROS
    return _find_markup(head)


def _find_brand(head: bytes) -> _Kind:
    """The kind of an ISO base media file, by its brand; else by those that it is compatible with."""
    n_bytes = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, n_bytes - 3, 4))]
    for known, kind in _BRANDS:
        if any(brand in known for brand in brands):
            return kind
    return _Kind("a video (MP4 or QuickTime)", "save single frames as pictures", is_image=False)


def _find_markup(head: bytes) -> _Kind | None:
    blank = _XML.match(head)
    rest = head[blank.end() if blank else 0 :].lower()
    if rest.startswith(b"<svg") or (head.lstrip().startswith(b"<?xml") and b"<svg" in head.lower()):
        return _SVG
    is_html = b"<html" in head.lower()[:1024] or b"<!doctype html" in head.lower()[:1024]
    return _HTML if is_html and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return len(text) > 1 and all(char.isprintable() or char in "\t\r\n\f\ufeff" for char in text)


def _ask_pillow(data: bytes, formats: Sequence[str]) -> _Kind | None:
    """The format by Pillow's other plugins, from the header only: nothing is decoded."""
    from PIL import Image

    Image.init()
    try:
        with (
            translate_faults(),
            Image.open(io.BytesIO(data), formats=sorted(set(Image.OPEN) - set(formats))) as image,
        ):
            return _Kind(str(image.format))
    except ImageError:
        return None
