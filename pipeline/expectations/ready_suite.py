"""The suite `ready`, to be read: what a collection must be like after clean.

As in `intake_suite.py`, there is one list per table. Critical stops the stage, a warning does not.
"""

from collections.abc import Sequence

from pipeline.expectations.engine import Expectations, name_knobs
from pipeline.expectations.wording import CLASSES, PICTURES, say_rows, say_total
from pipeline.params import CleanParams


def expect_of_pictures(section: CleanParams, labels: Sequence[str]) -> Expectations:
    """Over clean's manifest, one row per kept picture."""
    import great_expectations.expectations as gxe

    plain = section.ready.max_plain_share
    return [
        gxe.ExpectColumnValuesToBeUnique(
            column="id",
            severity="critical",
            description="No two pictures have the same bytes",
            meta=say_rows(PICTURES, "has the same bytes as another"),
        ),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["shard", "row"],
            severity="critical",
            description="Every picture has a place of its own in the shards",
            meta=say_rows(PICTURES, "has the place of another in the shards"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="label",
            value_set=list(labels),
            severity="critical",
            description="Every picture has the label of a class folder of the source",
            meta=say_rows(PICTURES, "has a label that is no class folder of the source"),
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="duplicate_group",
            severity="critical",
            description="Every picture is in a group, which the split never divides",
            meta=say_rows(PICTURES, "is in no group, which the split would need"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="fingerprint_quality",
            min_value=section.near_duplicate_min_quality,
            mostly=1 - plain,
            severity="warning",
            description=f"At most {plain:.1%} of the pictures are too plain to be compared with others",
            meta=name_knobs("clean", section, "near_duplicate_min_quality", "ready.max_plain_share")
            | say_rows(
                PICTURES, "is too plain to be compared with others", left_out="is too small for a fingerprint"
            ),
        ),
    ]


def expect_of_sums(section: CleanParams) -> Expectations:
    """Over one row of totals, so that a column's maximum is its value."""
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
            meta=say_total("Kept and quarantined together are not the files of the source: {found} differ"),
        ),
        gxe.ExpectColumnMaxToBeBetween(
            column="n_without_pixels",
            max_value=0,
            severity="critical",
            description="The shards hold a picture for every row of the manifest (missing: 0)",
            meta=say_total("The shards hold no picture for some rows of the manifest: {found} missing"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="shape",
            value_set=[f"{height} x {width} x {section.channels}"],
            severity="critical",
            description=f"Pictures in the shards are {height} x {width} x {section.channels}",
            meta=name_knobs("clean", section, "image_hw", "channels")
            | say_total(f"The pictures in the shards are not {height} x {width} x {section.channels}"),
        ),
        gxe.ExpectColumnMaxToBeBetween(
            column="share_quarantined",
            max_value=limits.max_quarantined_share,
            severity="critical",
            description=f"At most {limits.max_quarantined_share:.1%} of the files that validate let pass are "
            "quarantined as copies, as conflicts, or by hand",
            meta=name_knobs("clean", section, "ready.max_quarantined_share")
            | say_total(
                "{found} of the files that validate let pass are quarantined as copies, as conflicts, or by "
                f"hand; allowed: at most {limits.max_quarantined_share:.1%}"
            ),
        ),
        *_expect_few_near_duplicates(section),
    ]


def _expect_few_near_duplicates(section: CleanParams) -> Expectations:
    """Pictures that look alike tell a model little, and one large group spoils the split."""
    import great_expectations.expectations as gxe

    limits = section.ready
    return [
        gxe.ExpectColumnMaxToBeBetween(
            column="share_near_duplicates",
            max_value=limits.max_near_duplicate_share,
            severity="warning",
            description=f"At most {limits.max_near_duplicate_share:.1%} of the pictures "
            f"have a near-duplicate",
            meta=name_knobs("clean", section, "near_duplicate_distance", "ready.max_near_duplicate_share")
            | say_total(
                "{found} of the pictures have a near-duplicate; "
                f"allowed: at most {limits.max_near_duplicate_share:.1%}"
            ),
        ),
        gxe.ExpectColumnMaxToBeBetween(
            column="share_largest_group",
            max_value=limits.max_group_share,
            severity="warning",
            description=f"No group of near-duplicates holds more than {limits.max_group_share:.1%} of the "
            "pictures, all of which will be on one side of the split",
            meta=name_knobs("clean", section, "near_duplicate_distance", "ready.max_group_share")
            | say_total(
                "One group of near-duplicates holds {found} of the pictures, all of which will be on one "
                f"side of the split; allowed: at most {limits.max_group_share:.1%}"
            ),
        ),
    ]


def expect_of_classes(section: CleanParams) -> Expectations:
    """Over one row per class: what is left of it."""
    import great_expectations.expectations as gxe

    limits = section.ready
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="n_kept",
            min_value=limits.min_images_per_class,
            severity="critical",
            description=f"Every class has at least {limits.min_images_per_class} pictures left",
            meta=name_knobs("clean", section, "ready.min_images_per_class")
            | say_rows(CLASSES, f"has fewer than {limits.min_images_per_class} pictures left"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share_of_largest",
            min_value=limits.min_class_share,
            severity="warning",
            description=f"No class is smaller than {limits.min_class_share:.1%} of the largest",
            meta=name_knobs("clean", section, "ready.min_class_share")
            | say_rows(
                CLASSES, f"has fewer than {limits.min_class_share:.1%} of the pictures of the largest"
            ),
        ),
    ]
