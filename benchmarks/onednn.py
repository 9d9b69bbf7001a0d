"""TensorFlow with and without oneDNN's graph optimisations, in pairs: the network and the sizes of the demo.

TensorFlow switches them on by itself only where the processor has AVX-512. Each cell is a process of its own
that trains `compact` in float32 on scikit-learn's digits; printed are pictures a second (the best epoch after
the first) and, for each pair, the ratio. `--isa AVX2` limits oneDNN to AVX2, to stand for a processor without
AVX-512 (Eigen's own kernels are those of TensorFlow's build on either).

Run: python -m benchmarks.onednn [--pairs 3] [--isa AVX2] [--sides 16 32]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.copies import params_for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--isa", default="")
    parser.add_argument("--sides", type=int, nargs="*", default=[16, 32])
    parser.add_argument("--cell", type=int, default=0)
    options = parser.parse_args()
    if options.cell:
        print(json.dumps(train_digits(options.cell)), flush=True)
        return
    print(f"{'side, px':<10}{'off, pictures/s':>18}{'on, pictures/s':>18}   on / off, each pair")
    for side in options.sides:
        pairs = [
            (run_cell(side, False, options.isa), run_cell(side, True, options.isa))
            for _ in range(options.pairs)
        ]
        off, on = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        ratios = "  ".join(f"{with_it / without:.2f}" for without, with_it in pairs)
        print(f"{side:<10}{off:>18,.0f}{on:>18,.0f}   {ratios}", flush=True)


def run_cell(side: int, is_on: bool, isa: str) -> float:
    env = os.environ | {"TF_ENABLE_ONEDNN_OPTS": str(int(is_on)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    env |= {"ONEDNN_MAX_CPU_ISA": isa} if isa else {}
    command = [sys.executable, "-m", "benchmarks.onednn", "--cell", str(side)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def train_digits(side: int) -> float:
    """Pictures a second of the fastest epoch after the first."""
    from pipeline.backend.device import set_up_device

    set_up_device()
    from PIL import Image
    from sklearn.datasets import load_digits

    from benchmarks.cells import collection
    from pipeline.training.policy import build_policy
    from pipeline.training.trainer import fit

    digits = load_digits()
    resized = [Image.fromarray((d * 15).astype(np.uint8)).resize((side, side)) for d in digits.images]
    x = np.stack([np.asarray(picture.convert("RGB")) for picture in resized])
    y = digits.target.astype(np.int64)
    train: dict[str, Any] = {"epochs": 5, "precision": "float32", "patience": 5}
    params = params_for(Path("none"), train=train)
    moments = []
    with tempfile.TemporaryDirectory() as folder:
        pictures = collection(Path(folder) / "train", x[:1280], y[:1280])
        val = collection(Path(folder) / "val", x[1280:1408], y[1280:1408])
        fit(
            pictures,
            val,
            n_classes=10,
            policy=build_policy(params.augment, channels=3),
            params=params.train,
            on_epoch=lambda row: moments.append(time.perf_counter()),
        )
    return 1280 / float(np.diff(moments).min())


if __name__ == "__main__":
    main()
