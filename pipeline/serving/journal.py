"""The answers of a run so far, in a file beside its output: a run that was killed continues behind them.

The first line says of which model, options and files they are. Then there is a line of JSON for each file,
and behind each batch a line that closes it. What stands behind the last closed batch is done again, and so is
what a power cut has left unreadable. A line with the hash of the output comes before the output appears. So a
run that is killed between this and the removal of the journal is known to be finished.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import ParamsError
from pipeline.storage import hash_file, lock, make_folder, translate_errors, write_whole

Row = Mapping[str, Any]

ENDING = ".part"
_FORMAT = 1
_FIRST, _CLOSED, _END = "darkroom predict", "closed", "output"  # keys of lines that are no rows
_MAX_FIRST = 4096  # bytes of the first line


class Origin(NamedTuple):
    """What answers belong to: hashes of the model, the options and the list of files."""

    model: str
    options: str
    files: str


class Journal:
    """A journal that this process holds; made by `open_journal`.

    Attributes:
        n_rows: files whose answers are in it, all of them in closed batches.
        state: what was given with the last closed batch; None before the first.
        told: why earlier answers are not used, or that they are.
    """

    def __init__(self, path: Path, out: Path | None, origin: Origin) -> None:
        self.path, self._out, self._origin = path, out, origin
        self.n_rows, self.state = 0, None
        self.told = self._output = ""
        self._end = self._read()

    @property
    def is_finished(self) -> bool:
        """Whether the output is there already, as this very run made it."""
        return bool(
            self._output and self._out and self._out.is_file() and hash_file(self._out) == self._output
        )

    def begin(self) -> None:
        """Write the first line, unless there are answers to continue behind."""
        if not self._end:
            text = json.dumps({_FIRST: _FORMAT} | self._origin._asdict()) + "\n"
            with translate_errors(self.path):
                self.path.write_text(text, encoding="utf-8")
            self._end = len(text)

    @contextmanager
    def extend(self) -> Iterator[Callable[[Sequence[Row], Any], None]]:
        """Yields a function that adds a batch of rows, with a state that can be written as JSON."""
        with translate_errors(self.path):
            opened = self.path.open("r+b")
        with opened as file:
            file.truncate(self._end)
            file.seek(self._end)

            def add(rows: Sequence[Row], state: Any) -> None:
                lines = [json.dumps(row) for row in rows]
                lines.append(json.dumps({_CLOSED: self.n_rows + len(rows), "state": state}))
                with translate_errors(self.path):
                    file.write("".join(f"{line}\n" for line in lines).encode())
                    file.flush()
                self.n_rows += len(rows)
                self.state, self._end = state, file.tell()

            yield add

    def read_rows(self) -> Iterator[dict[str, Any]]:
        """The rows of all closed batches, in their order."""
        with translate_errors(self.path), self.path.open("rb") as file:
            file.readline()
            while file.tell() < self._end:
                line = json.loads(file.readline())
                if _CLOSED not in line:
                    yield line

    def finish(self, write: Callable[[Iterator[dict[str, Any]], Path], None]) -> None:
        """Write the output, whole and where nothing else is, from all rows by `write(rows, path)`.

        Raises:
            ParamsError: something lies in its place meanwhile.
            StorageError: it cannot be written.
        """
        if self._out is None:
            return
        with write_whole(self._out) as temporary:
            write(self.read_rows(), temporary)
            with self.path.open("r+b") as file:
                file.truncate(self._end)
                file.seek(self._end)
                file.write(json.dumps({_END: hash_file(temporary)}).encode() + b"\n")
            refuse_existing(self._out)

    def remove(self) -> None:
        """Remove the journal: all is done."""
        with translate_errors(self.path):
            self.path.unlink(missing_ok=True)

    def _read(self) -> int:
        """Read what an earlier run left; the number of bytes that count, 0 for none."""
        with self.path.open("rb") as file:
            first = file.readline(_MAX_FIRST)
            if not self._is_own(first, file.read(1) == b""):
                raise ParamsError(
                    f"{self.path} is in the way: it is no journal of `darkroom predict`; move it"
                )
            if not first.endswith(b"\n"):
                return 0
            said = _read_line(first)
            if said is None:
                self.told = f"{self.path} is damaged: everything is answered anew"
                return 0
            if other := _find_other(said, self._origin):
                self.told = f"{self.path} is of {other}: everything is answered anew"
                return 0
            file.seek(len(first))
            return self._read_batches(file, len(first))

    def _read_batches(self, file: Any, end: int) -> int:
        place, n_rows = end, 0
        for line in iter(file.readline, b""):
            place += len(line)
            if (said := _read_line(line)) is None:
                break
            if _CLOSED in said:
                if said[_CLOSED] != n_rows or "state" not in said:
                    break
                self.n_rows, self.state, end = n_rows, said["state"], place
            elif _END in said:
                self._output = said[_END]
            else:
                n_rows += 1
        if self.n_rows:
            self.told = f"{self.n_rows:,} files were answered before: it continues behind them"
        return end

    @staticmethod
    def _is_own(first: bytes, is_all: bool) -> bool:
        """Whether a file begins as a journal does; or as one whose process was killed before it had begun."""
        start = json.dumps({_FIRST: _FORMAT})[:-1].encode()
        return first.startswith(start) or (is_all and start.startswith(first))


@contextmanager
def open_journal(path: Path, out: Path | None, origin: Origin) -> Iterator[Journal]:
    """The journal of a run, new or as an earlier run left it, held by this process alone.

    Args:
        out: the file that is made of it at the end; None: there is none.

    Raises:
        ParamsError: another process has it; it is a file of something else; or there is a finished output.
        StorageError: it cannot be written.
    """
    make_folder(path.parent)
    if out and not path.exists():
        refuse_existing(out)
    with ExitStack() as held:
        with translate_errors(path):
            is_mine = held.enter_context(lock(path))
            if not is_mine:
                raise ParamsError(f"another `darkroom predict` writes {path}; wait for it")
            journal = Journal(path, out, origin)
        if out and not journal.is_finished:
            refuse_existing(out)
        journal.begin()
        yield journal


def refuse_existing(out: Path) -> None:
    """Raise ParamsError where an output lies already: nothing of the user's is written over."""
    if out.exists() or out.is_symlink():
        raise ParamsError(f"{out} exists already, and is not written over; name another file, or remove it")


def _read_line(line: bytes) -> dict[str, Any] | None:
    """What a line holds; None if it is damaged."""
    try:
        said = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _find_other(said: Any, origin: Origin) -> str:
    """What differs between a journal's first line and this run; "" if nothing does."""
    words = {"model": "another model", "options": "other options", "files": "other files"}
    return ", ".join(words[name] for name, mine in origin._asdict().items() if said.get(name) != mine)


def describe_place(path: Path) -> Path:
    """Where the journal of an output (a file or a folder) lies: beside it.

    Raises:
        ParamsError: nothing can lie beside the root of the file system.
    """
    named = path.resolve() if path.name in ("", "..") else path
    if not named.name:
        raise ParamsError(f"{path} is a whole file system; name a folder in it")
    return named.with_name(named.name + ENDING)
