"""What `train` may change in a network: filters, units, activation, dropout, L2. None is "as published"."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Knobs:
    """The changes to a network, and the layers of `keras.layers` that obey them.

    `filters` and `units` are those of a network's first convolution and first dense (or recurrent) layer. Its
    other layers keep their proportion. `dropout` is the rate of every dropout layer. `kernel_l2` is a penalty
    on kernels, not on biases.
    """

    filters: int | None = None
    units: int | None = None
    activation: str | None = None
    dropout: float | None = None
    kernel_l2: float = 0.0
    all_levels: bool = False

    def n_filters(self, own: int, *, first: int) -> int:
        """The filters of a layer that was published with `own`, in a network whose first has `first`."""
        return own if self.filters is None else max(1, round(own * self.filters / first))

    def n_units(self, own: int, *, first: int) -> int:
        """The units of a layer that was published with `own`, in a network whose first has `first`."""
        return own if self.units is None else max(1, round(own * self.units / first))

    def rate(self, own: float) -> float:
        """The rate of a dropout layer that was published with `own`."""
        return own if self.dropout is None else self.dropout

    def conv(self, n_filters: int, kernel: int, *, is_linear: bool = False, **named: Any) -> Any:
        """A Conv2D of `n_filters` with the activation (relu, unless another is asked for), or without."""
        from keras import layers

        return layers.Conv2D(n_filters, kernel, activation=self._of(is_linear), **named, **self.penalty())

    def dense(self, n_units: int, **named: Any) -> Any:
        """A Dense layer of `n_units` with the activation."""
        from keras import layers

        return layers.Dense(n_units, activation=self._of(False), **named, **self.penalty())

    def act(self) -> Any:
        """The activation as a layer of its own."""
        from keras import layers

        return layers.Activation(self.activation or "relu")

    def drop(self, x: Any, own: float) -> Any:
        """`x` after dropout at the rate; no layer at rate 0."""
        from keras import layers

        return layers.Dropout(self.rate(own))(x) if self.rate(own) else x

    def penalty(self) -> dict[str, Any]:
        """The argument that puts the penalty on a layer's kernel; nothing where there is none."""
        if not self.kernel_l2:
            return {}
        from keras import regularizers

        return {"kernel_regularizer": regularizers.L2(self.kernel_l2)}

    def _of(self, is_linear: bool) -> str | None:
        return None if is_linear else self.activation or "relu"
