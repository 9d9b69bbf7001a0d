"""Over- or underfitting, from the curves of a training: a word, and sentences with the numbers behind it."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from pipeline.training.history import Row, find_best_row, is_better_low

_GAP, _WEAK = 0.1, 0.8  # between training and validation; of the training pictures
_PART, _GAIN = 4, 0.02  # the last quarter of the epochs takes so much off the errors of what still learns

Fit = Literal["overfits", "underfits", "healthy"]


def judge_fit(learnt: float, validated: float) -> Fit:
    """What the accuracies on training and validation pictures say of a network, in one word."""
    if learnt - validated > _GAP:
        return "overfits"
    return "underfits" if learnt < _WEAK else "healthy"


def name_fit(learnt: float, validated: float) -> str:
    """The word and the gap of the two accuracies in points, such as "overfits (9)"; "" if one is nan."""
    if math.isnan(learnt) or math.isnan(validated):
        return ""
    return f"{judge_fit(learnt, validated)} ({(learnt - validated) * 100:.0f})"


def judge_curves(history: Sequence[Row], monitor: str) -> Fit | None:
    """How the network fits at its best epoch, in one word; None where the curves do not tell."""
    known = [row for row in history if math.isfinite(row[monitor])]
    if not known:
        return None
    best = find_best_row(known, monitor)
    learnt, validated = best["accuracy"], best["val_accuracy"]
    return judge_fit(learnt, validated) if math.isfinite(learnt) and math.isfinite(validated) else None


def is_still_learning(history: Sequence[Row], monitor: str) -> bool:
    """Whether the last epoch was the best, and the last epochs took enough off the loss, or off the errors.

    One epoch has nothing to compare with, and counts as learning.
    """
    known = [row for row in history if math.isfinite(row[monitor])]
    if not known or known[-1] is not history[-1] or find_best_row(known, monitor) is not known[-1]:
        return False
    return len(known) == 1 or _measure_last_gain(known, monitor) >= _GAIN


def _measure_last_gain(known: Sequence[Row], monitor: str) -> float:
    """Which share of the loss, or of the errors, the last quarter of two or more epochs took away."""
    earlier = known[: -max(1, len(known) // _PART)]
    was, now = (find_best_row(rows, monitor)[monitor] for rows in (earlier, known))
    if not is_better_low(monitor):
        was, now = 1 - was, 1 - now
    return (was - now) / was if was > 0 else 0.0


def describe_curves(history: Sequence[Row], monitor: str, *, n_planned: int | None) -> Iterator[str]:
    """Sentences on how the network fits, when it was best, and why its training ended.

    Args:
        history: a row per epoch, as `training.history` reads it; it may be empty.
        monitor: the value that says which epoch was the best.
        n_planned: epochs at most; None: it is not known, such as with two phases.
    """
    known = [row for row in history if math.isfinite(row[monitor])]
    if not known:
        yield "There are no curves of the training, so nothing is said of over- or underfitting."
        return
    best = find_best_row(known, monitor)
    yield _describe_gap(best["accuracy"], best["val_accuracy"])
    if len(history) == 1:
        yield (
            "The training had one epoch, and one epoch is no curve: whether more would help cannot be said "
            "(train.epochs)."
        )
        return
    yield f"{_describe_best(best, history, monitor)} {_describe_end(best, history, monitor, n_planned)}"
    yield from _describe_after(best, history[-1])


def _describe_gap(learnt: float, validated: float) -> str:
    """The accuracies with which the weights were kept, and what their difference means."""
    if not (math.isfinite(learnt) and math.isfinite(validated)):
        return "The accuracies of the training are no numbers, so nothing is said of over- or underfitting."
    gap = 100 * (learnt - validated)
    shown = f"{learnt:.1%} of the training pictures and {validated:.1%} of the validation pictures"
    fit = judge_fit(learnt, validated)
    if fit == "overfits":
        return (
            f"It overfits: it gets {shown} right, {gap:.1f} points fewer. It knows its own pictures better "
            "than others."
        )
    if fit == "underfits":
        return f"It underfits: it gets {shown} right. It has not even learned its own pictures."
    fewer = f"{abs(gap):.1f} points {'fewer' if gap >= 0 else 'more'}"
    return (
        f"It neither overfits nor underfits by much: it gets {shown} right, {fewer}. Training pictures are "
        "counted as the network saw them, so altered, and with dropout, where these are on."
    )


def _describe_best(best: Row, history: Sequence[Row], monitor: str) -> str:
    n_shared = sum(row[monitor] == best[monitor] for row in history)
    also = ", reached again later" if n_shared > 1 else ""
    what = monitor.replace("val_", "validation ")
    return f"Epoch {best['epoch']:.0f} of {len(history)} was the best ({what} {best[monitor]:.4g}{also})."


def _describe_end(best: Row, history: Sequence[Row], monitor: str, n_planned: int | None) -> str:
    """Why the training ended, and whether the network was still getting better."""
    n = len(history)
    if best["epoch"] == history[-1]["epoch"]:
        if is_still_learning(history, monitor):
            return "That was the last: it was still getting better, so more epochs may help (train.epochs)."
        return "That was the last, but the last epochs changed little: more would hardly help (train.epochs)."
    if n_planned is not None and n < n_planned:
        return f"Early stopping ended the training after {n} of at most {n_planned} epochs."
    waited = f"the {n - best['epoch']:.0f} epochs after it brought nothing better"
    return (
        f"Early stopping did not end the training, but {waited}." if n_planned else f"{waited.capitalize()}."
    )


def _describe_after(best: Row, last: Row) -> Iterator[str]:
    """What became of the losses after the best epoch, where that is overfitting."""
    if last["val_loss"] > best["val_loss"] and last["loss"] < best["loss"]:
        yield (
            f"After its best epoch the training loss fell further ({best['loss']:.3g} to "
            f"{last['loss']:.3g}), and the validation loss rose ({best['val_loss']:.3g} to "
            f"{last['val_loss']:.3g}): it began to learn by "
            "heart. Those epochs were not kept."
        )
