"""The parts of benchmarks.gpu, each a process of its own: Darkroom's code on the GPU that JAX sees.

A line of output is for people; behind a tab it has the same figures as JSON. Pictures are made by code, of
ten classes that can be learnt.

Run: KERAS_BACKEND=jax python -m benchmarks.gpu_parts compact [--small]
"""

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cells import bare, collection, darkroom, make_pictures
from benchmarks.gpu import MEMORY_MB
from benchmarks.gpu_flops import count_flops, counted_flops
from benchmarks.gpu_watch import Watch
from benchmarks.training import CONV

# TFLOP/s without sparsity: NVIDIA's data sheets of the H100 SXM and the H200 SXM, which agree. JAX multiplies
# float32 in tf32 on these cards.
PEAKS = {"mixed_bfloat16": 989.0, "float32": 494.0}
BATCHES = (128, 256, 1024, 4096)
DEFAULT_AUGMENTATION = {"rotation": 0.03, "zoom": 0.1, "shift": 0.1, "contrast": 0.1, "brightness": 0.1}
LITE = {"model": "efficientnet_lite0", "schedule": "constant", "optimizer": "adamw"}
HEAD = "network   precision batch   bare fit   Darkroom  ratio  first s    peak  GPU %    MiB      W   right"
_N_VAL = 32

Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="of compact")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*int64 requested in ShapeDtypeStruct")
    if options.part == "compact":
        compact(options.small, options.batches)
    else:
        PARTS[options.part](options.small)


def say(text: str, **row: Any) -> None:
    """Tell the parent process a line for people and a row for the file."""
    print(f"{text}\t{json.dumps(row, default=str)}", flush=True)


@contextmanager
def attempt(what: str) -> Iterator[None]:
    """A part goes on with its next line when this one fails."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (there is one try, and whatever else works is to be seen)
        say(f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", what=what, failed=True)


def set_up() -> str:
    from pipeline.backend.device import set_up_device

    return set_up_device()


def rate(found: Found) -> tuple[float, float]:
    """Pictures a second: the median epoch after the first, and the best."""
    later = found["epoch_s"][1:]
    return found["n"] / statistics.median(later), found["n"] / min(later)


def watched_fit(data: str, train: Found, *, n_val: int, augment: Found | None = None) -> Found:
    """Darkroom's own training, with its rates and what the card did in the epochs after the first."""
    with Watch() as watch:
        found = darkroom(data=data, train=train, n_val=n_val, augment=augment)
    median, best = rate(found)
    at = found.pop("epoch_at")
    return found | {"rate": median, "best_rate": best} | watch.summarise(at[1], at[-1])


def device(is_small: bool) -> None:
    """What Darkroom computes on, and how fast a large matrix product is there."""
    chosen = set_up()
    from pipeline.backend.device import describe_machine
    from pipeline.backend.precision import resolve_precision

    auto = resolve_precision("auto")
    say(f"device: {chosen}, train.precision auto is {auto}", device=chosen, auto=auto)
    say(f"device: {describe_machine()}", machine=describe_machine())
    with attempt("device: matrix product"):
        import jax

        side, n = (256 if is_small else 8192), 20
        keys = jax.random.split(jax.random.key(0))
        for dtype in ("bfloat16", "float32"):
            a, b = (jax.random.normal(key, (side, side)).astype(dtype) for key in keys)
            multiply = jax.jit(lambda a, b: a @ b)
            multiply(a, b).block_until_ready()
            start = time.perf_counter()
            for _ in range(n):
                product = multiply(a, b)
            product.block_until_ready()
            found = 2 * side**3 * n / (time.perf_counter() - start) / 1e12
            say(f"device: {side}x{side} product in {dtype}: {found:,.0f} TFLOP/s", dtype=dtype, tflops=found)


