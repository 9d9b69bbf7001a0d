"""`params.yaml` as frozen, strict sections, one per stage; no code repeats a default that the file holds.

It is parsed as DVC parses it (ruamel.yaml, YAML 1.2), so `1e-3` is a number and `on` a word. Shapes are
(height, width) in pixels; shares are fractions in [0, 1]. Every number is finite and has a largest value, so
that none fails only where it is used.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.param_types import (
    DEFAULT,
    NONE,
    Channels,
    ClassMap,
    Epochs,
    FloorMap,
    ImageHw,
    Layout,
    ModelName,
    PositiveInt,
    Rate,
    Section,
    Seed,
    Share,
    Space,
    StartFrom,
    TextSeed,
    Weight,
    Width,
    Words,
    check_pattern,
)


class CsvParams(Section):
    """The layout of a CSV of pixels: its column of labels, and the size of every picture."""

    label_column: str
    image_hw: ImageHw


class LabelsParams(Section):
    """The table of labels in a source, and the columns that count; "": found by itself."""

    file: str
    path_column: str
    label_column: str
    split_column: str


class DataParams(Section):
    """The collection: its name, where its images lie, what is left out, which folder is which class."""

    name: ModelName
    source: Annotated[str, Field(min_length=1)]
    ignore: Words
    follow_links: bool
    layout: Layout
    labels: LabelsParams
    labelled: Annotated[str, Field(min_length=1)]
    class_names: Words
    csv: CsvParams
    classes: ClassMap


class ValidateParams(Section):
    """What a usable image is, and the limits that stop a collection or raise a warning."""

    formats: Words
    max_pixels: PositiveInt
    min_side_px: PositiveInt
    min_local_contrast: Share
    max_seconds_per_file: Annotated[float, Field(ge=0.001, le=86_400)]
    max_unreadable_share: Share
    min_images_per_class: PositiveInt
    min_class_share: Share
    dark_below: Share
    blurred_below: Annotated[float, Field(ge=0, le=1_000_000)]
    compressed_below: Annotated[int, Field(ge=0, le=100)]
    long_above: Annotated[float, Field(ge=1, le=1_000_000)]
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
    channels: Channels
    fit: Literal["stretch", "pad", "crop"]
    resample: Literal["bilinear", "bicubic", "lanczos"]
    equalise: Annotated[int, Field(ge=0, le=100)]
    near_duplicate_distance: Annotated[int, Field(ge=0, le=47)]
    near_duplicate_min_quality: Annotated[int, Field(ge=0, le=100)]
    ready: ReadyParams


class SplitParams(Section):
    """How pictures are divided, what stays together, and when file facts predict the class too well."""

    seed: TextSeed
    train: Share
    val: Share
    test: Share
    folds: Annotated[int, Field(ge=2, le=100)]
    group_by: str
    fold_by: Annotated[str | None, DEFAULT]
    exact_below: Annotated[int, Field(ge=0, le=1_000_000_000)]
    min_test_images: Annotated[int, Field(ge=0, le=1_000_000)]
    max_metadata_accuracy: Share

    @field_validator("group_by", "fold_by")
    @classmethod
    def they_are_patterns(cls, pattern: str | None) -> str | None:
        """Raise ValueError unless it is a regular expression that matches something, or empty."""
        return pattern if pattern is None else check_pattern(pattern)

    @property
    def fold_pattern(self) -> str:
        """What names the pictures that no fold divides."""
        return self.group_by if self.fold_by is None else self.fold_by

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

    seed: TextSeed
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
    mixup: Weight
    cutmix: Weight
    fill_rare_to: Share
    synthetic: Annotated[int, Field(ge=0, le=1_000_000)]
    imperfect: Share


class TrainParams(Section):
    """The network, how it is trained, and how its weights are chosen."""

    seed: Seed
    model: str
    head: Literal["softmax", "sigmoid", "one_vs_rest"]
    filters: Annotated[Width | None, DEFAULT]
    units: Annotated[Width | None, DEFAULT]
    activation: Annotated[
        Literal["relu", "tanh", "elu", "gelu", "leaky_relu", "selu", "silu"] | None, DEFAULT
    ]
    dropout: Annotated[Annotated[float, Field(ge=0, lt=1)] | None, DEFAULT]
    kernel_l2: Weight
    features: Literal["last", "all"]
    weights: Annotated[str | None, NONE]
    start_from: StartFrom
    fine_tune_epochs: Epochs
    fine_tune_learning_rate: Rate
    epochs: Annotated[Epochs, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1, le=65_536)]
    optimizer: Literal["adam", "adamax", "adamw", "muon", "rmsprop", "sgd"]
    learning_rate: Rate
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Weight
    schedule: Literal["constant", "cosine", "triangular"]
    warmup_epochs: Annotated[float, Field(ge=0, le=1_000_000)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    ema: Annotated[float, Field(ge=0, lt=1)]
    class_weights: bool
    group_weights: bool | Literal["auto"]
    monitor: Literal["val_loss", "val_accuracy"]
    patience: PositiveInt
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
    test_mirror: bool
    out_of_fold: bool | Literal["auto"]
    tensorboard: bool


class EvaluateParams(Section):
    """The bootstrap behind the intervals, when the model answers, and what is looked at beside the scores."""

    seed: Seed
    n_bootstrap: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    min_precision: Annotated[float, Field(gt=0, le=1)]
    n_sheet: Annotated[int, Field(ge=1, le=1000)]
    slices: bool
    robustness: Annotated[Annotated[int, Field(ge=0, le=1_000_000)] | None, DEFAULT]
    inside: bool
    label_audit: bool


class PromoteParams(Section):
    """The registered model, what any version must reach, and when one is better than the champion."""

    model_name: Annotated[ModelName | None, DEFAULT]
    metric: Literal["accuracy", "balanced_accuracy", "macro_f1"]
    floors: FloorMap
    margin: Annotated[float, Field(ge=0, lt=1)]
    alpha: Annotated[float, Field(gt=0, le=0.5)]
    candidate: Literal["best", "every"]
    prefer: Literal["none", "newer", "smaller", "faster"]
    min_common_images: PositiveInt
    trial_images: Annotated[int, Field(ge=0, le=10_000)]
    max_mb: Annotated[float, Field(gt=0, le=1_000_000)]
    max_ms: Annotated[float, Field(gt=0, le=1_000_000)]


class TuneParams(Section):
    """What `darkroom tune` looks for and how; `search/space.py` reads the space."""

    space: Space
    trials: Annotated[int, Field(ge=1, le=100_000)]
    sampler: Literal["random", "grid", "tpe", "gp"]
    pruner: Literal["none", "asha", "hyperband"]
    folds: Annotated[int, Field(ge=0, le=100)]
    metric: Literal["accuracy", "log_loss"]
    seed: Seed

    @field_validator("folds")
    @classmethod
    def folds_are_none_or_several(cls, folds: int) -> int:
        """Raise ValueError for one fold."""
        if folds == 1:
            raise ValueError("0 (the validation pictures), or 2 and more are allowed")
        return folds


class Params(Section):
    """All sections, in the order of the stages; then that of `darkroom tune`."""

    data: DataParams
    validate_: Annotated[ValidateParams, Field(alias="validate")]
    clean: CleanParams
    split: SplitParams
    augment: AugmentParams
    train: TrainParams
    evaluate: EvaluateParams
    promote: PromoteParams
    tune: TuneParams

    @property
    def model_name(self) -> str:
        """The registered model: `promote.model_name`, or `data.name`."""
        return self.promote.model_name or self.data.name

    def flatten_chain(self) -> dict[str, Any]:
        """As `flatten`, without the section tune: it changes no result."""
        return {key: value for key, value in self.flatten().items() if not key.startswith("tune.")}

    def section(self, name: str) -> Section:
        """The section of one stage, by the stage's name."""
        found: Section = getattr(self, "validate_" if name == "validate" else name)
        return found
