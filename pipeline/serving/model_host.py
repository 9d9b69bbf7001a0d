"""The program of a model's own process: MLflow loads the model with the code that was packed with it.

It is run by its path (`model_process.py`) and imports nothing of the package by itself. So the code that
answers is the model's. A request and an answer are each a line of JSON; behind the line of a request come the
bytes of its pictures. What the model's libraries print goes to standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Load the model folder that the command names, and answer until standard input ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _leave_checkouts()
    folder = Path(sys.argv[1])
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(folder))
    import pipeline

    _say(answers, {"code": str(pipeline.__file__)})
    for line in iter(requests.readline, b""):
        pictures = [requests.read(n_bytes) for n_bytes in json.loads(line)["sizes"]]
        _say(answers, _answer(model, pictures))


def _leave_checkouts() -> None:
    """Forget each place of this package but the model's own, which MLflow adds."""
    sys.path[:] = [place for place in sys.path if not (Path(place) / "pipeline" / "runner.py").is_file()]


def _answer(model: Any, pictures: list[bytes]) -> dict[str, Any]:
    try:
        return {"rows": model.predict(pictures).to_dict("records")}
    except Exception as error:  # noqa: BLE001 - the process that asked says what went wrong
        return {"error": f"{type(error).__name__}: {error}"}


def _say(answers: Any, said: dict[str, Any]) -> None:
    answers.write(json.dumps(said).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
