"""The chapters about scores: how good the answers to the test pictures are, class by class, and where not."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.characters import say_count
from pipeline.evidence.examination import Examination, Finding, Judgement, State
from pipeline.evidence.metrics import Scores
from pipeline.evidence.wording import show_ends, show_level, show_name, show_share
from pipeline.figures.page import frame_picture, render_bar, render_facts, render_table, render_tiles
from pipeline.images.picture import encode_png

_MAX_CLASSES = 200
_TOO_FEW = 10  # test pictures of a class, below which its scores are marked
_HALF = 0.5  # of a class
_FEW_TESTED = 100  # test pictures, below which an accuracy is rough
_FIGURES = {
    "Which class is taken for which": "confusion.png",
    "F1 of every class": "class_f1.png",
    "Training": "curves.png",
}


def show_scores(
    examined: Examination, scores: Scores, *, baseline: float, confidence: float, folder: Path
) -> Finding:
    """The scores of all answers and of each class.

    Args:
        baseline: the accuracy of the best answer that is always the same.
        confidence: the level of the intervals.
        folder: of the figures, which are drawn already.
    """
    support = np.bincount(examined.y_true, minlength=len(examined.class_names))
    overall, n_wrong = scores.overall, int((~examined.is_right).sum())
    n = len(examined.y_true)

    def render() -> Iterator[str]:
        yield from render_facts(
            [
                ("Accuracy", f"{overall['accuracy'].value:.1%}"),
                (f"{show_level(confidence)} interval", show_ends(overall["accuracy"])),
                ("Balanced accuracy", f"{overall['balanced_accuracy'].value:.1%}"),
                ("Always the same answer", f"{baseline:.1%}"),
                ("Wrong answers", f"{n_wrong:,} of {n:,}"),
            ]
        )
        yield from _render_classes(examined.class_names, scores, support, confidence)
        for heading, file in _FIGURES.items():
            yield f'<h3 class="strip">{heading}</h3>'
            yield frame_picture(heading, (folder / file).read_bytes())

    judgements = [
        _judge_accuracy(scores, n, baseline, confidence),
        _judge_classes(examined.class_names, scores, support),
    ]
    return Finding(title="Scores and classes", lines=list(render()), judgements=judgements)


def _judge_accuracy(scores: Scores, n: int, baseline: float, confidence: float) -> Judgement:
    one = scores.overall["accuracy"]
    state: State = "good"
    words = (
        f"<b>{one.value:.1%}</b> of {say_count(n, 'test picture')} ({show_level(confidence)} interval: "
        f"{show_ends(one)}). Always giving the same answer reaches {baseline:.1%}."
    )
    if n < _FEW_TESTED:
        state, words = "warning", f"{words} So few test pictures make that rough."
    if one.value <= 0.5:
        state, words = "bad", f"{words} It is wrong more often than right."
    if one.low <= baseline:
        state, words = "bad", f"{words} The interval reaches down to that."
    return Judgement("How often is it right?", words, state)


def _judge_classes(names: Sequence[str], scores: Scores, support: np.typing.NDArray[np.int64]) -> Judgement:
    """The class that is found least: bad if it never is, a warning if it is worse than the rest."""
    recall, of_all = scores.of_classes["recall"], scores.overall["accuracy"].value
    values = np.array([one.value for one in recall])
    untested, few = np.flatnonzero(support == 0), np.flatnonzero(support < _TOO_FEW)
    question = "Which class is it worst at?"
    state: State = "good"
    if not np.isfinite(values).any():
        return Judgement(question, "No class has a test picture.", "unknown")
    worst = int(np.nanargmin(values))
    n, one = int(support[worst]), recall[worst]
    if one.value == 1:
        words = "None stands out: every test picture is answered rightly."
    else:
        words = (
            f"<b>{show_name(names[worst])}</b>: {one.value:.1%} of its {say_count(n, 'test picture')} are "
            f"found ({show_ends(one)})."
        )
    if one.value < _HALF:
        state = "warning"
    if one.high < of_all:
        state, words = "warning", f"{words} That is worse than the rest by more than luck."
    if len(few):
        state = "warning"
        listed = ", ".join(show_name(names[i]) for i in few[:3]) + (", ..." if len(few) > 3 else "")
        words += f" Fewer than {_TOO_FEW} test pictures: {listed}."
    if len(untested):
        words += f" Without any: {say_count(len(untested), 'class', 'classes')}."
    if one.value == 0 and n >= _TOO_FEW:
        state = "bad"
    return Judgement(question, words, state)


def _render_classes(
    names: Sequence[str], scores: Scores, support: np.typing.NDArray[np.int64], confidence: float
) -> Iterator[str]:
    of = scores.of_classes
    order = np.argsort([one.value for one in of["recall"]], kind="stable")[:_MAX_CLASSES]
    yield from render_table(
        ("class", "test pictures", "recall", f"{show_level(confidence)} interval", "precision", "F1"),
        (
            [
                show_name(names[i]),
                f"<td>{int(support[i]):,}{'&nbsp;!' if support[i] < _TOO_FEW else ''}</td>",
                render_bar(np.nan_to_num(of["recall"][i].value), show_share(of["recall"][i].value)),
                f"<td>{show_ends(of['recall'][i])}</td>",
                f"<td>{show_share(of['precision'][i].value)}</td>",
                f"<td>{show_share(of['f1'][i].value)}</td>",
            ]
            for i in order
        ),
    )
    if (support < _TOO_FEW).any():
        yield f"<p>! fewer than {_TOO_FEW} test pictures: the scores of this class are rough.</p>"


def show_mistakes(mistakes: Sequence[Mapping[str, Any]], examined: Examination, n_shown: int) -> Finding:
    """What it got wrong, with the first `n_shown` as pictures.

    Args:
        mistakes: rows of `answers.list_mistakes`.
    """
    return Finding(title="Mistakes", lines=list(_render_mistakes(mistakes, examined, n_shown)))


def _render_mistakes(
    mistakes: Sequence[Mapping[str, Any]], examined: Examination, n_shown: int
) -> Iterator[str]:
    if not mistakes:
        yield "<p>None.</p>"
        return
    shown = mistakes[:n_shown]
    is_part = len(shown) < len(mistakes)
    first = f"The {len(shown)} most confident of {len(mistakes):,}" if is_part else "The most confident first"
    yield f"<p>{first}. <code>darkroom mistakes</code> lists all, and how to correct a wrong label.</p>"
    place = {id_: i for i, id_ in enumerate(examined.pictures.ids)}
    pictures = examined.pictures.gather(np.array([place[row["id"]] for row in shown], np.int64))
    captions = (
        f"<code>{escape(row['key'])}</code>is {show_name(row['class_name'])}, answered "
        f"<b>{show_name(row['predicted'])}</b> ({row['probability']:.0%})"
        for row in shown
    )
    keys = (row["key"] for row in shown)
    yield from render_tiles(zip(keys, map(encode_png, pictures), captions, strict=True))
