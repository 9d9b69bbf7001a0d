"""How sure the model is, and whom it asks: the rule of its answers, and what that rule is worth."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.evidence.abstention import (
    Reach,
    Separation,
    answer_nested,
    average_over,
    choose_limit,
    measure_reach,
    measure_separation,
)
from pipeline.evidence.calibration import Bins, count_bins, fit_temperature
from pipeline.evidence.examination import Examination, Finding, Judgement, State
from pipeline.evidence.intervals import Interval
from pipeline.evidence.unseen import Unseen
from pipeline.evidence.wording import MISSING, show_ends, show_share
from pipeline.figures.page import frame_picture, render_table
from pipeline.figures.reliability import Reliability, draw_reliability
from pipeline.serving.answer_rule import NEVER, AnswerRule

FIGURE = "reliability.png"
_FEWEST_SOURCES = 3  # with which the limit can be judged by a source that did not choose it
_WIDE = 0.5  # an interval that says nothing


def choose_rule(unseen: Unseen, min_precision: float) -> AnswerRule:
    """The temperature, and the least probability above which `min_precision` of the answers are right.

    The probability lies a standard error on the safe side (`abstention.choose_limit`). Without any answer to
    choose it on, the model always answers.
    """
    if not len(unseen.y_true):
        return AnswerRule()
    temperature = fit_temperature(unseen.y_true, unseen.y_prob)
    is_right, given = unseen.judge(AnswerRule(temperature))
    limit = choose_limit(is_right, given, unseen.group_numbers, min_precision)
    return AnswerRule(temperature, limit, unseen.chosen_on)


def judge_review(
    examined: Examination, unseen: Unseen, *, min_precision: float, confidence: float, figures: Path
) -> Finding:
    """What the rule of the answers is worth, on the test pictures and on what it was chosen on.

    Args:
        examined: by the classifier with its rule.
        figures: the folder of figures.
    """
    rule = examined.classifier.rule
    judged = _Judged(
        rule,
        measure_reach(
            *(examined.is_right, rule.is_answered(examined.y_prob), examined.groups), confidence=confidence
        ),
        _measure_nested(unseen, rule, min_precision, confidence),
        measure_separation(*unseen.judge(rule), unseen.group_numbers),
        before=count_bins(examined.is_right, rule.untemper(examined.y_prob).max(axis=1)),
        after=count_bins(examined.is_right, examined.y_prob.max(axis=1)),
    )
    judged.draw(figures / FIGURE)
    lines = list(_render(judged, unseen, min_precision))
    lines.append(frame_picture("How sure it is, and how often right", (figures / FIGURE).read_bytes()))
    judgement = _judge(judged, unseen, min_precision)
    return Finding(judged.to_metrics(), "When it asks for a person", lines, judgements=[judgement])


@dataclass(frozen=True)
class _Judged:
    """What a rule is worth: on the test pictures, on those it was chosen on, and its probabilities."""

    rule: AnswerRule
    tested: Reach
    unseen: Reach
    separation: Separation
    before: Bins
    after: Bins

    def to_metrics(self) -> dict[str, float]:
        metrics = {
            "calibration/error_before": self.before.error,
            "calibration/error": self.after.error,
            "calibration/temperature": self.rule.temperature,
            "review/min_probability": min(self.rule.min_probability, 1.0),
        }
        if not np.isnan(self.separation.area):
            metrics["review/separation"] = self.separation.area
        for name, reach in (("test", self.tested), ("unseen", self.unseen)):
            if not np.isnan(reach.coverage.value):
                metrics[f"review/{name}_coverage"] = reach.coverage.value
            if not np.isnan(reach.precision.value):
                metrics |= reach.precision.flatten(f"review/{name}_precision")
        return metrics

    def draw(self, path: Path) -> None:
        titles = ("As the network says", f"Temperature {self.rule.temperature:.2f}")
        panels = [
            Reliability(f"{title}: error {bins.error:.1%}", bins.n, bins.confidence, bins.accuracy)
            for title, bins in zip(titles, (self.before, self.after), strict=True)
        ]
        draw_reliability(panels, self.rule.min_probability, path)


def _measure_nested(unseen: Unseen, rule: AnswerRule, min_precision: float, confidence: float) -> Reach:
    """What the rule is worth where each fold is judged by a limit that the other folds chose."""
    (is_right, given), groups = unseen.judge(rule), unseen.group_numbers
    passes = answer_nested(is_right, given, groups, unseen.fold, min_precision)
    if not unseen.has_sources:
        return measure_reach(is_right, passes, groups, confidence=confidence)
    named = unseen.is_named  # the others say nothing of new sources
    is_right, passes, groups = is_right[named], passes[named], groups[named]
    reach = measure_reach(is_right, passes, groups, confidence=confidence)
    if len(np.unique(groups)) < _FEWEST_SOURCES:  # then a limit is chosen on one
        return Reach(Interval(np.nan, 0.0, 1.0), Interval(np.nan, 0.0, 1.0))
    return reach._replace(coverage=reach.coverage._replace(value=average_over(groups, passes)))


def _judge(judged: _Judged, unseen: Unseen, min_precision: float) -> Judgement:
    """Good where folds that chose no limit kept the promise; bad where it never answers."""
    question, rule, reach = "When does it answer by itself?", judged.rule, judged.unseen
    if rule.chosen_on == "none":
        return Judgement(question, "Always: there was no answer to choose a limit on.", "unknown")
    if rule.min_probability >= NEVER:
        words = f"Never: no limit makes {min_precision:.0%} of its answers right."
        return Judgement(question, f"{words}{_explain_luck(judged.separation)}", "bad")
    state, words = _judge_reach(reach, unseen, min_precision)
    others = " The others are <code>review</code>." if reach.coverage.value < 1 else ""
    return Judgement(question, f"{words}{others}", state)


def _judge_reach(reach: Reach, unseen: Unseen, min_precision: float) -> tuple[State, str]:
    """What a limit is worth, in words."""
    coverage, precision = reach
    if np.isnan(coverage.value):
        return "unknown", "Not known: so few sources cannot tell what the limit is worth on new ones."
    whom = "new sources, which weigh alike" if unseen.has_sources else "those it has not seen"
    answers = f"It answers <b>{coverage.value:.0%}</b> of pictures of {whom}"
    if np.isnan(precision.value):
        return "warning", f"{answers}: too few to judge."
    words = (
        f"{answers}; {precision.value:.1%} of these answers are right ({show_ends(precision)}; asked: "
        f"{min_precision:.0%})."
    )
    if precision.high - precision.low > _WIDE:
        return "unknown", f"{words} So few sources cannot tell."
    if unseen.chosen_on == "val":
        return "warning", f"{words} These pictures also chose the network: expect less."
    return "good" if precision.value >= min_precision else "warning", words


def _render(judged: _Judged, unseen: Unseen, min_precision: float) -> Iterator[str]:
    where = {
        ("out_of_fold", True): "pictures of sources that the network had not seen",
        ("out_of_fold", False): "pictures that the network had not seen, by folds",
        ("val", False): "validation pictures, which also chose the network: read it with care",
    }[unseen.chosen_on, unseen.has_sources]
    if (rule := judged.rule).chosen_on == "none":
        yield "<p>There was no answer to choose a limit on. So it always answers.</p>"
    elif rule.min_probability >= NEVER:
        yield (
            f"<p>On {where}, no limit makes {min_precision:.0%} of the answers right."
            f"{_explain_luck(judged.separation)} So every answer is "
            "<code>review</code>. Lower <code>evaluate.min_precision</code>, or train a better model.</p>"
        )
        if unseen.has_sources:
            yield (
                "<p>If the pictures to come are of the sources above and of no others, <code>split.fold_by: "
                "''</code> chooses the limit on pictures of known sources.</p>"
            )
    else:
        yield (
            f"<p>It answers from a probability of <b>{rule.min_probability:.2f}</b> on. Below, the answer is "
            f"<code>review</code>: a person should look. The limit was chosen for {min_precision:.0%} right "
            f"answers, on {where}. It lies a standard error on the safe side, because "
            f"{'no two sources are alike' if unseen.has_sources else 'these pictures are only a sample'}.</p>"
        )
    theirs = "new sources, weighed alike" if unseen.has_sources else "folds that chose no limit"
    rows = [("test pictures", judged.tested), (theirs, judged.unseen)]
    yield from render_table(
        ("asked about", "it answers", "right of those"),
        ([name, *_list_cells(one)] for name, one in rows),
    )
    yield (
        f"<p>Its probabilities are off by {judged.after.error:.1%} on average (expected calibration error on "
        f"the test pictures). Before the temperature of {rule.temperature:.2f} it was "
        f"{judged.before.error:.1%}.{_explain_doubt(judged, unseen)}</p>"
    )


def _explain_luck(separation: Separation) -> str:
    """That probabilities say nothing, where that is so."""
    if np.isnan(separation.area) or not separation.is_luck:
        return ""
    return (
        " Its probabilities do not tell right answers from wrong ones by more than luck (area under the ROC "
        f"curve {separation.area:.2f}; 0.5 says nothing)."
    )


def _explain_doubt(judged: _Judged, unseen: Unseen) -> str:
    """Why the temperature may make probabilities of test pictures worse."""
    if not unseen.has_sources or judged.after.error <= judged.before.error:
        return ""
    return (
        " It was chosen on new sources, where the network is right less often. So it is less sure than it "
        "could be about sources that it knows, as these test pictures are."
    )


def _show(one: Interval) -> str:
    return MISSING if np.isnan(one.value) else f"{one.value:.1%} ({show_ends(one)})"


def _list_cells(reach: Reach) -> list[str]:
    return [f"<td>{show_share(reach.coverage.value)}</td>", f"<td>{_show(reach.precision)}</td>"]
