"""Made-up pictures of a class: what `darkroom synthesize` keeps, and what the stage augment takes of it.

`data/synthetic/pictures` holds a file per class. Git ignores these files; the folder itself is in git, so
that DVC finds it in a fresh clone. A file holds the pictures, the name of the class, and the ids of the
pictures that the generator learned from. With these ids `augment` sees when the split has moved one of them
into the test set: the made-up pictures may then resemble it.
"""

import hashlib
import itertools
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError, ParamsError, one_line, quote_value
from pipeline.storage import write_whole

Uint8 = npt.NDArray[np.uint8]

_SUFFIX = ".npz"
_N_NAMED = 5  # in an error


@dataclass(frozen=True)
class Synthetic:
    """Made-up pictures of one class.

    Attributes:
        pictures: uint8 [n, height, width, channels]; the first k of n are those of a smaller n.
        learned_from: the ids of the training pictures that the generator has seen, sorted.
    """

    class_name: str
    pictures: Uint8
    learned_from: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def id(self) -> str:
        """What its rows have in place of a picture's id; the number of the copy tells them apart."""
        return f"synthetic-{name_class(self.class_name)}"


def name_class(class_name: str) -> str:
    """A name for files that is safe everywhere, and different for different classes: "Oak-tree-1f0c32ab"."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", class_name).strip("-")[:40]
    return "-".join(filter(None, [words, hashlib.sha256(class_name.encode()).hexdigest()[:8]]))


def write_synthetic(made: Synthetic, folder: Path) -> Path:
    """Write the file of a class, whole; the same pictures give the same bytes."""
    path = folder / f"{name_class(made.class_name)}{_SUFFIX}"
    texts = {"class_name": [made.class_name], "learned_from": list(made.learned_from)}
    arrays = {name: np.array(text, dtype=np.str_) for name, text in texts.items()}
    with write_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, pictures=made.pictures, allow_pickle=False, **arrays)
    return path


def read_synthetic(folder: Path) -> list[Synthetic]:
    """The made-up pictures of all classes, sorted by the name of the class.

    Raises:
        DataError: a file is damaged, or two are of one class.
    """
    found = sorted(map(_read, sorted(folder.glob(f"*{_SUFFIX}"))), key=lambda made: made.class_name)
    for one, other in itertools.pairwise(found):
        if one.class_name == other.class_name:
            raise DataError(
                f"two files of {folder} hold made-up pictures of {quote_value(one.class_name)}; remove all "
                f"but {name_class(one.class_name)}{_SUFFIX}"
            )
    return found


def choose_synthetic(
    folder: Path,
    n_a_class: int,
    *,
    class_names: Sequence[str],
    picture_shape: tuple[int, int, int],
    held_out: Collection[str],
) -> list[Synthetic]:
    """At most so many made-up pictures of each class, the first of its file; [] if `n_a_class` is 0.

    Args:
        held_out: the ids of the validation and test pictures.

    Raises:
        ParamsError: none have been made.
        DataError: they are damaged, of another shape, of no class, or learned from what is now held out.
    """
    if not n_a_class:
        return []
    found = read_synthetic(folder)
    if not found:
        raise ParamsError(
            f"augment.synthetic is {n_a_class}, and no made-up picture lies in {folder.name}; run "
            "`darkroom synthesize CLASS`, or set it to 0"
        )
    for made in found:
        if fault := _find_fault(made, class_names, picture_shape, set(held_out)):
            raise DataError(
                f"the made-up pictures of {quote_value(made.class_name)} {fault}, or remove "
                f"{folder / name_class(made.class_name)}{_SUFFIX}"
            )
    return [Synthetic(made.class_name, made.pictures[:n_a_class], made.learned_from) for made in found]


def _find_fault(
    made: Synthetic, class_names: Sequence[str], shape: tuple[int, int, int], held_out: set[str]
) -> str:
    """Why these pictures must not enter training and what to do, or ""."""
    again = f"run `darkroom synthesize {shlex.quote(made.class_name)}` again"
    if made.class_name not in class_names:
        known = ", ".join(map(quote_value, class_names[:_N_NAMED]))
        return f"are of no class that there is ({known}): merge or rename classes in data.classes"
    if made.pictures.shape[1:] != shape:
        was, now = ("x".join(map(str, one)) for one in (made.pictures.shape[1:], shape))
        return f"are {was} and the collection is {now} now: {again}"
    if seen := held_out.intersection(made.learned_from):
        return (
            f"were learned from {len(seen)} pictures that are in val or test now, so they would give "
            f"the answers away: {again}"
        )
    return ""


def _read(path: Path) -> Synthetic:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            pictures, (name,) = arrays["pictures"], arrays["class_name"]
            ids = tuple(map(str, arrays["learned_from"]))
    except Exception as error:  # noqa: BLE001 (a flipped bit makes zip and NumPy raise nearly anything)
        raise DataError(
            f"{path} holds no made-up pictures that can be read: {one_line(error)}; remove it, and run "
            "`darkroom synthesize` again"
        ) from None
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or not len(pictures):
        raise DataError(f"{path} holds {pictures.dtype} {pictures.shape} and no pictures; remove it")
    return Synthetic(str(name), pictures, ids)
