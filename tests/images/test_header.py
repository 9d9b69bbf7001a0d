"""What headers say beside the size."""

import pytest

from tests.images.scenes import draw_scene, encode, inspect_bytes


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_says_its_quality(quality: int, mode: str) -> None:
    assert inspect_bytes(encode(draw_scene(mode=mode), "JPEG", quality=quality)).jpeg_quality == quality


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        pytest.param(
            encode(draw_scene(), "JPEG", subsampling="4:2:0"), (3, "4:2:0", False, None), id="4:2:0"
        ),
        pytest.param(
            encode(draw_scene(), "JPEG", subsampling="4:2:2"), (3, "4:2:2", False, None), id="4:2:2"
        ),
        pytest.param(
            encode(draw_scene(), "JPEG", subsampling="4:4:4"), (3, "4:4:4", False, None), id="4:4:4"
        ),
        pytest.param(encode(draw_scene(mode="L"), "JPEG"), (1, None, False, None), id="grey"),
        pytest.param(encode(draw_scene(), "JPEG", dpi=(300, 300)), (3, "4:2:0", False, 300), id="dpi"),
        pytest.param(
            encode(draw_scene(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
            (3, "4:2:0", True, 72),
            id="EXIF",
        ),
        pytest.param(encode(draw_scene(mode="RGBA")), (4, None, False, None), id="PNG"),
        pytest.param(encode(draw_scene(), "TIFF"), (3, None, False, None), id="TIFF"),
    ],
)
def test_header_facts(data: bytes, facts: tuple[int, str | None, bool, float | None]) -> None:
    found = inspect_bytes(data)
    assert (found.n_bands, found.subsampling, found.has_exif) == facts[:3]
    assert found.dpi == (pytest.approx(facts[3], rel=0.01) if facts[3] else None)
