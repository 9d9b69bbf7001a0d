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
    """Load the model that the command names, and answer until standard input ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _leave_checkouts()
    folder, rule = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    model = _load_registered(folder) if (folder / "MLmodel").is_file() else _load_classifier(folder, rule)
    import pipeline

    _say(answers, {"code": str(pipeline.__file__), "class_names": list(model.classifier.class_names)})
    for line in iter(requests.readline, b""):
        asked = json.loads(line)
        pictures = [requests.read(n_bytes) for n_bytes in asked["sizes"]]
        _say(answers, _answer(model, pictures, asked.get("explain")))


def _load_registered(folder: Path) -> Any:
    """The model of a folder that MLflow wrote, made by the code in it."""
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder)).unwrap_python_model()


def _load_classifier(folder: Path, rule: Path | None) -> Any:
    """The model of a classifier folder, which holds no code: that beside this file makes it."""
    sys.path[:0] = [str(Path(__file__).parents[2])]
    from pipeline.serving.pyfunc import ImageClassifier

    model = ImageClassifier()
    model.load(folder, rule)
    return model


def _leave_checkouts() -> None:
    """Forget each place of this package but the model's own, which MLflow adds."""
    sys.path[:] = [place for place in sys.path if not (Path(place) / "pipeline" / "runner.py").is_file()]


def _answer(model: Any, pictures: list[bytes], class_name: str | None = None) -> dict[str, Any]:
    """A row a picture; with the name of a class ("": the likeliest), what in the picture spoke for it."""
    try:
        if class_name is None:
            return {"rows": model.predict(None, pictures).to_dict("records")}
        if not hasattr(model, "explain"):
            return {
                "explained": {"reason": "the Darkroom that registered this model could not explain answers"}
            }
        return {"explained": model.explain(pictures[0], class_name)}
    except Exception as error:  # noqa: BLE001 - the process that asked says what went wrong
        return {"error": f"{type(error).__name__}: {error}"}


def _say(answers: Any, said: dict[str, Any]) -> None:
    answers.write(json.dumps(said).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
