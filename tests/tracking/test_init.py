"""MLflow reports nothing to its makers from a process of Darkroom."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import pipeline.tracking, mlflow
from mlflow.telemetry.client import get_telemetry_client
print(get_telemetry_client())
"""


def test_nothing_is_reported_to_the_makers_of_mlflow(tmp_path: Path) -> None:
    """In an environment of its own: MLflow reports nothing from tests anyway."""
    env = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=env | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"
