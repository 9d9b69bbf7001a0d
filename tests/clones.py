"""A temporary clone of this repository and how a person would work in it: for the tests of the real chain."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipeline.paths import STAGES, Paths
from pipeline.tracking import connection

SHAPES = ("circle", "line", "square")
# Small and quick, and different enough from the defaults to show that params are obeyed.
QUICK: dict[str, dict[str, Any]] = {
    "clean": {"image_hw": [16, 16], "channels": 1},
    "split": {"min_test_images": 0},
    "augment": {"rotation": 0.0, "zoom": 0.0},
    "train": {"model": "conv1", "epochs": 3, "batch_size": 16},
    "evaluate": {"n_bootstrap": 200},
    "promote": {"floors": {"accuracy": 0.1}, "min_common_images": 5},
}


class Clone:
    """A temporary clone of this repository, and how a person would work in it."""

    def __init__(self, root: Path) -> None:
        """`warm` is the folder of `tests/warm.py`: None, and commands import everything anew."""
        self.root = root
        self.warm: Path | None = None
        self.paths = Paths(root)
        keep = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT", "DVC_STAGE")
        self.env = {name: value for name, value in os.environ.items() if name not in keep}
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(self, *command: str, env: Mapping[str, str] | None = None, code: int = 0) -> str:
        """Run a command in the clone; returns what it said, stdout and stderr."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(**(env or {})),
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def environment(self, **more: str) -> dict[str, str]:
        """What commands in the clone run with."""
        path = self.env["PATH"]
        warm = {"PATH": f"{self.warm}{os.pathsep}{path}"} if self.warm else {}
        return self.env | warm | more

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "state")

    def draw_collection(self, n_a_class: int) -> None:
        """Put pictures into data/raw: a folder a shape, the same ones each time."""
        for index, shape in enumerate(SHAPES):
            (self.paths.raw / shape).mkdir(parents=True)
            for number in range(n_a_class):
                draw(shape, 1000 * index + number).save(self.paths.raw / shape / f"{number:03d}.png")

    def set_params(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        yaml = YAML()
        values = yaml.load(self.paths.params)
        for section, changed in sections.items():
            values[section].update(changed)
        yaml.dump(values, self.paths.params)

    def rows(self) -> list[Any]:
        """The rows in MLflow, oldest first."""
        client = connection.connect(self.root)
        experiment = client.get_experiment_by_name("digits")
        assert experiment is not None
        return sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.start_time)

    def digests(self, stages: tuple[str, ...]) -> dict[str, str]:
        """The sha256 of every output of some stages."""
        files = [p for s in stages for p in self.paths.stage(s).rglob("*") if p.is_file()]
        return {str(p.relative_to(self.root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def check_metrics(clone: Clone, row: Any) -> None:
    """A row holds the scores that people compare; the runs of its stages hold all of their numbers."""
    client = connection.connect(clone.root)
    scores = json.loads(clone.paths.metrics("evaluate").read_text())
    assert {name: row.data.metrics[name] for name in scores} == pytest.approx(scores)
    assert row.data.metrics["gain"] == pytest.approx(json.loads(clone.paths.decision.read_text())["gain"])
    assert {"train_seconds", "val_accuracy", "metadata_accuracy"} <= row.data.metrics.keys()
    assert len(row.data.metrics) <= 27
    for stage in STAGES[:-1]:
        files = [file for file in (clone.paths.metrics(stage), clone.paths.details(stage)) if file.exists()]
        held = client.get_run(row.data.tags[f"stage.{stage}.run_id"]).data
        for name, value in (item for file in files for item in json.loads(file.read_text()).items()):
            assert held.metrics[name] == pytest.approx(value), name
        assert held.tags["row"] == row.info.run_name


def make_clone(repo: Path, root: Path) -> Clone:
    """The repository's working tree, without what git ignores, as a folder of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repo,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (repo / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes((repo / name).read_bytes())
    return Clone(root)


def draw(shape: str, seed: int) -> Image.Image:
    """A 24x24 grey picture of a bright shape on noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 80, (24, 24))
    y, x = np.mgrid[:24, :24] - rng.integers(9, 15, (2, 1, 1))
    inside = {"circle": x**2 + y**2 < 40, "line": abs(x - y) < 2, "square": np.maximum(abs(x), abs(y)) < 6}
    pixels[inside[shape]] += 150
    return Image.fromarray(pixels.astype(np.uint8))
