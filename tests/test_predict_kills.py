"""`darkroom predict` killed by SIGKILL at random moments and repeated ends as one that was never disturbed.

`DARKROOM_KILLS=20 pytest tests/test_predict_kills.py` kills 20 times, not twice.
"""

import os
import random
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipeline.collection.demos import encode_grey_png
from tests.clones import Clone, make_clone

pytestmark = pytest.mark.slow

N_KILLS = int(os.environ.get("DARKROOM_KILLS", "2"))
N_PICTURES = 2000


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path, classifier_folder: Path) -> Clone:
    """A clone with scans in a folder and in a zip, of which some have one name and some cannot be read."""
    clone = make_clone(repo, tmp_path_factory.mktemp("kills") / "darkroom")
    clone.warm = warm
    shutil.copytree(classifier_folder, clone.root / "classifier")
    files = {}
    for number in range(N_PICTURES):
        shades = [(number * 7 + 31 * i) % 256 for i in range(8)]
        name = f"{number % 20}/{number // 40}.png"  # each name forty times, twice in a folder: once packed
        files[name if number % 40 < 20 else f"packed/{name}"] = encode_grey_png([bytes(shades)] * 8)
    files |= {f"bad/{number}.png": b"no" for number in range(40)}
    with zipfile.ZipFile(clone.root / "scans.zip", "w") as archive:
        for name, data in files.items():
            if name.startswith("packed/"):
                archive.writestr(name, data)
                continue
            path = clone.root / "scans" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return clone


def test_killed_at_random_moments(clone: Clone) -> None:
    """Every third kill comes at any time of the run, the others while answers are being written."""
    start = time.monotonic()
    assert not run(clone, "whole", lambda: False)
    took_s = time.monotonic() - start
    whole = read_all(clone.root / "whole")
    assert len(whole) == N_PICTURES + 1
    chance = random.Random(time.time_ns())
    journal = clone.root / "killed" / "a.csv.part"
    n_kills = 0
    while n_kills < N_KILLS:
        moment_s = time.monotonic() + chance.uniform(0.2, 1) * took_s
        size = measure(journal) + chance.uniform(0, 60_000)
        is_time = partial(is_after, moment_s) if n_kills % 3 == 2 else partial(is_longer, journal, size)
        was_killed = run(clone, "killed", is_time)
        n_kills += was_killed
        if not was_killed:
            assert read_all(clone.root / "killed") == whole
            shutil.rmtree(clone.root / "killed")
    run(clone, "killed", lambda: False)
    assert read_all(clone.root / "killed") == whole


def run(clone: Clone, into: str, is_time: Callable[[], bool]) -> bool:
    """Run the command, and kill all its processes when it is time; whether it was killed."""
    made = ("--out", f"{into}/a.csv", "--sort-into", f"{into}/sorted")
    command = ("darkroom", "predict", "scans", "scans.zip", "--model", "classifier", "--top", "2", *made)
    log = clone.root / "log"
    with (
        log.open("w") as said,
        subprocess.Popen(
            command, cwd=clone.root, env=clone.environment(), stdout=said, stderr=said, start_new_session=True
        ) as process,
    ):
        while process.poll() is None:
            if is_time():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            time.sleep(0.002)
    is_over = process.returncode == 1 and "exists already" in log.read_text()  # killed when all was done
    assert is_over or process.returncode in (0, -signal.SIGKILL), log.read_text()
    return process.returncode == -signal.SIGKILL


def is_after(moment_s: float) -> bool:
    return time.monotonic() > moment_s


def is_longer(path: Path, size: float) -> bool:
    return measure(path) > size


def measure(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def read_all(folder: Path) -> dict[str, bytes]:
    """The bytes of every file; what names the folder itself is the same for both runs."""
    found = (path for path in folder.rglob("*") if path.is_file())
    name = folder.name.encode()
    return {path.relative_to(folder).as_posix(): path.read_bytes().replace(name, b"-") for path in found}
