"""PNGs with large texts and profiles, and PNGs of 10 to 14 bits."""

import io
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from benchmarks.bombs import png_chunk
from tests.effort import limit_effort
from tests.images.scenes import develop_bytes, draw_scene, encode, inspect_bytes

SCENE = draw_scene(60, 40)
NOISE = np.random.default_rng(0).integers(32, 127, 3 << 20, np.uint8).tobytes()
AT = 33  # the first byte after the header of a PNG
EXIF = Image.Exif()
EXIF[0x0112] = 6


def put(data: bytes, *chunks: bytes, at_end: bool = False) -> bytes:
    """A PNG with chunks after its header, or before its end."""
    at = len(data) - 12 if at_end else AT
    return data[:at] + b"".join(chunks) + data[at:]


def pack(text: bytes) -> dict[str, bytes]:
    """A text as each kind of chunk that may hold it."""
    packed = zlib.compress(text)
    return {
        "tEXt": png_chunk(b"tEXt", b"workflow\0" + text),
        "zTXt": png_chunk(b"zTXt", b"workflow\0\0" + packed),
        "iTXt": png_chunk(b"iTXt", b"workflow\0\1\0\0\0" + packed),
        "iTXt, plain": png_chunk(b"iTXt", b"workflow\0\0\0\0\0" + text),
        "iCCP": png_chunk(b"iCCP", b"profile\0\0" + packed),
    }


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("text", [b"x" * (2 << 20), NOISE, b"x" * (64 << 20)], ids=["2 MB", "noise", "64 MB"])
@pytest.mark.parametrize("kind", pack(b""))
def test_large_texts_do_not_lose_a_picture(kind: str, text: bytes, at_end: bool) -> None:
    data = put(encode(SCENE), pack(text)[kind], at_end=at_end)
    with limit_effort(100):
        found = inspect_bytes(data)
    assert (found.reason, found.repairs) == ("", ())
    assert np.array_equal(develop_bytes(data), develop_bytes(encode(SCENE)))


def test_many_texts_do_not_lose_a_picture() -> None:
    data = put(encode(SCENE), *[pack(b"x" * (1 << 19))["zTXt"]] * 300)
    with limit_effort(100):
        assert inspect_bytes(data).reason == ""


def test_a_short_text_that_matters_is_kept() -> None:
    """The orientation may be in XMP, or in a profile as ImageMagick writes it."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta tiff:Orientation="6"/>', zip=True)
    data = put(encode(SCENE, pnginfo=info), pack(NOISE)["zTXt"])
    assert inspect_bytes(data).exif_orientation == 6
    data = put(encode(SCENE, exif=EXIF), pack(NOISE)["zTXt"])
    assert inspect_bytes(data).exif_orientation == 6


def test_damaged_texts_are_as_they_were() -> None:
    assert inspect_bytes(put(encode(SCENE), png_chunk(b"zTXt", b"k\0\0" + bytes(9)))).reason == ""


LUMA = np.asarray(draw_scene(60, 40, "L").resize((30, 20))).astype(np.uint16)


def make_deep(values: NDArray[np.uint16], bits: int | None) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return put(stream.getvalue(), png_chunk(b"sBIT", bytes([bits]))) if bits else stream.getvalue()


@pytest.mark.parametrize(
    ("values", "bits", "repairs"),
    [
        pytest.param(LUMA << 8, None, ("sixteen_bit",), id="16 bits"),
        pytest.param(LUMA << 4, 12, ("sixteen_bit",), id="12 of 16, by sBIT"),
        pytest.param(LUMA << 8, 12, ("sixteen_bit",), id="12 of 16, spread to 16 as the standard asks"),
        pytest.param(LUMA << 4, None, ("sixteen_bit", "guessed_scale"), id="12 of 16, nothing said"),
        pytest.param(LUMA << 2, None, ("sixteen_bit", "guessed_scale"), id="10 of 16, nothing said"),
        pytest.param(LUMA << 6, 14, ("sixteen_bit",), id="14 of 16, by sBIT"),
    ],
)
def test_bits_in_sixteen(values: NDArray[np.uint16], bits: int | None, repairs: tuple[str, ...]) -> None:
    data = make_deep(values, bits)
    assert inspect_bytes(data).repairs == repairs
    assert np.abs(develop_bytes(data, image_hw=(20, 30), channels=1)[..., 0].astype(int) - LUMA).max() <= 1
