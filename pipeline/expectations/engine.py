"""Great Expectations itself: one suite over one table, in memory, and its result as stable plain values."""

import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.progress import silence_log

if TYPE_CHECKING:
    import pandas as pd

Expectations = list[Any]  # of great_expectations.expectations.Expectation

_FEW, _FIRST = 100, 10_000  # texts that are a category; rows that say whether they may be
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
    detail: dict[str, Any] = {"result_format": "COMPLETE" if is_complete else "SUMMARY"}
    if is_complete:
        detail["unexpected_index_column_names"] = [named_by]
    frame = _frame(table, {named_by}.union(*map(_list_columns, expectations)))
    with silence_log("great_expectations", up_to=logging.WARNING):
        result = definition.run(batch_parameters={"dataframe": frame}, result_format=detail)
    plain: dict[str, Any] = result.to_json_dict()
    return plain if is_complete else _name_offenders(plain, frame, named_by)


def _name_offenders(plain: dict[str, Any], frame: "pd.DataFrame", named_by: str) -> dict[str, Any]:
    """Names and values in place of the numbers of rows, as Great Expectations would give them.

    Asked for them, it looks up every offender, in 0.1 ms and 0.3 kB each, and then returns 20.
    """
    from great_expectations.util import convert_to_json_serializable

    for one in plain["results"]:
        found, kwargs = one["result"], one["expectation_config"]["kwargs"]
        if "partial_unexpected_index_list" not in found:
            continue
        columns = [*kwargs.get("column_list", [kwargs.get("column")]), named_by]
        found["partial_unexpected_index_list"] = [
            convert_to_json_serializable({name: frame.at[row, name] for name in columns})
            for row in found["partial_unexpected_index_list"]
        ]
        found["unexpected_index_column_names"] = [named_by]
    return plain


def _list_columns(expectation: Any) -> set[str]:
    """The columns whose values an expectation asks for."""
    return {getattr(expectation, "column", None), *getattr(expectation, "column_list", ())} - {None}


def _frame(table: pa.Table, asked: set[str]) -> "pd.DataFrame":
    """A table for Great Expectations, which copies all of it for each expectation.

    So columns that are not asked for are zeros of a byte, and texts of which there are few are categories.
    """
    import numpy as np
    import pandas as pd

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name not in asked:
            columns[name] = pd.Series(np.zeros(len(table), dtype=np.int8))
        elif pa.types.is_string(column.type) and _has_few(column[:_FIRST]) and _has_few(column):
            columns[name] = column.dictionary_encode().to_pandas()
        else:
            columns[name] = column.to_pandas()
    return pd.DataFrame(columns, copy=False)


def _has_few(column: pa.ChunkedArray) -> bool:
    return len(column.unique()) <= _FEW


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
