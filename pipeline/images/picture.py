"""The canonical picture of an image file: upright, opaque, 8 bits, of one size."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.fingerprint import GRID_PX, Fingerprint, fingerprint, is_small, shrunk
from pipeline.images.reading import (
    MAX_PIXELS,
    SIDEWAYS,
    check_frames,
    check_size,
    count_frames,
    draft,
    faults,
    find_orientation,
    open_image,
)

if TYPE_CHECKING:
    from PIL.Image import Image

Fit = Literal["stretch", "pad", "crop"]
Resample = Literal["bilinear", "bicubic", "lanczos"]
Wanted = bool | Literal["thumbnail"]

THUMBNAIL_PX = 112  # the side of a thumbnail on a contact sheet

_GREY, _FRAME_PX = (214, 214, 214), 2  # around a thumbnail: a blank white picture must show, too


@dataclass(frozen=True, slots=True)
class Developed:
    """A file's id, its canonical picture, fingerprint and repairs, or the reason why there is none."""

    id: str
    picture: NDArray[np.uint8] | None = None
    reason: str = ""
    detail: str = ""
    fingerprint: Fingerprint | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A decoded file: opaque L or RGB, `box` the part that is the picture (None: all), not yet upright."""

    flat: "Image"
    box: tuple[float, float, float, float] | None
    orientation: int | None
    is_small: bool
    repairs: tuple[str, ...]

    def upright(self) -> "Image":
        return _upright(self.flat, self.orientation)

    def fingerprint(self) -> Fingerprint:
        grid = _upright(shrunk(self.flat, self.box), self.orientation)
        return fingerprint(grid, small=self.is_small)


def canonical(
    data: bytes,
    *,
    image_hw: tuple[int, int],
    channels: int,
    fit: Fit,
    resample: Resample,
    equalise: int,
    formats: Sequence[str],
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """The picture of an encoded image: uint8 [height, width, channels], C-contiguous.

    EXIF rotation is applied, transparency composited on white, 16 bits scaled to 8, CMYK and palettes
    converted, several pages reduced to the first; then stretched, padded with white or cropped to
    `image_hw` with an antialiasing filter; with `equalise` from 1 to 100 then once through JPEG at that
    quality, so that all pictures have the same history (0: not).

    Raises:
        ImageError: with one of REASONS; the file cannot be opened, decoded to its end, or is animated.
    """
    decoded = _decoded(data, image_hw, channels, formats, max_pixels)
    return _pixels(decoded, image_hw, channels, fit=fit, resample=resample, equalise=equalise)


def _decoded(
    data: bytes,
    image_hw: tuple[int, int],
    channels: int,
    formats: Sequence[str],
    max_pixels: int,
    *,
    first_frame: bool = False,
) -> _Decoded:
    image = open_image(data, formats, max_pixels)
    check_size(image, max_pixels, 1)
    n_frames = count_frames(image)
    if not first_frame:
        check_frames(image, n_frames)
    orientation, small = find_orientation(image), is_small(image.size)
    # Twice the target keeps 45 dB against a full decode, at 2.5x the speed; a fingerprint needs its grid.
    height, width = (max(2 * side, GRID_PX) for side in image_hw)
    target = (height, width) if (orientation or 1) >= SIDEWAYS else (width, height)
    box = draft(image, "L" if channels == 1 else "RGB", target)
    flat, repairs = flatten(image)
    if orientation not in (None, 1):
        repairs.append("exif_rotation")
    if n_frames > 1:
        repairs.append("multi_frame_first")
    return _Decoded(flat, box, None if image.format == "TIFF" else orientation, small, tuple(repairs))


def _pixels(
    decoded: _Decoded,
    image_hw: tuple[int, int],
    channels: int,
    *,
    fit: Fit,
    resample: Resample,
    equalise: int,
) -> NDArray[np.uint8]:
    height, width = image_hw
    upright = decoded.upright().convert("L" if channels == 1 else "RGB")
    fitted = _fitted(upright, (width, height), fit, resample)
    fitted = _round_trip(fitted, equalise) if equalise else fitted
    return np.array(fitted, dtype=np.uint8).reshape(height, width, channels)


def develop(
    item: tuple[bytes, Wanted],
    *,
    image_hw: tuple[int, int],
    channels: int,
    fit: Fit,
    resample: Resample,
    equalise: int,
    formats: Sequence[str],
    max_pixels: int = MAX_PIXELS,
    first_frame: bool = False,
) -> Developed:
    """Id, canonical picture and fingerprint of (bytes, whether they are wanted); settings as `canonical`.

    With `first_frame`, an animation is its first frame. Where "thumbnail" is wanted, the picture is one.
    """
    data, wanted = item
    image_id = hashlib.sha256(data).hexdigest()
    if not wanted:
        return Developed(image_id)
    try:
        if wanted == "thumbnail":
            return Developed(image_id, thumbnail(data, side_px=THUMBNAIL_PX, formats=formats))
        decoded = _decoded(data, image_hw, channels, formats, max_pixels, first_frame=first_frame)
        picture = _pixels(decoded, image_hw, channels, fit=fit, resample=resample, equalise=equalise)
        return Developed(image_id, picture, fingerprint=decoded.fingerprint(), repairs=decoded.repairs)
    except ImageError as error:
        return Developed(image_id, None, error.reason, error.detail)


def undeveloped(item: tuple[bytes, Wanted], why: str) -> Developed:
    """What is left of a file (bytes, whether it is wanted) that its decoder could not come back from."""
    return Developed(hashlib.sha256(item[0]).hexdigest(), None, "unreadable", why)


def thumbnail(
    data: bytes, *, side_px: int, formats: Sequence[str], max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """A picture as people look at it: whole, in colour, in its own proportions on a grey square.

    Returns:
        uint8 [side_px, side_px, 3]; of an animation, the first frame.

    Raises:
        ImageError: as `canonical`.
    """
    from PIL import Image

    inner = side_px - 2 * _FRAME_PX
    decoded = _decoded(data, (inner, inner), 3, formats, max_pixels, first_frame=True)
    upright = decoded.upright().convert("RGB")
    scale = inner / max(upright.size)
    size = [max(1, round(side * scale)) for side in upright.size]
    square = Image.new("RGB", (side_px, side_px), _GREY)
    left, top = ((side_px - side) // 2 for side in size)
    square.paste(upright.resize((size[0], size[1]), Image.Resampling.BICUBIC), (left, top))
    return np.array(square, dtype=np.uint8)


def encoded_png(picture: NDArray[np.uint8]) -> bytes:
    """A uint8 picture [h, w], [h, w, 1] or [h, w, 3] as the bytes of a PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture).save(stream, "PNG")
    return stream.getvalue()


