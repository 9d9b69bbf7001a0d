"""The exam: what two models answered on the same test images, and the decision that follows from it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.characters import cut, say_count
from pipeline.evidence.exams import Exam, match_images, number_classes
from pipeline.evidence.metrics import SCORES
from pipeline.evidence.paired_groups import Pair, bootstrap_difference, compute_gain_p, count_groups
from pipeline.evidence.slices import Fact
from pipeline.params import PromoteParams
from pipeline.promotion.budget import Budget, Use, number_use, sketch_ids
from pipeline.promotion.floors import find_missed_floors
from pipeline.promotion.gate import Compared, Decision, Overall, Preference, Verdict, judge
from pipeline.promotion.parts import Part, compare_parts, find_losses
from pipeline.tracking.registry import CHAMPION

FLOORS = "floors"  # what a model has to reach while there is no champion
_N_NAMED, _MAX_NAME = 3, 40  # classes that a reason names, and characters of each

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """What is known beside the answers.

    Attributes:
        groups: the group of near-duplicates of pictures of the collection, by id.
        learnt: the ids of pictures that one of the two models learned from, as far as they are known.
        facts: of the challenger's test images, in their order: slices are cut by them.
        uses: the decisions before this one, oldest first.
        models: the md5 of the challenger and of the champion.
        sizes: what `promote.prefer` goes by, of both; None: not known.
        new_sources: both models on sources that they had not seen, a group each; None: not known.
    """

    groups: Mapping[str, str] = field(default_factory=dict)
    learnt: Set[str] = frozenset()
    facts: Sequence[Fact] = ()
    uses: Sequence[Use] = ()
    models: tuple[str, str] = ("challenger", "champion")
    sizes: tuple[float | None, float | None] = (None, None)
    new_sources: Pair | None = None


def compare(challenger: Exam, champion: Exam, known: Known, params: PromoteParams) -> Decision:
    """The decision, from what both models answered on the test images that they have in common.

    Images that only one of them was tested on may have been in the other's training set, so they are left
    out. So are near-duplicates of what one of them learned from. All are judged by today's labels.
    """
    number = number_classes(challenger, champion)
    if number is None:
        return _decide_alone(challenger, params, _explain_classes(challenger, champion), n_common=0)
    mine, theirs = match_images(challenger, champion)
    is_new = _find_new(challenger.ids[mine], known)
    n_left_out = int((~is_new).sum())
    mine, theirs = mine[is_new], theirs[is_new]
    if len(mine) < params.min_common_images:
        n_unasked = len(challenger.ids) - len(mine) - n_left_out
        obstacle = _explain_few(len(mine), n_unasked, n_left_out, params.min_common_images)
        alone = _decide_alone(challenger, params, obstacle, n_common=len(mine))
        return replace(alone, n_left_out=n_left_out)
    ids = challenger.ids[mine]
    pair = Pair(
        challenger.y_true[mine],
        challenger.y_pred[mine],
        number[champion.y_pred[theirs]],
        _number_groups(ids, known.groups),
        len(number),
    )
    facts = [replace(one, values=one.values[mine]) for one in known.facts]
    decision = _examine(pair, ids.tolist(), challenger.class_names, replace(known, facts=facts), params)
    reasons = decision.reasons
    if n_left_out:
        lost = say_count(n_left_out, "test image")
        reasons += (f"{lost} left out: near-duplicates of what one of the two learned from",)
    if missed := _find_missed(challenger, params):
        return replace(decision, verdict="REJECT", reasons=missed + reasons, n_left_out=n_left_out)
    return replace(decision, reasons=reasons, n_left_out=n_left_out)


def accept_first(exam: Exam, params: PromoteParams) -> Decision:
    """The decision while there is no champion: a model that reaches the floors is the first."""
    score = _score(exam, params)
    missed = _find_missed(exam, params)
    told = f"{params.metric} {score:.4f} on {say_count(len(exam.ids), 'test image')}"
    reasons = missed or (f"{told} reaches promote.floors, and there is no champion yet: this is the first",)
    verdict: Verdict = "REJECT" if missed else "PROMOTE"
    return Decision(verdict, reasons, params.metric, FLOORS, score, score, len(exam.ids))


def confirm_champion(exam: Exam, params: PromoteParams) -> Decision:
    """The decision about the champion itself in a new state, for example with other promote.* values.

    There is nothing to gain, so it never promotes.
    """
    return _decide_alone(exam, params, "this model is the champion already")


def miss_champion(exam: Exam, number: int, params: PromoteParams) -> Decision:
    """The decision where the champion's answers to its test images are gone: it never promotes."""
    obstacle = (
        f"the test answers of the champion, version {number}, are gone from MLflow, so nothing can be "
        f"compared with it; restore its row or its model, or remove the alias {CHAMPION!r} to start over"
    )
    return _decide_alone(exam, params, obstacle)


