"""How much work something is, beside a known piece of work done in the same moment by the same thread.

A limit in seconds fails on a machine that is slow or busy. What no limit may miss is work that grows
without bound, so each limit here is far above what the work needs and far below what its fault needed.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

_KNOWN = b"x" * (1 << 16)


@contextmanager
def limit_effort(n_times: float) -> Iterator[None]:
    """Whether the block takes this thread at most `n_times` the known work, 0.035 s on two shared cores."""
    known_s = _measure_known()
    start = time.thread_time()
    yield
    spent_s = time.thread_time() - start
    known_s = max(known_s, _measure_known())
    assert spent_s < n_times * known_s, f"{spent_s:.2f} s, the known work {known_s:.2f} s"


def _measure_known() -> float:
    """Seconds of a loop of Python and of hashing, half each."""
    start = time.thread_time()
    total = 0
    for i in range(700_000):
        total += i
    for _ in range(400):
        hashlib.sha256(_KNOWN)
    return time.thread_time() - start
