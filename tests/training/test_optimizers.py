"""optimizers: every name gives what it says, and schedules go where they should."""

from typing import Any

import numpy as np
import pytest

from pipeline.training.optimizers import build_optimizer, build_schedule

NAMES = ["adam", "adamax", "adamw", "muon", "rmsprop", "sgd"]
PLAIN: dict[str, Any] = {
    "learning_rate": 0.01,
    "schedule": "constant",
    "n_steps": 100,
    "n_warmup_steps": 0,
    "momentum": 0.9,
    "weight_decay": 0.1,
    "ema": 0.0,
}


@pytest.mark.parametrize("name", NAMES)
def test_name(name: str) -> None:
    assert type(build_optimizer(name, **PLAIN)).__name__.lower() == name


def test_another_name() -> None:
    with pytest.raises(ValueError, match="'lion'"):
        build_optimizer("lion", **PLAIN)


@pytest.mark.parametrize(
    ("schedule", "n_warmup_steps", "step", "rate"),
    [
        pytest.param("constant", 0, 0, 0.01, id="constant, start"),
        pytest.param("constant", 0, 99, 0.01, id="constant, end"),
        pytest.param("constant", 20, 0, 0.0005, id="constant, warm-up starts low"),
        pytest.param("constant", 20, 60, 0.01, id="constant, after the warm-up"),
        pytest.param("cosine", 20, 0, 0.0005, id="cosine, warm-up starts low"),
        pytest.param("cosine", 20, 20, 0.01, id="cosine, warm-up ends at the rate"),
        pytest.param("cosine", 20, 60, 0.005, id="cosine, half-way down"),
        pytest.param("cosine", 20, 40, 0.0085355, id="cosine, a quarter down"),
        pytest.param("cosine", 20, 100, 0.0, id="cosine ends at zero"),
        pytest.param("cosine", 20, 120, 0.0, id="and stays there"),
        pytest.param("cosine", 0, 0, 0.01, id="no warm-up"),
        pytest.param("cosine", 0, 50, 0.005, id="no warm-up, half-way"),
        pytest.param("triangular", 20, 10, 0.0055, id="triangular, half-way up"),
        pytest.param("triangular", 20, 40, 0.0075, id="triangular, a quarter down"),
        pytest.param("triangular", 20, 100, 0.0, id="triangular ends at zero"),
    ],
)
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_learning_rate(name: str, schedule: str, n_warmup_steps: int, step: int, rate: float) -> None:
    optimizer = build_optimizer(name, **PLAIN | {"schedule": schedule, "n_warmup_steps": n_warmup_steps})
    optimizer.iterations.assign(step)
    assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-6)


def test_a_constant_rate_is_a_number() -> None:
    assert build_schedule("constant", learning_rate=0.5, n_steps=9, n_warmup_steps=0) == 0.5


def apply_steps(name: str, gradient: float, n_steps: int = 1, **changed: Any) -> tuple[Any, list[float]]:
    """An optimizer after steps on a kernel, a bias and a batch norm's gamma, all of ones; their means."""
    import keras

    layers = [keras.layers.Dense(2, bias_initializer="ones", kernel_initializer="ones")]
    layers.append(keras.layers.BatchNormalization())
    model = keras.Sequential([keras.Input((3,)), *layers])
    variables = [v for v in model.trainable_variables if v.name != "beta"]
    optimizer = build_optimizer(name, **PLAIN | changed)
    for _ in range(n_steps):
        optimizer.apply([np.full(v.shape, gradient, np.float32) for v in variables], variables)
    return optimizer, [float(np.mean(v)) for v in variables]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_goes_down(name: str) -> None:
    _, means = apply_steps(name, 1.0, weight_decay=0.0)
    assert max(means) < 1


@pytest.mark.parametrize("name", ["adamw", "muon", "sgd"])
def test_kernels_decay_and_nothing_else(name: str) -> None:
    _, (kernel, bias, gamma) = apply_steps(name, 0.0)
    assert kernel == pytest.approx(1 - 0.01 * 0.1)
    assert (bias, gamma) == (1, 1)


def test_the_average_lags_behind() -> None:
    """0.98 after two steps; the average of 0.99 and 0.98 at momentum 0.9, begun with the first."""
    optimizer, (kernel, *_) = apply_steps("sgd", 1.0, n_steps=2, ema=0.9, momentum=0.0, weight_decay=0.0)
    average = float(np.mean(optimizer._model_variables_moving_average[0]))
    assert kernel == pytest.approx(0.98)
    assert average == pytest.approx(0.9 * 0.99 + 0.1 * 0.98)
