"""workspace: DVC's lock, which one process holds at a time."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.tracking.workspace import lock_workspace

HOLD = """
import sys, time
from dvc.lock import Lock
with Lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_it_waits_for_a_command_of_dvc(tmp_path: Path) -> None:
    folder = tmp_path / ".dvc" / "tmp"
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", HOLD, str(folder / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        code = "from pathlib import Path; from pipeline.tracking.workspace import lock_workspace\n"
        code += f"with lock_workspace(Path({str(tmp_path)!r})): print('mine')"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as mine:
            time.sleep(2)
            assert mine.poll() is None
            other.stdin.write("\n")
            other.stdin.close()
            assert mine.communicate(timeout=60)[0] == "mine\n"


@pytest.mark.parametrize("folder", ["", ".dvc"])
def test_nobody_else(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    with lock_workspace(tmp_path):
        pass
