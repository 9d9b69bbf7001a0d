"""The section "What limits it": clear sentences for every kind of answers, and no number that is wrong."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pipeline.collection.pictures import Part
from pipeline.errors import DataError
from pipeline.evidence.examination import Examination, Finding
from pipeline.evidence.limits_section import show_limits
from pipeline.evidence.power import find_detectable
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.tables.parquet import build_table, read_table, write_table
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.training.history import CURVES, Row, write_history

FACTS = {"format": "PNG", "width": 640, "height": 480, "brightness": 0.5}
HISTORY: list[Row] = [
    dict.fromkeys(CURVES, 0.5) | {"epoch": epoch, "val_loss": loss, "accuracy": 0.97, "val_accuracy": 0.75}
    for epoch, loss in ((1.0, 0.5), (2.0, 0.25), (3.0, 0.75))
]
ABC = ("cat", "dog", "hen")

Show = Callable[..., Finding]


@pytest.fixture
def show(develop: Callable[..., Paths], params_of: Callable[..., Params], tmp_path: Path) -> Show:
    """`show(y, answered)`: the finding about these answers to pictures of these classes."""

    def show(
        y: Sequence[int],
        answered: Sequence[int],
        *,
        names: Sequence[str] = ABC,
        facts: Sequence[dict[str, Any]] = (),
        group_size: int = 1,
        history: list[Row] = HISTORY,
        **changed: Any,
    ) -> Finding:
        pictures = np.zeros((len(y), 2, 2, 1), np.uint8)
        paths = develop(tmp_path, pictures, list(y), ["test"] * len(y), list(names))
        rows = sorted(
            read_table(paths.raw_manifest, RAW_MANIFEST).to_pylist(), key=lambda row: str(row["id"])
        )
        whole = [row | FACTS | (facts[i] if facts else {}) for i, row in enumerate(rows)]
        write_table(build_table(whole, RAW_MANIFEST, sort_by="key"), paths.raw_manifest)
        write_history(history, paths.history)
        ids = tuple(str(row["id"]) for row in rows)
        groups = tuple(ids[i - i % group_size] for i in range(len(y)))
        places = np.arange(len(y))
        test = Part(ids, places, places, np.array(y, np.int64), duplicate_group=groups)
        y_prob = np.eye(len(names), dtype=np.float32)[np.array(answered, np.int64)]
        classifier = SimpleNamespace(class_names=tuple(names))  # nothing is asked of it but its classes
        examined = Examination(cast("Any", classifier), test, cast("Any", None), y_prob)
        params = params_of(evaluate=changed).evaluate
        return show_limits(examined, paths, params, group_by="", monitor="val_loss", n_planned=20)

    return show


def read(finding: Finding) -> str:
    assert finding.title == "What limits it"
    return "\n".join(finding.lines)


def test_the_three_limits(show: Show) -> None:
    y = [0] * 100 + [1] * 100 + [2] * 40
    answered = [0] * 80 + [1] * 20 + [1] * 99 + [0] + [2] * 40
    facts = [{"width": 300, "height": 30 + i % 3} if 80 <= i < 100 else {} for i in range(240)]
    finding = show(y, answered, facts=facts)
    page = read(finding)
    for words in (
        "It overfits: it gets 97.0% of the training pictures and 75.0%",
        "Early stopping ended the training after 3 of at most 20 epochs",
        "This pair makes 21 of its 21 mistakes.",
        "<bdi>cat</bdi> &rarr; <bdi>dog</bdi>",
        "<td>20 of 100</td>",
        "1 of 100 (1.0%)<br><em>more one way</em>",
        "<bdi>cat</bdi> taken for <bdi>dog</bdi>: 20 of 20 are <b>shorter side: under 480 px</b>",
        "of the rest of their class 0 of 80",
        "With 240 test pictures, an advantage over the champion of <b>",
        "To detect one point takes about 14,000 test pictures",
    ):
        assert words in page, f"{words}: {page}"
    difference = finding.metrics["limits/detectable_difference"]
    assert difference == find_detectable(240, 220 / 242)
    assert f"<b>{100 * difference:.1f} points</b> or more is found in at least 80% of cases" in page
    assert finding.metrics["limits/n_for_one_point"] > 13_000


def test_names_are_text_in_any_script_and_never_html(show: Show) -> None:
    names = [f"{'قط' if i % 2 else '犬'}<{i}>" for i in range(199)] + ["x" * 200]
    y = [i for i in range(200) for _ in range(2)]
    answered = [199 if i < 2 else i for i in y[:-2]] + [0, 0]
    page = read(show(y, answered, names=names))
    assert "<bdi>犬&lt;0&gt;</bdi> &rarr; <bdi>xxx" in page
    assert "x" * 41 not in page
    assert "2 of 2 (100.0%)<br><em>may be luck</em>" in page


@pytest.mark.parametrize(
    ("y", "answered", "expected", "no_number"),
    [
        pytest.param(
            [0],
            [0],
            [
                "Among 1 test picture there is no mistake",
                "dog</bdi>, <bdi>hen</bdi> have no test picture",
                "With 1 test picture, no advantage over a champion can be proven",
            ],
            True,
            id="one picture, right",
        ),
        pytest.param([0], [1], ["it confuses no two classes more than once"], True, id="one picture, wrong"),
        pytest.param(
            [0] * 30 + [1] * 30 + [2] * 30,
            [1] * 90,
            ["It answers <b><bdi>dog</bdi></b> to all 90 test pictures: it has learned nothing"],
            False,
            id="one answer",
        ),
        pytest.param([1] * 30, [1] * 30, ["there is no mistake"], False, id="one class, all right"),
        pytest.param(
            [0] * 30 + [1] * 30,
            [2] * 5 + [0] * 25 + [1] * 30,
            ["<bdi>hen</bdi> has no test picture", "<td>no test picture</td>", "<td>5 of 30</td>"],
            False,
            id="taken for a class without pictures",
        ),
        pytest.param([0] * 20 + [1] * 20, [1] * 20 + [0] * 20, ["20 of 20 (100.0%)"], True, id="all wrong"),
    ],
)
def test_odd_answers_have_clear_words(
    y: list[int], answered: list[int], expected: list[str], no_number: bool, show: Show
) -> None:
    finding = show(y, answered)
    page = read(finding)
    assert [words for words in expected if words not in page] == [], page
    assert "nan" not in page
    assert not any(np.isnan(value) for value in finding.metrics.values())
    assert ("limits/detectable_difference" not in finding.metrics) == no_number


def test_the_lines_of_the_first_page(show: Show) -> None:
    y = [0] * 300 + [1] * 300
    healthy = [row | {"val_accuracy": 0.96} for row in HISTORY]
    fit, size = show(y, y, history=healthy).judgements
    assert (fit.state, size.state) == ("good", "good")
    assert fit.words.startswith("It neither overfits nor underfits by much")
    assert "<b>1.6 points</b> or more" in size.words
    fit, size = show(y[290:310], y[290:310]).judgements
    assert (fit.state, size.state) == ("warning", "warning")
    fit, size = show([0], [0], history=[HISTORY[0] | {"val_accuracy": float("nan")}]).judgements
    assert (fit.state, size.state) == ("unknown", "bad")
    assert "no advantage over another model can be proven" in size.words


def test_many_classes_without_pictures_are_counted(show: Show) -> None:
    page = read(show([0] * 9, [0] * 9, names=[str(i) for i in range(200)]))
    assert "<bdi>1</bdi>, <bdi>2</bdi>, <bdi>3</bdi> and 196 more have no test picture" in page


def test_near_duplicates_prove_no_more(show: Show) -> None:
    y, answered = [0] * 100 + [1] * 100, [0] * 90 + [1] * 110
    apart, together = (show(y, answered, group_size=size) for size in (1, 5))
    assert "With 40 test pictures, near-duplicates counted once, an advantage" in read(together)
    name = "limits/detectable_difference"
    assert together.metrics[name] > 2 * apart.metrics[name]


def test_nothing_is_shared_or_nothing_was_looked_for(show: Show) -> None:
    y, answered = [0] * 40 + [1] * 40, [0] * 30 + [1] * 50
    assert "No fact of the files" in read(show(y, answered))
    assert "What they share was not looked for" in read(show(y, answered, slices=False))


def test_one_epoch(show: Show) -> None:
    assert "one epoch is no curve" in read(show([0] * 9, [0] * 9, history=HISTORY[:1]))


def test_a_damaged_history_is_one_line(show: Show) -> None:
    with pytest.raises(DataError, match=r"run `dvc repro -f train`"):
        show([0], [0], history=[])
