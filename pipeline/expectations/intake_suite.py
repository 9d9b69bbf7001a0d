"""The suite `intake`, to be read: what a collection must be like after validate.

There is one list per table, since Great Expectations looks at one table at a time. If a `critical`
expectation is not met, the stage stops. A `warning` is logged, and the chain continues. The description is
what people read, in the log and in the Data Docs. `meta` names the knobs in params.yaml that set what is
allowed.
"""

from collections.abc import Sequence
from functools import partial

from pipeline.expectations.engine import Expectations, name_knobs
from pipeline.expectations.wording import CLASSES, FILES, IMAGES, JPEGS, say_rows, say_total
from pipeline.images.facts import FACTS
from pipeline.params import ValidateParams
from pipeline.tables.raw_manifest import RAW_MANIFEST

_NO_JPEG = "no image is a JPEG whose quality is known"


def expect_of_files(section: ValidateParams, formats: Sequence[str]) -> Expectations:
    """Over validate's manifest, one row per file; measures are those of the files that can be used."""
    import great_expectations.expectations as gxe

    named = ", ".join(formats)
    return [
        *_expect_whole_rows(),
        gxe.ExpectColumnValuesToBeInSet(
            column="format",
            value_set=list(formats),
            severity="critical",
            description=f"Formats are among {named}",
            meta=name_knobs("validate", section, "formats")
            | say_rows(FILES, f"has a format other than {named}", unseen="no file has a readable header"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="reason",
            value_set=["", "low_information"],
            mostly=1 - section.max_unreadable_share,
            severity="critical",
            description=f"At most {section.max_unreadable_share:.1%} of the files cannot be used as images "
            "(blank ones not counted: they have a limit of their own)",
            meta=name_knobs("validate", section, "max_unreadable_share")
            | say_rows(FILES, "cannot be used (blank ones not counted)"),
        ),
        *_expect_sane_measures(),
        gxe.ExpectColumnValuesToBeUnique(
            column="id",
            severity="warning",
            description="No two files have the same bytes (clean keeps one copy)",
            meta=say_rows(FILES, "has the same bytes as another (clean keeps one copy)"),
        ),
        *_expect_usual_images(section),
    ]


def _expect_whole_rows() -> Expectations:
    """What holds of any manifest: if it does not, the pipeline has a fault."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableColumnsToMatchOrderedList(
            column_list=[*RAW_MANIFEST.names, "aspect"],
            severity="critical",
            description="The manifest has the columns that the stages behind it read",
            meta=say_total("The manifest has other columns than the stages behind it read: {found}"),
        ),
        gxe.ExpectColumnValuesToBeUnique(
            column="key",
            severity="critical",
            description="Every file has a path of its own inside the source",
            meta=say_rows(FILES, "has the path of another file"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="verdict",
            value_set=["kept", "repaired", "quarantined"],
            severity="critical",
            description="Every file is kept, repaired or quarantined",
            meta=say_rows(FILES, "is neither kept, repaired nor quarantined"),
        ),
    ]


def _expect_sane_measures() -> Expectations:
    """A measure outside its range is a fault of the pipeline, so critical."""
    import great_expectations.expectations as gxe

    # Shares come first, then what has another unit.
    ranges = {fact.name: fact.highest for fact in FACTS if fact.highest is not None}
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=0,
            max_value=most,
            severity="critical",
            description=f"The measured {column.replace('_', ' of ')} lies in 0 to {most:.1f}",
            meta=say_rows(IMAGES, f"has a measured {column.replace('_', ' of ')} outside 0 to {most:.1f}"),
        )
        for column, most in sorted(ranges.items(), key=lambda one: one[1] > 1)
    ]


def _expect_usual_images(section: ValidateParams) -> Expectations:
    """How many images may be unusual: the same share for each way to be so."""
    import great_expectations.expectations as gxe

    usual, at_most = 1 - section.max_unusual_share, f"At most {section.max_unusual_share:.1%} of the"
    allow = partial(name_knobs, "validate", section, "max_unusual_share")
    long = f"very long (one side above {section.long_above:g} times the other)"
    return [
        gxe.ExpectColumnValuesToNotBeInSet(
            column="reason",
            value_set=["low_information"],
            mostly=usual,
            severity="warning",
            description=f"{at_most} files are blank or nearly so",
            meta=allow() | say_rows(FILES, "is blank or nearly so"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="brightness",
            min_value=section.dark_below,
            mostly=usual,
            severity="warning",
            description=f"{at_most} images are dark (brightness below {section.dark_below:g})",
            meta=allow("dark_below") | say_rows(IMAGES, f"is dark (brightness below {section.dark_below:g})"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="sharpness",
            min_value=section.blurred_below,
            mostly=usual,
            severity="warning",
            description=f"{at_most} images are blurred (sharpness below {section.blurred_below:g})",
            meta=allow("blurred_below")
            | say_rows(IMAGES, f"is blurred (sharpness below {section.blurred_below:g})"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="jpeg_quality",
            min_value=section.compressed_below,
            mostly=usual,
            severity="warning",
            description=f"{at_most} JPEGs have a quality below {section.compressed_below}",
            meta=allow("compressed_below")
            | say_rows(JPEGS, f"has a quality below {section.compressed_below}", unseen=_NO_JPEG),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="aspect",
            max_value=section.long_above,
            mostly=usual,
            severity="warning",
            description=f"{at_most} images are {long}",
            meta=allow("long_above") | say_rows(IMAGES, f"is {long}"),
        ),
    ]


def expect_of_classes(section: ValidateParams) -> Expectations:
    """Over validate's class table, one row per class folder."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=2,
            severity="critical",
            description="There are at least two classes to tell apart (a folder a class)",
            meta=say_total("At least two classes are needed (a folder a class), and the source has {found}"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="n_readable",
            min_value=section.min_images_per_class,
            severity="critical",
            description=f"Every class has at least {section.min_images_per_class} readable images",
            meta=name_knobs("validate", section, "min_images_per_class")
            | say_rows(CLASSES, f"has fewer than {section.min_images_per_class} readable images"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share_of_largest",
            min_value=section.min_class_share,
            severity="warning",
            description=f"No class is smaller than {section.min_class_share:.1%} of the largest",
            meta=name_knobs("validate", section, "min_class_share")
            | say_rows(CLASSES, f"has fewer than {section.min_class_share:.1%} of the images of the largest"),
        ),
    ]
