"""A decision as the tags of its row, and what else a row's tags say of its model."""

import json
from collections.abc import Mapping
from typing import Any

VERDICT_TAG = "verdict"
CHAMPION_TAG = "champion"  # of the row whose model is champion, for people
DECISION_TAG = "promote.decision"  # its JSON; what is longer than a tag continues in .1, .2 and so on
_MAX_TAG = 2000  # characters that every store of MLflow keeps; this one cuts at 8,000 without an error
_NEEDED = {"verdict", "model_name", "version", "champion_before"}  # of a decision, to carry it out

Decision = dict[str, Any]


def divide_decision(decision: Decision) -> dict[str, str]:
    """The tags that hold a decision."""
    text = json.dumps(decision, sort_keys=True)
    parts = [text[start : start + _MAX_TAG] for start in range(0, len(text), _MAX_TAG)]
    return {DECISION_TAG + (f".{number}" if number else ""): part for number, part in enumerate(parts)}


def parse_decision(tags: Mapping[str, str]) -> Decision | None:
    """The decision that a row's tags hold; None if they hold none that is whole."""
    parts = {key.removeprefix(DECISION_TAG): value for key, value in tags.items()}
    text = "".join(parts.get(f".{number}" if number else "", "") for number in range(len(tags)))
    try:
        decision = json.loads(text)
    except ValueError:
        return None
    return decision if isinstance(decision, dict) and decision.keys() >= _NEEDED else None
