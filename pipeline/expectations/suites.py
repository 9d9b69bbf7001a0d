"""The two suites, to be read: what a collection must be like to go on.

`intake` holds after validate, `ready` after clean. A suite has one list a table, since Great Expectations
looks at one table at a time. Where a `critical` expectation is not met the stage stops; a `warning` is
logged and the stage goes on. The description is what people read, in the log and in the Data Docs; `meta`
names the knobs in params.yaml that set what is allowed.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.params import CleanParams, ValidateParams
from pipeline.tables.parquet import MANIFEST

Expectations = list[Any]  # of great_expectations.expectations.Expectation


def intake_files(section: ValidateParams, formats: Sequence[str]) -> Expectations:
    """Over validate's manifest, a row a file; measures are those of the files that can be used."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableColumnsToMatchOrderedList(
            column_list=[*MANIFEST.names, "aspect"],
            severity="critical",
            description="The manifest has the columns that the stages behind it read",
        ),
        gxe.ExpectColumnValuesToBeUnique(
            column="key",
            severity="critical",
            description="Every file has a path of its own inside the source",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="verdict",
            value_set=["kept", "repaired", "quarantined"],
            severity="critical",
            description="Every file is kept, repaired or quarantined",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="format",
            value_set=list(formats),
            severity="critical",
            description=f"Formats are among {', '.join(formats)}",
            meta=_knobs("validate", section, "formats"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="reason",
            value_set=["", "low_information"],
            mostly=1 - section.max_unreadable_share,
            severity="critical",
            description=f"At most {section.max_unreadable_share:.1%} of the files cannot be used as images "
            "(blank ones not counted: they have a limit of their own)",
            meta=_knobs("validate", section, "max_unreadable_share"),
        ),
        *_sane_measures(),
        gxe.ExpectColumnValuesToBeUnique(
            column="id",
            severity="warning",
            description="No two files have the same bytes (clean keeps one copy)",
        ),
        *_usual_images(section),
    ]


def _sane_measures() -> Expectations:
    """A measure outside its range is a fault of the pipeline, so critical."""
    import great_expectations.expectations as gxe

    ranges = {"brightness": 1.0, "contrast": 0.5001, "share_white": 1.0, "entropy": 8.0001}
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=0,
            max_value=most,
            severity="critical",
            description=f"The measured {column.replace('_', ' of ')} lies in 0 to {most:.1f}",
        )
        for column, most in ranges.items()
    ]


