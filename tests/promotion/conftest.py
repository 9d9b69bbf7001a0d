"""Fixtures of promotion: a model that an older Darkroom logged, and a state of its test pictures."""

import base64
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.promotion.state import State
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tables.raw_manifest import RAW_MANIFEST


@pytest.fixture(scope="session")
def old_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model/` and `golden.json` of `old_model.zip`; `make_old_model` says what they hold."""
    folder = tmp_path_factory.mktemp("old")
    with zipfile.ZipFile(Path(__file__).with_name("old_model.zip")) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def old_state(old_model: Path, tmp_path: Path, params_of: Callable[..., Params]) -> State:
    """A state whose test pictures are those of the old model, with their files in data/raw."""
    import pyarrow as pa

    paths = Paths(tmp_path)
    answers = read_table(old_model / "model" / "artifacts" / "exam" / "predictions.parquet", PREDICTIONS)
    files = json.loads((old_model / "golden.json").read_text(encoding="utf-8"))["pictures"]
    rows = answers.select(["id", "key"]).to_pylist()
    for row in rows:
        file = paths.raw / row["key"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(files[row["id"]]))
    kept = [row | {"verdict": "kept"} for row in rows]
    for table, path in (
        (answers, paths.predictions),
        (pa.Table.from_pylist(kept, schema=RAW_MANIFEST), paths.raw_manifest),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(table, path)
    params = params_of(data={"source": "data/raw"})
    return State(paths.root, paths, None, params)  # type: ignore[arg-type]