def memory(is_small: bool) -> None:
    """Training with DARKROOM_GPU_MEMORY_MB set: what the card and JAX say of the card's memory."""
    set_up()
    with Watch() as watch, attempt("memory"):
        import jax

        train = CONV | {"model": "conv1", "epochs": 5, "precision": "auto"}
        found = darkroom(data=f"made {1_024 if is_small else 8_448} 28x28x1", train=train, n_val=256)
        stats = jax.devices()[0].memory_stats() or {}
        most = max((sample[2] for sample in watch.samples), default=0.0)
        limit = stats.get("bytes_limit", 0) / 2**20
        say(
            f"memory: limit {MEMORY_MB:,} MiB; JAX may take {limit:,.0f}; the card has {most:,.0f} in use;"
            f" conv1 learnt in 5 epochs to {found['val_accuracy']:.1%} (chance 10 %)",
            **{"limit_mb": MEMORY_MB, "jax_limit_mb": limit, "most_used_mb": most},
            val_accuracy=found["val_accuracy"],
        )


def feed(is_small: bool) -> None:
    """How many pictures a second one thread of the host gathers into batches, without any network."""
    from pipeline.training.batches import Batches

    for n, shape, batches in (
        (1_024 if is_small else 61_440, (28, 28, 1), BATCHES),
        (64 if is_small else 2_048, (224, 224, 3), (32, 256)),
    ):
        x, y = make_pictures(n, shape)
        with tempfile.TemporaryDirectory() as folder:
            pictures = collection(Path(folder) / "made", x, y)
            for batch in batches:
                fed = Batches(pictures, n_classes=10, batch_size=batch, shuffle_seed=0)
                start = time.perf_counter()
                for i in range(len(fed)):
                    fed[i]
                found = n / (time.perf_counter() - start)
                size = "x".join(map(str, shape))
                say(
                    f"feed: {size}, batch {batch}: {found:,.0f} pictures/s",
                    batch=batch,
                    size=size,
                    rate=found,
                )


def count(is_small: bool) -> None:
    """The FLOPs of one picture in a training step of each network, on the CPU."""
    set_up()
    side, batch = (64, 8) if is_small else (224, 32)
    for network, train, shape in (
        ("compact", CONV | {"model": "compact"}, (28, 28, 1)),
        ("whole", LITE | {"weights": None, "epochs": 1}, (side, side, 3)),
    ):
        with attempt(f"flops of {network}"):
            found = count_flops(train | {"precision": "float32"}, shape, batch)
            text = f"flops: {network}, {shape[0]}x{shape[1]}: {found / 1e6:,.1f} MFLOPs a picture and step"
            say(text, network=network, flops_per_picture=found)


def compact(is_small: bool, batches: Sequence[int] = BATCHES) -> None:
    """`compact` on 28x28x1: Darkroom's trainer beside `model.fit` on arrays, each precision and batch."""
    set_up()
    n, epochs = (1_024, 3) if is_small else (61_440, 12)
    flops = counted_flops("compact")
    say(HEAD)
    for precision in ("mixed_bfloat16", "float32"):
        for batch in BATCHES[:2] if is_small else batches:
            with attempt(f"compact {precision} {batch}"):
                train = CONV | {"model": "compact", "epochs": epochs, "batch_size": batch}
                ours = watched_fit(f"made {n + 256} 28x28x1", train | {"precision": precision}, n_val=256)
                how: Found = {"data": f"made {n} 28x28x1", "epochs": epochs, "batch": batch}
                theirs = bare(model="compact", precision=precision, **how)
                say_fit(
                    "compact", ours, theirs=rate(theirs)[0], flops=flops, precision=precision, batch=batch
                )
    with attempt("compact augmented"):
        train = CONV | {"model": "compact", "epochs": epochs, "batch_size": 256}
        train |= {"precision": "mixed_bfloat16"}
        ours = watched_fit(f"made {n + 256} 28x28x1", train, n_val=256, augment=DEFAULT_AUGMENTATION)
        say_fit("augmented", ours, theirs=0.0, flops=flops, precision="mixed_bfloat16", batch=256)


