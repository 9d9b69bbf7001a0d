"""The canonical picture of an image file: upright, opaque, 8 bits, of one size."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.depths import Guess
from pipeline.images.faults import limit_pixels
from pipeline.images.fingerprint import GRID_PX, Fingerprint, is_small, shrink, take_fingerprint
from pipeline.images.flattening import DECODED_PX, Seen, flatten
from pipeline.images.reading import (
    check_frames,
    check_size,
    count_frames,
    count_reduction,
    find_orientation,
    open_image,
    reduce_decode,
)
from pipeline.images.recipe import MAX_PIXELS, Fit, Recipe, Resample, Scales
from pipeline.images.upright import SIDEWAYS, turn_upright
from pipeline.refusals import Refusal

if TYPE_CHECKING:
    from PIL.Image import Image

Wanted = bool | Literal["thumbnail"]

THUMBNAIL_PX = 112  # the side of a thumbnail on a contact sheet

_MOST_SHARED = 4_000_000  # decoded pixels; above, the picture takes time that is the inspection's
_GREY, _FRAME_PX = (214, 214, 214), 2  # around a thumbnail, so that a blank white picture is visible


@dataclass(frozen=True, slots=True)
class Developed:
    """A file's id, its canonical picture, fingerprint and repairs, or why there is no picture.

    `is_heavy` is as of `reading.Opened`: another collection, of smaller pictures, may refuse the file.
    """

    id: str
    picture: NDArray[np.uint8] | None = None
    refusal: Refusal | None = None
    fingerprint: Fingerprint | None = None
    repairs: tuple[str, ...] = ()
    is_heavy: bool = False


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A decoded file, opaque L or RGB, not yet upright; `box` is the part that is the picture (None: all)."""

    flat: "Image"
    box: tuple[float, float, float, float] | None
    orientation: int | None
    is_small: bool
    repairs: tuple[str, ...]
    is_heavy: bool = False

    def upright(self) -> "Image":
        return turn_upright(self.flat, self.orientation)

    def fingerprint(self) -> Fingerprint:
        grid = turn_upright(shrink(self.flat, self.box), self.orientation)
        return take_fingerprint(grid, small=self.is_small)


def develop(data: bytes, recipe: Recipe) -> NDArray[np.uint8]:
    """The picture of an encoded image: uint8 [height, width, channels], C-contiguous.

    EXIF rotation is applied. Transparency is composited on white. 16 bits are scaled to 8. CMYK and palettes
    are converted. Of several pages the first is taken. The result is then stretched, padded with white or
    cropped to `image_hw`, with an antialiasing filter. With `equalise` from 1 to 100 it finally passes once
    through JPEG at that quality, so that all pictures have the same history.

    Raises:
        ImageError: the file cannot be opened or decoded to its end, or it is animated.
    """
    with limit_pixels(recipe.max_pixels):
        return _fill_recipe(_decode(data, recipe), recipe)


