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
    start = time.monotonic()
    assert not run(clone, "whole", None)
    took_s = time.monotonic() - start
    whole = read_all(clone.root / "whole")
    assert len(whole) == N_PICTURES + 1
    chance = random.Random(time.time_ns())
    n_kills = 0
    while n_kills < N_KILLS:
        was_killed = run(clone, "killed", chance.uniform(0.2, 1) * took_s)
        n_kills += was_killed
        if not was_killed:
            assert read_all(clone.root / "killed") == whole
            shutil.rmtree(clone.root / "killed")
    if (clone.root / "killed/a.csv").exists() and not (clone.root / "killed/a.csv.part").exists():
        return  # the last kill came when all was done
    assert not run(clone, "killed", None)
    assert read_all(clone.root / "killed") == whole


def run(clone: Clone, into: str, moment_s: float | None) -> bool:
    """Run the command, and kill all its processes after so many seconds; whether it was killed."""
    command = ("darkroom", "predict", "scans", "scans.zip", "--model", "classifier", "--top", "2")
    command += ("--out", f"{into}/a.csv", "--sort-into", f"{into}/sorted")
    with subprocess.Popen(
        command,
        cwd=clone.root,
        env=clone.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=moment_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
    is_over = "exists already" in said and process.returncode == 1  # killed when all was done
    assert is_over or process.returncode in (0, -signal.SIGKILL), said
    return process.returncode == -signal.SIGKILL


def read_all(folder: Path) -> dict[str, bytes]:
    """The bytes of every file; what names the folder itself is the same for both runs."""
    found = (path for path in folder.rglob("*") if path.is_file())
    name = folder.name.encode()
    return {path.relative_to(folder).as_posix(): path.read_bytes().replace(name, b"-") for path in found}
