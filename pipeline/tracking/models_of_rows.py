"""The registered model of a row, by the id of its run: as the row's decision names it."""

from pathlib import Path

from pipeline.tracking.decisions import parse_decision
from pipeline.tracking.run_lookup import find_run
from pipeline.tracking.stored_models import Address


def find_model_of_row(root: Path, run_id: str) -> Address | None:
    """The version that a row's decision is about; None if there is no such row, or it has no decision.

    Raises:
        TrackingError: the registry cannot be reached, or refuses.
    """
    run = find_run(root, run_id)
    decision = parse_decision(run.tags) if run else None
    return Address(str(decision["model_name"]), number=int(decision["version"])) if decision else None
