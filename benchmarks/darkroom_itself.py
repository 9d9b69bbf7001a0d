"""Darkroom on a poisoned collection, by its commands, in a clone of this repository."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.other_tools import Outcome, Said, ToolError, call, last_line, short
from benchmarks.poison import COPY, KINDS, Planted, Poisoned
from pipeline.paths import Paths
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.split import SPLIT
from tests.clones import make_clone

REPO = Path(__file__).resolve().parents[1]
# The repair that says what was put right; the reason in the quarantine that belongs to a fault.
REPAIRS = {
    "turned by EXIF": "exif_rotation",
    "16-bit TIFF": "sixteen_bit",
    "float TIFF": "sixteen_bit",
    "CMYK JPEG": "cmyk",
}
REASONS = {
    "under two labels": {"conflicting_labels"},
    "truncated JPEG": {"truncated"},
    "blank page": {"low_information"},
    "text named .jpg": {"not_an_image"},
    "empty file": {"empty"},
}


class Darkroom:
    """A clone of the working tree, and what the chain left in it."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.env = make_clone(REPO, root).environment(PYTHONPATH=str(root))
        self.env["PATH"] = f"{Path(sys.executable).parent}:{self.env['PATH']}"

    def run(self, *command: str) -> Said:
        """Run a command in the clone.

        Raises:
            ToolError: it fails.
        """
        said = call(list(command), self.paths.root, **self.env)
        if said.code:
            raise ToolError(f"{' '.join(command[:2])} ended with: {last_line(said.output)}")
        return said

    def predict(self, folder: Path) -> dict[str, dict[str, Any]]:
        """The answers of the last model by path."""
        said = call(["darkroom", "predict", str(folder), "--last", "--json"], self.paths.root, **self.env)
        answers = [json.loads(line) for line in said.output.splitlines() if line.startswith("{")]
        return {answer["file"]: answer for answer in answers}


def measure_darkroom(made: Poisoned, broken: Path, work: Path) -> Outcome:
    """Set up and run the chain with what `darkroom setup` proposes, nothing else.

    Raises:
        ToolError: a command fails.
    """
    darkroom = Darkroom(work / "clone")
    darkroom.run("git", "init", "-q")
    commands = [("darkroom", "setup", str(made.collection), "--yes"), ("dvc", "repro")]
    seconds = sum(darkroom.run(*command).seconds for command in commands)
    paths = darkroom.paths
    facts = json.loads(paths.shortcuts.read_text(encoding="utf-8"))["metadata"]["facts"]
    scores = json.loads(paths.metrics("evaluate").read_text(encoding="utf-8"))
    kept = read_table(paths.clean_manifest, CLEAN_MANIFEST).to_pandas().set_index("key")
    placed = read_table(paths.split, SPLIT).to_pandas().set_index("id")["split"]
    pairs = [fault for fault in made.planted if fault.kind == COPY]
    parts = kept["id"].map(placed).to_dict()
    answers = darkroom.predict(made.test)
    return Outcome(
        found=find_faults(made.planted, kept, paths),
        shortcut=any("PNG" in fact["sentence"] for fact in facts),
        ends=[],
        n_split_pairs=sum(parts.get(pair.path) != parts.get(pair.original) for pair in pairs),
        n_pairs=len(pairs),
        claimed=(float(scores["accuracy"]), int(scores["n_test"])),
        right=[answer["class"] == Path(path).parent.name for path, answer in answers.items()],
        broken={
            Path(path).name: f"guess: {answer['class']}" if answer["class"] else f"error: {answer['reason']}"
            for path, answer in darkroom.predict(broken).items()
        },
        seconds=seconds,
        n_lines=len(commands),
        weights="ImageNet",
    )


def find_faults(planted: list[Planted], kept: Any, paths: Paths) -> dict[str, str]:
    """For each kind, how many files the records of the chain name for what they are."""
    quarantined = read_table(paths.quarantine, QUARANTINE).to_pylist()
    reasons = {row["key"]: row["reason"] for row in quarantined}
    groups, repairs = kept["duplicate_group"].to_dict(), kept["repairs"].map(set).to_dict()

    def is_found(fault: Planted) -> bool:
        if fault.kind == COPY:
            return fault.path in groups and groups[fault.path] == groups.get(fault.original)
        if fault.kind in REPAIRS:
            return REPAIRS[fault.kind] in repairs.get(fault.path, set())
        return reasons.get(fault.path) in REASONS[fault.kind]

    found = {}
    for kind in KINDS:
        faults = [fault for fault in planted if fault.kind == kind]
        word = "named, put right" if kind in REPAIRS else "named"
        found[kind] = f"{word} {sum(map(is_found, faults))}/{len(faults)}"
        for fault in faults:
            if not is_found(fault):
                became = reasons.get(fault.path) or sorted(repairs.get(fault.path, {"kept as it is"}))
                sys.stderr.write(f"Darkroom, {kind}: {short(fault.path)}: {became}\n")
    return found
