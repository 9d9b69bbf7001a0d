"""How an image file becomes a picture of the collection: one value, from params.yaml to the served model."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self

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
        """
        if wrong := values.keys() ^ {field.name for field in fields(cls)}:
            raise TypeError(f"the recipe lacks or has too much: {', '.join(sorted(wrong))}")
        frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**frozen)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return (*self.image_hw, self.channels)
