"""Files that no decoder opens: each is told in words, with what to do about it."""

import struct

import pytest
from PIL import Image

from tests.images.scenes import draw_noise, encode, inspect_bytes


def make_box(brand: bytes, *compatible: bytes) -> bytes:
    """The start of an ISO base media file."""
    body = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I4s", 8 + len(body), b"ftyp") + body + bytes(400)


HEIC = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"]
HTML = b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
DICOM = bytes(128) + b"DICM" + bytes(99)


@pytest.mark.parametrize(
    ("data", "reason", "says"),
    [
        *(
            pytest.param(make_box(one, b"mif1", one), "unsupported_format", "HEIC", id=str(one))
            for one in HEIC
        ),
        pytest.param(make_box(b"mif1", b"heic"), "unsupported_format", "HEIC", id="mif1 of heic"),
        pytest.param(make_box(b"mif1", b"miaf"), "unsupported_format", "HEIF", id="mif1"),
        pytest.param(make_box(b"msf1"), "unsupported_format", "HEIF", id="msf1"),
        pytest.param(make_box(b"mif1", b"avif"), "unsupported_format", "AVIF", id="mif1 of avif"),
        pytest.param(make_box(b"avis"), "unsupported_format", "AVIF", id="avis"),
        pytest.param(make_box(b"crx "), "unsupported_format", "RAW", id="CR3"),
        pytest.param(make_box(b"isom", b"mp41"), "not_an_image", "a video", id="MP4"),
        pytest.param(LFS, "not_an_image", "git lfs pull", id="Git LFS"),
        pytest.param(b"/annex/objects/MD5-s9--0", "not_an_image", "git annex get", id="git-annex"),
        pytest.param(HTML, "not_an_image", "an HTML page", id="HTML"),
        pytest.param(b"\xef\xbb\xbf  \n<html lang=en>", "not_an_image", "an HTML page", id="HTML, BOM"),
        pytest.param(b"%PDF-1.7\n", "unsupported_format", "PDF", id="PDF"),
        pytest.param(SVG, "unsupported_format", "SVG", id="SVG"),
        pytest.param(
            b"<?xml version='1.0'?>\n<!-- by hand -->\n" + SVG, "unsupported_format", "SVG", id="XML"
        ),
        pytest.param(DICOM, "unsupported_format", "DICOM", id="DICOM"),
        pytest.param(b"II*\0\x10\0\0\0CR\2\0", "unsupported_format", "develop it", id="CR2"),
        pytest.param(b"FUJIFILMCCD-RAW 0201", "unsupported_format", "develop it", id="RAF"),
        pytest.param(bytes(5000), "not_an_image", "a file of zeros", id="zeros"),
        pytest.param(b"hello, world\n", "not_an_image", "a text file", id="text"),
        pytest.param("Grüße".encode() * 2000, "not_an_image", "a text file", id="text, cut in a letter"),
        pytest.param(b"PK\3\4" + bytes(99), "not_an_image", "unpack it", id="zip"),
        pytest.param(b"\x93\1\2\3\4\5\6\7\x88", "not_an_image", "starts with 93 01 02", id="nothing known"),
        pytest.param(bytes(5000) + b"\1", "not_an_image", "starts with 00 00", id="zeros, then more"),
        pytest.param(encode(draw_noise(), "TGA"), "unsupported_format", "TGA", id="by Pillow"),
    ],
)
def test_a_file_is_told_in_words(data: bytes, reason: str, says: str) -> None:
    found = inspect_bytes(data, "x.jpg")
    assert found.reason == reason
    assert says in found.detail
    assert ";" in found.detail or says.startswith("starts")


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        pytest.param(b"hello, world\n", "; leave it out (of a collection: with data.ignore)", id="text"),
        pytest.param(b"ID3\4", "; leave it out (of a collection: with data.ignore)", id="MP3"),
        pytest.param(
            b"\0\0\0\1Bud1", "; leave .DS_Store out (of a collection: with data.ignore)", id="macOS"
        ),
        pytest.param(
            make_box(b"avif"), "to JPEG or PNG, or add AVIF to validate.formats before training", id="AVIF"
        ),
    ],
)
def test_the_advice_is_true_of_a_file_in_no_collection(data: bytes, advice: str) -> None:
    """`darkroom predict` and the served model say it too, where params.yaml decides nothing."""
    assert inspect_bytes(data).detail.endswith(advice)


def test_a_format_that_is_allowed_and_damaged_is_corrupt() -> None:
    assert inspect_bytes(b"BM" + bytes(4)).reason == "corrupt"
    assert inspect_bytes(make_box(b"avif"), formats=("AVIF",)).reason == "corrupt"


def test_an_avif_is_opened_where_it_is_allowed() -> None:
    data = encode(Image.new("RGB", (40, 40), "red"), "AVIF")
    assert inspect_bytes(data, formats=("AVIF",)).reason == ""
    assert "add AVIF to validate.formats" in inspect_bytes(data).detail
