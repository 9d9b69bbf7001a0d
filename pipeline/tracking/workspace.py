"""The workspace while something changes it: DVC's own lock, which its commands hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.storage import make_folder


@contextmanager
def lock_workspace(root: Path) -> Iterator[None]:
    """Hold the lock of the DVC repository at `root`; wait for it with a word.

    `dvc exp run` puts files of the workspace aside for a second and brings them back as they were: what is
    written meanwhile would be lost. Two people who decide at the same time would lose one decision. While a
    stage runs, DVC releases its lock, so nobody waits for a training. Without a DVC repository there is no
    lock.
    """
    if not (root / ".dvc").is_dir():
        yield
        return
    from dvc.lock import Lock

    make_folder(root / ".dvc" / "tmp")
    with Lock(str(root / ".dvc" / "tmp" / "lock"), friendly=True, wait=True):
        yield
