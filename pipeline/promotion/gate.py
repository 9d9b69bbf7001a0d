"""Champion against challenger: the decision as a pure function of numbers."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.characters import cut

Verdict = Literal["PROMOTE", "HOLD", "REJECT"]
_MAX_NAME = 40  # characters of a class name in a reason


@dataclass(frozen=True)
class Decision:
    """What was decided and on what grounds.

    `challenger` and `reference` are the metric of the new model and of what it had to beat, both on the same
    `n_common` test images. `against` names what it had to beat: "champion", or "majority guess" while there
    is no champion.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    metric: str
    against: str
    challenger: float
    reference: float
    n_common: int

    @property
    def gain(self) -> float:
        """The challenger's metric minus the reference's."""
        return self.challenger - self.reference

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers rounded to 6 decimals."""
        return asdict(self) | {
            "reasons": list(self.reasons),
            "challenger": round(self.challenger, 6),
            "reference": round(self.reference, 6),
            "gain": round(self.gain, 6),
        }


@dataclass(frozen=True)
class Floors:
    """What any model must reach on its own test set."""

    min_accuracy: float
    min_class_recall: float

    def find_misses(self, *, accuracy: float, class_recall: dict[str, float]) -> tuple[str, ...]:
        """The floors that are not reached, in words; empty when all are."""
        found = []
        if accuracy < self.min_accuracy:
            found.append(f"accuracy {accuracy:.4f} is below promote.min_accuracy {self.min_accuracy:g}")
        worst = min(class_recall, key=lambda name: (class_recall[name], name))
        if class_recall[worst] < self.min_class_recall:
            found.append(
                f"recall of class {cut(worst, _MAX_NAME)!r} {class_recall[worst]:.4f} is below "
                f"promote.min_class_recall {self.min_class_recall:g}"
            )
        return tuple(found)


def decide(
    *,
    metric: str,
    against: str,
    challenger: float,
    reference: float,
    n_common: int,
    min_common_images: int,
    min_gain: float,
    missed_floors: tuple[str, ...] = (),
    obstacle: str = "",
) -> Decision:
    """REJECT below a floor, HOLD without a comparison or enough gain, PROMOTE otherwise.

    Args:
        challenger, reference: the metric of both sides on the same `n_common` test images.
        min_gain: the challenger must gain more than this; a tie never promotes.
        missed_floors: what `Floors.find_misses` says of the challenger.
        obstacle: why the two cannot be compared at all, in words; "" if they can.
    """
    gain = challenger - reference
    compared = f"{metric} {challenger:.4f} against {reference:.4f} of the {against} on {n_common} test images"
    verdict: Verdict
    if missed_floors:
        verdict, reasons = "REJECT", missed_floors
    elif obstacle:
        verdict, reasons = "HOLD", (obstacle,)
    elif n_common < min_common_images:
        verdict = "HOLD"
        reasons = (
            f"only {n_common} test images are in common with the {against}, "
            f"and promote.min_common_images requires {min_common_images}; add pictures, or raise split.test",
        )
    elif gain <= min_gain:
        verdict = "HOLD"
        reasons = (f"{compared}: gain {gain:+.4f} does not exceed promote.min_gain {min_gain:g}",)
    else:
        verdict, reasons = "PROMOTE", (f"{compared}: gain {gain:+.4f}",)
    return Decision(verdict, reasons, metric, against, challenger, reference, n_common)
