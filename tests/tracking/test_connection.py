"""connection: where MLflow is, one that is new, away, damaged, or of other experiments."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import connection
from pipeline.tracking.runs import create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({}, "sqlite:////p/mlflow/mlflow.db", id="default"),
        pytest.param(
            {"DVC_ROOT": "/home"}, "sqlite:////home/mlflow/mlflow.db", id="the repository of a --temp copy"
        ),
        pytest.param(
            {"MLFLOW_TRACKING_URI": "sqlite:///a.db"}, "sqlite:////p/a.db", id="relative made absolute"
        ),
        pytest.param({"MLFLOW_TRACKING_URI": "sqlite:////a.db"}, "sqlite:////a.db", id="absolute kept"),
        pytest.param({"MLFLOW_TRACKING_URI": "http://h:1"}, "http://h:1", id="server"),
        pytest.param(
            {"DVC_ROOT": "/a?b%20c"}, "sqlite+pysqlite:////a%3Fb%2520c/mlflow/mlflow.db", id="quoted"
        ),
        pytest.param(
            {"MLFLOW_TRACKING_URI": "sqlite:////a%20b.db?timeout=9"},
            "sqlite:////a b.db?timeout=9",
            id="with an option",
        ),
    ],
)
def test_tracking_uri(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert connection.resolve_uri(Path("/p")) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        pytest.param("", Path("/p/mlflow/mlflow.db"), id="default"),
        pytest.param("sqlite:////a%3Fb%20c.db?timeout=9", Path("/a?b c.db"), id="quoted"),
        pytest.param("sqlite:///a.db", Path("/p/a.db"), id="another file"),
        pytest.param("http://h:1", None, id="server"),
    ],
)
def test_the_file_of_a_database(uri: str, expected: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert connection.find_database(Path("/p")) == expected


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "a b", "%3F"])
def test_a_folder_of_any_name_has_its_own_database(
    name: str, tmp_path: Path, tracking_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-its-own")
    root = tmp_path / name
    shutil.copytree(tracking_root / "mlflow", root / "mlflow", ignore=shutil.ignore_patterns("artifacts"))
    client = connection.connect(root)
    (root / "a.txt").write_text("a")
    run = create_run(client, root, "clean", tags={})
    run.log_artifact(root / "a.txt")
    assert [one.path for one in client.list_artifacts(run.run_id)] == ["a.txt"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(list((root / "mlflow" / "artifacts").rglob("a.txt"))) == 1


def test_two_experiments_are_renamed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    assert connection.name_experiments() == ("darkroom", "darkroom-stages", "darkroom-search")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert connection.name_experiments() == ("mine", "mine-stages", "mine-search")


def test_an_experiment_is_made_once_with_its_artifacts_beside_the_database(
    root: Path, client: "MlflowClient"
) -> None:
    made = connection.find_experiment(client, root, "first use")
    assert connection.find_experiment(client, root, "first use") == made
    location = client.get_experiment(made).artifact_location
    assert location == (root / "mlflow" / "artifacts" / "first use").as_uri()
    client.delete_experiment(made)
    with pytest.raises(TrackingError, match="'first use' cannot be used: it was deleted; restore it"):
        connection.find_experiment(client, root, "first use")


def test_what_mlflow_refuses_is_one_line(client: "MlflowClient") -> None:
    message = r"MLflow failed or refused: .*no-such-run"
    with pytest.raises(TrackingError, match=message) as caught, connection.translate_errors():
        client.get_run("no-such-run")
    assert "\n" not in str(caught.value)


def test_server_away_is_one_line_without_the_password(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY.replace("//", "//me:secret@"))
    with pytest.raises(TrackingError, match=r"cannot be used .*refused.*start the server") as caught:
        connection.connect(root)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_database_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"not a database" * 100)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with pytest.raises(TrackingError, match="not a database"):
        connection.connect(tmp_path)


@pytest.mark.slow
def test_three_processes_that_first_touch_the_database_together(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from pipeline.tracking.connection import connect\n"
        "connect(pathlib.Path(sys.argv[1]))"
    )
    variables = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "DVC_ROOT")}
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, env=variables) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
