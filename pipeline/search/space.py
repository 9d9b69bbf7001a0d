"""Where `darkroom tune` looks: `tune.space` of params.yaml, checked, and what follows from it."""

import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from pipeline.errors import ParamsError, nearest, quote_value
from pipeline.models import is_frozen
from pipeline.params import Params
from pipeline.params_file import read_params
from pipeline.search.settings import Settings, apply, explain_untried, list_keys, round_value

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    Distribution = CategoricalDistribution | FloatDistribution | IntDistribution

Kind = Literal["float", "int", "log", "choice"]
Value = bool | int | float | str

_log = logging.getLogger(__name__)

_N_STEPS = 5  # of a range in a grid
_MAX_GRID = 1000  # settings


@dataclass(frozen=True)
class Dimension:
    """One key and where to look for its value.

    Attributes:
        values: the lower and the upper end; of a choice, all values.
    """

    key: str
    kind: Kind
    values: tuple[Value, ...]

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are meant."""
        ends = all(isinstance(value, int) for value in self.values)
        return self.kind == "int" or (self.kind == "log" and ends)

    def to_distribution(self) -> "Distribution":
        """As Optuna's distribution."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "choice":
            return CategoricalDistribution(self.values)
        low, high = map(float, self.values)
        if self.is_whole:
            return IntDistribution(int(low), int(high), log=self.kind == "log")
        return FloatDistribution(low, high, log=self.kind == "log")

    def contains(self, value: object) -> bool:
        """Whether a value of params.yaml lies in it."""
        if self.kind == "choice":
            return any(value == one and type(value) is type(one) for one in self.values)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low, high = map(float, self.values)
        return low <= value <= high and round_value(value) == value

    def list_steps(self, n: int) -> list[Value]:
        """At most `n` values, evenly from end to end; of a choice, all."""
        if self.kind == "choice":
            return list(self.values)
        low, high = map(self._bend, map(float, self.values))
        steps = [self._unbend(low + (high - low) * i / (n - 1)) for i in range(n)]
        return list(dict.fromkeys(steps))

    def list_around(self, value: Value) -> list[Value]:
        """The value with a neighbour on either side, an eighth of the range away; of a choice, the value."""
        if self.kind == "choice":
            return [value]
        low, high = map(self._bend, map(float, self.values))
        step, centre = (high - low) / 8, self._bend(float(value))
        found = [min(high, max(low, centre + shift)) for shift in (-step, 0.0, step)]
        around = [self._unbend(found[0]), value, self._unbend(found[2])]
        return list(dict.fromkeys(around))

    def find_position(self, value: Any) -> float:
        """Where a number lies between the ends, from 0 to 1; one outside is at an end."""
        low, high = map(float, self.values)
        inside = self._bend(min(high, max(low, float(value))))
        return (inside - self._bend(low)) / (self._bend(high) - self._bend(low))

    def _bend(self, value: float) -> float:
        return math.log(value) if self.kind == "log" else value

    def _unbend(self, position: float) -> Value:
        value = math.exp(position) if self.kind == "log" else position
        low, high = map(float, self.values)
        value = float(round_value(value))
        return round(value) if self.is_whole else min(high, max(low, value))


