"""adversaries: each loss reaches its own network; pictures depend on (seed, i)."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.synthesis.adversaries import Adversaries, HingeLoss, PartOfLoss, make_pictures, settle
from pipeline.synthesis.network import N_NOISE, build_critic, build_generator

SHAPE = (8, 8, 1)


@pytest.fixture
def pair() -> Adversaries:
    keras.utils.set_random_seed(0)
    model = Adversaries(build_generator(SHAPE), build_critic(SHAPE), seed=0)
    model(np.zeros((2, *SHAPE), np.uint8))
    return model


class OneColumn(keras.losses.Loss):  # type: ignore[misc]
    """The mean of one column of the logits."""

    def __init__(self, column: int) -> None:
        super().__init__()
        self._column = column

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred[:, self._column]


@pytest.mark.parametrize(
    ("column", "learns"),
    [
        pytest.param(0, "critic", id="real"),
        pytest.param(1, "critic", id="made up, for the critic"),
        pytest.param(2, "generator", id="made up, for the generator"),
    ],
)
def test_a_loss_reaches_one_network(column: int, learns: str, pair: Adversaries) -> None:
    """SpectralNormalization itself changes kernels of the critic, so its biases are looked at."""
    pair.compile(optimizer=keras.optimizers.SGD(1.0), loss=OneColumn(column))
    both = {"critic": pair.critic, "generator": pair.generator}

    def read(network: Any) -> list[Any]:
        wanted = [
            one
            for one in network.trainable_variables
            if "kernel" not in one.path or network is both["generator"]
        ]
        return [np.array(one) for one in wanted]

    before = {name: read(network) for name, network in both.items()}
    pair.train_on_batch(np.full((4, *SHAPE), 200, np.uint8), np.zeros((4, 1), np.float32))
    for name, network in both.items():
        changed = any(not np.array_equal(a, b) for a, b in zip(before[name], read(network), strict=True))
        assert changed == (name == learns), name


def test_the_loss_by_hand() -> None:
    logits = np.array([[0.5, -0.5, 2.0], [2.0, -3.0, -1.0]], np.float32)
    assert float(HingeLoss()(np.zeros((2, 1)), logits)) == pytest.approx(np.mean([0.5 + 0.5 - 2.0, 1.0]))
    for name, expected in (("critic_loss", 0.5), ("generator_loss", -0.5)):
        part = PartOfLoss(name=name)
        part.update_state(np.zeros((2, 1)), logits)
        assert float(part.result()) == pytest.approx(expected)


def test_pictures_depend_on_seed_and_number(pair: Adversaries) -> None:
    settle(pair.generator, 0)
    made = make_pictures(pair.generator, 70, seed=0)
    assert made.shape == (70, *SHAPE)
    assert made.dtype == np.uint8
    assert np.array_equal(make_pictures(pair.generator, 3, seed=0), made[:3])
    assert not np.array_equal(make_pictures(pair.generator, 3, seed=1), made[:3])
    assert len(make_pictures(pair.generator, 0, seed=0)) == 0


def test_settling_forgets_what_was(pair: Adversaries) -> None:
    settle(pair.generator, 0)
    first = make_pictures(pair.generator, 3, seed=0)
    pair.generator(np.full((64, N_NOISE), 9, np.float32), training=True)
    assert not np.array_equal(make_pictures(pair.generator, 3, seed=0), first)
    settle(pair.generator, 0)
    assert np.array_equal(make_pictures(pair.generator, 3, seed=0), first)
