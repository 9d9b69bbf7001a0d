"""source_section: left-out sources beside known ones, and what facts of the files alone would give."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evidence.examination import Examination, Finding, State
from pipeline.evidence.source_section import Known, show_sources
from pipeline.evidence.unseen import Unseen
from tests.evidence.conftest import ExaminationOf
from tests.evidence.test_unseen import make_unseen

LIGHT, DARK = 230, 20
FOLDS = {"cross_validated_accuracy": 0.9, "cross_validated_accuracy_low": 0.8}
FOLDS |= {"cross_validated_accuracy_high": 0.95}
FACTS = {"metadata_accuracy": 0.75, "residual_accuracy": 0.6, "metadata_chance": 0.5}


def make_balanced(n_wrong: int, n_sources: int = 10) -> Unseen:
    """200 answers about two classes in turn, each source with both; the last `n_wrong` are wrong."""
    unseen, number = make_unseen(200, 0), np.arange(200)
    y_true = number % 2
    answered = np.where(number >= 200 - n_wrong, 1 - y_true, y_true)
    y_prob = np.eye(3, dtype=np.float32)[answered]
    groups = np.array([f"group_by:{i // 2 % n_sources}" for i in number])
    return replace(unseen, part=replace(unseen.part, y=y_true), y_prob=y_prob, groups=groups)


def place(examined: Examination, source: str) -> Examination:
    """The same pictures, all of one source."""
    test = replace(examined.test, fold_group=(source,) * len(examined.test))
    return replace(examined, test=test)


def show(examined: Examination, unseen: Unseen, **known: dict[str, float]) -> Finding:
    facts = Known(known.get("split", {}), known.get("train", {}), most_metadata=0.8)
    return show_sources(examined, unseen, facts, confidence=0.95)


@pytest.fixture
def examined(examination_of: ExaminationOf) -> Examination:
    return examination_of([LIGHT, DARK] * 10, [0, 1] * 10)


def test_sources_left_out_beside_test_pictures(examined: Examination) -> None:
    """Of 200 answers the 20 last are wrong, two of each source."""
    found = show(place(examined, "group_by:3"), make_balanced(20), split=FACTS, train=FOLDS)
    page = "\n".join(found.lines)
    assert "<p>10 sources." in page
    assert "<th><bdi>3</bdi><br><em>light, dark</em></th><td>20</td>" in page
    assert "<td>100.0% of 20</td>" in page
    assert "<b>facts of the files alone, such as format and size</b>" in page
    assert "Cross-validated, over the pictures of train and val, the accuracy is <b>90.0%</b>" in page
    assert found.metrics["new_sources_accuracy"] == pytest.approx(0.9)
    assert found.metrics["sources/gap"] == pytest.approx(0.1)
    of_sources, _ = found.judgements
    assert "<b>90.0%</b>, if sources count alike" in of_sources.words
    assert "On new ones expect 10 points fewer" in of_sources.words
    assert of_sources.state == "warning"


def test_sources_weigh_alike_and_the_worst_comes_first(examined: Examination) -> None:
    unseen = make_unseen(100, 20)
    groups = np.where(unseen.y_true == 1, "group_by:bad", "group_by:fine")
    found = show(examined, replace(unseen, groups=groups))
    assert found.metrics["new_sources_accuracy"] == pytest.approx(0.5)
    assert found.metrics["sources/left_out_accuracy"] == pytest.approx(0.8)
    page = "\n".join(found.lines)
    assert page.index("<th><bdi>bad") < page.index("<th><bdi>fine")
    assert "test pictures are of new sources" not in found.judgements[0].words, "they have no name"
    elsewhere = show(place(examined, "group_by:other"), unseen)
    assert "The test pictures are of new sources, too." in elsewhere.judgements[0].words
    assert "sources/gap" not in found.metrics, "no test picture is of a known source"


@pytest.mark.parametrize(
    ("unseen", "said"),
    [
        pytest.param(make_unseen(sources=False), "no source has a name", id="no names"),
        pytest.param(replace(make_unseen(), chosen_on="val"), "leaves each out in turn", id="no folds"),
        pytest.param(make_unseen(0, 0), "no source has a name", id="no picture"),
    ],
)
def test_what_is_not_known_is_said(unseen: Unseen, said: str, examined: Examination) -> None:
    found = show(examined, unseen)
    assert said in found.judgements[0].words
    assert found.judgements[0].state == "unknown"
    assert found.judgements[1].state == "unknown"
    assert "nan" not in "\n".join(found.lines)
    assert "sources/left_out_accuracy" not in found.metrics


@pytest.mark.parametrize(
    ("split", "train", "state", "said"),
    [
        pytest.param(FACTS, FOLDS, "good", "of <b>75.0%</b> away; chance is 50.0%", id="better"),
        pytest.param(
            FACTS | {"metadata_accuracy": 0.85}, FOLDS, "warning", "A part of the score", id="close"
        ),
        pytest.param(
            FACTS | {"metadata_accuracy": 0.9}, FOLDS, "bad", "come from a shortcut", id="no better"
        ),
        pytest.param(FACTS | {"metadata_accuracy": 1.0}, {}, "bad", "come from a shortcut", id="on the test"),
        pytest.param(FACTS, {}, "good", "", id="the test is better"),
    ],
)
def test_a_shortcut_is_called_out(
    split: dict[str, float], train: dict[str, float], state: State, said: str, examined: Examination
) -> None:
    judged = show(examined, make_unseen(sources=False), split=split, train=train).judgements[1]
    assert judged.state == state
    assert said in judged.words


@pytest.mark.parametrize(
    ("of_files", "apart", "state", "said"),
    [
        pytest.param(0.95, 0.5, "warning", "they give 50.0% away, and the model has 90.0% right", id="known"),
        pytest.param(0.95, 0.92, "bad", "come from a shortcut", id="no better on new sources"),
        pytest.param(0.7, 0.5, "good", "", id="better on both"),
    ],
)
def test_facts_of_known_sources_are_compared_with_answers_about_known_sources(
    of_files: float, apart: float, state: State, said: str, examined: Examination
) -> None:
    """All test pictures of source 3 are right; of left-out sources 90 % are."""
    facts = FACTS | {"metadata_accuracy": of_files, "metadata_accuracy_groups_apart": apart}
    judged = show(place(examined, "group_by:3"), make_balanced(20), split=facts, train=FOLDS).judgements[1]
    assert judged.state == state
    assert said in judged.words


def test_a_shortcut_of_known_sources_is_no_verdict_where_the_model_is_better_on_new_ones(
    examination_of: ExaminationOf,
) -> None:
    wrong = examination_of([LIGHT, DARK] * 10, [0, 1] * 8 + [1, 0] * 2)
    facts = FACTS | {"metadata_accuracy": 0.85, "metadata_accuracy_groups_apart": 0.5}
    judged = show(place(wrong, "group_by:3"), make_balanced(20), split=facts, train=FOLDS).judgements[1]
    assert judged.state == "warning", "80 % of the test pictures are right"


def test_facts_that_say_less_than_guessing_are_no_shortcut(examined: Examination) -> None:
    facts = {"metadata_accuracy": 0.938, "metadata_chance": 0.95}
    for accuracy in (0.93, 1.0):
        train = dict.fromkeys(FOLDS, accuracy)
        judged = show(examined, make_unseen(sources=False), split=facts, train=train).judgements[1]
        assert judged.state == "good"


def test_the_page_says_what_gives_the_classes_away(examined: Examination) -> None:
    telling = tuple(f"a picture of <{i}> is JPEG" for i in range(9))
    known = Known(FACTS, FOLDS, most_metadata=0.8, telling=telling)
    page = "\n".join(show_sources(examined, make_balanced(20), known, confidence=0.95).lines)
    assert "<li>a picture of &lt;0&gt; is JPEG</li>" in page
    assert page.count("<li>") == 5


def test_one_source_a_class_is_no_proof_of_anything(examined: Examination) -> None:
    known = Known(FACTS, FOLDS, most_metadata=0.8, has_pattern=True)
    of_sources, of_shortcut = show_sources(
        examined, make_unseen(sources=False), known, confidence=0.95
    ).judgements
    assert "no class has two sources with a name" in of_sources.words
    assert of_shortcut.state == "warning"
    assert "nothing tells what is learned from a class or a source" in of_shortcut.words


@pytest.mark.parametrize(
    ("n_wrong", "n_sources", "state", "said"),
    [
        pytest.param(20, 10, "good", "<b>90.0%</b>", id="good"),
        pytest.param(90, 10, "bad", "Always guessing gives 50.0%", id="no better than a guess"),
        pytest.param(20, 1, "unknown", "So few sources cannot tell", id="one source"),
    ],
)
def test_new_sources_are_judged_by_the_interval(
    n_wrong: int, n_sources: int, state: State, said: str, examined: Examination
) -> None:
    judged = show(examined, make_balanced(n_wrong, n_sources)).judgements[0]
    assert judged.state == state
    assert said in judged.words


def test_only_pictures_with_a_source_say_something_of_new_sources(examined: Examination) -> None:
    """The last 20 of 200 are wrong, and they alone have named sources."""
    unseen = make_unseen(200, 20)
    groups = np.array([f"group_by:{i % 4}" if i >= 180 else f"alike:{i}" for i in range(200)])
    found = show(examined, replace(unseen, groups=groups))
    assert found.metrics["new_sources_accuracy"] == 0
    assert found.metrics["sources/n_sources"] == 4


def test_the_first_page_names_the_worst_source(examined: Examination) -> None:
    """Ten sources of 20; the last 20 answers are wrong, two of each: a tie, and the first by name."""
    words = show(examined, make_balanced(20)).judgements[0].words
    assert "The worst is <bdi>0</bdi>: 90.0% of its 20 pictures." in words
    few = show(examined, make_balanced(20, n_sources=2)).judgements[0].words
    assert "The worst is" not in few
