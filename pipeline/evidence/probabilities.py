"""The section about probabilities: how well they rank, curves, and what another threshold would bring."""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from pipeline.evidence.examination import Examination, Finding
from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.metrics import Scores
from pipeline.evidence.threshold_curves import ThresholdCurve, trace_curves, write_curves
from pipeline.evidence.wording import show_level
from pipeline.figures.class_lines import MAX_LINES, draw_class_lines
from pipeline.figures.page import embed_png, render_facts, render_table
from pipeline.paths import Paths
from pipeline.progress import log_time
from pipeline.serving.answer_rule import NEVER

_MAX_CLASSES = 200

Bools = npt.NDArray[np.bool_]


@log_time("curves of probabilities")
def show_probabilities(
    examined: Examination, scores: Scores, paths: Paths, *, min_precision: float, confidence: float
) -> Finding:
    """Tables, curves and thresholds of the probabilities; writes the curves as a table and two figures.

    Args:
        scores: those of `probability_scores.score_probabilities`, and maybe others.
        min_precision: the share of right answers that another threshold should bring.
    """
    names = examined.class_names
    curves = trace_curves(examined.y_true, examined.y_prob, names)
    write_curves(curves, paths.threshold_curves)
    value_of = {
        name: dict(zip(names, (one.value for one in scores.of_classes[name]), strict=True))
        for name in ("roc_auc", "pr_auc")
    }
    shown = _choose_lines(curves, value_of["roc_auc"])
    folder = paths.figures("evaluate")
    draw_class_lines(
        [(one.false_positive_rate, one.recall) for one in shown],
        [f"{one.name} ({_say(value_of['roc_auc'][one.name])})" for one in shown],
        is_chance_diagonal=True,
        title=_title("ROC: each class against the rest (area)", curves),
        axes_names=("share of other pictures that are called so", "share of its pictures found (recall)"),
        path=folder / "roc.png",
    )
    draw_class_lines(
        [(one.recall, one.precision) for one in shown],
        [f"{one.name} ({_say(value_of['pr_auc'][one.name])})" for one in shown],
        is_chance_diagonal=False,
        title=_title("Precision and recall of each class (area)", curves),
        axes_names=("share of its pictures found (recall)", "share of what is called so that is right"),
        path=folder / "precision_recall.png",
    )
    lines = [*_render_scores(scores, confidence), *_render_classes(examined, scores, confidence)]
    if len(names) == 2:
        lines += _render_thresholds(examined, curves, min_precision, confidence)
    for name in ("roc", "precision_recall"):
        picture = embed_png(name.replace("_", " "), (folder / f"{name}.png").read_bytes())
        lines.append(f'<p></p><div class="scroll narrow">{picture}</div>')
    return Finding(title="Probabilities", lines=lines, files=[paths.threshold_curves])


def _choose_lines(curves: Sequence[ThresholdCurve], auc: dict[str, float]) -> list[ThresholdCurve]:
    """All, or the worst ten, in their order."""
    worst = {one.name for one in sorted(curves, key=lambda one: auc[one.name])[:MAX_LINES]}
    return [one for one in curves if one.name in worst]


def _title(what: str, curves: Sequence[ThresholdCurve]) -> str:
    if not curves:
        return f"{what}: there is none, as one class has all test pictures"
    return what if len(curves) <= MAX_LINES else f"{what}: the worst {MAX_LINES} of {len(curves)}"


def _render_scores(scores: Scores, confidence: float) -> Iterator[str]:
    overall = scores.overall
    shown = {
        "ROC-AUC, mean of classes": overall["macro_roc_auc"],
        "PR-AUC, mean of classes": overall["macro_pr_auc"],
        "Log loss": overall["log_loss"],
        "Brier score": overall["brier"],
    }
    known = {name: one for name, one in shown.items() if not np.isnan(one.value)}
    yield from render_facts(
        (name, _say(one.value) if name in known else "none") for name, one in shown.items()
    )
    ends = "; ".join(f"{name} {_show_ends(one)}" for name, one in known.items())
    yield (
        "<p>The areas say how well a class's probability sorts its pictures before all others: 1 is perfect. "
        "0.5 is chance for ROC-AUC, the class's share of the pictures for PR-AUC. Log loss and Brier score "
        f"are better the lower they are. {show_level(confidence)} intervals: {ends}.</p>"
    )


