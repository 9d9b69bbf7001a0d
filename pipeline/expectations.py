"""What a collection must be like to go on, as Great Expectations suites. Great Expectations lives here only.

Two suites of one checkpoint: "files" over the manifest (a row a file) and "classes" over the class
table (a row a class folder). A failed `critical` expectation stops the pipeline, a `warning` is logged.
"""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables import MANIFEST

Severity = Literal["critical", "warning"]

# Offenders are named by key or label: all classes, but no more than 20 of many files.
_FILES_DETAIL = {"result_format": "SUMMARY", "unexpected_index_column_names": ["key"]}
_CLASSES_DETAIL = {"result_format": "COMPLETE", "unexpected_index_column_names": ["label"]}
_N_NAMED = 5  # offenders that a message names
# Data Docs and results carry the time of the run; a fixed one lets the same data give the same pages.
_RUN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
# What differs from run to run, or only repeats the question.
_VOLATILE = ("id", "meta", "batch_id", "unexpected_index_query", "exception_info")


@dataclass(frozen=True)
class Failure:
    """An expectation that was not met, in words: `param` is the knob that sets what is allowed, or ""."""

    expectation: str
    severity: Severity
    param: str
    text: str

    def __str__(self) -> str:
        knob = f", set by {self.param}" if self.param else ""
        return f"{self.text} ({self.expectation}{knob})"


@dataclass(frozen=True)
class Report:
    """The results of all suites as plain JSON values, the same for the same tables; and what failed."""

    result: dict[str, Any]
    failures: tuple[Failure, ...]

    def failed(self, severity: Severity) -> list[Failure]:
        """Failures of one severity, in the order of the suites."""
        return [failure for failure in self.failures if failure.severity == severity]


def check(
    manifest: pa.Table,
    classes: pa.Table,
    *,
    formats: Sequence[str],
    max_unreadable_share: float,
    min_images_per_class: int,
    min_class_share: float,
    docs: Path,
) -> Report:
    """Hold a manifest and its class table to the expectations, and write the Data Docs into `docs`.

    Args:
        manifest: of schema tables.MANIFEST; classes: of schema tables.CLASSES.
        formats: what `format` may be; null where a file has no readable header.
        docs: a folder, made anew; it opens with `index.html`.
    """
    with _quiet():
        context = _context(docs)
        files_suite = _files(formats, max_unreadable_share)
        classes_suite = _classes(min_images_per_class, min_class_share)
        results = {
            "files": _validate(context, "files", _flat(manifest), files_suite, _FILES_DETAIL),
            "classes": _validate(context, "classes", classes, classes_suite, _CLASSES_DETAIL),
        }
        shutil.rmtree(docs, ignore_errors=True)
        context.build_data_docs()
    failures = [
        _failure(one) for result in results.values() for one in result["results"] if not one["success"]
    ]
    return Report({name: _stable(result) for name, result in results.items()}, tuple(failures))


def _files(formats: Sequence[str], max_unreadable_share: float) -> list[Any]:
    """The suite over the manifest: a row a file."""
    import great_expectations.expectations as gxe

    readable_share = 1 - max_unreadable_share
    return [
        gxe.ExpectTableColumnsToMatchOrderedList(
            column_list=MANIFEST.names,
            severity="critical",
            description="The manifest has the columns that the stages behind it read",
        ),
        gxe.ExpectColumnValuesToBeUnique(
            column="key",
            severity="critical",
            description="Every file has a path of its own inside the source",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="verdict",
            value_set=["kept", "repaired", "quarantined"],
            severity="critical",
            description="Every file is kept, repaired or quarantined",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="format",
            value_set=list(formats),
            severity="critical",
            description=f"Formats are among {', '.join(formats)}",
            meta={"param": "validate.formats"},
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="verdict",
            value_set=["kept", "repaired"],
            mostly=readable_share,
            severity="critical",
            description=f"At most {max_unreadable_share:.1%} of the files cannot be used as images",
            meta={"param": "validate.max_unreadable_share"},
        ),
        gxe.ExpectColumnValuesToBeUnique(
            column="id",
            severity="warning",
            description="No two files have the same bytes (warning only: one copy is kept)",
        ),
    ]


def _classes(min_images_per_class: int, min_class_share: float) -> list[Any]:
    """The suite over the class table: a row a class folder."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=2,
            severity="critical",
            description="There are at least two classes to tell apart (a folder a class)",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="n_readable",
            min_value=min_images_per_class,
            severity="critical",
            description=f"Every class has at least {min_images_per_class} readable images",
            meta={"param": "validate.min_images_per_class"},
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share_of_largest",
            min_value=min_class_share,
            severity="warning",
            description=f"No class is smaller than {min_class_share:.1%} of the largest (warning only)",
            meta={"param": "validate.min_class_share"},
        ),
    ]


def _context(docs: Path) -> Any:
    """A context in memory that reports nothing to anyone and writes its documents to `docs`."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"docs": site},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _validate(
    context: Any, name: str, table: pa.Table, expectations: list[Any], detail: dict[str, Any]
) -> dict[str, Any]:
    """The result of one suite over one table, as plain JSON values."""
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    source = context.data_sources.add_pandas(name)
    batch = source.add_dataframe_asset("intake").add_batch_definition_whole_dataframe("all")
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=f"intake-{name}", data=batch, suite=suite)
    )
    result = definition.run(
        batch_parameters={"dataframe": table.to_pandas()},
        run_id=RunIdentifier(run_name="validate", run_time=_RUN_TIME),
        result_format=detail,
    )
    plain: dict[str, Any] = result.to_json_dict()
    return plain


def _flat(manifest: pa.Table) -> pa.Table:
    """The manifest with its lists of repairs as words: the suites look at plain columns."""
    at = manifest.column_names.index("repairs")
    return manifest.set_column(at, "repairs", pc.binary_join(manifest.column("repairs"), ", "))


def _failure(result: dict[str, Any]) -> Failure:
    config, found = result["expectation_config"], result["result"]
    text = f"{config['description']}, got {_got(found)}"
    if raised := result["exception_info"].get("exception_message"):
        text = f"{config['description']}, but checking failed: {raised}"
    return Failure(config["type"], config["severity"], config.get("meta", {}).get("param", ""), text)


def _got(found: dict[str, Any]) -> str:
    """What a failed expectation met: how many, and who they are by name."""
    if "observed_value" in found:
        return str(found["observed_value"])
    rows = [list(row.values()) for row in found["partial_unexpected_index_list"][:_N_NAMED]]
    named = [str(name) if isinstance(value, str) else f"{name} {value:g}" for value, name in map(_ends, rows)]
    more = ", ..." if found["unexpected_count"] > len(named) else ""
    return f"{found['unexpected_count']} of {found['element_count']}: {', '.join(named)}{more}"


def _ends(values: list[Any]) -> tuple[Any, Any]:
    """The value and the name of an offender: one and the same where names are what is checked."""
    return values[0], values[-1]


def _stable(value: Any) -> Any:
    """JSON values without what differs from run to run."""
    if isinstance(value, dict):
        return {key: _stable(inner) for key, inner in sorted(value.items()) if key not in _VOLATILE}
    return [_stable(inner) for inner in value] if isinstance(value, list) else value


@contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations logs each step; its results say the same."""
    log = logging.getLogger("great_expectations")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
