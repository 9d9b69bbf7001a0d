"""Ten alterations of developed pictures in five severities: what happens to pictures outside the collection.

Where the alteration is the same, so are the strengths: those of ImageNet-C (Hendrycks and Dietterich 2019,
arXiv:1903.12261) for noise, blur, JPEG, brightness and contrast; those of MNIST-C (Mu and Gilmer 2019,
arXiv:1906.02337) for rotation, shift and shrinking. Lengths are shares of the side there: of 224 and of 28
pixels. MNIST-C shrinks about the centre, here the picture lies anywhere in the frame, as `augment.imperfect`
lays it. Occlusion (after Cutout, DeVries and Taylor 2017, arXiv:1708.04552) and grayscale have strengths of
our own. What comes into the frame has the border's colour.

What is drawn at random depends on the picture's id and the alteration alone, never on other pictures.
"""

import hashlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

Uint8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]

MAX_SEVERITY = 5
GRAYSCALE = "grayscale"
_BLUR_PX, _SHIFT_PX = 224, 28  # the sides of the pictures whose blur and shift are stated in pixels
_MID_GREY = 128
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as in Pillow's "L"


class _Alteration(NamedTuple):
    alter: Callable[[Uint8, float, bytes], Uint8]  # of one picture, a strength, and a digest to draw from
    strengths: Sequence[float]  # of severity 0, which leaves the picture as it is, to 5


def alter(pictures: Uint8, ids: Sequence[str], name: str, severity: int) -> Uint8:
    """Pictures uint8 [n, height, width, channels] under an alteration of ALTERATIONS; severity 0 is none."""
    one = _ALTERATIONS[name]
    digests = [hashlib.sha256(f"{name}/{id_}".encode()).digest() for id_ in ids]
    strength = one.strengths[severity]
    altered = [one.alter(picture, strength, made) for picture, made in zip(pictures, digests, strict=True)]
    return np.stack(altered) if altered else pictures


def is_grey(pictures: Uint8) -> bool:
    """Whether no picture has a colour."""
    return bool((pictures == pictures[..., :1]).all())


def _add_noise(picture: Uint8, deviation: float, digest: bytes) -> Uint8:
    """Noise of each channel by itself; a grey picture stays grey."""
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    shape = (*picture.shape[:2], 1) if is_grey(picture) else picture.shape
    return _round(picture + 255 * deviation * rng.standard_normal(shape, np.float32))


def _blur(picture: Uint8, deviation_px: float, digest: bytes) -> Uint8:
    from PIL import ImageFilter

    radius = deviation_px * min(picture.shape[:2]) / _BLUR_PX
    return _to_array(_to_image(picture).filter(ImageFilter.GaussianBlur(radius)), picture)


def _compress(picture: Uint8, quality: float, digest: bytes) -> Uint8:
    from PIL import Image

    if not quality:
        return picture
    stream = io.BytesIO()
    _to_image(picture).save(stream, "JPEG", quality=int(quality))
    with Image.open(stream, formats=["JPEG"]) as again:
        return _to_array(again, picture)


def _brighten(picture: Uint8, share: float, digest: bytes) -> Uint8:
    """Add to the V of HSV: the largest channel grows, and the others with it."""
    largest = picture.max(axis=-1, keepdims=True).astype(np.float32)
    grown = np.minimum(largest + 255 * share, 255)
    return _round(np.where(largest, picture * (grown / np.maximum(largest, 1)), grown))


def _flatten_contrast(picture: Uint8, share: float, digest: bytes) -> Uint8:
    mean = picture.mean(axis=(0, 1), dtype=np.float32)
    return _round((picture - mean) * np.float32(share) + mean)


def _rotate(picture: Uint8, radians: float, digest: bytes) -> Uint8:
    height, width = picture.shape[:2]
    angle = radians * _draw_sign(digest, 0)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = width / 2, height / 2
    return _map(picture, (cos, sin, x - x * cos - y * sin, -sin, cos, y + x * sin - y * cos))


def _shift(picture: Uint8, pixels: float, digest: bytes) -> Uint8:
    height, width = picture.shape[:2]
    right, down = (_draw_sign(digest, at) * pixels / _SHIFT_PX for at in (0, 1))
    return _map(picture, (1, 0, -right * width, 0, 1, -down * height))


def _shrink(picture: Uint8, scale: float, digest: bytes) -> Uint8:
    height, width = picture.shape[:2]
    left, top = (_draw(digest, at) * (1 - scale) * side for at, side in enumerate((width, height)))
    return _map(picture, (1 / scale, 0, -left / scale, 0, 1 / scale, -top / scale))


def _occlude(picture: Uint8, area: float, digest: bytes) -> Uint8:
    """Hide a share of the area behind mid grey; a larger rectangle covers the smaller ones."""
    altered = picture.copy()
    spans = []
    for at, side in enumerate(picture.shape[:2]):
        length = math.sqrt(area) * side
        start = _draw(digest, at) * (side - length)
        spans.append(slice(math.floor(start + 0.5), math.floor(start + length + 0.5)))
    altered[spans[0], spans[1]] = _MID_GREY
    return altered


def _fade(picture: Uint8, share: float, digest: bytes) -> Uint8:
    if picture.shape[-1] == 1:
        return picture
    return _round(picture + np.float32(share) * ((picture @ _LUMA)[..., None] - picture))


_ALTERATIONS: Mapping[str, _Alteration] = {
    "noise": _Alteration(_add_noise, (0, 0.08, 0.12, 0.18, 0.26, 0.38)),
    "blur": _Alteration(_blur, (0, 1, 2, 3, 4, 6)),
    "jpeg": _Alteration(_compress, (0, 25, 18, 15, 10, 7)),
    "brightness": _Alteration(_brighten, (0, 0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": _Alteration(_flatten_contrast, (1, 0.4, 0.3, 0.2, 0.1, 0.05)),
    "rotation": _Alteration(_rotate, (0, 0.2, 0.4, 0.6, 0.8, 1)),
    "shift": _Alteration(_shift, (0, 1, 2, 3, 4, 5)),
    "imperfect": _Alteration(_shrink, (1, 0.9, 0.8, 0.7, 0.6, 0.5)),
    "occlusion": _Alteration(_occlude, (0, 0.05, 0.1, 0.2, 0.3, 0.4)),
    GRAYSCALE: _Alteration(_fade, (0, 0.2, 0.4, 0.6, 0.8, 1)),
}
ALTERATIONS = tuple(_ALTERATIONS)  # their names


def _map(picture: Uint8, affine: tuple[float, float, float, float, float, float]) -> Uint8:
    """A picture whose point (x, y) shows the original's (a x + b y + c, d x + e y + f), bilinear."""
    from PIL import Image

    edges = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    border = tuple(int(value) for value in np.median(edges, axis=0))
    image = _to_image(picture)
    how = Image.Resampling.BILINEAR
    mapped = image.transform(
        image.size,
        Image.Transform.AFFINE,
        affine,
        how,
        fillcolor=border if len(border) > 1 else border[0],
    )
    return _to_array(mapped, picture)


def _to_image(picture: Uint8) -> "Image":
    from PIL import Image

    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def _to_array(image: "Image", like: Uint8) -> Uint8:
    return np.array(image, np.uint8).reshape(like.shape)


def _round(values: Floats) -> Uint8:
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)


def _draw(digest: bytes, at: int) -> float:
    """A number in [0, 1)."""
    return int.from_bytes(digest[4 * at : 4 * at + 4], "big") / 2**32


def _draw_sign(digest: bytes, at: int) -> int:
    return 1 if _draw(digest, at) < 0.5 else -1
