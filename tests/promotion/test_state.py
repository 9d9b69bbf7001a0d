"""Copies of a state: every story of a promotion runs through them; here, what cannot be copied."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import PromotionError
from pipeline.paths import Paths
from pipeline.promotion.state import copy_state, list_artifacts
from pipeline.tracking.lineage import UPSTREAM, Lineage

MD5_OF_AB = "187ef4436122d1cc2f40dc2b92f0eba0"


@pytest.fixture
def paths(repo: Path, tmp_path: Path) -> Paths:
    """A project whose stages have each recorded one output of their own."""
    paths = Paths(tmp_path / "project")
    outs = {"split": "classes.json", "train": "history.csv"}
    paths.root.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(repo / name, paths.root)
    lock = "schema: '2.0'\nstages:\n"
    for stage in UPSTREAM:
        file = paths.stage(stage) / outs.get(stage, "metrics.json")
        file.parent.mkdir(parents=True)
        file.write_text("ab")
        out = f"{{path: data/{stage}/{file.name}, md5: {MD5_OF_AB}}}"
        lock += f"  {stage}: {{cmd: x, outs: [{out}]}}\n"
    paths.dvc_lock.write_text(lock)
    return paths


def test_what_was_recorded_is_copied(paths: Paths, tmp_path: Path) -> None:
    state = copy_state(paths, Lineage(paths), tmp_path / "copy")
    assert state.paths.classes.read_text() == state.paths.metrics("clean").read_text() == "ab"
    assert state.root == paths.root
    assert state.paths.classes in list_artifacts(state.paths)


def test_a_copy_of_something_else_is_refused(paths: Paths, tmp_path: Path) -> None:
    paths.classes.write_text("else")
    with pytest.raises(
        PromotionError, match=r"data/split/classes\.json is not what dvc\.lock recorded for split"
    ):
        copy_state(paths, Lineage(paths), tmp_path / "copy")


def test_what_is_gone_is_named(paths: Paths, tmp_path: Path) -> None:
    paths.classes.unlink()
    with pytest.raises(PromotionError, match=r"data/split/classes\.json cannot be copied to .*copy"):
        copy_state(paths, Lineage(paths), tmp_path / "copy")