def _decide_alone(
    exam: Exam, params: PromoteParams, obstacle: str, *, n_common: int | None = None
) -> Decision:
    """REJECT below a floor, otherwise HOLD for a reason; no test set is asked."""
    score, missed = _score(exam, params), _find_missed(exam, params)
    n = len(exam.ids) if n_common is None else n_common
    verdict: Verdict = "REJECT" if missed else "HOLD"
    return Decision(verdict, missed or (obstacle,), params.metric, CHAMPION, score, score, n)


def _examine(
    pair: Pair, ids: Sequence[str], class_names: Sequence[str], known: Known, params: PromoteParams
) -> Decision:
    """The decision about two models whose answers lie side by side."""
    budget = Budget(params.alpha, number_use(known.uses, *known.models, ids))
    tally = count_groups(pair)
    difference = bootstrap_difference(pair, params.metric, confidence=1 - 2 * budget.level)
    overall = Overall(*pair.score(params.metric), difference, tally, compute_gain_p(tally.won, tally.lost))
    parts = compare_parts(pair, class_names, known.facts, known.new_sources)
    verdict, reasons = judge(
        overall,
        parts,
        budget,
        margin=params.margin,
        preference=Preference(params.prefer, *known.sizes),
        compared=_describe(overall, budget, params.metric, len(pair)),
    )
    return Decision(
        *(verdict, reasons, params.metric, CHAMPION, overall.challenger, overall.champion, len(pair)),
        exam=_list_numbers(overall, budget, parts),
        use=Use(*known.models, sketch_ids(ids)),
        compared=Compared(tuple(ids), pair, tuple(parts), budget),
    )


def _describe(overall: Overall, budget: Budget, metric: str, n: int) -> str:
    """Both models and their difference, in words."""
    gain, low, high = (100 * one for one in overall.difference)
    interval = f"{100 * (1 - 2 * budget.level):.4g}% interval {low:+.1f} to {high:+.1f}"
    return (
        f"{metric} {overall.challenger:.4f} against {overall.champion:.4f} of the {CHAMPION} on "
        f"{say_count(n, 'test image')}, {gain:+.1f} points ({interval}, p {overall.p:.2g})"
    )


def _list_numbers(overall: Overall, budget: Budget, parts: Sequence[Part]) -> dict[str, Any]:
    """The numbers behind the words, for programs; rounded, so that they are the same everywhere."""
    losses = find_losses(parts, budget.alpha)
    return {
        "gain_low": round(overall.difference.low, 6),
        "gain_high": round(overall.difference.high, 6),
        "p": float(f"{overall.p:.6g}"),
        "won": overall.tally.won,
        "lost": overall.tally.lost,
        "n_groups": overall.tally.n,
        "decisions": budget.number,
        "level": float(f"{budget.level:.6g}"),
        "alpha_left": float(f"{budget.left:.6g}"),
        "n_parts": len(parts),
        "parts_lost": {one.name: float(f"{one.adjusted:.6g}") for one in losses},
    }


def _find_new(ids: npt.NDArray[np.str_], known: Known) -> npt.NDArray[np.bool_]:
    """Which images are near-duplicates of none that a model learned from [n]."""
    seen = {known.groups.get(id_, id_) for id_ in known.learnt}
    return np.array([known.groups.get(id_, id_) not in seen for id_ in ids.tolist()], np.bool_)


def _number_groups(ids: npt.NDArray[np.str_], groups: Mapping[str, str]) -> Ints:
    names = np.array([groups.get(id_, id_) for id_ in ids.tolist()], np.str_)
    return np.asarray(np.unique(names, return_inverse=True)[1]).astype(np.int64)


def _score(exam: Exam, params: PromoteParams) -> float:
    return SCORES[params.metric](exam.y_true, exam.y_pred, len(exam.class_names))


def _find_missed(exam: Exam, params: PromoteParams) -> tuple[str, ...]:
    return find_missed_floors(params.floors, exam.y_true, exam.y_pred, exam.class_names)


def _explain_few(n_common: int, n_unasked: int, n_left_out: int, n_needed: int) -> str:
    why = [
        f"{n_unasked} it learned from, or cannot be asked about" if n_unasked else "",
        f"{n_left_out} are near-duplicates of what one of the two learned from" if n_left_out else "",
    ]
    said = f"; of the others, {' and '.join(filter(None, why))}" if any(why) else ""
    return (
        f"only {say_count(n_common, 'test image')} can be compared with the {CHAMPION}{said}. "
        f"promote.min_common_images requires {n_needed}: add pictures (a larger split.test only adds what it "
        "learned from), or decide by hand with `darkroom registry promote`"
    )


def _explain_classes(challenger: Exam, champion: Exam) -> str:
    return (
        f"the champion has {_name_classes(champion, challenger)}, this model "
        f"{_name_classes(challenger, champion)}, so they cannot be compared; set promote.model_name to "
        "keep both"
    )


def _name_classes(exam: Exam, other: Exam) -> str:
    """The classes that only this exam has, at most three by name."""
    own = [name for name in exam.class_names if name not in other.class_names]
    named = ", ".join(cut(name, _MAX_NAME) for name in own[:_N_NAMED])
    more = f" and {len(own) - _N_NAMED} more" if len(own) > _N_NAMED else ""
    return f"{len(own)} other classes ({named}{more})" if own else "no other class"
