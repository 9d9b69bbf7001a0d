"""The figures of evaluate: which pictures are on a sheet, in which order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evidence import drawings
from pipeline.training.history import CURVES, Row, write_history


class Pictures:
    """Nine grey pictures of three classes."""

    y = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1])

    def __len__(self) -> int:
        return len(self.y)

    def gather(self, index: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.zeros((len(index), 4, 4, 1), np.uint8)


def test_the_most_confident_wrong_answers_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more of them than asked for."""
    sheets: dict[str, Any] = {}
    monkeypatch.setattr(
        drawings, "draw_sheet", lambda pictures, captions, **more: sheets.update({more["title"]: captions})
    )
    pictures: Any = Pictures()
    wrong = 1 - pictures.y
    confidence = np.linspace(0.6, 0.99, 9, dtype=np.float32)
    y_prob = np.where(np.arange(3) == wrong[:, None], confidence[:, None], (1 - confidence[:, None]) / 2)
    drawings.draw_sheets(pictures, y_prob, ["light", "dark", "odd"], n=3, folder=tmp_path)
    assert sheets == {
        "Right answers: there are none among 9 test pictures": [],
        "Wrong answers, the most confident first: 3 of 9 (9 test pictures)": [
            "dark\n→ light, 99%",
            "light\n→ dark, 94%",
            "light\n→ dark, 89%",
        ],
    }


@pytest.mark.parametrize(
    ("monitor", "epoch"),
    [pytest.param("val_loss", 2, id="least loss"), pytest.param("val_accuracy", 3, id="most accuracy")],
)
def test_curves_of_the_training_with_its_best_epoch(
    monitor: str, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history: list[Row] = [
        dict.fromkeys(CURVES, 0.5) | {"epoch": number, "val_loss": loss, "val_accuracy": accuracy}
        for number, loss, accuracy in ((1.0, 0.5, 0.5), (2.0, 0.25, 0.75), (3.0, 0.75, 0.875))
    ]
    write_history(history, tmp_path / "history.csv")
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(drawings, "draw_curves", lambda rows, **more: drawn.update(more, rows=list(rows)))
    drawings.draw_training(tmp_path / "history.csv", monitor, tmp_path / "curves.png")
    assert drawn == {"rows": history, "best_epoch": epoch, "path": tmp_path / "curves.png"}
