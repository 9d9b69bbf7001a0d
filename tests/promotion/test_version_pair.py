"""Two versions sit the exam, as if one were champion."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import PromotionError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.promotion.version_pair import compare_versions
from pipeline.tracking import registry
from tests.promotion.registered import add_version

if TYPE_CHECKING:
    from mlflow import MlflowClient


def test_the_second_is_compared_with_the_first(
    client: "MlflowClient",
    tracking_root: Path,
    tmp_path: Path,
    params_of: Callable[..., Params],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "pairs")
    for n_right in (70, 95):
        add_version(client, tracking_root, "pair", tmp_path, n_right=n_right)
    params = params_of(promote={"floors": {}, "min_common_images": 20})
    paths = Paths(tmp_path)

    def ask(first: int, second: int) -> tuple[str, float, float, int]:
        found = compare_versions(client, paths, "pair", (first, second), params)
        return found.verdict, found.challenger, found.reference, found.n_common

    assert ask(1, 2) == ("PROMOTE", 0.95, 0.7, 100)
    assert ask(2, 1) == ("REJECT", 0.7, 0.95, 100)
    assert registry.find_alias(client, "pair", "champion") is None, "nothing is recorded"
    with pytest.raises(PromotionError, match="pair has no version 3"):
        ask(1, 3)
    version = registry.find_version(client, "pair", 2)
    assert version is not None
    client.delete_logged_model(version.model_id)
    with pytest.raises(PromotionError, match="the test answers of pair version 2 are gone from MLflow"):
        ask(1, 2)
