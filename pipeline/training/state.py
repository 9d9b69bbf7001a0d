"""The state of a training: the epochs done, the best weights, and what it takes to continue bit for bit."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError
from pipeline.training.checkpoints import Checkpoint, Checkpoints
from pipeline.training.history import Row, is_better_low

Array = npt.NDArray[Any]

_log = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """The epochs done, the weights of the best of them, and where the current phase is.

    Attributes:
        monitor: val_loss | val_accuracy: what "best" means.
        on_epoch: called with each row, including those of an earlier process.
        checkpoints: where `save` writes; None: nowhere.
        phase: the number of the phase (from 0).
        phase_start: how many epochs were done before the phase.
        is_done: whether the phase has had its last epoch.
        variables: of the training model and its optimizer when the phase was interrupted; [] at its
            beginning.
    """

    monitor: str
    on_epoch: Callable[[Row], None] = lambda row: None
    checkpoints: Checkpoints | None = None
    rows: list[Row] = field(default_factory=list)
    best_value: float | None = None
    best_weights: list[Array] = field(default_factory=list)
    phase: int = 0
    phase_start: int = 0
    is_done: bool = False
    variables: list[Array] = field(default_factory=list)

    @classmethod
    def load(cls, monitor: str, *, on_epoch: Callable[[Row], None], checkpoints: Checkpoints | None) -> Self:
        """The state of the last checkpoint; a fresh one if there is none."""
        state = cls(monitor, on_epoch, checkpoints)
        found = checkpoints.load() if checkpoints else None
        if found is not None:
            state._take_over(found)
            where = checkpoints.path if checkpoints else None
            _log.info("training continues after epoch %d, from %s", len(state.rows), where)
        return state

    def enter(self, number: int, model: Any) -> None:
        """Begin a phase with the best weights of the one before; an interrupted phase is left as it is."""
        if number == self.phase and self.variables:
            return
        self.phase, self.phase_start, self.is_done, self.variables = number, len(self.rows), False, []
        if self.best_weights:
            model.set_weights(self.best_weights)

    def restore(self, trained: Any) -> None:
        """Put the values of an interrupted phase into all variables; at its beginning, do nothing."""
        if self.variables:
            for variable, value in zip(list_variables(trained), self.variables, strict=True):
                variable.assign(value)

    def save(self, trained: Any, *, is_done: bool) -> None:
        """Write a checkpoint: all variables (those of random draws too), the best weights, the rows."""
        if self.checkpoints is None:
            return
        plain = {
            "phase": self.phase,
            "phase_start": self.phase_start,
            "phase_done": is_done,
            "rows": self.rows,
            "best_value": self.best_value,
        }
        arrays = {f"now/{i}": np.asarray(value) for i, value in enumerate(list_variables(trained))}
        arrays |= {f"best/{i}": value for i, value in enumerate(self.best_weights)}
        self.checkpoints.save(plain, arrays)

    def is_best(self, value: float) -> bool:
        """Whether a value is better than all before; a tie is not."""
        if self.best_value is None:
            return math.isfinite(value)
        return value < self.best_value if is_better_low(self.monitor) else value > self.best_value

    def add(self, row: Row) -> None:
        """Record a finished epoch."""
        self.rows.append(row)
        self.on_epoch(row)

    def _take_over(self, found: Checkpoint) -> None:
        self.phase, self.phase_start = found.state["phase"], found.state["phase_start"]
        self.is_done, self.best_value = found.state["phase_done"], found.state["best_value"]
        self.variables, self.best_weights = (_list_arrays(found, name) for name in ("now", "best"))
        for row in found.state["rows"]:
            self.add(row)


def _list_arrays(found: Checkpoint, kind: str) -> list[Array]:
    n = sum(name.startswith(f"{kind}/") for name in found.arrays)
    return [found.arrays[f"{kind}/{i}"] for i in range(n)]


def list_variables(trained: Any) -> Sequence[Any]:
    """Weights, states of random generators, and the optimizer's variables, in a fixed order."""
    metrics = {id(variable) for variable in trained.metrics_variables}
    return [v for v in (*trained.variables, *trained.optimizer.variables) if id(v) not in metrics]


def start_with(model: Any, start: Any) -> None:
    """Put the weights of a network into another of the same layers; `start` may be None.

    Raises:
        ModelError: they are not of the same layers.
    """
    if start is None:
        return
    theirs, ours = (_describe_layers(one) for one in (start, model))
    if theirs != ours:
        found = next((pair for pair in zip(theirs, ours, strict=False) if pair[0] != pair[1]), None)
        said = (
            f"it has {found[0]} in place of {found[1]}" if found else f"{len(theirs)} layers, not {len(ours)}"
        )
        raise ModelError(
            f"train.start_from: its network is another one ({said}); set the network in train, and "
            "clean.image_hw and clean.channels, as they were for it, or start_from: none"
        )
    model.set_weights(start.get_weights())


def _describe_layers(network: Any) -> list[str]:
    """What each layer computes, as far as it is not learned, with the shapes of its weights."""
    return [
        " ".join(
            (
                type(layer).__name__,
                str(layer.get_config().get("activation") or ""),
                *("x".join(map(str, one.shape)) for one in layer.weights),
            )
        )
        for layer in network.layers
    ]
