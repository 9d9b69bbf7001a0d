"""People and processes at the same time on one project: what is lost, and what is wrong. Prints a table.

Each of 20 interleavings starts some of these together, at moments drawn by chance, in a project whose chain
has run: two `dvc repro`, three `dvc exp run --temp`, a queue of two with two workers, a decision of
`darkroom quarantine`, an edit of params.yaml, and the MLflow UI, open and asked for its table all the time.
Then `dvc repro` runs until nothing is left to do. DVC's own lock may refuse a second command, with one line.

Right is: no traceback, every row finished and of a state of its own, no run left RUNNING, the champion a
version of a finished row, the decision obeyed and the edit in dvc.lock.

Run: python -m benchmarks.interleavings [--n 20] [--seed 0]
Cost: about a minute each on two cores
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.tracking import connection, ledger_check, registry, rows
from tests.clones import QUICK, SHAPES, Clone, make_clone
from tests.mlflow_server import run_server
from tests.warm import warm_commands

REPO = Path(__file__).resolve().parents[1]
N_A_CLASS = 20
LATEST_S = 12.0  # of the beginnings
N_TRIES = 4  # of `dvc repro` until nothing is left to do

Act = Callable[[Clone, int], None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    table: Counter[str] = Counter()
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder, warm_commands(Path(folder) / "warm") as warm:
        clone = make_project(Path(folder) / "darkroom", warm)
        for number in range(asked.n):
            chance = random.Random(f"{asked.seed}/{number}")
            names = sorted(chance.sample(sorted(ACTS), chance.randint(2, len(ACTS))))
            start = time.monotonic()
            wrong = interleave(clone, names, number, chance)
            table.update(names)
            found += wrong
            said = "; ".join(wrong) or "as it must be"
            print(
                f"{number + 1:2d}  {time.monotonic() - start:4.0f} s  {', '.join(names)}: {said}", flush=True
            )
    print(
        f"\n{asked.n} interleavings, {len(found)} wrong; " + ", ".join(f"{k} {n}" for k, n in table.items())
    )
    sys.exit(bool(found))


def make_project(root: Path, warm: Path) -> Clone:
    """A clone whose chain has run once, committed, with its pictures tracked by DVC."""
    clone = make_clone(REPO, root)
    clone.draw_collection(N_A_CLASS)
    clone.warm = warm
    clone.run("git", "init", "-q")
    for name in ("name", "email"):
        clone.run("git", "config", f"user.{name}", "t@example.org")
    clone.set_params(QUICK)
    clone.run("dvc", "add", "-q", "data/raw")
    clone.commit()
    clone.run("dvc", "repro")
    clone.commit()
    return clone


def interleave(clone: Clone, names: list[str], number: int, chance: random.Random) -> list[str]:
    """Start some acts together; returns what is wrong afterwards, in words."""
    failures: list[str] = []

    def act(name: str, after_s: float) -> None:
        time.sleep(after_s)
        try:
            ACTS[name](clone, number)
        except AssertionError as error:
            failures.append(f"{name}: {str(error)[-300:]!r}")

    threads = [
        threading.Thread(target=act, args=(name, chance.uniform(0, LATEST_S)))
        for name in names
        for _ in range(2 if name == "repro" else 1)
    ]
    with serve_ui(clone) if "ui" in names else nullcontext():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return [*failures, *settle(clone), *find_faults(clone, names, number)]


def run_quietly(clone: Clone, *command: str) -> None:
    """Run a command that another may refuse; a traceback is wrong, whatever it ends with."""
    done = subprocess.run(
        command, cwd=clone.root, env=clone.environment(), capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said[said.index("Traceback") :]


def run_repro(clone: Clone, number: int) -> None:
    run_quietly(clone, "dvc", "repro")


def run_three_experiments(clone: Clone, number: int) -> None:
    started = [
        threading.Thread(
            target=run_quietly,
            args=(clone, "dvc", "exp", "run", "--temp", "-S", f"train.learning_rate=0.00{number:02d}{n + 1}"),
        )
        for n in range(3)
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def run_queue(clone: Clone, number: int) -> None:
    for n in range(2):
        run_quietly(clone, "dvc", "exp", "run", "--queue", "-S", f"train.epochs={2 + (number + n) % 5}")
    run_quietly(clone, "dvc", "queue", "start", "-j", "2")
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        said = clone.run("dvc", "queue", "status")
        if "Running" not in said and "Queued" not in said:
            return
        time.sleep(2)


def drop_a_picture(clone: Clone, number: int) -> None:
    clone.run("darkroom", "quarantine", "drop", name_dropped(number))


def edit_params(clone: Clone, number: int) -> None:
    clone.set_params({"train": {"learning_rate": 0.001 + number / 10_000}})


def look_at_the_ui(clone: Clone, number: int) -> None:
    """The server is open all the time; see `serve_ui`."""


ACTS: dict[str, Act] = {
    "repro": run_repro,
    "exp --temp": run_three_experiments,
    "queue": run_queue,
    "quarantine": drop_a_picture,
    "params": edit_params,
    "ui": look_at_the_ui,
}


def name_dropped(number: int) -> str:
    return f"{SHAPES[number % len(SHAPES)]}/{number % N_A_CLASS:03d}.png"


@contextmanager
def serve_ui(clone: Clone) -> Iterator[None]:
    """A server over the project's own database, which is asked for its rows all the time."""
    is_over = threading.Event()
    with run_server(clone.root.parent, connection.resolve_uri(clone.root)) as (_, uri):
        ids = [connection.connect(clone.root).get_experiment_by_name("digits").experiment_id]  # type: ignore[union-attr]

        def look() -> None:
            asked = json.dumps({"experiment_ids": ids, "max_results": 100}).encode()
            request = urllib.request.Request(
                f"{uri}/api/2.0/mlflow/runs/search", asked, {"Content-Type": "application/json"}
            )
            while not is_over.wait(0.3):
                with suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
                    answer.read()

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield
        finally:
            is_over.set()
            looking.join()


