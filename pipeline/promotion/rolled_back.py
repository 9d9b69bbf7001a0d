"""A model that was rolled back is not promoted again by itself.

The verdict is REJECT, not HOLD: who waits may become champion, and this one may not.
"""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.promotion.gate import Decision
from pipeline.tracking.ledger import ROLLBACK, Line


def respect_rollback(decision: Decision, lines: Sequence[Line], number: int) -> Decision:
    """REJECT, whatever the exam said, if the last that was done with a version was to roll it back.

    Args:
        lines: of the ledger, about this registered model, in order.
    """
    moves = [one.move for one in lines if number in (one.move.before, one.move.version)]
    if decision.verdict == "REJECT" or not moves:
        return decision
    last = moves[-1]
    if last.decision != ROLLBACK or last.version == number:
        return decision
    said = (
        f"version {number} was champion and was rolled back ({last.reason}); "
        f"`darkroom registry promote {number} --force --reason TEXT` makes it champion all the same"
    )
    return replace(decision, verdict="REJECT", reasons=(said, *decision.reasons))
