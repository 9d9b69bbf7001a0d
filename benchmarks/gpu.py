"""What Darkroom does with a GPU, by Keras on JAX: pictures a second, share of the card's peak, memory limit.

Each part (benchmarks.gpu_parts) is a process of its own with a time limit, so a failing one stops no other.
JAX keeps what it has compiled in a folder that all parts share.

"flops" counts on the CPU, because XLA counts none for a GPU; the share of the peak rests on it.

Run: python -m benchmarks.gpu [flops] [device] [feed] [memory] [compact] [features] [whole] [--json gpu.json]
         [--budget-s 1000] [--batches 256 1024] [--small]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Seconds that a part may take at most, so that each has its turn.
LIMITS_S = {"flops": 120.0, "device": 60.0, "feed": 60.0, "memory": 80.0, "compact": 300.0}
LIMITS_S |= {"features": 240.0, "whole": 300.0}
MEMORY_MB = 8192  # of the part "memory"
FLOPS = "BENCH_FLOPS"  # begins the names of variables that hand the counts on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*LIMITS_S, []], default=[])
    parser.add_argument("--json", type=Path, help="gets all figures")
    parser.add_argument("--budget-s", type=float, default=1000.0, help="for all parts together")
    parser.add_argument("--batches", nargs="+", default=["128", "256", "1024", "4096"], help="of compact")
    parser.add_argument("--small", action="store_true", help="tiny sizes, which a CPU can do, without limits")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    end = time.monotonic() + options.budget_s
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
        for part in options.parts or LIMITS_S:
            start = time.monotonic()
            limit_s = min(end - start, float("inf") if options.small else LIMITS_S[part])
            more = ["--small"] * options.small + ["--batches", *options.batches]
            for row in run_part(part, more, limit_s=limit_s):
                if "flops_per_picture" in row:
                    os.environ[f"{FLOPS}_{row['network']}".upper()] = str(row["flops_per_picture"])
                rows.append({"part": part} | row)
                if options.json:
                    options.json.write_text(json.dumps(rows, indent=1))
            print(f"   {part}: {time.monotonic() - start:.0f} s", flush=True)


def run_part(part: str, more: list[str], *, limit_s: float) -> Iterator[dict[str, Any]]:
    """Run a part in a process of its own; print what it prints, and give the rows that it says."""
    if limit_s < 10:
        print(f"{part}: left out, the time is up", flush=True)
        return
    command = [sys.executable, "-m", "benchmarks.gpu_parts", part, *more]
    limit = {"DARKROOM_GPU_MEMORY_MB": str(MEMORY_MB)} if part == "memory" else {}
    limit |= {"JAX_PLATFORMS": "cpu"} if part == "flops" else {}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env=os.environ | limit
        )
        stop = threading.Timer(limit_s, process.kill)
        stop.start()
        for line in process.stdout or ():
            text, _, row = line.rstrip("\n").partition("\t")
            print(text, flush=True)
            yield {"line": text} | (json.loads(row) if row else {})
        code = process.wait()
        stop.cancel()
        said.seek(0)
        errors = said.read().strip().splitlines()
    for line in errors[-12:] if code else []:
        print(f"   {line[:300]}", flush=True)
    if code:
        print(f"{part}: {'stopped at its limit' if code == -9 else 'FAILED'} ({code})", flush=True)


if __name__ == "__main__":
    main()