def _render_classes(examined: Examination, scores: Scores, confidence: float) -> Iterator[str]:
    """A row per class, the worst first, those without a score last."""
    support = np.bincount(examined.y_true, minlength=len(examined.class_names))
    roc, pr = scores.of_classes["roc_auc"], scores.of_classes["pr_auc"]
    order = np.argsort([one.value for one in roc], kind="stable")[:_MAX_CLASSES]
    interval = f"{show_level(confidence)} interval"
    yield from render_table(
        ("class", "test pictures", "ROC-AUC", interval, "PR-AUC", interval),
        (
            [
                escape(examined.class_names[i]),
                f"<td>{_count(int(support[i]), len(examined.y_true))}</td>",
                *(
                    f"<td>{cell}</td>"
                    for one in (roc[i], pr[i])
                    for cell in (_show(one.value), _show_ends(one))
                ),
            ]
            for i in order
        ),
    )


def _render_thresholds(
    examined: Examination, curves: Sequence[ThresholdCurve], min_precision: float, confidence: float
) -> Iterator[str]:
    """Of two classes: what the answer is now, and from which probability it is precise."""
    if not curves:
        return
    yield "<p><b>Another threshold</b></p>\n<ul>"
    for curve in curves:
        c = examined.class_names.index(curve.name)
        now = _say_now(examined, c, confidence)
        at = curve.find_precise(min_precision)
        if at is None:
            then = f"No threshold makes {min_precision:.0%} of ten answers or more right."
        else:
            least = float(curve.threshold[at])
            called = examined.y_prob[:, c] >= least
            found = _say_point(examined, c, called, confidence)
            then = f"Answered from {_say_least(least)} only, {found}."
        yield f"<li><b>{escape(curve.name)}</b>: {now}. {then}</li>"
    yield (
        f"</ul>\n<p>The second threshold is the lowest at which {min_precision:.0%} of the answers are "
        "right. It is read off these test pictures, so new pictures will do a little worse.</p>"
    )


def _say_now(examined: Examination, c: int, confidence: float) -> str:
    """From where a class is answered by the rule of the answers, and what that is worth."""
    rule = examined.classifier.rule
    if rule.min_probability >= NEVER:
        return "now every answer is <code>review</code>"
    called = (examined.y_pred == c) & rule.is_answered(examined.y_prob)
    least = max(rule.min_probability, 0.5)
    return f"answered from {_say_least(least)}, as now, {_say_point(examined, c, called, confidence)}"


def _say_least(least: float) -> str:
    """A least probability in percent, that is never rounded to all."""
    return "more than 99.9%" if 0.9995 <= least < 1 else f"{100 * least:.3g}%"


def _say_point(examined: Examination, c: int, called: Bools, confidence: float) -> str:
    """What is found of a class, and how much of what is called so is right."""
    is_class, groups = examined.y_true == c, examined.groups
    found = bound_share(called[is_class].astype(np.float64), groups[is_class], confidence=confidence)
    right = bound_share(is_class[called].astype(np.float64), groups[called], confidence=confidence)
    if np.isnan(right.value):
        return "it is never answered"
    return (
        f"it finds {found.value:.1%} of its pictures ({found.low:.1%} to {found.high:.1%}), and "
        f"{right.value:.1%} of these answers are right ({right.low:.1%} to {right.high:.1%})"
    )


def _count(n: int, n_all: int) -> str:
    return "none" if n == 0 else f"{n:,}, all" if n == n_all else f"{n:,}"


def _show(value: float) -> str:
    return "&ndash;" if np.isnan(value) else escape(_say(value))


def _say(value: float) -> str:
    """Three decimals, that never call a score perfect that is not."""
    return "> 0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def _show_ends(one: Interval) -> str:
    return "&ndash;" if np.isnan(one.value) else escape(f"{_say(one.low)} to {_say(one.high)}")
