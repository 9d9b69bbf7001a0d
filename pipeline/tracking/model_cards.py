"""The model card of a version in the registry, which the run of its evaluation holds."""

import logging
from pathlib import Path
from typing import Any

from pipeline.errors import TrackingError, one_line
from pipeline.tracking.artifacts import fetch_json
from pipeline.tracking.run_lookup import find_run
from pipeline.tracking.stored_models import StoredModel

_CARD = "model_card.json"

_log = logging.getLogger(__name__)


def read_card(root: Path, model: StoredModel) -> dict[str, Any] | None:
    """The card as plain values; None if it cannot be had, which is logged."""
    if not model.evaluation:
        return None
    try:
        if run := find_run(root, model.evaluation):
            return dict(fetch_json(root, f"{run.place.rstrip('/')}/{_CARD}"))
        why = f"the run {model.evaluation} is gone"
    except (TrackingError, OSError, ValueError, TypeError) as error:
        why = one_line(error)
    _log.info("there is no model card of %s version %d: %s", model.name, model.number, why)
    return None
