"""What a person sees of DVC when a remote does not give all that was pushed, as docs/scale.md says it.

Nothing is lost.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clones import Clone
from tests.object_store import BUCKET, NOBODY, S3, run_s3

pytestmark = pytest.mark.slow

AWAY = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
STAGE = "stages:\n  sum:\n    cmd: cat scans/* > sum\n    deps: [scans]\n    outs: [sum]\n"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def two(s3: S3, warm: Path, tmp_path: Path) -> tuple[Clone, Clone]:
    """A project that was pushed to S3, and a fresh clone of it that has fetched nothing."""
    first, second = Clone(tmp_path / "first"), Clone(tmp_path / "second")
    for clone in (first, second):
        clone.warm = warm
        clone.env |= s3.env | {"DVC_SITE_CACHE_DIR": str(tmp_path / f"site of {clone.root.name}")}
    (first.root / "scans").mkdir(parents=True)
    for number in range(3):
        (first.root / "scans" / f"{number}.txt").write_text(f"{tmp_path.name} {number}\n")
    (first.root / "dvc.yaml").write_text(STAGE)
    first.run("git", "init", "-q")
    first.run("dvc", "init", "-q")
    first.run("dvc", "remote", "add", "-q", "--default", "storage", f"s3://{BUCKET}/{tmp_path.name}")
    first.run("dvc", "add", "-q", "scans")
    first.run("dvc", "repro", "-q")
    first.commit()
    first.run("dvc", "push", "-q", "--run-cache")
    first.run("git", "clone", "-q", ".", str(second.root))
    return first, second


def test_whoever_is_not_let_in_or_finds_nobody_can_pull_later(two: tuple[Clone, Clone]) -> None:
    _, second = two
    assert "Forbidden" in second.run("dvc", "pull", env=NOBODY, code=1)
    assert "Could not connect to the endpoint URL" in second.run("dvc", "pull", env=AWAY, code=1)
    assert second.run("git", "status", "--porcelain") == ""
    second.run("dvc", "pull", "--run-cache")
    assert "Running stage" not in second.run("dvc", "repro")


def test_what_cannot_be_pushed_stays_here(two: tuple[Clone, Clone]) -> None:
    first, second = two
    (first.root / "scans" / "new.txt").write_text("new\n")
    first.run("dvc", "add", "-q", "scans")
    first.run("dvc", "repro", "-q")
    first.commit()
    assert "Forbidden" in first.run("dvc", "push", env=NOBODY, code=255)
    assert "Could not connect" in first.run("dvc", "push", env=AWAY, code=255)
    first.run("dvc", "push", "-q", "--run-cache")
    second.run("git", "pull", "-q", str(first.root))
    second.run("dvc", "pull", "--run-cache")
    assert (second.root / "sum").read_text().endswith("new\n")


def test_a_result_that_vanished_is_computed_again(two: tuple[Clone, Clone], s3: S3) -> None:
    first, second = two
    expected = (first.root / "sum").read_bytes()
    s3.remove(name_object(first, s3, "sum"))
    assert "failed to" in second.run("dvc", "pull", "--run-cache", code=1)
    assert "Running stage 'sum'" in second.run("dvc", "repro")
    assert (second.root / "sum").read_bytes() == expected


def test_a_picture_that_vanished_comes_back_from_who_has_it(two: tuple[Clone, Clone], s3: S3) -> None:
    """`dvc push` takes files to be there where the list of their folder is; `dvc pull` names what is not."""
    first, second = two
    name = name_object(first, s3, "scans/1.txt")
    s3.remove(name)
    said = second.run("dvc", "pull", code=1)
    assert "up to date" in first.run("dvc", "push")
    md5 = said.split("failed to transfer '")[1].partition("'")[0]
    s3.put(name, (first.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).read_bytes())
    second.run("dvc", "pull")
    assert (second.root / "scans" / "1.txt").read_bytes() == (first.root / "scans" / "1.txt").read_bytes()


def name_object(clone: Clone, s3: S3, path: str) -> str:
    """The name in the bucket of a file in a clone."""
    from pipeline.tracking.lineage import compute_md5

    md5 = compute_md5(clone.root / path)
    (name,) = (one for one in s3.list() if one.endswith(f"files/md5/{md5[:2]}/{md5[2:]}"))
    return name
