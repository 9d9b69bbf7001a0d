"""What stays together in a split or a fold: near-duplicates, and pictures of one name, such as a source."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.collection.near_links import find_components
from pipeline.tables.split import NAMED


def find_group_names(keys: "pd.Series[str]", pattern: str) -> list[str]:
    """What the pattern's first group (or the whole match) finds in each key; "" if it finds nothing."""
    compiled = re.compile(pattern)
    number = min(compiled.groups, 1)
    matches = (compiled.search(key) for key in keys)
    return [(match[number] or "") if match else "" for match in matches]


def merge_groups(keys: "pd.Series[str]", groups: "pd.Series[str]", pattern: str) -> "pd.Series[str]":
    """Groups of pictures, merged where `pattern` finds the same name in their keys; "": as they are.

    A merged group takes the smallest of its names, so new pictures under a name move none. A group without a
    name keeps its own.
    """
    if not pattern:
        return groups
    group_of, named = pd.factorize(groups)
    name_of, names = pd.factorize(pd.Series(find_group_names(keys, pattern), dtype="str"), sort=True)
    is_named = np.asarray(names[name_of] != "")
    called = np.array([f"{NAMED}{name}" for name in names], dtype=object)
    # Names come first: a component is then known by its smallest name, if it has one.
    edges = name_of[is_named].astype(np.int64), len(names) + group_of[is_named].astype(np.int64)
    found = find_components(len(names) + len(named), *edges)[len(names) + group_of]
    label = np.concatenate([called, np.asarray(named, dtype=object)])
    return pd.Series(label[found], index=groups.index, dtype="str")


def name_fold_groups(
    keys: "pd.Series[str]", groups: "pd.Series[str]", classes: npt.NDArray[np.int32], pattern: str
) -> "pd.Series[str]":
    """What no fold divides: `groups`, merged where `pattern` finds the same name in their keys.

    A class in which only one name is found keeps its groups apart: without them no picture of the class would
    be left to learn from. A near-duplicate of a picture of another class stays with it.
    """
    merged = merge_groups(keys, groups, pattern)
    is_merged = merged.groupby(classes).transform("nunique") > 1
    name_of = dict(zip(groups[is_merged], merged[is_merged], strict=True))
    return pd.Series([name_of.get(group, group) for group in groups], index=groups.index, dtype="str")
