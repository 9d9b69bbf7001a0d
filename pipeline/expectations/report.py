"""What the suites found, in words: for the log, for the error that stops a stage, and for the Data Docs."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import DataError
from pipeline.expectations.engine import drop_volatile
from pipeline.storage import write_whole

_log = logging.getLogger(__name__)

Severity = Literal["critical", "warning"]

_N_NAMED = 5  # offenders that a message names
_N_LISTED = 20  # offenders that a page names
_MUTE = ("id", "key", "verdict", "reason")  # columns whose values say no more than the expectation does


@dataclass(frozen=True)
class Finding:
    """One expectation and what was found.

    Attributes:
        params: the knobs that set the limit, and their values.
        found: in words, such as "all 5", "3 of 5 not so", "12.0%".
        offenders: name, and value ("" where it would say nothing); the first 20 of `n_offenders`.
    """

    suite: str
    expectation: str
    severity: Severity
    params: Mapping[str, Any]
    text: str
    is_met: bool
    found: str
    offenders: tuple[tuple[str, str], ...]
    n_offenders: int

    def __str__(self) -> str:
        knobs = f", set by {' and '.join(self.params)}" if self.params else ""
        named = [f"{name} {value}".strip() for name, value in self.offenders[:_N_NAMED]]
        more = ", ..." if self.n_offenders > len(named) else ""
        whose = f": {', '.join(named)}{more}" if named else ""
        return f"{self.text}, got {self.found}{whose} ({self.expectation}{knobs})"


@dataclass(frozen=True)
class Report:
    """All findings of one suite, and Great Expectations' results as plain JSON values, the same each time."""

    name: str
    result: dict[str, Any]
    findings: tuple[Finding, ...]

    def failed(self, severity: Severity) -> list[Finding]:
        """Expectations of one severity that were not met, in the order of the suite."""
        return [one for one in self.findings if not one.is_met and one.severity == severity]

    def write(self, path: Path) -> None:
        """Write the result as JSON with sorted keys."""
        with write_whole(path) as temporary:
            text = json.dumps(self.result, indent=2, sort_keys=True, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    def enforce(self, *, docs: Path, because: str = "") -> None:
        """Log the warnings, and stop if a critical expectation is not met.

        Args:
            docs: the page to look at, from the project's folder.
            because: a possible cause, which follows the expectations in the message.

        Raises:
            DataError: a critical expectation is not met; all of them are in one line.
        """
        for finding in self.failed("warning"):
            _log.warning("%s", finding)
        if critical := self.failed("critical"):
            said = "; ".join(map(str, critical))
            raise DataError(f"{said}{because}; see {docs}, then repair the source or change params.yaml")


def build_report(name: str, results: Mapping[str, dict[str, Any]]) -> Report:
    """The results of Great Expectations by suite, from `engine.hold_against`, in words."""
    findings = (_build_finding(suite, one) for suite, result in results.items() for one in result["results"])
    return Report(name, {suite: drop_volatile(result) for suite, result in results.items()}, tuple(findings))


def _build_finding(suite: str, result: dict[str, Any]) -> Finding:
    config, found = result["expectation_config"], result["result"]
    raised = result["exception_info"].get("exception_message")
    return Finding(
        suite=suite,
        expectation=config["type"],
        severity=config["severity"],
        params=config.get("meta", {}).get("params", {}),
        text=config["description"],
        is_met=result["success"],
        found=f"an error while checking: {_escape_breaks(raised)}" if raised else _say_found(config, found),
        offenders=() if raised else tuple(_name_offenders(config["kwargs"].get("column", ""), found)),
        n_offenders=found.get("unexpected_count", 0),
    )


def _say_found(config: dict[str, Any], found: dict[str, Any]) -> str:
    """What was found, in words. Nulls are left out, unless the expectation is about nulls."""
    if "element_count" in found:
        n_missing = 0 if config["type"].endswith("_not_be_null") else found.get("missing_count", 0)
        return _say_how_many(found["unexpected_count"], found["element_count"] - n_missing, config["kwargs"])
    value = found.get("observed_value")
    if isinstance(value, list):
        return f"{len(value)} columns"
    is_share = config["kwargs"].get("column", "").startswith("share_")
    return f"{value:.1%}" if is_share and value is not None else _format_number(value)


def _say_how_many(n_bad: int, n_all: int, kwargs: dict[str, Any]) -> str:
    """A count in words: with its share if only most values must be so, otherwise with what each value is."""
    if kwargs.get("mostly", 1) < 1:
        return f"{n_bad:,} of {n_all:,} ({n_bad / max(n_all, 1):.1%})"
    return f"{n_bad:,} of {n_all:,} not so" if n_bad else f"all {n_all:,}" if n_all else "nothing to check"


def _name_offenders(column: str, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of each offender; the value is "" if it would say nothing."""
    named_by = found.get("unexpected_index_column_names", [""])[0]
    for row in found.get("partial_unexpected_index_list", [])[:_N_LISTED]:
        value = row[column] if column in row and column not in _MUTE else None
        yield _escape_breaks(str(row[named_by])), "" if value is None else _format_number(value)


def _escape_breaks(name: str) -> str:
    """A name in which line breaks and the like are escaped as Python writes them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def _format_number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
