"""What tables of labels have in common: which column is which, and what counts as a label."""

import math
import re
from collections.abc import Collection, Iterable, Sequence

from pipeline.characters import cut, escape
from pipeline.errors import SourceError
from pipeline.labels import compose_label, sort_naturally
from pipeline.sources.parts import find_part
from pipeline.sources.pixels import name_numbers
from pipeline.sources.records import Listing

# Names of columns, the surest first; capitals, spaces, _ and - do not count.
_PATHS = (
    *("filename", "filepath", "file", "path", "pathname", "imagepath", "imagefile", "imagename", "image"),
    *("imgpath", "imgname", "imgfile", "img", "picture", "photo", "imageid", "imgid", "relpath", "uri", "id"),
)
_LABELS = (
    *("label", "labels", "class", "classname", "classlabel", "cls", "category", "target", "labelname"),
    *("classid", "labelid", "tag", "species", "breed", "diagnosis", "y"),
)
_SPLITS = ("split", "subset", "partition", "set", "part")
_MAX_LABEL = 200  # characters
MAX_CLASSES = 10_000  # a column of so many labels numbers the rows
_WHOLE = re.compile(r"[+-]?\d{1,18}")


def find_label_column(names: Sequence[str], wanted: str = "") -> str:
    """The column of labels: the wanted one, or one that is named like it; "" if there is none."""
    return _find(names, _LABELS, wanted)


def find_columns(names: Sequence[str], wanted: Sequence[str], *, is_asked: bool) -> tuple[str, str, str]:
    """The columns of paths, of labels and of parts of a split, each "" if there is none.

    Args:
        wanted: their names as params.yaml gives them; "": found by its name.
        is_asked: params.yaml names the table; of its two columns, one that is not known is then the other.
    """
    path, label = _find(names, _PATHS, wanted[0]), _find(names, _LABELS, wanted[1])
    if is_asked and len(names) == 2 and (path or label) and path != label:
        (other,) = set(names) - {path or label}
        path, label = path or ("" if wanted[0] else other), label or ("" if wanted[1] else other)
    return path, label, _find(names, _SPLITS, wanted[2])


def _find(names: Sequence[str], known: Sequence[str], wanted: str) -> str:
    if wanted:
        return wanted if wanted in names else ""
    plain = {re.sub(r"[\s_\-]+", "", name.lower()): name for name in reversed(names)}
    return next((plain[name] for name in known if name in plain), "")


def read_label(value: object, where: str) -> str:
    """A label as one line of composed text; "" for nothing, and for a number that is none (NaN).

    Raises:
        SourceError: it is no text and no number, or longer than a label can be; `where` says which.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        raise SourceError(
            f"{where}: a label is a text or a number, got {cut(str(value), 80)}; one label a picture"
        )
    label = compose_label(escape(str(value).strip()))
    if len(label) > _MAX_LABEL:
        raise SourceError(
            f"{where}: a label has up to {_MAX_LABEL} characters, got {len(label):,} ({cut(label, 60)}); "
            "name the column of classes with data.labels.label_column"
        )
    return label


def read_part(value: object, where: str) -> str:
    """A part of a split as train | val | test, or "" for nothing; raises SourceError for other words."""
    text = str(value if value is not None else "").strip()
    part = find_part(text)
    if text and not part:
        raise SourceError(
            f"{where}: a part of a split is train, val or test, got {cut(escape(text), 60)!r}; name another "
            "column with data.labels.split_column"
        )
    return {"eval": "test"}.get(part, part)


def check_few(labels: Collection[str], listing: Listing) -> None:
    """Raise SourceError where so many labels are found that they are no classes."""
    if len(labels) > MAX_CLASSES:
        raise SourceError(
            f"the source {listing.where} has more than {MAX_CLASSES:,} different labels; name the column of "
            "classes with data.labels.label_column"
        )


def name_labels(found: Iterable[str], class_names: Sequence[str], listing: Listing) -> dict[str, str]:
    """What each label is called: numbers by `class_names`, if there are any; others as they are."""
    labels = set(found) - {""}
    if not class_names or not labels or not all(map(_WHOLE.fullmatch, labels)):
        return {label: label for label in labels}
    names = name_numbers({int(label) for label in labels}, class_names, listing)
    return {label: names[int(label)] for label in labels}


def list_names(names: Iterable[str], class_names: Sequence[str]) -> tuple[str, ...]:
    """All classes in natural order; those of `class_names` too, if the labels are among them."""
    found = set(names)
    known = set(map(compose_label, class_names))
    return tuple(sorted(found | known if found <= known else found, key=sort_naturally))
