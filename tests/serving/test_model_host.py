"""The program of a model's process by itself; tests/serving/test_model_process.py runs it."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.serving import model_host


def test_no_place_of_this_package_is_left(
    monkeypatch: pytest.MonkeyPatch, repo: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", ["", str(repo), str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    model_host._leave_checkouts()
    assert sys.path == ["", str(tmp_path)]


class Model:
    def predict(self, context: None, pictures: list[bytes]) -> pd.DataFrame:
        if len(pictures) == 1:
            raise ValueError("odd")
        return pd.DataFrame(
            {
                "answer": pd.Series([None, "a"][: len(pictures)], dtype=object),
                "n": [len(one) for one in pictures],
            }
        )


def test_rows_and_errors_are_plain_values() -> None:
    assert model_host._answer(Model(), [b"", b"12"]) == {
        "rows": [{"answer": None, "n": 0}, {"answer": "a", "n": 2}]
    }
    assert model_host._answer(Model(), [b""])["error"].startswith("ValueError: ")


class Explaining(Model):
    def explain(self, picture: bytes, class_name: str) -> dict[str, str]:
        return {"class": class_name or "likeliest", "of": picture.decode()}


def test_only_a_model_that_can_explains_its_answer() -> None:
    assert model_host._answer(Explaining(), [b"x"], "a") == {"explained": {"class": "a", "of": "x"}}
    assert model_host._answer(Explaining(), [b"x"], "") == {"explained": {"class": "likeliest", "of": "x"}}
    assert "could not explain" in model_host._answer(Model(), [b"x"], "a")["explained"]["reason"]