@dataclass(frozen=True)
class Space:
    """All dimensions, in the order of params.yaml."""

    dimensions: tuple[Dimension, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are tuned."""
        return tuple(dimension.key for dimension in self.dimensions)

    def to_distributions(self) -> "dict[str, Distribution]":
        """Optuna's distribution of each key."""
        return {dimension.key: dimension.to_distribution() for dimension in self.dimensions}

    def contains(self, settings: Mapping[str, Any]) -> bool:
        """Whether settings are of these keys, lie in it, and are as round as a search chooses them."""
        return settings.keys() == set(self.keys) and all(
            dimension.contains(settings[dimension.key]) for dimension in self.dimensions
        )

    def list_grid(self) -> list[Settings]:
        """All settings of a grid: five values of each range, and every choice.

        Raises:
            ParamsError: there are more than a thousand.
        """
        return _multiply(self.keys, [dimension.list_steps(_N_STEPS) for dimension in self.dimensions])

    def list_around(self, winner: Mapping[str, Any], keys: Sequence[str]) -> list[Settings]:
        """All settings of a grid around a winner, in which only `keys` vary."""
        steps = [
            dimension.list_around(winner[dimension.key]) if dimension.key in keys else [winner[dimension.key]]
            for dimension in self.dimensions
        ]
        return _multiply(self.keys, steps)


def read_space(values: Mapping[str, Any], params: Params) -> Space:
    """The space that params.yaml asks for.

    Args:
        values: of params.yaml, as `read_yaml` gives them.

    Raises:
        ParamsError: it is empty, or all of it would change nothing; a key is unknown or cannot be tuned; a
            range is empty, or has a value that the key does not allow.
    """
    if not params.tune.space:
        raise ParamsError(
            "tune.space is empty; give it a key, such as train.learning_rate: {log: [0.001, 0.1]}"
        )
    space = _leave_out_idle(parse_space(params.tune.space), params)
    for dimension in space.dimensions:
        between = [] if dimension.kind == "choice" else dimension.list_steps(_N_STEPS)
        for value in (*dimension.values, *between):
            found = read_params(apply(values, {dimension.key: value}))
            if isinstance(found, list):
                raise ParamsError(f"tune.space: {'; '.join(found)}; take another range")
    return space


def _leave_out_idle(space: Space, params: Params) -> Space:
    """A space without what changes nothing: the alterations, while the network is frozen."""
    train = params.train
    decided = {"train.model", "train.weights", "train.fine_tune_epochs"} & set(space.keys)
    frozen = is_frozen(train.model, weights=train.weights, fine_tune_epochs=train.fine_tune_epochs)
    idle = [key for key in space.keys if key.startswith("augment.")]
    if decided or not frozen or not idle:
        return space
    left = tuple(dimension for dimension in space.dimensions if dimension.key not in idle)
    why = "a frozen network sees each picture as it is (train.fine_tune_epochs: 0)"
    if not left:
        raise ParamsError(f"tune.space: {', '.join(idle)} would change nothing: {why}; name keys of train")
    _log.warning("%s: left out of the search, because %s", ", ".join(idle), why)
    return Space(left)


def parse_space(asked: Mapping[str, Mapping[Any, Sequence[Value]]]) -> Space:
    """A space as params.yaml writes it; whether the keys allow its values is not asked.

    Raises:
        ParamsError: as `read_space`, but for values that the key does not allow.
    """
    return Space(tuple(_read_dimension(key, one) for key, one in asked.items()))


def _read_dimension(key: str, asked: Mapping[Any, Sequence[Value]]) -> Dimension:
    if why := explain_untried(key):
        raise ParamsError(f"tune.space: {key} cannot be tuned: {why}")
    known = list_keys()
    if key not in known:
        hint = (
            nearest(key, known, n=1) or "; allowed are the keys of train and augment, such as train.dropout"
        )
        raise ParamsError(f"tune.space: {key} is not a known key{hint}")
    if len(asked) != 1:
        said = ", ".join(asked) or "nothing"
        raise ParamsError(f"tune.space: {key} needs one of float, int, log and choice, got {said}")
    ((kind, found),) = asked.items()
    if kind not in get_args(Kind):
        raise ParamsError(f"tune.space: {key}: allowed are float, int, log and choice, got {kind}")
    values = tuple(found)
    if kind == "choice":
        if len(values) != len({(type(value), value) for value in values}) or not values:
            raise ParamsError(
                f"tune.space: {key}: a choice is one value or more, all different, got {list(values)}"
            )
        return Dimension(key, kind, values)
    _check_range(key, kind, values)
    return Dimension(key, kind, values)


def _check_range(key: str, kind: Kind, values: tuple[Value, ...]) -> None:
    said = f"tune.space: {key}"
    ends = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if len(values) != 2 or len(ends) != 2:
        raise ParamsError(f"{said}: {kind} takes two numbers, [low, high], got {quote_value(list(values))}")
    low, high = ends
    if kind == "int" and not all(isinstance(end, int) for end in ends):
        raise ParamsError(f"{said}: int takes whole numbers, got {list(ends)}; take float")
    if kind == "log" and low <= 0:
        raise ParamsError(f"{said}: a log range begins above 0, got {low:g}; take float, or begin above 0")
    if low >= high:
        raise ParamsError(f"{said}: the range from {low:g} to {high:g} is empty; give the lower end first")


def _multiply(keys: Sequence[str], steps: Sequence[Sequence[Value]]) -> list[Settings]:
    n = math.prod(map(len, steps))
    if n > _MAX_GRID:
        raise ParamsError(
            f"the grid of tune.space has {n:,} settings, and {_MAX_GRID:,} are allowed; name fewer keys, "
            "give choices for ranges, or set tune.sampler to tpe"
        )
    return [dict(zip(keys, chosen, strict=True)) for chosen in itertools.product(*steps)]
