"""A stage whose disk fails, or that is killed at work, ends in one line at most; the next run mends all.

A sample of what `python -m benchmarks.faults` does: real stages in a clone, with `tests/shim.c` in between.
"""

from pathlib import Path

import pytest

from tests.faults import Fault, Stand, build_shim

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stand(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path, shim: Path | None) -> Stand:
    """The chain up to split, undisturbed."""
    if shim is None:
        pytest.skip("there is no compiler for C")
    return Stand.make(repo, tmp_path_factory.mktemp("faults"), warm, ("validate", "clean", "split"))


FAULTS = [
    Fault("validate", "data", "sync", 3, "EIO"),
    Fault("clean", "data", "write", 40, "ENOSPC", is_on=True),
    Fault("clean", "data", "write", 2, "short", is_on=True),
    Fault("split", "data", "open", 2, "EROFS"),
]
KILLS = [
    Fault("clean", "data", "write", 70, "kill"),
    Fault("split", "data", "rename", 3, "killed"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_disk_that_fails(stand: Stand, fault: Fault) -> None:
    outcome = stand.try_fault(fault)
    assert outcome.wrong == (), outcome.ended.said
    assert outcome.ended.code == (0 if fault.how == "short" else 1)


@pytest.mark.parametrize("fault", KILLS, ids=str)
def test_killed_at_work(stand: Stand, fault: Fault) -> None:
    outcome = stand.try_fault(fault)
    assert outcome.wrong == (), outcome.ended.said


def test_without_a_compiler_there_is_no_shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_shim(tmp_path) is None
