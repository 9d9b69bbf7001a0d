"""`params.yaml` as frozen, strict sections, one per stage; no code repeats a default that the file holds.

It is parsed as DVC parses it (ruamel.yaml, YAML 1.2), so `1e-3` is a number and `on` a word. Shapes are
(height, width) in pixels; shares are fractions in [0, 1].
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ParamsError, nearest, one_line

_MAX_NAME = 200  # characters of the registered model; MLflow allows 256


def _as_tuple(value: object) -> object:
    """A YAML list as a tuple: sections are frozen, and strict mode accepts no list for a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _check_model_name(name: str) -> str:
    """Raise ValueError unless a name is safe in every registry, in its addresses and in its searches."""
    if not re.fullmatch(r"\w[\w.\- ]*(?<! )", name):
        raise ValueError(f"letters, digits, '_', '-', '.' and single words are allowed, got {name!r}")
    return name


Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=4096)]
ImageHw = Annotated[tuple[Side, Side], BeforeValidator(_as_tuple)]
Words = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
PositiveInt = Annotated[int, Field(ge=1)]
ModelName = Annotated[str, Field(max_length=_MAX_NAME), AfterValidator(_check_model_name)]


class Section(BaseModel):
    """A frozen section that refuses unknown keys and wrong types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def flatten(self, prefix: str = "") -> dict[str, Any]:
        """The values by dotted key, such as {"train.epochs": 30}.

        A list or a mapping is one value, as JSON: its keys are free text, which no other system need accept
        as a name.
        """
        flat: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            key, value = f"{prefix}{field.alias or name}", getattr(self, name)
            if isinstance(value, Section):
                flat |= value.flatten(f"{key}.")
            else:
                flat[key] = (
                    json.dumps(value, ensure_ascii=False) if isinstance(value, tuple | dict) else value
                )
        return flat


class CsvParams(Section):
    """The layout of a CSV of pixels: its column of labels, and the size of every picture."""

    label_column: str
    image_hw: ImageHw


class DataParams(Section):
    """Where the images lie, what is left out, and which folder counts as which class."""

    source: Annotated[str, Field(min_length=1)]
    ignore: Words
    class_names: Words
    csv: CsvParams
    classes: dict[str, Words]


class ValidateParams(Section):
    """What a usable image is, and the limits that stop a collection or raise a warning."""

    formats: Words
    max_pixels: PositiveInt
    min_side_px: PositiveInt
    min_local_contrast: Share
    max_seconds_per_file: Annotated[float, Field(gt=0)]
    max_unreadable_share: Share
    min_images_per_class: PositiveInt
    min_class_share: Share
    dark_below: Share
    blurred_below: Annotated[float, Field(ge=0)]
    compressed_below: Annotated[int, Field(ge=0, le=100)]
    long_above: Annotated[float, Field(ge=1)]
    max_unusual_share: Share


class ReadyParams(Section):
    """What clean must leave of a collection, as limits that stop the stage or raise a warning."""

    min_images_per_class: PositiveInt
    max_quarantined_share: Share
    min_class_share: Share
    max_near_duplicate_share: Share
    max_group_share: Share
    max_plain_share: Share


class CleanParams(Section):
    """How every picture is made, and when two pictures count as near-duplicates."""

    image_hw: ImageHw
    channels: Literal[1, 3]
    fit: Literal["stretch", "pad", "crop"]
    resample: Literal["bilinear", "bicubic", "lanczos"]
    equalise: Annotated[int, Field(ge=0, le=100)]
    near_duplicate_distance: Annotated[int, Field(ge=0, le=47)]
    near_duplicate_min_quality: Annotated[int, Field(ge=0, le=100)]
    ready: ReadyParams


class SplitParams(Section):
    """How pictures are divided, what stays together, and when file facts predict the class too well."""

    seed: int
    train: Share
    val: Share
    test: Share
    folds: Annotated[int, Field(ge=2, le=100)]
    group_by: str
    exact: bool
    max_metadata_accuracy: Share

    @field_validator("group_by")
    @classmethod
    def group_by_is_a_pattern(cls, pattern: str) -> str:
        """Raise ValueError unless it is a regular expression that matches something, or empty."""
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression ({error}), got {pattern!r}") from None
        if pattern and compiled.fullmatch(""):
            raise ValueError(f"it matches the empty text, and so every key, got {pattern!r}")
        return pattern

    @model_validator(mode="after")
    def shares_are_whole(self) -> Self:
        """Raise ValueError unless the shares add up to 1 and train and val are not empty."""
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + val + test must be 1, got {total:g}")
        if min(self.train, self.val, self.test) <= 0:
            raise ValueError("train, val and test must each be above 0")
        return self


class AugmentParams(Section):
    """How training pictures are altered (0 turns a knob off), and which altered copies are added."""

    seed: int
    flip: Literal["none", "horizontal", "vertical", "both", "alternating"]
    rotation: Share
    zoom: Annotated[float, Field(ge=0, lt=1)]
    shift: Share
    shear: Share
    contrast: Annotated[float, Field(ge=0, lt=1)]
    brightness: Share
    noise: Share
    grayscale: Share
    rand_augment: Share
    erasing: Share
    mixup: Annotated[float, Field(ge=0)]
    cutmix: Annotated[float, Field(ge=0)]
    fill_rare_to: Share
    imperfect: Share


class TrainParams(Section):
    """The network, how it is trained, and how its weights are chosen."""

    seed: Annotated[int, Field(ge=0)]
    model: str
    head: Literal["softmax", "sigmoid", "one_vs_rest"]
    filters: PositiveInt | None
    units: PositiveInt | None
    activation: Literal["relu", "tanh", "elu", "gelu", "leaky_relu", "selu", "silu"] | None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    kernel_l2: Annotated[float, Field(ge=0)]
    weights: str | None
    fine_tune_epochs: Annotated[int, Field(ge=0)]
    fine_tune_learning_rate: Annotated[float, Field(gt=0)]
    epochs: PositiveInt
    batch_size: PositiveInt
    optimizer: Literal["adam", "adamax", "adamw", "muon", "rmsprop", "sgd"]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["constant", "cosine", "triangular"]
    warmup_epochs: Annotated[float, Field(ge=0)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    ema: Annotated[float, Field(ge=0, lt=1)]
    class_weights: bool
    group_weights: bool
    monitor: Literal["val_loss", "val_accuracy"]
    patience: PositiveInt
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
    test_mirror: bool
    tensorboard: bool


class EvaluateParams(Section):
    """The bootstrap behind the intervals, and the size of the sheets of answers."""

    seed: Annotated[int, Field(ge=0)]
    n_bootstrap: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    n_sheet: PositiveInt


class PromoteParams(Section):
    """The registered model, and what a version must reach and gain to become champion."""

    model_name: ModelName
    metric: Literal["accuracy", "balanced_accuracy", "macro_f1"]
    min_gain: Annotated[float, Field(ge=0, lt=1)]
    min_accuracy: Share
    min_class_recall: Share
    min_common_images: PositiveInt


class Params(Section):
    """All sections, in the order of the stages."""

    data: DataParams
    validate_: Annotated[ValidateParams, Field(alias="validate")]
    clean: CleanParams
    split: SplitParams
    augment: AugmentParams
    train: TrainParams
    evaluate: EvaluateParams
    promote: PromoteParams

    def section(self, name: str) -> Section:
        """The section of one stage, by the stage's name."""
        found: Section = getattr(self, "validate_" if name == "validate" else name)
        return found


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ParamsError: the file is missing or not YAML, or a key is unknown, missing, of a wrong type or out of
            range. One message names every bad key, what is allowed and what was found.
    """
    values = read_yaml(path)
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_describe(fault) for fault in error.errors())
        raise ParamsError(f"{path.name}: {faults}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file, as plain values; raises ParamsError if the file does not hold one."""
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist; run from the project's folder, or restore it from git"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path.name} is not valid YAML: {one_line(error)}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path.name} must hold a mapping of sections, got {type(values).__name__}")
    return values


def _describe(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "params"
    match fault["type"]:
        case "extra_forbidden":
            return f"{key} is not a known key{_suggest(fault['loc'])}"
        case "missing":
            return f"{key} is missing"
        case _:
            return (
                f"{key}: {fault['msg']}, got {fault['input']!r}"
                if "got" not in fault["msg"]
                else f"{key}: {fault['msg']}"
            )


def _suggest(loc: tuple[str | int, ...]) -> str:
    """A hint for a misspelt key: the most similar known key of the same section, or all of its keys."""
    section: type[BaseModel] | None = Params
    for part in loc[:-1]:
        field = _list_fields(section).get(str(part)) if section else None
        section = field if isinstance(field, type) and issubclass(field, BaseModel) else None
    known = list(_list_fields(section)) if section else []
    return nearest(str(loc[-1]), known, n=1) or f" (allowed: {', '.join(known)})"


def _list_fields(section: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}
