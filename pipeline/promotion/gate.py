"""Champion against challenger: the decision as a pure function of what the exam measured.

A challenger must reach the floors, lose in no class and no slice by more than luck, and be better overall by
more than luck. What is only not worse is held, or promoted where `promote.prefer` says so.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

from pipeline.evidence.intervals import Interval
from pipeline.evidence.paired_groups import Pair, Tally
from pipeline.promotion.budget import Budget, Use
from pipeline.promotion.parts import Part, find_losses

Verdict = Literal["PROMOTE", "HOLD", "REJECT"]
Prefer = Literal["none", "newer", "smaller", "faster"]
_N_NAMED = 3  # parts that a sentence names


@dataclass(frozen=True)
class Overall:
    """How two models did on the same pictures.

    Attributes:
        challenger, champion: the metric of each.
        difference: challenger minus champion. Both ends of its interval are at the level of the decision.
        tally: groups of near-duplicates, and those that the challenger won and lost.
        p: McNemar's, one-sided: how often luck alone wins so many.
    """

    challenger: float
    champion: float
    difference: Interval
    tally: Tally
    p: float


@dataclass(frozen=True)
class Preference:
    """What `promote.prefer` asks for, and the number of each model that it goes by; None: it is not known."""

    prefer: Prefer
    challenger: float | None = None
    champion: float | None = None


class Rival(NamedTuple):
    """A model that waits: the name of its row, and its accuracy on its validation pictures."""

    name: str
    accuracy: float


@dataclass(frozen=True)
class Compared:
    """What an exam of two models looked at.

    Attributes:
        ids: of the test pictures, in the order of `pair`.
        pair: their classes, and the answers of the challenger and of the champion.
        parts: the classes, slices and new sources that were tested.
        budget: the place of the decision among those of its test set.
    """

    ids: tuple[str, ...]
    pair: Pair
    parts: tuple[Part, ...]
    budget: Budget


@dataclass(frozen=True)
class Decision:
    """What was decided and on what grounds.

    Attributes:
        against: "champion", or "floors" while there is none.
        challenger, reference: the metric of the new model and of the champion, on the same `n_common` test
            images; the same number where nothing was compared.
        n_left_out: test images in common that are near-duplicates of what one of the two learned from.
        exam: the numbers behind a comparison; None without one.
        use: what the test set was asked; None likewise. It is recorded beside the decision.
        compared: what the page of the decision shows; None likewise.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    metric: str
    against: str
    challenger: float
    reference: float
    n_common: int
    n_left_out: int = 0
    exam: dict[str, Any] | None = None
    use: Use | None = None
    compared: Compared | None = None

    @property
    def gain(self) -> float:
        """The challenger's metric minus the reference's."""
        return self.challenger - self.reference

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers rounded to 6 decimals."""
        values = asdict(replace(self, use=None, compared=None)) | {
            "reasons": list(self.reasons),
            "challenger": round(self.challenger, 6),
            "reference": round(self.reference, 6),
            "gain": round(self.gain, 6),
        }
        del values["use"], values["compared"]
        return values


def judge(
    overall: Overall,
    parts: Sequence[Part],
    budget: Budget,
    *,
    margin: float,
    preference: Preference,
    compared: str,
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict of an exam of two models, with its reasons; the first is the one that decides.

    Args:
        margin: what the challenger may be worse by, and still count as not worse.
        compared: the two models in words and numbers.
    """
    gain, low, high = overall.difference
    spent = (
        f"decision {budget.number} of these test images: at level {budget.level:.2g}, and of alpha "
        f"{budget.alpha:g}, {budget.left:.2g} is left"
    )
    if losses := find_losses(parts, budget.alpha):
        return "REJECT", (f"worse for {_name_parts(losses)}", compared, spent)
    is_superior = (overall.p < budget.level and gain > 0) or low > 0
    if low <= -margin:
        verdict: Verdict = "REJECT"
        why = f"it may be worse by more than promote.margin, {100 * margin:g} points"
    elif is_superior:
        verdict, why = "PROMOTE", "better by more than luck"
    elif high < 0:
        verdict, why = "HOLD", "worse by more than luck, though within promote.margin"
    else:
        verdict, why = _prefer(preference)
    return verdict, (f"{compared}: {why}", spent)


def hold_for_rival(decision: Decision, accuracy: float | None, rival: Rival | None) -> Decision:
    """The decision, once it is known which of the models that wait did best in validation.

    Args:
        accuracy: of the challenger, on its validation pictures; None: not known.
        rival: the best of those that were held on the same test pictures; None: there is none.
    """
    if decision.verdict != "PROMOTE" or accuracy is None or rival is None or rival.accuracy <= accuracy:
        return decision
    why = (
        f"{rival.name} is held on the same test images and did better in validation, {rival.accuracy:.4f} "
        f"against {accuracy:.4f}, so this model is not the candidate (promote.candidate)"
    )
    return replace(decision, verdict="HOLD", reasons=(why, *decision.reasons))


def _prefer(preference: Preference) -> tuple[Verdict, str]:
    """What becomes of a model that is neither better nor worse by more than luck."""
    why = "not better by more than luck, and not worse by more than promote.margin"
    word, mine, theirs = preference.prefer, preference.challenger, preference.champion
    if word == "none":
        return "HOLD", why
    if word == "newer":
        return "PROMOTE", f"{why}; promote.prefer takes the newer one"
    thing = "weights" if word == "smaller" else "ms a picture"
    if mine is None or theirs is None:
        return "HOLD", f"{why}; which one is {word} is not known: the {thing} of one were not recorded"
    is_less = mine < theirs
    numbers = f"{mine:,.6g} {thing} against {theirs:,.6g}"
    if is_less:
        return "PROMOTE", f"{why}; promote.prefer takes the {word} one, with {numbers}"
    return "HOLD", f"{why}, nor {word}: {numbers}"


def _name_parts(losses: Sequence[Part]) -> str:
    named = ", ".join(one.describe() for one in losses[:_N_NAMED])
    return named + (f" and {len(losses) - _N_NAMED} more" if len(losses) > _N_NAMED else "")
