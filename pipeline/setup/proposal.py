"""What to write into params.yaml for a collection, with a reason for each line: pure."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.characters import say_count
from pipeline.setup.survey import Survey
from pipeline.sources import Place

Preset = Literal["fast", "good", "new_sources"]
PRESETS: tuple[Preset, ...] = ("fast", "good", "new_sources")

_SMALL_PX = 64  # a typical shorter side from here on is a photo or a scan, not an icon or a digit
_SIDES = (16, 24, 28, 32, 48, 64)  # of small pictures
_BACKBONE_PX, _FAST_PX = 224, 64
_TRAIN_SHARE, _MANY_TRAINED = 0.7, 1000  # of the pictures; a number of pictures
_VAL_SHARE, _TEST_SHARE, _MAX_TEST_SHARE = 0.15, 0.15, 0.3  # of params.yaml; and of a small collection
_N_TESTED = 36  # test pictures: promote.min_common_images, and some that are lost to near-duplicates
_N_STEPS, _MAX_EPOCHS = 800, 200  # of the head, whose weights are averaged over about 100 steps
_MIN_GROUPS = 3  # of a class: one to train with, one to validate with, one to test with
_GREY = ("1", "L", "LA", "I;16", "I;16B", "I", "F")
# How file names and folders name a source.
_PATTERNS = (
    ("([^/]+?)__", 'what stands before "__" in a file name'),
    ("^[^/]+/([^/]+)/", "the folder below the class"),
    ("([A-Za-z]+[0-9]+)[_-][^/]*$", "the first part of a file name"),
    ("([A-Za-z]+)_[^/]*$", 'what stands before "_" in a file name'),
)


class Change(NamedTuple):
    """One line of params.yaml by its dotted key, and why."""

    key: str
    value: Any
    reason: str


def propose(survey: Survey, *, source: str, name: str, preset: Preset | None) -> list[Change]:
    """The lines that suit a collection.

    Args:
        source, name: as they are to be written.
        preset: None: `good`, or for small pictures `fast`.
    """
    side = find_typical_side(survey)
    is_small = side < _SMALL_PX
    chosen = preset or ("fast" if is_small else "good")
    found = [
        Change(
            "data.source",
            source,
            f"{say_count(survey.n_files, 'file')} in {say_count(len(survey.counts), 'class', 'classes')}",
        ),
        Change("data.name", name, "the experiment and the registered model are called so"),
    ]
    groups = find_groups(survey)
    found += _propose_groups(groups, survey, chosen)
    found += _propose_shares(survey)
    if is_small or chosen == "fast":
        return found + list(_propose_compact(survey, side))
    found += _propose_backbone(side)
    return found + list(_propose_head(survey.n_files, has_sources=chosen == "new_sources"))


def find_typical_side(survey: Survey) -> int:
    """The median of the shorter sides of the pictures that were looked at, in pixels; 0 if there are none."""
    sides = [min(one["width"], one["height"]) for one in survey.facts]
    return int(np.median(sides)) if sides else 0


class Groups(NamedTuple):
    """A pattern for `split.group_by`, what it means in words, and the groups that it finds by class."""

    pattern: str
    meaning: str
    of_label: dict[str, set[str]]

    @property
    def n_least(self) -> int:
        """The number of groups of the class with the fewest."""
        return min(map(len, self.of_label.values()))


def find_groups(survey: Survey) -> Groups | None:
    """A pattern that names where pictures come from: few names, each of many, in nearly every key."""
    keys = [(key, label) for key, label in survey.keys if label]
    for pattern, meaning in _PATTERNS:
        compiled, of_label, n_found = re.compile(pattern), defaultdict[str, set[str]](set), 0
        for key, label in keys:
            if match := compiled.search(key):
                n_found += 1
                of_label[label].add(match[1])
        n_names = len(set().union(*of_label.values()))
        is_regular = n_found >= 0.9 * len(keys) and len(of_label) == len(survey.counts)
        if is_regular and n_names > len(of_label) and n_names * 4 <= n_found:
            return Groups(pattern, meaning, dict(of_label))
    return None


def _propose_groups(groups: Groups | None, survey: Survey, preset: Preset) -> Iterator[Change]:
    if groups is None or survey.has_own_split:
        yield Change("split.group_by", "", "no part of the names looks like a batch or a source")
    elif preset == "new_sources" and groups.n_least >= _MIN_GROUPS:
        said = f"{groups.meaning} looks like a source: pictures of one source stay on one side of the split"
        yield Change("split.group_by", groups.pattern, said)
    else:
        fewest = min(groups.of_label, key=lambda label: (len(groups.of_label[label]), label))
        why = (
            f"but class {fewest!r} has {groups.n_least} of them, and a split by source needs {_MIN_GROUPS}"
            if groups.n_least < _MIN_GROUPS
            else f"{groups.pattern!r} would keep each on one side of the split (preset new_sources)"
        )
        yield Change("split.group_by", "", f"{groups.meaning} looks like a source, {why}")
        said = "every picture is also answered by a network that has seen nothing of its source"
        yield Change("split.fold_by", groups.pattern, said)


def _propose_shares(survey: Survey) -> Iterator[Change]:
    """A larger test set for a small collection: a later model is compared on it, and it cannot grow then.

    What moves into it later was learned from by the champion.
    """
    if survey.has_own_split or survey.n_files * _TEST_SHARE >= _N_TESTED:
        return
    test = min(_MAX_TEST_SHARE, 0.05 * ceil(_N_TESTED / max(survey.n_files, 1) / 0.05))
    n = round(survey.n_files * test)
    enough = "" if n >= _N_TESTED else f"; about {_N_TESTED} are needed, so add pictures before you compare"
    yield Change("split.test", round(test, 2), f"{n} pictures on which models are compared{enough}")
    yield Change("split.train", round(1 - _VAL_SHARE - test, 2), "what remains")


def _propose_compact(survey: Survey, side: int) -> Iterator[Change]:
    """A small network, trained from nothing."""
    own = min(_SIDES, key=lambda one: (abs(one - side), -one)) if side < _SMALL_PX else _FAST_PX
    is_grey = bool(survey.facts) and all(one["mode"] in _GREY for one in survey.facts)
    lost = "; quick, and fine detail is lost" if side > own else ""
    yield Change("clean.image_hw", [own, own], f"the shorter sides are {side} pixels, typically{lost}")
    yield Change("clean.channels", 1 if is_grey else 3, "all are grey" if is_grey else "some are in colour")
    yield Change("train.model", "compact", "small pictures need a small network, trained from nothing")
    yield Change("train.epochs", 20, "validation chooses the best of them")


def _propose_backbone(side: int) -> Iterator[Change]:
    """A network that has learned from photos, of which only the head is trained."""
    size = [_BACKBONE_PX, _BACKBONE_PX]
    yield Change(
        "clean.image_hw", size, f"what the network was made for; the shorter sides are {side} pixels"
    )
    yield Change("clean.channels", 3, "what the network was made for")
    yield Change(
        "train.model", "efficientnet_lite0", "has learned from ImageNet: few pictures a class suffice"
    )
    yield Change("train.weights", "imagenet", "17 MB, Apache-2.0, installed with Darkroom")


def _propose_head(n_files: int, *, has_sources: bool) -> Iterator[Change]:
    """How the head is trained. Averaged weights need many steps, and few pictures make few in an epoch."""
    if has_sources:
        n_train = max(1, round(n_files * _TRAIN_SHARE))
        batch_size = 64 if n_train >= _MANY_TRAINED else 16
        epochs = min(_MAX_EPOCHS, max(30, -(-_N_STEPS // -(-n_train // batch_size))))
        yield Change("train.features", "all", "what a picture is made of counts too, not only what it shows")
        yield Change("train.kernel_l2", 3.0, "holds the head back, so that it fits sources less")
        yield Change("train.ema", 0.99, "averages the weights, which a few heavy pictures make noisy")
        yield Change("train.batch_size", batch_size, f"about {n_train:,} pictures to learn from")
        yield Change("train.epochs", epochs, f"enough steps for the average of weights: {_N_STEPS} or more")
        yield Change("train.patience", epochs, "the schedule comes to its end")
    else:
        yield Change("train.epochs", 30, "each takes seconds: features are computed once")


def name_collection(source: Place, root: Path) -> str:
    """A name from where the pictures lie: the archive or folder; for data/raw, the project's folder."""
    place = source.resolve() if isinstance(source, Path) else Path(source.name)
    if place == (root / "data" / "raw").resolve():
        place = root.resolve()
    text = re.sub(r"(\.tar)?\.[A-Za-z0-9]{2,7}$", "", place.name) if source.is_file() else place.name
    words = re.sub(r"[^\w.\- ]+", "-", text).strip(" .-_")[:50].strip(" .-_")
    return words or "pictures"


def show_value(value: Any) -> str:
    """A value as params.yaml would show it on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(show_value, value))}]"
    return "''" if value == "" else str(value)


def list_values(changes: Sequence[Change]) -> dict[str, Any]:
    """The values by dotted key."""
    return {change.key: change.value for change in changes}