def _usual_images(section: ValidateParams) -> Expectations:
    """How many images may be unusual: one share for each way to be so."""
    import great_expectations.expectations as gxe

    usual = 1 - section.max_unusual_share
    at_most = f"At most {section.max_unusual_share:.1%} of the images"
    return [
        gxe.ExpectColumnValuesToNotBeInSet(
            column="reason",
            value_set=["low_information"],
            mostly=usual,
            severity="warning",
            description=f"{at_most} are blank or nearly so",
            meta=_knobs("validate", section, "max_unusual_share"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="brightness",
            min_value=section.dark_below,
            mostly=usual,
            severity="warning",
            description=f"{at_most} are dark (brightness below {section.dark_below:g})",
            meta=_knobs("validate", section, "dark_below", "max_unusual_share"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="sharpness",
            min_value=section.blurred_below,
            mostly=usual,
            severity="warning",
            description=f"{at_most} are blurred (sharpness below {section.blurred_below:g})",
            meta=_knobs("validate", section, "blurred_below", "max_unusual_share"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="jpeg_quality",
            min_value=section.compressed_below,
            mostly=usual,
            severity="warning",
            description=f"{at_most} are JPEGs of a quality below {section.compressed_below}",
            meta=_knobs("validate", section, "compressed_below", "max_unusual_share"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="aspect",
            max_value=section.long_above,
            mostly=usual,
            severity="warning",
            description=f"{at_most} are very long (one side above {section.long_above:g} times the other)",
            meta=_knobs("validate", section, "long_above", "max_unusual_share"),
        ),
    ]


def intake_classes(section: ValidateParams) -> Expectations:
    """Over validate's class table, a row a class folder."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=2,
            severity="critical",
            description="There are at least two classes to tell apart (a folder a class)",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="n_readable",
            min_value=section.min_images_per_class,
            severity="critical",
            description=f"Every class has at least {section.min_images_per_class} readable images",
            meta=_knobs("validate", section, "min_images_per_class"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share_of_largest",
            min_value=section.min_class_share,
            severity="warning",
            description=f"No class is smaller than {section.min_class_share:.1%} of the largest",
            meta=_knobs("validate", section, "min_class_share"),
        ),
    ]


def ready_pictures(section: CleanParams, labels: Sequence[str]) -> Expectations:
    """Over clean's manifest, a row a picture that goes on."""
    import great_expectations.expectations as gxe

    plain = section.ready.max_plain_share
    return [
        gxe.ExpectColumnValuesToBeUnique(
            column="id", severity="critical", description="No two pictures have the same bytes"
        ),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["shard", "row"],
            severity="critical",
            description="Every picture has a place of its own in the shards",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="label",
            value_set=list(labels),
            severity="critical",
            description="Every picture has the label of a class folder of the source",
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="group",
            severity="critical",
            description="Every picture is in a group, which the split never divides",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="fingerprint_quality",
            min_value=section.near_duplicate_min_quality,
            mostly=1 - plain,
            severity="warning",
            description=f"At most {plain:.1%} of the pictures are too plain to be compared with others",
            meta=_knobs("clean", section, "near_duplicate_min_quality", "ready.max_plain_share"),
        ),
    ]


def ready_sums(section: CleanParams) -> Expectations:
    """Over one row of totals; a column's maximum is then its value."""
    import great_expectations.expectations as gxe

    limits = section.ready
    height, width = section.image_hw
    return [
        gxe.ExpectColumnMaxToBeBetween(
            column="n_unaccounted",
            min_value=0,
            max_value=0,
            severity="critical",
            description="Kept and quarantined together are the files of the source (difference: 0)",
        ),
        gxe.ExpectColumnMaxToBeBetween(
            column="n_without_pixels",
            max_value=0,
            severity="critical",
            description="The shards hold a picture for every row of the manifest (missing: 0)",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="shape",
            value_set=[f"{height} x {width} x {section.channels}"],
            severity="critical",
            description=f"Pictures in the shards are {height} x {width} x {section.channels}",
            meta=_knobs("clean", section, "image_hw", "channels"),
        ),
        gxe.ExpectColumnMaxToBeBetween(
            column="share_quarantined",
            max_value=limits.max_quarantined_share,
            severity="critical",
            description=f"At most {limits.max_quarantined_share:.1%} of the files that validate let pass are "
            "quarantined as copies, as conflicts, or by hand",
            meta=_knobs("clean", section, "ready.max_quarantined_share"),
        ),
        *_few_near_duplicates(section),
    ]


def _few_near_duplicates(section: CleanParams) -> Expectations:
    """Pictures that look alike tell a model little, and one large group spoils the split."""
    import great_expectations.expectations as gxe

    limits = section.ready
    return [
        gxe.ExpectColumnMaxToBeBetween(
            column="share_near_duplicates",
            max_value=limits.max_near_duplicate_share,
            severity="warning",
            description=f"At most {limits.max_near_duplicate_share:.1%} of pictures have a near-duplicate",
            meta=_knobs("clean", section, "near_duplicate_distance", "ready.max_near_duplicate_share"),
        ),
        gxe.ExpectColumnMaxToBeBetween(
            column="share_largest_group",
            max_value=limits.max_group_share,
            severity="warning",
            description=f"No group of near-duplicates holds more than {limits.max_group_share:.1%} of the "
            "pictures, all of which will be on one side of the split",
            meta=_knobs("clean", section, "near_duplicate_distance", "ready.max_group_share"),
        ),
    ]


def ready_classes(section: CleanParams) -> Expectations:
    """Over a row a class: what is left of it."""
    import great_expectations.expectations as gxe

    limits = section.ready
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="n_kept",
            min_value=limits.min_images_per_class,
            severity="critical",
            description=f"Every class has at least {limits.min_images_per_class} pictures left",
            meta=_knobs("clean", section, "ready.min_images_per_class"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share_of_largest",
            min_value=limits.min_class_share,
            severity="warning",
            description=f"No class is smaller than {limits.min_class_share:.1%} of the largest",
            meta=_knobs("clean", section, "ready.min_class_share"),
        ),
    ]


def _knobs(stage: str, section: Any, *names: str) -> dict[str, Any]:
    """What sets the limit, {"params": {"validate.max_pixels": 1000}}: names as in params.yaml."""
    found = {}
    for name in names:
        value = section
        for part in name.split("."):
            value = getattr(value, part)
        found[f"{stage}.{name}"] = list(value) if isinstance(value, tuple) else value
    return {"params": found}
