"""What a stage used, compared with what lies there when it ends.

DVC hashes dependencies and parameters after a command. Without this comparison, an edit made meanwhile would
be recorded in dvc.lock as what the stage ran with, and no later run would put it right.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DarkroomError, InputError
from pipeline.params import DataParams, Params
from pipeline.paths import Paths
from pipeline.tracking.lineage import Lineage, compute_md5, show_value


@dataclass(frozen=True)
class Inputs:
    """The inputs of one stage at one moment.

    Parameters and small files are compared by content. What earlier stages wrote, and the source, are
    compared by size and time: hashing them would read all of them.
    """

    lineage: Lineage
    stage: str
    params: dict[str, Any]
    files: dict[str, str]

    @classmethod
    def read(cls, paths: Paths, stage: str) -> "Inputs":
        """The inputs as they are now; call this before the stage reads anything."""
        lineage = Lineage(paths)
        if not lineage.has(stage):
            return cls(lineage, stage, {}, {})
        made = lineage.list_made()
        files = {
            path: (_stamp if path in made else _hash)(paths.root / path) for path in lineage.list_deps(stage)
        }
        return cls(lineage, stage, lineage.list_params(stage), files)

    def stamp_source(self, params: Params) -> tuple[str, str]:
        """What the source, and what is labelled beside it, look like now; "" for a stage that reads none."""
        if not self.lineage.reads_source(self.stage):
            return "", ""
        return _stamp_collection(self.lineage.paths.root, params.data)

    def check(self, params: Params, stamps: tuple[str, str]) -> None:
        """Compare with what lies there now; a stage that used something else loses its outputs.

        Args:
            stamps: what `stamp_source` said at the beginning.

        Raises:
            InputError: something was edited meanwhile; the message says what.
        """
        try:
            changes = self._find_changes()
            now, places = self.stamp_source(params), (params.data.source, params.data.labelled)
            changed = (place for place, *two in zip(places, stamps, now, strict=True) if two[0] != two[1])
            changes += [f"the source {place} was changed" for place in changed]
        except DarkroomError as error:  # params.yaml is no YAML any more, or the source is gone
            changes = [str(error)]
        if changes:
            self.withdraw_outputs()
            raise InputError(
                f"{'; '.join(changes[:3])} while {self.stage} ran, so its result is neither of before nor of "
                "now and was removed; run `dvc repro` again"
            )

    def _find_changes(self) -> list[str]:
        now = Inputs.read(self.lineage.paths, self.stage)
        return [*_compare_params(self.params, now.params), *_compare_files(self.files, now.files)]

    def withdraw_outputs(self) -> None:
        """Remove what the stage wrote."""
        for path in map(self.lineage.paths.root.joinpath, self.lineage.list_out_paths(self.stage)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _compare_params(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key in sorted(before.keys() | now.keys()):
        was, is_now = before.get(key), now.get(key)
        if isinstance(was, Mapping) and isinstance(is_now, Mapping):
            yield from _compare_params(was, is_now, f"{prefix}{key}.")
        elif was != is_now:
            change = f"from {show_value(was)} to {show_value(is_now)}"
            yield f"{prefix}{key} in params.yaml was changed {change}"


def _compare_files(before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    for path in sorted(before.keys() | now.keys()):
        if before.get(path) != now.get(path):
            yield f"{path} was changed"


def _hash(path: Path) -> str:
    """The md5 of a file; "" if there is none."""
    try:
        return compute_md5(path)
    except OSError:
        return ""


def _stamp(path: Path) -> str:
    """Sizes and times of a file, or of all files in a folder; "" if there is none."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    try:
        status = [(str(file), file.stat()) for file in files]
    except OSError:
        return ""
    return repr([(name, one.st_size, one.st_mtime_ns, one.st_ino) for name, one in status])


def _stamp_collection(root: Path, section: DataParams) -> tuple[str, str]:
    from pipeline.sources import stamp_collection

    return stamp_collection(root, section)
