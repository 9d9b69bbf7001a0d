"""The verdict in words, and as the script that shows it in evaluate's report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.storage import write_whole

COLOURS = {"PROMOTE": "passed", "HOLD": "warned", "REJECT": "stopped"}
# textContent, so that names in a sentence are never HTML.
_SCRIPT = """const verdict = document.getElementById("verdict");
verdict.className = {colour};
verdict.textContent = {sentence};
const page = document.createElement("a");
page.href = {page};
page.textContent = "The decision, with both models side by side";
verdict.append(page);
"""


def describe_verdict(decision: Mapping[str, Any]) -> str:
    """The verdict, the version, and the reasons, in one sentence."""
    model = f"{decision['model_name']} version {decision['version']}"
    return f"{decision['verdict']} {model}: {'; '.join(decision['reasons'])}"


def write_verdict(decision: Mapping[str, Any], path: Path, *, page: str) -> None:
    """Write the script; the same bytes for the same decision.

    Args:
        page: where the decision lies as a page, seen from the report.
    """
    colour = f"banner {COLOURS.get(decision['verdict'], 'warned')}"
    text = _SCRIPT.format(
        colour=json.dumps(colour), sentence=json.dumps(describe_verdict(decision)), page=json.dumps(page)
    )
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
