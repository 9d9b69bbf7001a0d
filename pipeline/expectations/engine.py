"""Great Expectations itself: one suite over one table, in memory, and its result as stable plain values."""

import logging
from typing import Any

import pyarrow as pa

from pipeline.progress import silence_log

Expectations = list[Any]  # of great_expectations.expectations.Expectation

# What differs from run to run, or only repeats the question.
_VOLATILE = ("id", "meta", "batch_id", "unexpected_index_query", "exception_info")


def new_context() -> Any:
    """A context in memory that reports nothing to anyone and writes nothing."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def hold_against(
    context: Any, name: str, table: pa.Table, expectations: list[Any], *, named_by: str, is_complete: bool
) -> dict[str, Any]:
    """The result of one suite over one table, as plain JSON values.

    Args:
        named_by: the column that names an offender.
        is_complete: whether to name every offender, or only the first 20.
    """
    import great_expectations as gx

    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    source = context.data_sources.add_pandas(name)
    batch = source.add_dataframe_asset("table").add_batch_definition_whole_dataframe("all")
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=name, data=batch, suite=suite)
    )
    detail = {
        "result_format": "COMPLETE" if is_complete else "SUMMARY",
        "unexpected_index_column_names": [named_by],
    }
    with silence_log("great_expectations", up_to=logging.WARNING):
        result = definition.run(batch_parameters={"dataframe": table.to_pandas()}, result_format=detail)
    plain: dict[str, Any] = result.to_json_dict()
    return plain


def name_knobs(stage: str, section: Any, *names: str) -> dict[str, Any]:
    """The knobs that set a limit, named as in params.yaml: {"params": {"validate.max_pixels": 1000}}."""
    found = {}
    for name in names:
        value = section
        for part in name.split("."):
            value = getattr(value, part)
        found[f"{stage}.{name}"] = list(value) if isinstance(value, tuple) else value
    return {"params": found}


def drop_volatile(value: Any) -> Any:
    """JSON values without what differs from run to run, keys sorted; the knobs of an expectation stay."""
    if isinstance(value, dict):
        kept = {key: drop_volatile(inner) for key, inner in sorted(value.items()) if key not in _VOLATILE}
        knobs = (value.get("meta") or {}).get("params")
        return kept | {"params": knobs} if knobs else kept
    return [drop_volatile(inner) for inner in value] if isinstance(value, list) else value
