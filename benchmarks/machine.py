"""The machine that a benchmark runs on, in words, to stand beside its figures."""

import os
import platform
import re
import sys
from pathlib import Path

from pipeline.workers import count_workers


def describe_machine() -> str:
    """Processor, cores, vector units (they decide how fast a network is), workers, and the load just now."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8") if sys.platform == "linux" else ""
    found = re.search(r"model name\s*: (.*)", told)
    kind = next((name for name in ("avx512f", "avx2") if name in told), "neither AVX2 nor AVX-512")
    return (
        f"{found[1] if found else platform.machine()}, {len(os.sched_getaffinity(0))} cores with {kind}, "
        f"{count_workers()} workers, load {os.getloadavg()[0]:.1f} before"
    )
