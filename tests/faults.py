"""The real chain under faults of the disk and kills at work: `tests/shim.c`, and what must hold then.

`tests/test_faults.py` takes a sample of faults, `python -m benchmarks.faults` hundreds of them.
"""

import errno
import hashlib
import platform
import re
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.clones import QUICK, Clone, make_clone

KINDS = ("write", "sync", "rename", "mmap", "size", "open", "folder", "remove")
# What each kind of call may say. "short" writes half and says so.
ERRORS = {
    "write": ("ENOSPC", "short", "EIO", "EDQUOT"),
    "sync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC", "EROFS"),
    "mmap": ("ENOMEM",),
    "size": ("ENOSPC", "EDQUOT"),
    "open": ("EACCES", "ENOSPC", "EROFS"),
    "folder": ("EACCES", "ENOSPC", "EROFS"),
    "remove": ("EIO", "EROFS"),
}
KILLS = ("kill", "killed")
N_A_CLASS = 20
_KILLED = 128 + 9
_HALF = (".darkroom-", ".part")  # in the name of what is being written


@dataclass(frozen=True)
class Fault:
    """The `at`-th call of a kind fails, by `how`, where a stage writes: data, cache or mlflow."""

    stage: str
    where: str
    kind: str
    at: int
    how: str
    is_on: bool = False

    def __str__(self) -> str:
        return (
            f"{self.stage}: {self.kind} {self.at} in {self.where}, {self.how}{' from then on' * self.is_on}"
        )


@dataclass(frozen=True)
class Ended:
    """How a stage ended: its code (137: killed), what it said, the calls by kind, the path of the fault."""

    code: int
    said: str
    counts: Mapping[str, int]
    n_faults: int
    path: str


@dataclass(frozen=True)
class Outcome:
    """What was wrong after a fault: no words, and all was as it must be."""

    fault: Fault
    ended: Ended
    wrong: tuple[str, ...] = ()
    is_lost: bool = False