def decode_whole(data: bytes, recipe: Recipe, *, side_px: int) -> NDArray[np.uint8]:
    """An encoded image in its own proportions: uint8 [height, width, channels], upright, not yet fitted.

    Its longer side has at most `side_px` pixels. Raises ImageError as `develop` does.
    """
    with limit_pixels(recipe.max_pixels):
        decoded = _decode(data, replace(recipe, image_hw=(side_px // 2, side_px // 2)))
        upright = decoded.upright().convert("L" if recipe.channels == 1 else "RGB")
    upright.thumbnail((side_px, side_px))
    return np.array(upright, dtype=np.uint8).reshape(upright.height, upright.width, recipe.channels)


def fit_whole(picture: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """A picture [height, width, channels] of any size as the recipe's, which `develop` would make of it."""
    from PIL import Image

    image = Image.fromarray(picture[..., 0] if recipe.channels == 1 else picture)
    return _fill_recipe(_Decoded(image, None, None, is_small=False, repairs=()), recipe)


def develop_item(item: tuple[bytes, Wanted], *, recipe: Recipe, first_frame: bool = False) -> Developed:
    """Id, picture and fingerprint of an item (bytes, what is wanted of them), as workers call it.

    With `first_frame`, an animation is its first frame. If "thumbnail" is wanted, the picture is a thumbnail.
    """
    data, wanted = item
    image_id = hashlib.sha256(data).hexdigest()
    if not wanted:
        return Developed(image_id)
    try:
        if wanted == "thumbnail":
            thumbnail = make_thumbnail(
                data,
                side_px=THUMBNAIL_PX,
                formats=recipe.formats,
                max_pixels=recipe.max_pixels,
                scales=recipe.scales,
            )
            return Developed(image_id, thumbnail)
        with limit_pixels(recipe.max_pixels):
            return _finish(image_id, _decode(data, recipe, first_frame=first_frame), recipe)
    except ImageError as error:
        return Developed(image_id, refusal=error.refusal)


def develop_seen(image_id: str, seen: Seen, recipe: Recipe) -> Developed | None:
    """What `develop_item` makes of a file, from what `inspection.look` decoded of it.

    None if another decode is needed: at another scale, of luma alone, or with what the collection says of
    deep values.
    """
    return _finish(image_id, _describe(seen), recipe) if _is_decoded_alike(seen, recipe) else None


def give_up(item: tuple[bytes, Wanted], why: str) -> Developed:
    """What is known of an item (bytes, what is wanted of them) whose decoder crashed or took too long."""
    return Developed(hashlib.sha256(item[0]).hexdigest(), refusal=Refusal("unreadable", why))


def make_thumbnail(
    data: bytes,
    *,
    side_px: int,
    formats: Sequence[str],
    max_pixels: int = MAX_PIXELS,
    scales: Scales = (),
) -> NDArray[np.uint8]:
    """A picture as people look at it: whole, in colour, in its own proportions on a grey square.

    Returns:
        uint8 [side_px, side_px, 3]; of an animation, the first frame.

    Raises:
        ImageError: as `develop`.
    """
    from PIL import Image

    inner = side_px - 2 * _FRAME_PX
    whole = Recipe((inner, inner), 3, "stretch", "bicubic", 0, tuple(formats), max_pixels, scales)
    square = Image.new("RGB", (side_px, side_px), _GREY)
    with limit_pixels(max_pixels):
        upright = _decode(data, whole, first_frame=True).upright().convert("RGB")
        scale = inner / max(upright.size)
        size = [max(1, round(side * scale)) for side in upright.size]
        left, top = ((side_px - side) // 2 for side in size)
        square.paste(upright.resize((size[0], size[1]), Image.Resampling.BICUBIC), (left, top))
    return np.array(square, dtype=np.uint8)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """A uint8 picture [h, w], [h, w, 1] or [h, w, 3] as the bytes of a PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture).save(stream, "PNG")
    return stream.getvalue()


def _finish(image_id: str, decoded: _Decoded, recipe: Recipe) -> Developed:
    picture, fingerprint = _fill_recipe(decoded, recipe), decoded.fingerprint()
    return Developed(image_id, picture, None, fingerprint, decoded.repairs, decoded.is_heavy)


def _pass_through_jpeg(image: "Image", quality: int) -> "Image":
    """An image after one JPEG compression: baseline, 4:2:0 where coloured, libjpeg's standard tables."""
    from PIL import Image

    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling="4:2:0", optimize=False, progressive=False)
    # The limit of the file's pixels is not that of its picture, which may be larger than all files.
    with limit_pixels(image.width * image.height), Image.open(stream, formats=["JPEG"]) as again:
        return again.convert(image.mode)


def _fit(image: "Image", size: tuple[int, int], fit: Fit, resample: Resample) -> "Image":
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


def _decode(data: bytes, recipe: Recipe, *, first_frame: bool = False) -> _Decoded:
    opened = open_image(data, recipe.formats, recipe.max_pixels)
    image = opened.image
    check_size(image, recipe.max_pixels, 1)
    n_frames = count_frames(opened)
    if not first_frame:
        check_frames(image, n_frames)
    orientation, size = find_orientation(image), image.size
    box = reduce_decode(image, "L" if recipe.channels == 1 else "RGB", _find_target(orientation, recipe))
    flat = flatten(opened, [Guess(*scale) for scale in recipe.scales])
    return _describe(Seen(opened, size, n_frames, orientation, box, flat))


def _find_target(orientation: int | None, recipe: Recipe) -> tuple[int, int]:
    """The least width and height of a decode, before the picture is turned.

    Decoding at twice the target keeps 45 dB against a full decode, at 2.5x the speed. A fingerprint needs its
    grid.
    """
    height, width = (max(2 * side, GRID_PX) for side in recipe.image_hw)
    return (height, width) if (orientation or 1) >= SIDEWAYS else (width, height)


def _describe(seen: Seen) -> _Decoded:
    repairs = list(seen.flat.repairs)
    if seen.orientation not in (None, 1):
        repairs.append("exif_rotation")
    if seen.n_frames > 1:
        repairs.append("multi_frame_first")
    turn = None if seen.opened.image.format == "TIFF" else seen.orientation
    small = is_small(seen.size)
    return _Decoded(seen.flat.image, seen.box, turn, small, tuple(repairs), seen.opened.is_heavy)


def _is_decoded_alike(seen: Seen, recipe: Recipe) -> bool:
    """Whether what was seen is what `_decode` would decode of the same file."""
    width, height = seen.flat.image.size
    if seen.flat.guess or seen.opened.is_heavy or width * height > _MOST_SHARED:
        return False
    if seen.box is None:
        return True
    wanted = _find_target(seen.orientation, recipe)
    is_alike = count_reduction(seen.size, wanted) == count_reduction(seen.size, (DECODED_PX, DECODED_PX))
    return recipe.channels == 3 and is_alike


def _fill_recipe(decoded: _Decoded, recipe: Recipe) -> NDArray[np.uint8]:
    height, width = recipe.image_hw
    upright = decoded.upright().convert("L" if recipe.channels == 1 else "RGB")
    fitted = _fit(upright, (width, height), recipe.fit, recipe.resample)
    fitted = _pass_through_jpeg(fitted, recipe.equalise) if recipe.equalise else fitted
    return np.array(fitted, dtype=np.uint8).reshape(recipe.picture_shape)
