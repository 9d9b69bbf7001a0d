"""What an expectation says where it is not met: what happened, not the opposite.

Great Expectations carries the words in an expectation's `meta`, and hands them back with its result.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

Things = tuple[str, str]  # what a row is, one and many

FILES: Things = ("file", "files")
IMAGES: Things = ("image", "images")
JPEGS: Things = ("JPEG", "JPEGs")
PICTURES: Things = ("picture", "pictures")
CLASSES: Things = ("class", "classes")
_PLURALS = {"is": "are", "has": "have"}


class Wording(NamedTuple):
    """The words of an expectation about rows.

    Attributes:
        things: what a row is.
        what: what one row is like that is not as expected, such as "is dark".
        unseen: why there may be nothing to look at.
        left_out: what one row without a value is like, if that is worth a word.
    """

    things: Things
    what: str
    unseen: str = ""
    left_out: str = ""

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> "Wording":
        """The words in an expectation's `meta`."""
        words = meta["rows"]
        return cls(**(words | {"things": tuple(words["things"])}))

    def say_unmet(self, n_bad: int, n_all: int, mostly: float) -> str:
        """What happened: "4 of 30 images (13.3%) are dark; allowed: at most 10.0%"."""
        share, allowed = "", ""
        if mostly < 1:
            share, allowed = f" ({n_bad / n_all:.1%})", f"; allowed: at most {1 - mostly:.1%}"
        return f"{n_bad:,} of {_count(n_all, self.things)}{share} {_agree(self.what, n_bad)}{allowed}"

    def say_found(self, n_bad: int, n_all: int, mostly: float) -> str:
        """What was found, in short: "none of 30 images", "all 30 files"."""
        count = _count(n_all, self.things)
        if not n_bad:
            return f"none of {count}" if mostly < 1 else f"all {count}"
        return f"{n_bad:,} of {count}" + (f" ({n_bad / n_all:.1%})" if mostly < 1 else "")

    def say_left_out(self, n: int) -> str:
        """The rows without a value: "3 pictures are too small"; "" where that is not worth a word."""
        return f"{_count(n, self.things)} {_agree(self.left_out, n)}" if n and self.left_out else ""


def say_rows(things: Things, what: str, *, unseen: str = "", left_out: str = "") -> dict[str, Any]:
    """The words of an expectation about rows, as `meta`: see Wording."""
    return {"rows": Wording(things, what, unseen, left_out)._asdict() | {"things": list(things)}}


def say_total(unmet: str) -> dict[str, Any]:
    """The words of an expectation about one number, as `meta`: `unmet` holds {found}."""
    return {"unmet": unmet}


def _count(n: int, things: Things) -> str:
    return f"{n:,} {things[n != 1]}"


def _agree(what: str, n: int) -> str:
    """Words about one thing, for n of them."""
    verb, _, rest = what.partition(" ")
    return what if n == 1 else f"{_PLURALS.get(verb, verb)} {rest}"