def settle(clone: Clone) -> list[str]:
    """Run `dvc repro` until nothing is left to do."""
    for _ in range(N_TRIES):
        run_quietly(clone, "dvc", "repro")
        if "Data and pipelines are up to date" in clone.run("dvc", "status", *UPSTREAM):
            return []
    return [f"not up to date after {N_TRIES} times `dvc repro`: {clone.run('dvc', 'status')[-300:]!r}"]


UPSTREAM = ("validate", "clean", "split", "augment", "train", "evaluate")


def find_faults(clone: Clone, names: list[str], number: int) -> list[str]:
    """What is wrong in MLflow, dvc.lock and the quarantine, in words."""
    wrong = []
    client: Any = connection.connect(clone.root)
    found = clone.rows()
    states = Counter(row.data.tags[rows.STATE_TAG] for row in found)
    wrong += [f"{n} rows of state {state[:8]}" for state, n in states.items() if n > 1]
    wrong += [f"a row is {row.info.status}" for row in found if row.info.status != "FINISHED"]
    stages = client.get_experiment_by_name("digits-stages").experiment_id
    wrong += [f"a run of {run.info.run_name} is RUNNING" for run in client.search_runs([stages], RUNNING)]
    for version in client.search_model_versions("name = 'digits'"):
        if not registry.is_finished_row(client, version.tags[registry.RUN_TAG]):
            wrong.append(f"version {version.version} leads to no finished row")
    if registry.find_champion(client, "digits") is None:
        wrong.append("there is no champion")
    wrong += ledger_check.find_faults(client, clone.root, "digits")[1]
    if "quarantine" in names:
        kept = pq.read_table(clone.paths.clean_manifest).column("key").to_pylist()
        wrong += [f"{name_dropped(number)} was dropped and is kept"] * (name_dropped(number) in kept)
    if "params" in names:
        text = f"learning_rate: {0.001 + number / 10_000}"
        wrong += [f"dvc.lock lacks {text}"] * (text not in clone.paths.dvc_lock.read_text())
    return wrong


RUNNING = "attributes.status = 'RUNNING'"

if __name__ == "__main__":
    main()