def say_fit(name: str, ours: Found, *, theirs: float, flops: float, precision: str, batch: int) -> None:
    """One line of the table of HEAD; `theirs` 0: bare Keras did not run."""
    part = flops * ours["rate"] / (PEAKS[precision] * 1e12)
    cells = [
        f"{name:<10}{precision.removeprefix('mixed_'):<9}{batch:>5}{theirs:>11,.0f}{ours['rate']:>11,.0f}"
    ]
    cells += [f"{ours['rate'] / theirs if theirs else 0:>7.2f}{ours['epoch_s'][0]:>9.1f}{part:>8.2%}"]
    cells += [f"{ours.get(key, 0):>7,.0f}" for key in ("use_percent", "memory_mb", "power_w")]
    figures: Found = {"network": name, "precision": precision, "batch": batch, "bare_rate": theirs}
    say(f"{''.join(cells)}{ours['val_accuracy']:>8.1%}", **figures, share=part, **ours)


def features(is_small: bool) -> None:
    """The frozen backbone of `efficientnet_lite0` at 224x224x3, and a training of its head."""
    set_up()
    from pipeline.backend import inference
    from pipeline.backend.precision import use_precision
    from pipeline.models import build_model, find_backbone
    from pipeline.training.frozen_features import FeatureCache

    n = 64 if is_small else 2_048
    x, y = make_pictures(n, (224, 224, 3))
    for precision, batches in (("mixed_bfloat16", (32, 256)), ("float32", (32,))):
        with use_precision(precision):
            how: Found = {"image_hw": (224, 224), "channels": 3, "n_classes": 10, "weights": "imagenet"}
            backbone = find_backbone(build_model("efficientnet_lite0", **how))
        for batch in batches[:1] if is_small else batches:
            with attempt(f"features {precision} {batch}"):
                inference.BATCH_SIZE = batch
                inference.compute_outputs(backbone, x[:batch])
                start = time.perf_counter()
                inference.compute_outputs(backbone, x)
                found = n / (time.perf_counter() - start)
                text = f"features: {precision}, batch {batch}: {found:,.0f} pictures/s"
                say(text, precision=precision, batch=batch, rate=found)
        inference.BATCH_SIZE = 32
        with attempt("features: cache"), tempfile.TemporaryDirectory() as folder:
            pictures = collection(Path(folder) / "made", x, y)
            cache = FeatureCache(backbone, name="efficientnet_lite0", folder=Path(folder) / "features")
            for what in ("computed and kept", "known"):
                start = time.perf_counter()
                cache.read(pictures, what)
                found = n / (time.perf_counter() - start)
                say(
                    f"features: {precision}, as `train` reads them, {what}: {found:,.0f} pictures/s",
                    rate=found,
                )
    with attempt("features: head"):
        train = LITE | {"weights": "imagenet", "epochs": 5, "precision": "auto", "learning_rate": 0.003}
        of_head = darkroom(data=f"made {n + _N_VAL} 224x224x3", train=train, n_val=_N_VAL)
        text = f"features: {n} pictures and the head in 5 epochs, {of_head['fit_s']:.1f} s in all"
        say(f"{text}; accuracy {of_head['val_accuracy']:.1%} (chance 10 %)", **of_head)


def whole(is_small: bool) -> None:
    """`efficientnet_lite0` at 224x224x3 from random weights: all of it trained."""
    set_up()
    n, shape, epochs = (64, (64, 64, 3), 2) if is_small else (2_048, (224, 224, 3), 5)
    train = LITE | {"weights": None, "epochs": epochs, "learning_rate": 0.001}
    flops = counted_flops("whole")
    say(HEAD)
    for precision, batch in (("mixed_bfloat16", 256), ("mixed_bfloat16", 64), ("float32", 256)):
        with attempt(f"whole {precision} {batch}"):
            data = f"made {n + _N_VAL} {'x'.join(map(str, shape))}"
            how = train | {"precision": precision, "batch_size": 32 if is_small else batch}
            say_fit(
                "whole",
                watched_fit(data, how, n_val=_N_VAL),
                theirs=0.0,
                flops=flops,
                precision=precision,
                batch=batch,
            )


PARTS: dict[str, Callable[[bool], None]] = {
    "flops": count,
    "device": device,
    "feed": feed,
    "memory": memory,
    "compact": compact,
    "whole": whole,
    "features": features,
}

if __name__ == "__main__":
    main()
