"""The words about a training's curves: each shape of a history has its own, and none is a crash."""

import math

import pytest

from pipeline.evidence.fit import describe_curves, is_still_learning, judge_fit
from pipeline.training.history import CURVES, Row


def history(*rows: tuple[float, float, float, float]) -> list[Row]:
    """Epochs of loss, accuracy, val_loss, val_accuracy."""
    return [
        dict(zip(CURVES, (*row, 0.001), strict=True)) | {"epoch": float(epoch)}
        for epoch, row in enumerate(rows, start=1)
    ]


@pytest.mark.parametrize(
    ("learnt", "validated", "fit"),
    [(0.99, 0.85, "overfits"), (0.7, 0.69, "underfits"), (0.97, 0.95, "healthy")],
)
def test_the_gap_has_a_name(learnt: float, validated: float, fit: str) -> None:
    assert judge_fit(learnt, validated) == fit


CREEPING = history(*[(0.41, 0.9, 0.44, 0.88)] * 3, (0.4, 0.9, 0.439, 0.88))
HEART = history((1, 0.6, 1.1, 0.5), (0.4, 0.97, 0.8, 0.75), (0.1, 0.99, 1.5, 0.74))
RISING = history((1, 0.6, 1.1, 0.5), (0.4, 0.9, 0.8, 0.88))
WEAK = history((1.6, 0.3, 1.7, 0.28), (1.5, 0.4, 1.6, 0.41), (1.5, 0.4, 1.6, 0.41))


@pytest.mark.parametrize(
    ("rows", "n_planned", "expected"),
    [
        pytest.param(
            HEART,
            20,
            [
                "It overfits: it gets 97.0% of the training pictures and 75.0% of the validation pictures "
                "right, 22.0 points fewer",
                "Epoch 2 of 3 was the best (validation loss 0.8)",
                "Early stopping ended the training after 3 of at most 20 epochs",
                "the training loss fell further (0.4 to 0.1), and the validation loss rose (0.8 to 1.5)",
            ],
            id="by heart",
        ),
        pytest.param(
            HEART,
            3,
            ["Early stopping did not end the training, but the 1 epochs after it"],
            id="ran to its end",
        ),
        pytest.param(HEART, None, ["The 1 epochs after it brought nothing better."], id="two phases"),
        pytest.param(
            RISING,
            2,
            ["neither overfits nor underfits by much", "2.0 points fewer", "That was the last: it was still"],
            id="still improving",
        ),
        pytest.param(
            CREEPING, 4, ["That was the last, but the last epochs changed little"], id="at a standstill"
        ),
        pytest.param(
            WEAK,
            3,
            ["It underfits: it gets 40.0% of the training", "not even learned", "reached again later"],
            id="weak",
        ),
        pytest.param(RISING[1:], 1, ["2.0 points fewer", "one epoch is no curve"], id="one epoch"),
        pytest.param([], 20, ["There are no curves of the training"], id="none"),
        pytest.param(
            [RISING[0] | {"accuracy": math.nan}], 1, ["are no numbers, so nothing is said"], id="no number"
        ),
        pytest.param([RISING[0] | {"val_loss": math.nan}], 1, ["There are no curves"], id="no monitor"),
    ],
)
def test_each_history_has_its_words(rows: list[Row], n_planned: int | None, expected: list[str]) -> None:
    said = " ".join(describe_curves(rows, "val_loss", n_planned=n_planned))
    assert [words for words in expected if words not in said] == [], said


def test_an_accuracy_still_rises_by_its_errors() -> None:
    """0.990 to 0.995 halves the errors; 0.50 to 0.505 takes one in a hundred."""
    for was, now, expected in ((0.990, 0.995, True), (0.50, 0.505, False), (0.5, 0.5, False)):
        rows = history((1, 1, 1, 0.4), (1, 1, 1, was), (1, 1, 1, now))
        assert is_still_learning(rows, "val_accuracy") is expected
    assert is_still_learning(history((1, 1, 1, 0.4)), "val_accuracy"), "one epoch"
    assert not is_still_learning([], "val_accuracy")
    assert not is_still_learning(history((1, 1, 1, 0.4), (1, 1, math.nan, math.nan)), "val_loss")


def test_what_says_which_epoch_was_best_is_monitored() -> None:
    rows = history((0.5, 0.9, 0.4, 0.8), (0.4, 0.9, 0.5, 0.9))
    assert "Epoch 1 of 2 was the best (validation loss 0.4)" in " ".join(
        describe_curves(rows, "val_loss", n_planned=2)
    )
    assert "Epoch 2 of 2 was the best (validation accuracy 0.9)" in " ".join(
        describe_curves(rows, "val_accuracy", n_planned=2)
    )
