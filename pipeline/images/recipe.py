"""How an image file becomes a picture of the collection: one value, from params.yaml to the served model."""

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

if TYPE_CHECKING:  # workers hold no more than they need: pydantic is 13 MB
    from pipeline.params import CleanParams

Fit = Literal["stretch", "pad", "crop"]
Resample = Literal["bilinear", "bicubic", "lanczos"]
Scales = tuple[tuple[str, float, float], ...]  # for each type of numbers, such as u16: black, white

MAX_PIXELS = 200_000_000  # for callers without params; a stage passes validate.max_pixels


@dataclass(frozen=True)
class Recipe:
    """The settings of `picture.develop`; plain values, so it can be pickled and written as JSON.

    Attributes:
        image_hw: height and width of the picture, in pixels.
        channels: 3 for colour, 1 for grey.
        fit: stretched, padded with white, or cropped to `image_hw`.
        equalise: 1 to 100: once through JPEG at this quality; 0: not.
        formats: the decoders that may be used, by Pillow's names.
        max_pixels: width x height above this is refused from the header.
        scales: of the collection, for deep pictures whose files do not say what is white.
    """

    image_hw: tuple[int, int]
    channels: int
    fit: Fit
    resample: Resample
    equalise: int
    formats: tuple[str, ...]
    max_pixels: int = MAX_PIXELS
    scales: Scales = ()

    @classmethod
    def from_params(
        cls, section: "CleanParams", *, formats: tuple[str, ...], max_pixels: int, scales: Scales = ()
    ) -> Self:
        """The recipe of `clean`, with the decoders, the number of pixels and the collection's scales."""
        return cls(
            section.image_hw,
            section.channels,
            section.fit,
            section.resample,
            section.equalise,
            formats,
            max_pixels,
            scales,
        )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The recipe from the JSON of its `dataclasses.asdict`.

        Raises:
            TypeError: keys are missing or unknown.
            ValueError: a value is not allowed.
        """
        if wrong := values.keys() ^ {field.name for field in fields(cls)}:
            raise TypeError(f"the recipe lacks or has too much: {', '.join(sorted(wrong))}")
        recipe = cls(**{name: _freeze(value) for name, value in values.items()})
        if bad := [name for name, is_right in recipe._check_values().items() if not is_right]:
            raise ValueError(f"in the recipe these are not allowed: {', '.join(bad)}")
        return recipe

    def _check_values(self) -> dict[str, bool]:
        """For each value whether it is of its type and in the range that params.yaml allows."""
        is_pair = isinstance(self.image_hw, tuple) and len(self.image_hw) == 2
        return {
            "image_hw": is_pair and all(_is_within(side, 1, 4096) for side in self.image_hw),
            "channels": self.channels in (1, 3),
            "fit": self.fit in get_args(Fit),
            "resample": self.resample in get_args(Resample),
            "equalise": _is_within(self.equalise, 0, 100),
            "formats": isinstance(self.formats, tuple) and all(isinstance(x, str) for x in self.formats),
            "max_pixels": _is_within(self.max_pixels, 1, 1_000_000_000),
            "scales": isinstance(self.scales, tuple) and all(map(_is_scale, self.scales)),
        }

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return (*self.image_hw, self.channels)


def _freeze(value: Any) -> Any:
    """Lists as tuples, also inside of lists."""
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value


def _is_scale(scale: object) -> bool:
    if not isinstance(scale, tuple) or len(scale) != 3:
        return False
    kind, black, white = scale
    numbers = isinstance(black, int | float) and isinstance(white, int | float)
    return isinstance(kind, str) and numbers and math.isfinite(white - black) and black < white


def _is_within(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
