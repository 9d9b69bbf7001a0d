"""score_section: lines of the first page, classes with the worst first, mistakes with file names."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.evidence.examination import Finding, State
from pipeline.evidence.metrics import score_answers
from pipeline.evidence.score_section import show_mistakes, show_scores
from pipeline.images.picture import encode_png
from tests.evidence.conftest import ExaminationOf

LIGHT, DARK = 230, 20
PNG = encode_png(np.zeros((4, 4, 1), np.uint8))


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    """What other modules have drawn by then."""
    folder = tmp_path / "figures"
    folder.mkdir()
    for name in ("confusion", "class_f1", "curves"):
        (folder / f"{name}.png").write_bytes(PNG)
    return folder


def show(examination_of: ExaminationOf, figures: Path, shades: list[int], y: list[int]) -> Finding:
    examined = examination_of(shades, y)
    scores = score_answers(
        *(examined.y_true, examined.y_pred, np.arange(len(y)), 3),
        n_resamples=100,
        confidence=0.9,
        seed=0,
    )
    return show_scores(examined, scores, baseline=0.25, confidence=0.9, folder=figures)


def test_the_chapter(examination_of: ExaminationOf, figures: Path) -> None:
    page = "\n".join(show(examination_of, figures, [LIGHT] * 22 + [DARK] * 2, [0] * 20 + [1] * 4).lines)
    assert "<dt>Accuracy</dt><dd>91.7%</dd>" in page
    assert "<dt>90% interval</dt><dd>76.0% to 98.5%</dd>" in page
    assert "<dt>Always the same answer</dt><dd>25.0%</dd>" in page
    assert "<dt>Wrong answers</dt><dd>2 of 24</dd>" in page
    assert "<td>4&nbsp;!</td>" in page
    assert "! fewer than 10 test pictures" in page
    assert page.index("<th><bdi>dark") < page.index("<th><bdi>light"), "the worst class comes first"
    assert page.count("<img") == 3


@pytest.mark.parametrize(
    ("shades", "y", "accuracy", "state", "worst", "worst_state"),
    [
        pytest.param(
            *([LIGHT] * 60 + [DARK] * 60, [0] * 60 + [1] * 60),
            *("<b>100.0%</b> of 120 test pictures", "good", "None stands out", "warning"),
            id="right",
        ),
        pytest.param(
            *([LIGHT] * 40 + [DARK] * 20, [0] * 20 + [1] * 40),
            *("So few test pictures", "warning"),
            *("<b><bdi>dark</bdi></b>: 50.0% of its 40 test pictures", "warning"),
            id="one class is worse",
        ),
        pytest.param(
            *([LIGHT] * 40, [1] * 40),
            *("reaches down to that", "bad"),
            *("<b><bdi>dark</bdi></b>: 0.0% of its 40 test pictures", "bad"),
            id="never found",
        ),
        pytest.param(
            *([LIGHT], [0]),
            *("of 1 test picture (", "bad", "Without any: 2 classes.", "warning"),
            id="one picture",
        ),
    ],
)
def test_the_first_page(
    shades: list[int],
    y: list[int],
    accuracy: str,
    state: State,
    worst: str,
    worst_state: State,
    examination_of: ExaminationOf,
    figures: Path,
) -> None:
    """`odd` has no test picture in any of these, which is said."""
    first, second = show(examination_of, figures, shades, y).judgements
    assert accuracy in first.words
    assert first.state == state
    assert worst in second.words
    assert "Without any: " in second.words
    assert second.state == worst_state


def test_mistakes_have_file_names(examination_of: ExaminationOf) -> None:
    examined = examination_of([LIGHT, LIGHT, DARK], [1, 1, 1])
    row = {"key": "scans/<x>.png", "class_name": "dark", "predicted": "<b>light", "probability": 0.875}
    rows = [row | {"id": id_} for id_ in examined.pictures.ids[:2]]
    page = "\n".join(show_mistakes(rows, examined, 1).lines)
    assert "<code>scans/&lt;x&gt;.png</code>is <bdi>dark</bdi>, answered" in page
    assert "<b><bdi>&lt;b&gt;light</bdi></b> (88%)" in page
    assert "The 1 most confident of 2." in page
    assert page.count("<img") == 1
    assert "The most confident first." in "\n".join(show_mistakes(rows, examined, 2).lines)
    assert show_mistakes([], examined, 1).lines == ["<p>None.</p>"]
