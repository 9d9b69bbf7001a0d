"""How an image file becomes a picture of the collection: one value, from params.yaml to the served model."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

if TYPE_CHECKING:  # workers hold no more than they need: pydantic is 13 MB
    from pipeline.params import CleanParams

Fit = Literal["stretch", "pad", "crop"]
Resample = Literal["bilinear", "bicubic", "lanczos"]

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
    """

    image_hw: tuple[int, int]
    channels: int
    fit: Fit
    resample: Resample
    equalise: int
    formats: tuple[str, ...]
    max_pixels: int = MAX_PIXELS

    @classmethod
    def from_params(cls, section: "CleanParams", *, formats: tuple[str, ...], max_pixels: int) -> Self:
        """The recipe of `clean`, with the decoders and the number of pixels that are allowed."""
        return cls(
            section.image_hw,
            section.channels,
            section.fit,
            section.resample,
            section.equalise,
            formats,
            max_pixels,
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
        frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        recipe = cls(**frozen)
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
        }

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return (*self.image_hw, self.channels)


def _is_within(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
