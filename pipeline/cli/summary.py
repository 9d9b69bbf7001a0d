"""The result of the last run in a few lines: how good the model is, what was decided, where to look."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.paths import STAGES, Paths, load_json


def summarise(paths: Paths) -> dict[str, str]:
    """Headings and their texts, from the outputs of the stages; paths are relative to the root.

    Raises:
        DataError: nothing has been run yet, or a file is damaged.
    """
    metrics = _read(paths.metrics("evaluate"), paths.root)
    decision = _read(paths.decision, paths.root)
    n_test = metrics.get("n_test")
    summary = {
        "Test accuracy": _describe_accuracy(metrics) + (f", on {n_test:,} pictures" if n_test else ""),
        "Shortcuts": _describe_shortcuts(paths),
        "Promotion": describe_promotion(decision),
        "Pictures": ", ".join(_list_figures(paths)) or "none",
        "Data report": ", ".join(_list_reports(paths)),
        "Compare in MLflow": "make ui",
    }
    return {heading: text for heading, text in summary.items() if text}


def _describe_accuracy(metrics: dict[str, Any]) -> str:
    text = f"{metrics['accuracy']:.1%}" if "accuracy" in metrics else "not measured"
    low, high = (metrics.get(f"accuracy_{end}") for end in ("low", "high"))
    return text if low is None or high is None else f"{text} ({low:.1%} to {high:.1%})"


def _describe_shortcuts(paths: Paths) -> str:
    """How well facts beside the picture predict the class; "" if split has not measured it."""
    metrics = _read(paths.metrics("split"), paths.root) if paths.metrics("split").exists() else {}
    if "metadata_accuracy" not in metrics:
        return ""
    said = "file facts alone {metadata_accuracy:.1%}, developed pictures' facts {residual_accuracy:.1%}"
    return f"{said.format(**metrics)} (chance {metrics['metadata_chance']:.1%})"


def describe_promotion(decision: Mapping[str, Any]) -> str:
    """A decision with its reasons in one line."""
    model = f" {decision['model_name']} version {decision['version']}" if "version" in decision else ""
    reasons = "; ".join(decision.get("reasons", ()))
    return f"{decision.get('verdict', 'none')}{model}" + (f": {reasons}" if reasons else "")


def _list_figures(paths: Paths) -> list[str]:
    return [
        f"{_shorten(paths.figures(stage), paths.root)}/" for stage in STAGES if paths.figures(stage).is_dir()
    ]


def _list_reports(paths: Paths) -> list[str]:
    pages = (docs / "index.html" for docs in (paths.data_docs, paths.ready_docs))
    return [_shorten(page, paths.root) for page in pages if page.exists()]


def _shorten(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.exists() else ""


def _read(path: Path, root: Path) -> dict[str, Any]:
    try:
        values = load_json(path)
    except FileNotFoundError:
        raise DataError(f"{path.relative_to(root)} does not exist; run `dvc repro`") from None
    except ValueError:
        raise DataError(f"{path.relative_to(root)} is damaged; run `dvc repro`") from None
    if not isinstance(values, dict):
        raise DataError(f"{path.relative_to(root)} is damaged; run `dvc repro`")
    return values
