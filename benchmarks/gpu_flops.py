"""The floating-point operations of a training step, as XLA counts them for a CPU."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells import collection, make_pictures
from benchmarks.copies import params_for
from benchmarks.gpu import FLOPS


def count_flops(train: dict[str, Any], shape: tuple[int, int, int], batch: int) -> float:
    """FLOPs of a picture in a training step of Darkroom, as XLA counts them before it optimises."""
    import jax
    import keras

    from pipeline.backend.precision import use_precision
    from pipeline.models import build_model, cut_to_logits
    from pipeline.training.trainer import Phase, compile_phase, feed, read_knobs

    params = params_for(Path("none"), train=train | {"batch_size": batch}).train
    x, y = make_pictures(batch, shape)
    with tempfile.TemporaryDirectory() as folder, use_precision(params.precision):
        pictures = collection(Path(folder) / "made", x, y)
        knobs = read_knobs(params)
        height, width, channels = shape
        model = build_model(
            *(params.model,), image_hw=(height, width), channels=channels, n_classes=10, knobs=knobs
        )
        phase = Phase(cut_to_logits(model), pictures, pictures, (), 1, params.learning_rate)
        fed, _ = feed(phase, params, first_epoch=0, n_replicas=1)
        trained = compile_phase(phase, params, n_steps_an_epoch=1)
        trained._symbolic_build(data_batch=fed[0])
        names = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
        state = trained._get_jax_state(**dict.fromkeys(names, True))
        step = jax.jit(trained.train_step).lower(state, keras.tree.map_structure(np.asarray, fed[0]))
        return float(step.cost_analysis()["flops"]) / batch


def counted_flops(network: str) -> float:
    """What the part "flops" found; 0 where it did not run."""
    return float(os.environ.get(f"{FLOPS}_{network}".upper(), "0"))
