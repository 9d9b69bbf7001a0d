"""What the suites found, in words: for the log, for the error that stops a stage, and for the Data Docs."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.errors import DataError
from pipeline.expectations.engine import drop_volatile
from pipeline.expectations.wording import Wording
from pipeline.storage import write_whole

_log = logging.getLogger(__name__)

Severity = Literal["critical", "warning"]
State = Literal["critical", "warning", "unseen", "met"]

_N_NAMED = 5  # offenders that a message names
_N_LISTED = 20  # offenders that a page names
_SHARES = ("share_of_largest", "share_quarantined", "share_near_duplicates", "share_largest_group")
_MUTE = ("id", "key", "verdict", "reason")  # columns whose values say no more than the expectation does


@dataclass(frozen=True)
class Finding:
    """One expectation and what was found.

    Attributes:
        params: the knobs that set the limit, and their values.
        text: what was expected.
        happened: what is so instead, if it is not met.
        found: in short, such as "all 5 files", "none of 120 images", "12.0%".
        unseen: why there was nothing to look at; "": there was something.
        offenders: name, and value ("" where it would say nothing); the first 20 of `n_offenders`.
    """

    suite: str
    column: str
    expectation: str
    severity: Severity
    params: Mapping[str, Any]
    text: str
    happened: str
    is_met: bool
    found: str
    unseen: str
    offenders: tuple[tuple[str, str], ...]
    n_offenders: int

    @property
    def state(self) -> State:
        """Its severity if it is not met; "unseen" if there was nothing to look at; otherwise "met"."""
        return self.severity if not self.is_met else "unseen" if self.unseen else "met"

    def __str__(self) -> str:
        """What happened, to whom, and which knobs allow how much."""
        knobs = f", set by {' and '.join(self.params)}" if self.params else ""
        named = [f"{name} {value}".strip() for name, value in self.offenders[:_N_NAMED]]
        more = ", ..." if self.n_offenders > len(named) else ""
        whose = f": {', '.join(named)}{more}" if named else ""
        return f"{self.happened}{whose} ({self.expectation}{knobs})"


@dataclass(frozen=True)
class Report:
    """All findings of one suite, and Great Expectations' results as plain JSON values, the same each time."""

    name: str
    result: dict[str, Any]
    findings: tuple[Finding, ...]

    def list_in(self, state: State) -> list[Finding]:
        """The findings in one state, in the order of the suite."""
        return [one for one in self.findings if one.state == state]

    def write(self, path: Path) -> None:
        """Write the result as JSON with sorted keys."""
        with write_whole(path) as temporary:
            text = json.dumps(self.result, indent=2, sort_keys=True, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    def enforce(self, *, docs: Path, because: str = "") -> None:
        """Log what was not looked at, and the warnings; stop if a critical expectation is not met.

        Args:
            docs: the page to look at, from the project's folder.
            because: a possible cause, which follows the expectations in the message.

        Raises:
            DataError: a critical expectation is not met; all of them are in one line.
        """
        unseen = self.list_in("unseen")
        for reason in dict.fromkeys(finding.unseen for finding in unseen):
            texts = "; ".join(finding.text for finding in unseen if finding.unseen == reason)
            _log.info("not looked at, because %s: %s", reason, texts)
        for finding in self.list_in("warning"):
            _log.warning("%s", finding)
        if critical := self.list_in("critical"):
            said = "; ".join(map(str, critical))
            raise DataError(f"{said}{because}; see {docs}, then repair the source or change params.yaml")


def build_report(
    name: str, results: Mapping[str, dict[str, Any]], *, unseen: Mapping[str, str] | None = None
) -> Report:
    """The results of Great Expectations by suite, from `engine.hold_against`, in words.

    Args:
        unseen: why there was nothing to look at, by column, where only the one who made the table knows.
    """
    known = unseen or {}
    findings = (_build_finding(suite, one) for suite, result in results.items() for one in result["results"])
    told = (replace(one, unseen=known[one.column]) if known.get(one.column) else one for one in findings)
    return Report(name, {suite: drop_volatile(result) for suite, result in results.items()}, tuple(told))


def _build_finding(suite: str, result: dict[str, Any]) -> Finding:
    config, found = result["expectation_config"], result["result"]
    raised = result["exception_info"].get("exception_message")
    if raised:
        error = f"an error while checking: {_escape_breaks(raised)}"
        said = _Said(f"{config['description']}: {error}", error)
    else:
        said = _say_rows(config, found) if "rows" in config["meta"] else _say_total(config, found)
    return Finding(
        suite=suite,
        column=config["kwargs"].get("column", ""),
        expectation=config["type"],
        severity=config["severity"],
        params=config["meta"].get("params", {}),
        text=config["description"],
        happened=said.happened,
        is_met=result["success"],
        found=said.found,
        unseen=said.unseen,
        offenders=() if raised else tuple(_name_offenders(config["kwargs"].get("column", ""), found)),
        n_offenders=found.get("unexpected_count", 0),
    )


class _Said(NamedTuple):
    happened: str
    found: str
    unseen: str = ""


def _say_rows(config: dict[str, Any], found: dict[str, Any]) -> _Said:
    """Words about rows. Those without a value are not looked at, unless the expectation is about them."""
    words = Wording.from_meta(config["meta"])
    n_missing = 0 if config["type"].endswith("_not_be_null") else found.get("missing_count", 0)
    n_bad, n_seen = found["unexpected_count"], found["element_count"] - n_missing
    mostly = config["kwargs"].get("mostly", 1)
    left_out = words.say_left_out(n_missing)
    if not n_seen:
        why = left_out or words.unseen or f"there is no {words.things[0]} to look at"
        return _Said("", "nothing to look at", why)
    more = f"; {left_out}" if left_out else ""
    happened = words.say_unmet(n_bad, n_seen, mostly) if n_bad else ""
    return _Said(happened, words.say_found(n_bad, n_seen, mostly) + more)


def _say_total(config: dict[str, Any], found: dict[str, Any]) -> _Said:
    value = found.get("observed_value")
    if "element_count" in found:
        said = "yes"
    elif isinstance(value, list):
        said = f"{len(value)} columns"
    else:
        said = _format_value(config["kwargs"].get("column", ""), value)
    return _Said(config["meta"]["unmet"].replace("{found}", said), said)


def _name_offenders(column: str, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of each offender; the value is "" if it would say nothing."""
    named_by = found.get("unexpected_index_column_names", [""])[0]
    for row in found.get("partial_unexpected_index_list", [])[:_N_LISTED]:
        value = row[column] if column in row and column not in _MUTE else None
        yield _escape_breaks(str(row[named_by])), "" if value is None else _format_value(column, value)


def _escape_breaks(name: str) -> str:
    """A name in which line breaks and the like are escaped as Python writes them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def _format_value(column: str, value: Any) -> str:
    """A value in words: a share of the collection in percent."""
    if isinstance(value, int | float) and column in _SHARES:
        return f"{value:.1%}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
