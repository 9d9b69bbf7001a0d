"""The registered model on trial: a model that an older Darkroom logged, and what can be wrong with one."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from pipeline.params import Params
from pipeline.promotion.artefact import Trial, find_faults, measure_cpu, try_model
from pipeline.promotion.state import State
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tables.raw_manifest import RAW_MANIFEST


def change(path: Path, schema: pa.Schema, **columns: Callable[[list[object]], list[object]]) -> None:
    """Replace columns of a table by a function of their values."""
    table = read_table(path, schema)
    for name, alter in columns.items():
        values = pa.array(alter(table[name].to_pylist()), schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), schema.field(name), values)
    write_table(table, path)


def test_a_model_that_answers_as_evaluated_has_no_fault(
    old_model: Path, old_state: State, params_of: Callable[..., Params]
) -> None:
    trial = try_model(old_model / "model", old_state, 6)
    assert (trial.n, trial.fault) == (6, "")
    assert trial.cpu_ms > 0
    assert 0.01 < trial.megabytes < 10
    assert find_faults(trial, params_of(promote={"max_ms": 1e6}).promote) == ()
    assert measure_cpu(old_model / "model", old_state, 2) > 0


def test_other_probabilities_than_evaluated_are_a_fault(old_model: Path, old_state: State) -> None:
    change(
        old_state.paths.predictions,
        PREDICTIONS,
        y_prob=lambda rows: [[row[0] - 1e-3, row[1] + 1e-3, row[2]] for row in rows],  # type: ignore[index]
    )
    trial = try_model(old_model / "model", old_state, 6)
    assert "otherwise than evaluate did, by 0.001 in a probability (allowed: 1e-05)" in trial.fault


def test_a_picture_that_it_refuses_is_a_fault(old_model: Path, old_state: State) -> None:
    """Its bytes are what validate saw, and no picture: as where the packed decoder is another one."""
    import hashlib

    row = read_table(old_state.paths.predictions, PREDICTIONS).to_pylist()[0]
    (old_state.paths.raw / row["key"]).write_bytes(b"no picture")
    id_ = hashlib.sha256(b"no picture").hexdigest()
    for path, schema in (
        (old_state.paths.predictions, PREDICTIONS),
        (old_state.paths.raw_manifest, RAW_MANIFEST),
    ):
        change(path, schema, id=lambda ids: [id_ if one == row["id"] else one for one in ids])
    trial = try_model(old_model / "model", old_state, 12)
    assert f"it refuses {row['key']} (not_an_image" in trial.fault


def test_what_is_no_model_is_a_fault(tmp_path: Path, old_state: State) -> None:
    (tmp_path / "empty").mkdir()
    trial = try_model(tmp_path / "empty", old_state, 3)
    assert "does not answer" in trial.fault


def test_each_limit_is_named(params_of: Callable[..., Params]) -> None:
    params = params_of(promote={"max_mb": 10, "max_ms": 20}).promote
    assert find_faults(Trial(8, "", 20, 10), params) == ()
    assert find_faults(Trial(8, "it is odd", 21, 11), params) == (
        "the registered model cannot be used as it is: it is odd",
        "the registered model takes 11 MB, and promote.max_mb allows 10",
        "the registered model takes 21 ms of processor time for a picture (95 % of 8 took at most that), and "
        "promote.max_ms allows 20",
    )
