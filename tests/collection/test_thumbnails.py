"""thumbnails: what a file does to its decoder costs the others nothing."""

import numpy as np

from pipeline.collection.demos import encode_grey_png
from pipeline.collection.thumbnails import make_thumbnails
from tests.slow_pictures import stall

LIMITS = {"side_px": 32, "formats": ["PNG"], "max_pixels": 1000, "max_seconds": 0.6}


def test_a_file_that_cannot_be_decoded_has_no_thumbnail() -> None:
    grey = encode_grey_png([b"\x80" * 8] * 8)
    files = {"a": grey, "none": b"no picture", "large": encode_grey_png([b"\1" * 40] * 40), "b": grey}
    found = make_thumbnails(files.items(), **LIMITS)  # type: ignore[arg-type]
    assert found.keys() == {"a", "b"}
    assert found["a"].shape == (32, 32, 3)
    assert np.array_equal(found["a"], found["b"])


def test_a_file_that_takes_too_long_has_none() -> None:
    files = {"slow": stall(), "quick": encode_grey_png([b"\x80" * 8] * 8)}
    assert make_thumbnails(files.items(), **LIMITS).keys() == {"quick"}  # type: ignore[arg-type]
