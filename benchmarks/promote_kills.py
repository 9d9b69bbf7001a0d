"""`promote` killed by SIGKILL at random moments, and repeated: is there always a champion, and the right one?

A project holds a champion and a better model that waits for its decision. For each kill it is put back to
that moment, `promote` is started and all its processes are killed, and `promote` runs once more. Right is:
after the kill the champion is the old version or the new one; after the repetition it is the new one,
`previous` is the old one, the ledger is whole and holds two moves, and the state has one finished row.

The moments are drawn from the time that the last repetitions took, so other work on the machine does not move
all of them to its first steps.

Run: python -m benchmarks.promote_kills [--n 100] [--seed 0]
Cost: about 20 s each on two cores, more beside other work
"""

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pipeline.json_file import read_json
from pipeline.tracking.rows import STATE_TAG
from tests.clones import QUICK, Clone, make_clone
from tests.warm import warm_commands

REPO = Path(__file__).resolve().parents[1]
COMMAND = ("python", "-m", "pipeline.stages.promote")
NAME = "digits"
N_A_CLASS = 60
_ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance, table, n_wrong = random.Random(asked.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder, warm_commands(Path(folder) / "warm") as warm:
        before = make_project(Path(folder) / "before", warm)
        took_s = time_whole(before, Path(folder) / "whole")
        recent_s = deque([took_s], maxlen=5)
        print(f"promote takes {took_s:.1f} s; load {os.getloadavg()[0]:.1f}", flush=True)
        for number in range(asked.n):
            clone = put_back(before, Path(folder) / f"kill-{number}")
            moment_s = chance.uniform(0, max(recent_s))
            table["killed" if kill(clone, moment_s) else "ended by itself"] += 1
            found = read_aliases(clone).get("champion")
            table[f"then the champion was version {found}"] += 1
            wrong = [] if found in (1, 2) else [f"the champion is {found} after the kill"]
            start = time.monotonic()
            wrong += find_wrong(clone)
            recent_s.append(time.monotonic() - start)
            shutil.rmtree(clone.root)
            n_wrong += bool(wrong)
            for one in wrong:
                print(f"kill {number} at {moment_s:.2f} s: {one}", flush=True)
            if number % 10 == 9:
                print(f"{number + 1} kills, {n_wrong} wrong", flush=True)
    print(*(f"{count:4} {what}" for what, count in sorted(table.items())), sep="\n")
    print(f"{asked.n} kills, {n_wrong} wrong (asked: 0 of 100); load {os.getloadavg()[0]:.1f} after")


def make_project(root: Path, warm: Path) -> Clone:
    """A champion that has learned nothing, and a better model that is evaluated."""
    clone = make_clone(REPO, root)
    clone.draw_collection(N_A_CLASS)
    clone.warm = warm
    clone.run("git", "init", "-q")
    clone.set_params(QUICK)
    clone.set_params({"promote": {"floors": {}}, "train": {"epochs": 1, "learning_rate": 1e-6}})
    clone.run("dvc", "repro")
    clone.commit()
    clone.set_params({"train": {"epochs": 12, "learning_rate": 0.003}})
    clone.run("dvc", "repro", "evaluate")
    return clone


def put_back(before: Clone, root: Path) -> Clone:
    """The project as it was, at a place of its own: this process keeps a database open that it has asked."""
    shutil.copytree(before.root, root, symlinks=True)
    clone = Clone(root)
    clone.warm = before.warm
    return clone


def time_whole(before: Clone, root: Path) -> float:
    """Seconds of a promote that nobody kills; it must crown the better model."""
    clone = put_back(before, root)
    start = time.monotonic()
    clone.run(*COMMAND)
    took_s = time.monotonic() - start
    assert read_json(clone.paths.decision, "promote")["verdict"] == "PROMOTE"
    assert not list(find_wrong(clone))
    return took_s


def kill(clone: Clone, moment_s: float) -> bool:
    """Start promote, and kill all its processes after so many seconds; whether it still ran."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        COMMAND,
        cwd=clone.root,
        env=clone.environment(),
        start_new_session=True,
        **quiet,  # type: ignore[call-overload]
    )
    try:
        process.wait(moment_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def read_aliases(clone: Clone) -> dict[str, int]:
    """The versions by their aliases, from the database: MLflow here would ask that of the first project."""
    with closing(sqlite3.connect(clone.root / "mlflow" / "mlflow.db")) as db:
        return {name: int(number) for name, number in db.execute(_ALIASES, (NAME,))}


def find_wrong(clone: Clone) -> Iterator[str]:
    """Repeat promote; what is not as it should be then."""
    said = clone.run(*COMMAND)
    if "Traceback" in said:
        yield f"a traceback: {said}"
    aliases = read_aliases(clone)
    version = int(read_json(clone.paths.decision, "promote")["version"])
    if aliases != {"champion": version, "previous": 1}:
        yield f"the aliases are {aliases}, and the decision is about version {version}"
    checked = clone.run("darkroom", "registry", "verify")
    if "2 lines, whole" not in " ".join(checked.split()):
        yield f"the ledger: {checked}"
    states = Counter((row.data.tags[STATE_TAG], row.info.status) for row in clone.rows())
    if sorted(states.values()) != [1, 1] or any(status != "FINISHED" for _, status in states):
        yield f"the rows are {dict(states)}"


if __name__ == "__main__":
    main()
