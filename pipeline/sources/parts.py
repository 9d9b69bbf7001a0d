"""Which part of a split (train, val, test) a name says: "Training", "seg_train", "val2017", "hold-out"."""

import re
from collections.abc import Callable, Iterable

from pipeline.sources.names import is_side_file

_ROLES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "devel", "development"),
    "test": ("test", "testing", "t10k", "holdout", "heldout"),
    "eval": ("eval", "evaluation"),
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words}
EXACT = (
    "train",
    "val",
    "valid",
    "validation",
    "test",
)  # names that mean a part even where little else agrees
_FILLERS = (
    *("set", "sets", "data", "dataset", "split", "part", "folder", "seg", "files", "samples"),
    *("image", "images", "img", "imgs", "pic", "pics", "picture", "pictures", "photo", "photos"),
)
_GLUED = re.compile(rf"({'|'.join(_ROLE_OF)})(?:{'|'.join(_FILLERS)})")


def find_part(name: str) -> str:
    """The part that a name says: train | val | test | eval, or "" if it says none or more than that.

    Digits, punctuation and words such as "images" and "set" do not count.
    """
    text = re.sub(r"(hold|held)[^a-z0-9]+out", r"\1out", name.lower().replace("t10k", "testing"))
    words = [word for word in re.findall(r"[^\W\d_]+", text) if word not in _FILLERS]
    if len(words) != 1:
        return ""
    glued = _GLUED.fullmatch(words[0])
    return _ROLE_OF.get(glued[1] if glued else words[0], "")


def find_part_of_file(name: str) -> str:
    """The part that a file's path says: in its own name ("train-00000-of-00003.parquet"), or a folder's."""
    for part in reversed(name.split("/")):
        words = {_ROLE_OF[word] for word in re.findall(r"[^\W\d_]+", part.lower()) if word in _ROLE_OF}
        if len(words) == 1:
            return words.pop()
    return ""


def name_parts(names: Iterable[str], find: Callable[[str], str] = find_part) -> dict[str, str]:
    """The part of each name that says one, as train | val | test; "eval" is val beside a test set.

    Empty unless they are a split: training and at least one other part.
    """
    said = {name: part for name in names if (part := find(name))}
    evaluation = "val" if "test" in said.values() else "test"
    parts = {name: evaluation if part == "eval" else part for name, part in said.items()}
    return parts if "train" in parts.values() and len({*parts.values()}) > 1 else {}


def has_class_folders(names: Iterable[str]) -> bool:
    """Whether two or more folders, none of them a part of a split, hold pictures: the usual layout."""
    folders = {tuple(name.split("/")[:-1][:2]) for name in names if "/" in name and not is_side_file(name)}
    tops = {folder[0] for folder in folders}
    parts = name_parts(tops)
    inside = {folder[1:] for folder in folders} - {()}
    return len(inside if parts and tops == parts.keys() else tops) > 1
