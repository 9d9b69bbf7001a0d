"""Two hosts train together: two processes on this machine, Keras on JAX, the same curve as one.

One of them is killed; one has other code; one comes too early and waits.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from pipeline.backend.meeting import Address, find_port
from pipeline.collection.shards import ShardWriter
from pipeline.paths import Paths
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import write_table
from pipeline.training.history import CURVES
from pipeline.training.policy import build_policy, write_policy
from tests.conftest import REPO, values_with

pytestmark = pytest.mark.slow

Develop = Callable[..., Paths]
Table = list[list[float]]

N_EPOCHS = 8
TRAIN = {"model": "conv1", "epochs": N_EPOCHS, "patience": N_EPOCHS, "batch_size": 32, "out_of_fold": False}
TOGETHER = {"KERAS_BACKEND": "jax", "DARKROOM_DEVICE": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
TOGETHER["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # compiling takes longer than all that is computed


@pytest.fixture(scope="module")
def project(develop: Develop, params_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """128 training pictures of four bars in noise, 32 for validation; a policy that draws for each one."""
    changed: dict[str, Any] = {
        "clean": {"image_hw": [16, 16], "channels": 1},
        "split": {"min_test_images": 0},
        "train": TRAIN,
    }
    rng, y = np.random.default_rng(0), np.arange(160) % 4
    pictures = rng.integers(0, 90, (160, 16, 16, 1))
    for picture, number in zip(pictures, y, strict=True):
        picture[2 + 3 * number : 5 + 3 * number, 3:12] += 100
    root = tmp_path_factory.mktemp("hosts") / "project"
    paths = develop(root, pictures.astype(np.uint8), y, ["train"] * 128 + ["val"] * 32, list("abcd"))
    with ShardWriter(paths.extra, 0, (16, 16, 1), 1):
        pass
    write_table(pa.Table.from_pylist([], schema=EXTRA), paths.extra / "manifest.parquet")
    write_policy(build_policy(params_of(**changed).augment, channels=1), paths.policy)
    (root / "code.py").touch()
    deps = ["code.py", "data/augment/policy.json", "data/clean/shards"]
    YAML().dump({"stages": {"train": {"cmd": "train", "deps": deps, "params": ["train"]}}}, paths.dvc_yaml)
    YAML().dump(values_with(**changed), paths.params)
    return paths


class Host:
    """The stage `train` in a process of its own, with its log."""

    def __init__(self, root: Path, **values: str) -> None:
        self.log = root / f"host-{values.get('DARKROOM_HOST', '')}.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DARKROOM_", "MLFLOW_", "DVC_"))}
        env |= TOGETHER | {"PYTHONPATH": str(REPO)} | values
        command = [sys.executable, "-m", "pipeline.stages.train"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log)

    def read(self) -> str:
        return self.log.read_text()

    def end(self) -> tuple[int, str]:
        """The exit code and the last line of the log."""
        code = self.process.wait(timeout=600)
        return code, self.read().strip().splitlines()[-1]


@pytest.fixture
def start() -> Iterator[Callable[..., list[Host]]]:
    """`start(root, other_root)`: host 0 and host 1, host 1 first."""
    started: list[Host] = []

    def start(*roots: Path) -> list[Host]:
        port = find_port(Address("127.0.0.1", 0))
        shared = {"DARKROOM_HOSTS": "2", "DARKROOM_COORDINATOR": f"127.0.0.1:{port}"}
        for number in (1, 0):
            started.append(Host(roots[number], DARKROOM_HOST=str(number), **shared))
        return started[:-3:-1]

    yield start
    for host in started:
        host.process.kill()
        host.process.wait()


def copy(project: Paths, root: Path) -> Paths:
    return Paths(shutil.copytree(project.root, root))


def read_curves(paths: Paths) -> Table:
    lines = paths.history.read_text().splitlines()
    assert lines[0].split(",")[1:] == list(CURVES)
    return [[float(value) for value in line.split(",")] for line in lines[1:]]


def test_two_hosts_train_as_one(project: Paths, tmp_path: Path, start: Callable[..., list[Host]]) -> None:
    """The same curve within rounding, although host 1 is killed first and comes again.

    With other pictures in a step, another order or other alterations, the first digits would differ.
    """
    one, two = copy(project, tmp_path / "one"), copy(project, tmp_path / "two")
    assert Host(one.root).end()[0] == 0
    chief, other = start(two.root, two.root)
    while "epoch  2/" not in chief.read():
        assert chief.process.poll() is None, chief.read()
        time.sleep(0.2)
    other.process.send_signal(signal.SIGKILL)
    code, last = chief.end()
    assert code == 1
    assert last.startswith("ERROR train: host 1 is lost: ")
    assert not two.history.exists()
    chief, other = start(two.root, two.root)
    assert [host.end()[0] for host in (chief, other)] == [0, 0], chief.read() + other.read()
    for host in (chief, other):
        found = re.search(r"training continues after epoch (\d+)", host.read())
        assert found is not None
        assert int(found[1]) >= 2
    ours, theirs = read_curves(two), read_curves(one)
    assert len(ours) == N_EPOCHS
    assert np.array(ours) == pytest.approx(np.array(theirs), rel=1e-3, abs=1e-4)
    assert read_tags(two)["train.hosts"] == "2"
    assert "host 1 of 2" in other.read()


def read_tags(paths: Paths) -> dict[str, str]:
    """The tags of the last run of train."""
    from pipeline.tracking.connection import connect

    client = connect(paths.root)
    numbers = [found.experiment_id for found in client.search_experiments()]
    runs = client.search_runs(numbers, "attributes.status = 'FINISHED'")
    return dict(runs[0].data.tags)


def test_a_host_with_other_code_is_refused(
    project: Paths, tmp_path: Path, start: Callable[..., list[Host]]
) -> None:
    one, two = copy(project, tmp_path / "one"), copy(project, tmp_path / "two")
    (two.root / "code.py").write_text("# an older version")
    for host in start(one.root, two.root):
        code, last = host.end()
        assert code == 1
        assert last.startswith("ERROR train: host 1 is unlike host 0 in code.py ("), host.read()
    assert not list(one.cache.rglob("*.npz"))


def test_host_0_dies(project: Paths, tmp_path: Path, start: Callable[..., list[Host]]) -> None:
    """The other one says so, and does not wait for it. Host 0 then continues alone."""
    two = copy(project, tmp_path / "two")
    chief, other = start(two.root, two.root)
    while "epoch  1/" not in other.read():
        assert other.process.poll() is None, other.read()
        time.sleep(0.2)
    chief.process.send_signal(signal.SIGKILL)
    assert other.process.wait(timeout=120) == 1
    assert "ERROR train: host 0, which runs the chain, is lost: " in other.read()
    alone = Host(two.root)
    assert alone.end()[0] == 0, alone.read()
    assert re.search(r"training continues after epoch [1-9]", alone.read())
    assert len(read_curves(two)) == N_EPOCHS
