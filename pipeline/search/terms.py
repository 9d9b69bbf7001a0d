"""What the values of a study depend on: a study with other terms is another study."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.errors import DataError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.tracking.lineage import compute_md5

_SECTIONS = ("train", "augment")  # what a training reads of params.yaml, beside the collection


@dataclass(frozen=True)
class Terms:
    """What the values of a study depend on.

    Attributes:
        space: tune.space as it stands in params.yaml.
        values: the sections train and augment of params.yaml.
        data: md5s of what is learned from, by name.
        folds: tune.folds.
        metric: tune.metric.
    """

    space: Mapping[str, Any]
    folds: int
    metric: str
    data: Mapping[str, str]
    values: Mapping[str, Any]

    @property
    def logged_metric(self) -> str:
        """What the value of a trial is called in MLflow: over folds, or of the validation pictures."""
        return self.metric if self.folds else f"val_{self.metric}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        plain: dict[str, Any] = json.loads(json.dumps(vars(self), default=list))
        return plain

    def find_difference(self, other: Self) -> str:
        """How other terms differ first, in words; "" where they do not."""
        mine, others = self.to_json(), other.to_json()
        name = next((name for name in mine if mine[name] != others[name]), "")
        if name == "data":
            return "the collection has changed"
        if not name:
            return ""
        key, old, new = _find_change(mine[name], others[name], f"tune.{name}" if name != "values" else "")
        said = ["none" if value is None else json.dumps(value) for value in (new, old)]
        return f"{key} is {said[0]}, and was {said[1]}"


def make_terms(
    values: Mapping[str, Any], params: Params, paths: Paths, keys: Collection[str] | None = None
) -> Terms:
    """The terms that params.yaml and the collection set.

    Args:
        keys: those of tune.space that are looked for; None: all.

    Raises:
        DataError: the stages before train have not run.
    """
    sections = {name: values[name] for name in _SECTIONS}
    space = {key: asked for key, asked in values["tune"]["space"].items() if keys is None or key in keys}
    return Terms(space, params.tune.folds, params.tune.metric, hash_data(paths), sections)


def hash_data(paths: Paths) -> dict[str, str]:
    """The md5s of the tables that say which pictures are learned from, and of which extra ones."""
    tables = {"clean": paths.clean_manifest, "split": paths.split, "extra": paths.extra / "manifest.parquet"}
    return {name: _hash_table(path) for name, path in tables.items()}


def _hash_table(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path} does not exist; run `dvc repro augment` to make it")
    return compute_md5(path)


def _find_change(old: Any, new: Any, key: str) -> tuple[str, Any, Any]:
    """The dotted key of the first value that differs, and both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        name = next(name for name in {**old, **new} if old.get(name) != new.get(name))
        return _find_change(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    return key, old, new
