"""The real chain on a source in S3: DVC knows it by the etags of its objects."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.clones import QUICK, Clone, make_clone
from tests.object_store import BUCKET, NOBODY, S3, run_s3
from tests.test_end_to_end import list_running

pytestmark = pytest.mark.slow

N_A_CLASS = 40
AWAY = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path, s3: S3) -> Clone:
    """A clone whose pictures lie in S3 alone, before its first run."""
    clone = make_clone(repo, tmp_path_factory.mktemp("store") / "darkroom")
    clone.warm = warm
    clone.env |= s3.env
    clone.draw_collection(N_A_CLASS)
    s3.put_folder(clone.paths.raw, "raw")
    clone.run("bash", "-c", f"mv data/raw {clone.root.parent}/raw")
    clone.run("git", "init", "-q")
    clone.set_params(QUICK | {"data": {"source": f"s3://{BUCKET}/raw"}})
    clone.commit()
    return clone


def test_the_chain_runs_and_has_nothing_to_do_afterwards(clone: Clone) -> None:
    assert "120 files in 3 classes" in clone.run("darkroom", "check")
    clone.run("dvc", "repro")
    lock = (clone.root / "dvc.lock").read_text()
    assert f"path: s3://{BUCKET}/raw" in lock
    assert clone.env["AWS_SECRET_ACCESS_KEY"] not in lock
    assert json.loads(clone.paths.decision.read_text())["verdict"] == "PROMOTE"
    said = clone.run("dvc", "repro")
    assert list_running(said) == ["promote"]
    assert "nothing to do: PROMOTE" in said


def test_new_and_removed_objects_cost_themselves(clone: Clone, s3: S3) -> None:
    said = s3.log.read_text()
    Image.new("L", (3, 3)).save(clone.root.parent / "tiny.png")
    s3.put("raw/circle/tiny.png", (clone.root.parent / "tiny.png").read_bytes())
    s3.remove("raw/square/000.png")
    assert f"s3://{BUCKET}/raw" in clone.run("dvc", "status", "validate")
    assert list_running(clone.run("dvc", "repro", "split")) == ["validate", "clean", "split"]
    asked = s3.log.read_text()[len(said) :].splitlines()
    fetched = [line.split('"')[1].split()[1] for line in asked if f"GET /{BUCKET}/raw/" in line]
    assert fetched == [f"/{BUCKET}/raw/circle/tiny.png"] * 2, "by validate and by clean"
    assert "circle/tiny.png" in clone.run("darkroom", "quarantine", "list")
    assert "too_small" in clone.run("darkroom", "quarantine", "show", f"s3://{BUCKET}/raw/circle/tiny.png")


def test_whoever_is_not_let_in_is_told_and_loses_nothing(clone: Clone) -> None:
    before = clone.digests(("validate", "clean", "split"))
    for env, said in (
        (NOBODY, "see whether the credentials"),
        (AWAY, "see whether the store can be reached"),
    ):
        told = clone.run("darkroom", "check", env=env, code=1)
        assert said in told
        assert "Traceback" not in told
        assert "failed to reproduce 'validate'" in clone.run("dvc", "repro", env=env, code=255)
    assert clone.digests(("validate", "clean", "split")) == before
    assert "Running" not in clone.run("dvc", "repro", "split")


def test_setup_proposes_for_a_prefix(clone: Clone) -> None:
    said = clone.run("darkroom", "setup", f"s3://{BUCKET}/raw", "--yes")
    assert "120 files in 3 classes" in said
    assert f"source: s3://{BUCKET}/raw" in clone.paths.params.read_text()
