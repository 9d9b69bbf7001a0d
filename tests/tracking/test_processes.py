"""processes: a process that lives, has ended, or cannot be seen from here."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from pipeline.tracking.processes import describe_process, is_gone

NOW_MS = int(time.time() * 1000)
LONG_AGO_MS = NOW_MS - 2 * 86_400_000


def describe(**changed: Any) -> str:
    return json.dumps(json.loads(describe_process()) | changed)


def test_this_process_lives() -> None:
    assert not is_gone(describe_process(), LONG_AGO_MS)


def test_a_process_that_ended_is_gone() -> None:
    code = "from pipeline.tracking.processes import describe_process; print(describe_process())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_gone(done.stdout, NOW_MS)


@pytest.mark.parametrize(
    ("described", "is_gone_now", "is_gone_later"),
    [
        pytest.param(describe(started=1.0), True, True, id="its number was given to another process"),
        pytest.param(describe(boot="another"), True, True, id="the machine was started anew"),
        pytest.param(describe(host="elsewhere", pid=4194304), False, True, id="another host"),
        pytest.param(describe(machine="another", boot="another"), False, True, id="of the same name"),
        pytest.param(describe(namespace="pid:[1]", pid=4194304), False, True, id="another container"),
        pytest.param(None, False, True, id="not said"),
        pytest.param("{}", False, True, id="of another version"),
        pytest.param("[1]", False, True, id="something else"),
    ],
)
def test_what_cannot_be_seen_counts_as_gone_after_a_day(
    described: str | None, is_gone_now: bool, is_gone_later: bool
) -> None:
    assert is_gone(described, NOW_MS) == is_gone_now
    assert is_gone(described, LONG_AGO_MS) == is_gone_later
