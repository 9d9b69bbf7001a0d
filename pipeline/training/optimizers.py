"""Optimizers and learning-rate schedules by name: `train` params -> objects of `keras.optimizers`."""

from typing import Any

import keras
from keras import optimizers

NO_DECAY = ("bias", "gamma", "beta")  # biases and batch norms: decay is for kernels


def build_optimizer(
    name: str,
    *,
    learning_rate: float,
    schedule: str,
    n_steps: int,
    n_warmup_steps: int,
    momentum: float,
    weight_decay: float,
    ema: float,
) -> Any:
    """A `keras.optimizers.Optimizer`.

    Args:
        name: adam, adamax, adamw, muon (dense kernels by Muon, all else by AdamW), rmsprop, sgd (Nesterov).
        learning_rate: the highest rate, reached after `n_warmup_steps`.
        n_steps: of the whole training; at its end cosine and triangular reach 0.
        momentum: of rmsprop and sgd.
        weight_decay: of adamw, muon and sgd; decoupled, so a step takes `rate * weight_decay` of each kernel.
        ema: momentum of the moving average of weights; 0: none.
    """
    rate = build_schedule(
        schedule, learning_rate=learning_rate, n_steps=n_steps, n_warmup_steps=n_warmup_steps
    )
    averaged = {"use_ema": True, "ema_momentum": ema} if ema else {}
    match name:
        case "adam" | "adamax":
            return (optimizers.Adam if name == "adam" else optimizers.Adamax)(rate, **averaged)
        case "rmsprop":
            return optimizers.RMSprop(rate, momentum=momentum, **averaged)
        case "sgd":
            nesterov = {"momentum": momentum, "nesterov": momentum > 0}
            made = optimizers.SGD(rate, weight_decay=weight_decay, **nesterov, **averaged)
        case "muon":
            decay = {"weight_decay": weight_decay, "adam_weight_decay": weight_decay}
            made = optimizers.Muon(rate, exclude_layers=["logits_dense"], **decay, **averaged)
        case "adamw":
            made = optimizers.AdamW(rate, weight_decay=weight_decay, **averaged)
        case _:
            raise ValueError(f"unknown optimizer {name!r}")
    made.exclude_from_weight_decay(var_names=list(NO_DECAY))
    return made


def build_schedule(schedule: str, *, learning_rate: float, n_steps: int, n_warmup_steps: int) -> Any:
    """A number, or a Keras `LearningRateSchedule` that rises from 0 to the rate and then falls.

    constant stays at the rate. cosine (Loshchilov and Hutter 2017, arXiv:1608.03983) and triangular (Smith
    2018, arXiv:1803.09820) end at 0 after `n_steps`.
    """
    if schedule == "constant" and not n_warmup_steps:
        return learning_rate
    return WarmUp(schedule, learning_rate=learning_rate, n_steps=n_steps, n_warmup_steps=n_warmup_steps)


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear rise to the highest rate, then the fall of the schedule: constant, cosine or triangular."""

    def __init__(self, schedule: str, *, learning_rate: float, n_steps: int, n_warmup_steps: int) -> None:
        super().__init__()
        self._schedule, self._learning_rate = schedule, learning_rate
        self._n_steps, self._n_warmup_steps = n_steps, n_warmup_steps

    def __call__(self, step: Any) -> Any:
        """The rate at a step (from 0)."""
        done = keras.ops.cast(step, "float32")
        rise = (done + 1) / max(self._n_warmup_steps, 1)
        left = 1 - (done - self._n_warmup_steps) / max(self._n_steps - self._n_warmup_steps, 1)
        left = keras.ops.clip(left, 0.0, 1.0)
        match self._schedule:
            case "cosine":
                fall = 0.5 - 0.5 * keras.ops.cos(left * 3.14159265)
            case "triangular":
                fall = left
            case _:
                fall = keras.ops.ones_like(left)
        return self._learning_rate * keras.ops.minimum(rise, fall)

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to build it again."""
        return {
            "schedule": self._schedule,
            "learning_rate": self._learning_rate,
            "n_steps": self._n_steps,
            "n_warmup_steps": self._n_warmup_steps,
        }