def flatten(image: "Image") -> tuple["Image", list[str]]:
    """Decode to mode L or RGB with nothing transparent, and the repairs that took."""
    from PIL import Image

    with faults():
        image.load()
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            return Image.fromarray(_eight_bits(np.asarray(image))), ["sixteen_bit"]
        repairs = [name for name, mode in (("palette", "P"), ("cmyk", "CMYK")) if image.mode == mode]
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            if layer.getchannel("A").getextrema() == (255, 255):
                return layer.convert("RGB"), repairs
            white = Image.new("RGB", layer.size, "white")
            white.paste(layer, mask=layer.getchannel("A"))
            return white, [*repairs, "alpha"]
        mode = "L" if image.mode in ("1", "L") else "RGB"
        return image if image.mode == mode else image.convert(mode), repairs


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of any depth as uint8: full scale is 16 bits, 8 bits or 1.0, whichever holds them all.

    16-bit modes are always taken as full-scale 16 bits; what fits no scale is stretched from its
    minimum to its maximum.
    """
    if values.dtype.kind == "u":
        return (values >> 8).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    is_fraction = values.dtype.kind == "f" and high <= 1
    if low < 0 or high > 65535:
        scaled = (numbers - low) * (255 / max(high - low, 1e-9))
    else:
        scaled = numbers * (255 if is_fraction else 1 if high <= 255 else 1 / 257)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _upright(image: "Image", orientation: int | None) -> "Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _round_trip(image: "Image", quality: int) -> "Image":
    """An image after one JPEG compression: baseline, 4:2:0 where coloured, libjpeg's standard tables."""
    from PIL import Image

    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling="4:2:0", optimize=False, progressive=False)
    with Image.open(stream, formats=["JPEG"]) as again:
        return again.convert(image.mode)


def _fitted(image: "Image", size: tuple[int, int], fit: Fit, resample: Resample) -> "Image":
    """Resize to `size` (width, height); Pillow's filters widen with the scale, so all are antialiased."""
    from PIL import Image

    how = Image.Resampling[resample.upper()]
    scales = [wanted / side for wanted, side in zip(size, image.size, strict=True)]
    if fit == "crop":
        sides = [min(side, wanted / max(scales)) for wanted, side in zip(size, image.size, strict=True)]
        left, top = ((side - kept) / 2 for side, kept in zip(image.size, sides, strict=True))
        return image.resize(size, how, box=(left, top, left + sides[0], top + sides[1]))
    if fit == "stretch":
        return image.resize(size, how)
    inner = [max(1, round(side * min(scales))) for side in image.size]
    canvas = Image.new(image.mode, size, "white")
    canvas.paste(
        image.resize((inner[0], inner[1]), how), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    )
    return canvas