def build_shim(folder: Path) -> Path | None:
    """Compile the library; None without a compiler for C, or on a system that it is not for."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or platform.libc_ver()[0] != "glibc":
        return None
    library, source = folder / "shim.so", Path(__file__).with_name("shim.c")
    options = ("-O1", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-o", str(library))
    subprocess.run([compiler, *options, str(source), "-ldl"], check=True)
    return library


@dataclass
class Stand:
    """A clone whose chain ran once undisturbed, and what its stages wrote then."""

    clone: Clone
    saved: Path
    whole: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def make(cls, repo: Path, folder: Path, warm: Path, stages: Sequence[str]) -> "Stand":
        """Run the chain up to the last of `stages`, and keep what it wrote."""
        clone = make_clone(repo, folder.resolve() / "darkroom")
        clone.draw_collection(N_A_CLASS)
        (clone.paths.raw / "line" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        clone.warm = warm
        clone.run("git", "init", "-q")
        clone.set_params(QUICK)
        clone.set_params({"train": {"tensorboard": True}, "augment": {"imperfect": 0.3}})
        stand = cls(clone, folder / "saved")
        last = "evaluate" if "promote" in stages else stages[-1]
        clone.run("dvc", "repro", last)
        shutil.copytree(clone.root / "mlflow", stand.saved / "mlflow")
        if "promote" in stages:
            clone.run("dvc", "repro")
        for stage in stages:
            stand.whole[stage] = stand.digest(stage)
        shutil.copytree(clone.root / "data", stand.saved / "data")
        return stand

    def digest(self, stage: str) -> dict[str, str]:
        """What a stage's folder holds: a hash by name. The date in a model's archive is left out."""
        folder = self.clone.paths.stage(stage)
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): _hash_content(path) for path in files}

    def reset(self, stage: str) -> None:
        """As before the stage's first run: DVC removes its outputs, and MLflow knows the stages before."""
        root = self.clone.root
        shutil.rmtree(self.clone.paths.stage(stage), ignore_errors=True)
        shutil.rmtree(root / ".darkroom", ignore_errors=True)
        shutil.rmtree(root / "mlflow")
        shutil.copytree(self.saved / "mlflow", root / "mlflow")

    def restore(self, stage: str) -> None:
        """As the undisturbed chain left the stage's outputs."""
        folder = self.clone.paths.stage(stage)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.saved / "data" / stage, folder)

    def run(self, stage: str, fault: Fault | None = None, *, where: str = "data") -> Ended:
        """Run a stage by itself, as DVC would, with a fault or counting only."""
        counted = self.saved / "counts"
        counted.unlink(missing_ok=True)
        shim = {
            "SHIM_COUNTS": str(counted),
            "SHIM_FOLDERS": self._find_folder(fault.where if fault else where),
        }
        if fault:
            how = str(getattr(errno, fault.how)) if fault.how.startswith("E") else fault.how
            shim |= {"SHIM_KIND": fault.kind, "SHIM_AT": str(fault.at), "SHIM_HOW": how}
            shim |= {"SHIM_ON": "on"} if fault.is_on else {}
        done = subprocess.run(
            ["python", "-m", f"pipeline.stages.{stage}"],
            cwd=self.clone.root,
            env=self.clone.environment(DVC_STAGE=stage, DVC_ROOT=str(self.clone.root), **shim),
            executable=str((self.clone.warm or Path()) / "python"),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        data = counted.read_bytes() if counted.exists() else bytes(4096)
        numbers = np.frombuffer(data, np.int64, len(KINDS) + 1).tolist()
        path = data[256:].split(b"\0")[0].decode(errors="replace")
        counts = dict(zip(KINDS, numbers, strict=False))
        return Ended(done.returncode, done.stdout + done.stderr, counts, numbers[-1], path)

    def _find_folder(self, where: str) -> str:
        return str(self.clone.root / {"data": "data", "cache": ".darkroom", "mlflow": "mlflow"}[where])

    def try_fault(self, fault: Fault) -> Outcome:
        """Inject a fault into a fresh run of its stage, run the stage again, and say what is wrong."""
        self.reset(fault.stage)
        ended = self.run(fault.stage, fault)
        wrong = [*self._judge(fault, ended)]
        again = self.run(fault.stage)
        is_lost = again.code != 0 or self.digest(fault.stage) != self.whole[fault.stage]
        if again.code:
            wrong.append(f"the next run ends with {again.code}: {again.said[-300:]}")
        elif is_lost:
            wrong.append(f"other outputs after the next run: {self._compare(fault.stage)}")
        wrong += self._judge_leftovers(fault.stage)
        wrong += self._judge_tracking(fault.stage)
        if is_lost:
            self.restore(fault.stage)
        return Outcome(fault, ended, tuple(wrong), is_lost)

    def _judge(self, fault: Fault, ended: Ended) -> Iterator[str]:
        """What is wrong right after the fault."""
        if not ended.n_faults:
            yield f"the fault did not happen: {ended.counts[fault.kind]} calls, code {ended.code}"
        elif fault.how in KILLS:
            if ended.code != _KILLED:
                yield f"it was not killed: {ended.code}"
        elif "Traceback" in ended.said:
            yield f"traceback: {ended.said[-300:]}"
        elif ended.code == 0:
            if self.digest(fault.stage) != self.whole[fault.stage]:
                yield f"it said all was well, and outputs differ: {self._compare(fault.stage)}"
        else:
            yield from self._judge_error(fault, ended)

    def _judge_error(self, fault: Fault, ended: Ended) -> Iterator[str]:
        errors = [line for line in ended.said.splitlines() if line.startswith("ERROR")]
        if ended.code != 1 or len(errors) != 1 or not errors[0].startswith(f"ERROR {fault.stage}: "):
            yield f"not one line of error and code 1: {ended.code}, {ended.said[-300:]}"
        if half := self._compare(fault.stage, is_begun=True):
            yield f"half-written: {half}"

    def _compare(self, stage: str, *, is_begun: bool = False) -> str:
        """The names of outputs that differ; of those that are there, where the stage was only begun."""
        found, whole = self.digest(stage), self.whole[stage]
        names = found if is_begun else found | whole
        return ", ".join(sorted(name for name in names if found.get(name) != whole.get(name))[:5])

    def _judge_leftovers(self, stage: str) -> Iterator[str]:
        folders = (self.clone.paths.stage(stage), self.clone.root / ".darkroom")
        names = [path.name for folder in folders if folder.is_dir() for path in folder.rglob("*")]
        if half := [name for name in names if any(word in name for word in _HALF)]:
            yield f"left over: {', '.join(half[:3])}"

    def _judge_tracking(self, stage: str) -> Iterator[str]:
        """What is wrong in MLflow's database: runs that never end, rows and aliases that point nowhere."""
        with closing(sqlite3.connect(self.clone.root / "mlflow" / "mlflow.db")) as database:
            found = database.execute("SELECT name FROM runs WHERE status = 'RUNNING'").fetchall()
            if found:
                yield f"still RUNNING in MLflow: {', '.join(name for (name,) in found)}"
            if stage == "promote":
                yield from _judge_rows(database)


def _judge_rows(database: sqlite3.Connection) -> Iterator[str]:
    rows = database.execute(
        "SELECT r.run_uuid, r.status FROM runs r JOIN experiments e USING (experiment_id) "
        "WHERE e.name = 'digits' AND r.lifecycle_stage = 'active'"
    ).fetchall()
    if [status for _, status in rows] != ["FINISHED"]:
        yield f"not one finished row: {[status for _, status in rows]}"
    champions = database.execute(
        "SELECT v.run_id FROM registered_model_aliases a "
        "JOIN model_versions v ON v.name = a.name AND v.version = a.version WHERE a.alias = 'champion'"
    ).fetchall()
    if [run for (run,) in champions] != [run for run, status in rows if status == "FINISHED"]:
        yield f"the champion is of run {champions}, the rows are {rows}"


def spread(
    stand: Stand, stage: str, where: str, n: int, *, kinds: Sequence[str] = KINDS, kill: bool = False
) -> list[Fault]:
    """About `n` faults over the calls that a stage makes: each kind alike, from its first call to its last.

    A kind that has too few calls gives its share to the others. Half of the errors stay from then on.
    """
    stand.reset(stage)
    counted = stand.run(stage, where=where)
    assert counted.code == 0, counted.said
    found = [kind for kind in kinds if counted.counts[kind]]
    faults: list[Fault] = []
    for place, kind in enumerate(sorted(found, key=lambda kind: counted.counts[kind])):
        share = max(1, (n - len(faults)) // (len(found) - place))
        total, hows = counted.counts[kind], KILLS if kill else ERRORS[kind]
        for number, at in enumerate(np.unique(np.linspace(1, total, min(share, total)).round().astype(int))):
            is_on = not kill and number // len(hows) % 2 == 1
            faults.append(Fault(stage, where, kind, int(at), hows[number % len(hows)], is_on))
    return faults


def _hash_content(path: Path) -> str:
    if path.suffix != ".keras":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist() if name != "metadata.json"}
    except zipfile.BadZipFile:
        return "not whole"
    # Keras numbers objects by their addresses.
    members["config.json"] = re.sub(rb'"shared_object_id": \d+', b"", members["config.json"])
    return hashlib.sha256(repr(sorted(members.items())).encode()).hexdigest()
