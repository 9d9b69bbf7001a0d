"""promote: a state that MLflow holds already is not made again; the real chain is in test_end_to_end.py."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PromotionError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.stages import promote
from pipeline.tracking.runs import Untracked

DECISION: dict[str, Any] = {
    "verdict": "PROMOTE",
    "reasons": ["accuracy 0.9000 against 0.8000", "floors passed"],
    "metric": "accuracy",
    "against": "champion",
    "challenger": 0.9,
    "reference": 0.8,
    "gain": 0.1,
    "n_common": 100,
    "model_name": "darkroom",
    "version": 3,
    "champion_before": 2,
}


class Chain:
    """Stands for the lineage of a state whose files are what dvc.lock says, or are not."""

    def __init__(self, complaint: str = "") -> None:
        self.complaint = complaint

    def __call__(self, paths: Paths) -> "Chain":
        return self

    def hash_state(self) -> str:
        return "the state"

    def check_files(self) -> None:
        if self.complaint:
            raise PromotionError(self.complaint)


@pytest.fixture(autouse=True)
def no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where MLflow is asked for: importing it takes most of the time of a run with nothing to do."""

    def fail(root: Path) -> None:
        raise AssertionError(f"MLflow was asked for in {root}")

    monkeypatch.setattr(promote, "connect", fail)


@pytest.mark.parametrize(
    ("verdict", "promoted"), [pytest.param("PROMOTE", 1, id="PROMOTE"), pytest.param("HOLD", 0, id="HOLD")]
)
def test_a_known_state_has_its_decision_written_again(
    verdict: str,
    promoted: int,
    params_of: Callable[..., Params],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    asked: list[tuple[Path, str]] = []
    decision = DECISION | {"verdict": verdict}

    def read_decision(root: Path, state: str) -> dict[str, Any]:
        asked.append((root, state))
        return decision

    monkeypatch.setattr(promote, "Lineage", Chain())
    monkeypatch.setattr("pipeline.tracking.rows.read_decision", read_decision)
    paths = Paths(tmp_path)
    metrics = promote.main(params_of(), paths, Untracked())
    assert asked == [(tmp_path, "the state")]
    assert metrics == {
        "challenger": 0.9,
        "reference": 0.8,
        "gain": 0.1,
        "n_common": 100,
        "promoted": promoted,
    }
    first = paths.decision.read_bytes()
    assert json.loads(first) == decision
    promote.main(params_of(), paths, Untracked())
    assert paths.decision.read_bytes() == first
    said = f"{verdict} darkroom version 3: accuracy 0.9000 against 0.8000; floors passed"
    assert caplog.messages == [f"this state is in MLflow already, nothing to do: {said}"] * 2


def test_files_of_another_state_stop_it_before_anything_is_written(
    params_of: Callable[..., Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promote, "Lineage", Chain("data/x is not what dvc.lock recorded"))
    with pytest.raises(PromotionError, match=r"data/x is not what dvc\.lock recorded"):
        promote.main(params_of(), Paths(tmp_path), Untracked())
    assert not Paths(tmp_path).decision.exists()
