"""The one tree of errors that Darkroom raises on purpose.

Every message is one line for a person. It says what, where, what was allowed, what was found, and what to do.
However long the names and texts in it are, it has at most 2,000 characters, and none that a terminal obeys.
Only `runner.py` and `cli/app.py` catch `DarkroomError`. Any other exception is a bug and keeps its traceback.
"""

from collections.abc import Iterable

from pipeline.characters import cut, escape
from pipeline.refusals import Refusal

MAX_MESSAGE = 2000  # characters


class DarkroomError(Exception):
    """Something the user can put right; the message says how."""

    def __str__(self) -> str:
        return cut(escape(cut(super().__str__(), MAX_MESSAGE)), MAX_MESSAGE)


class ParamsError(DarkroomError):
    """`params.yaml` is missing, malformed, or holds a value that is not allowed."""


class SourceError(DarkroomError):
    """The image source is missing, of an unknown kind, damaged as a whole, or has changed."""


class ImageError(DarkroomError):
    """One picture cannot be used; `refusal` holds one of `refusals.REASONS`, and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.refusal = Refusal(reason, detail)

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        """Pickle both arguments, because the error crosses from worker processes."""
        return type(self), (self.refusal.reason, self.refusal.detail)


class DataError(DarkroomError):
    """The collection, or a table that a stage reads, cannot be used as it is."""


class ModelError(DarkroomError):
    """A model cannot be built, trained or loaded as asked."""


class StorageError(DarkroomError):
    """A file or folder cannot be written: the disk is full, fails, or does not allow it."""


class WorkersError(DarkroomError):
    """Worker processes cannot be started on this machine as it is now."""


class InputError(DarkroomError):
    """What a stage reads was changed while it ran."""


class TrackingError(DarkroomError):
    """The MLflow tracking server or database cannot be reached or refuses."""


class StudyError(DarkroomError):
    """The study of a search cannot be opened, joined or continued."""


class PromotionError(DarkroomError):
    """The registry cannot be read or changed as a promotion needs."""


def one_line(error: BaseException) -> str:
    """The message of a foreign exception on one line, cut to 200 characters; its type if it has none."""
    return " ".join(str(error)[:2000].split())[:200] or type(error).__name__


def explain_unread(path: object, error: OSError) -> str:
    """Why a file that is there cannot be read, and what to do, on one line."""
    said = error.strerror or one_line(error)
    if "is a directory" in said.casefold():  # pyarrow has words, and no number
        return f"{path} cannot be read: a folder lies where the file should be; move it away"
    advice = "allow reading it" if isinstance(error, PermissionError) else "look at its disk, or restore it"
    return f"{path} cannot be read: {said}; {advice}"


def quote_value(value: object) -> str:
    """A value as Python writes it, cut to 100 characters; a number of 5,000 digits has no such form."""
    try:
        return cut(repr(value), 100)
    except ValueError:
        return "a number of thousands of digits"


def nearest(word: str, known: Iterable[str], n: int = 3) -> str:
    """A hint for a misspelt word: " (did you mean ...?)" with up to `n` similar known words, or ""."""
    import difflib

    found = difflib.get_close_matches(word, list(known), n=n)
    return f" (did you mean {' or '.join(found)}?)" if found else ""
