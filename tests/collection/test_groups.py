"""Groups: what a pattern finds in a key, and what meets under one name."""

import numpy as np
import pandas as pd
import pytest

from pipeline.collection.groups import find_group_names, merge_groups, name_fold_groups


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("batch", ["batch", "batch", "", ""], id="the whole match"),
        pytest.param(r"batch(\d+)", ["1", "23", "", ""], id="its first group"),
        pytest.param(r"(?:b|l)a|(z)", ["", "", "", "z"], id="a group that took no part"),
        pytest.param(r"(\w)/.*_(\w)", ["a", "a", "", "b"], id="the first of two groups"),
    ],
)
def test_a_pattern_names_groups(pattern: str, expected: list[str]) -> None:
    keys = pd.Series(["a/batch1_x.png", "a/batch23_y.png", "a/label.png", "b/z_z.png"], dtype="str")
    assert find_group_names(keys, pattern) == expected


def test_groups_meet_under_a_name_and_take_the_smallest() -> None:
    keys = pd.Series(["a/s2_1.png", "a/s2_2.png", "b/s1_1.png", "b/s1_2.png", "b/none.png"])
    groups = pd.Series(["x", "y", "y", "z", "w"])
    found = merge_groups(keys, groups, r"/(s\d+)_")
    assert found.tolist() == ["group_by:s1"] * 4 + ["w"], "s2 and s1 meet in y"
    assert merge_groups(keys, groups, "").tolist() == groups.tolist()


def test_a_class_of_one_name_keeps_its_groups_but_no_near_duplicates_part() -> None:
    """Class 1 has source s0 alone; its first picture is a near-duplicate of one of class 0."""
    keys = pd.Series(["a/s0__1", "a/s0__2", "a/s1__1", "c/s0__1", "c/s0__2"], dtype="str")
    groups = pd.Series(["g1", "g2", "g3", "g1", "g4"], dtype="str")
    classes = np.array([0, 0, 0, 1, 1], np.int32)
    found = name_fold_groups(keys, groups, classes, "([^/]+)__").tolist()
    assert found[0] == found[1] == found[3] != found[2]
    assert found[4] == "g4"
    alone = name_fold_groups(keys[3:], groups[3:], classes[3:], "([^/]+)__")
    assert alone.tolist() == ["g1", "g4"]
