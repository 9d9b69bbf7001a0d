"""What a row holds: every story of a promotion checks it; here, what a model is said to have learned from."""

from pathlib import Path

import pyarrow as pa

from pipeline.paths import Paths
from pipeline.promotion.row_contents import list_learnt
from pipeline.tables.parquet import write_table
from pipeline.tables.split import SPLIT


def test_train_and_val_are_what_a_model_learned_from(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.split.parent.mkdir(parents=True)
    rows = [{"id": name, "split": part} for name, part in (("b", "val"), ("c", "test"), ("a", "train"))]
    write_table(pa.Table.from_pylist(rows, schema=SPLIT), paths.split)
    assert list_learnt(paths)["id"].to_pylist() == ["a", "b"]
