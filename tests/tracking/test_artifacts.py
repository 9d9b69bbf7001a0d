"""The answers of a row: where they lie, and None where they are gone; of a server: test_stored_models.py."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.tracking.artifacts import fetch_answers, find_local
from pipeline.tracking.runs import create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


def make_row(client: "MlflowClient", root: Path, folder: Path, *, names: tuple[str, ...]) -> Any:
    """A row with some of the two files, which hold their own names."""
    row = create_run(client, root, "row", row=True, tags={})
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(name))
        row.log_artifact(file, file.parent.name)
    return client.get_run(row.run_id)


BOTH = ("evaluate/predictions.parquet", "split/classes.json")


@pytest.mark.parametrize(
    ("place", "path"),
    [
        pytest.param("/a/b", Path("/a/b"), id="path"),
        pytest.param("file:///a/b%20c", Path("/a/b c"), id="uri"),
        pytest.param("mlflow-artifacts:/1/x", None, id="server"),
        pytest.param("s3://bucket/x", None, id="bucket"),
    ],
)
def test_what_lies_on_this_machine_has_a_path(place: str, path: Path | None) -> None:
    assert find_local(place) == path


def test_local_answers_are_read_where_they_lie(client: "MlflowClient", root: Path, tmp_path: Path) -> None:
    row = make_row(client, root, tmp_path, names=BOTH)
    found = fetch_answers(root, row)
    assert found
    assert [json.loads(path.read_text()) for path in found] == list(BOTH)
    assert not (root / ".darkroom" / "answers").exists()
    assert fetch_answers(root, make_row(client, root, tmp_path, names=BOTH[:1])) is None
