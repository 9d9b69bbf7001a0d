"""The verdict in words, and as a script for the page of results."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.promotion.verdict import describe_verdict, write_verdict

DECISION: dict[str, Any] = {
    "verdict": "HOLD",
    "model_name": "scans",
    "version": 2,
    "reasons": ["a", "</script>"],
}


def test_a_sentence() -> None:
    assert describe_verdict(DECISION) == "HOLD scans version 2: a; </script>"


@pytest.mark.parametrize(
    ("verdict", "colour"), [("PROMOTE", "passed"), ("HOLD", "warned"), ("REJECT", "stopped")]
)
def test_the_script_sets_text_and_colour(verdict: str, colour: str, tmp_path: Path) -> None:
    write_verdict(DECISION | {"verdict": verdict}, tmp_path / "verdict.js", page="../decision.html")
    _, colours, text, _, page, *_ = (tmp_path / "verdict.js").read_text().splitlines()
    assert page == 'page.href = "../decision.html";'
    assert colours == f'verdict.className = "banner {colour}";'
    said = text.removeprefix("verdict.textContent = ").removesuffix(";")
    assert json.loads(said) == f"{verdict} scans version 2: a; </script>"
