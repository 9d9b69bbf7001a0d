"""The result of the last run in a few lines: how good the model is, what was decided, what to do next."""

from pathlib import Path
from typing import Any

from pipeline.characters import say_count
from pipeline.errors import DataError, explain_unread
from pipeline.json_file import load_json
from pipeline.params import Params
from pipeline.params_file import load_params
from pipeline.paths import STAGES, Paths
from pipeline.tracking.ledger import FORCE, ROLLBACK, FileLedger, find_file, read_lines
from pipeline.tracking.lineage import Lineage

_N_SUGGESTED = 3
_VERDICTS = ("PROMOTE", "HOLD", "REJECT")


def summarise(paths: Paths) -> dict[str, str]:
    """Headings and their texts, from the outputs of the stages; paths are relative to the root.

    Raises:
        DataError: nothing has been run yet, or a file is damaged.
        ParamsError: params.yaml is malformed.
    """
    metrics = {
        stage: _read_metrics(paths, paths.metrics(stage))
        if stage == "evaluate" or paths.metrics(stage).exists()
        else {}
        for stage in STAGES
    }
    if (details := paths.details("evaluate")).exists():
        metrics["evaluate"] |= _read_metrics(paths, details)
    decision = read_decision(paths)
    params = load_params(paths.params)
    summary = {
        "Collection": _describe_collection(params.model_name, decision),
        "Test accuracy": _describe_accuracy(metrics["evaluate"]),
        _name_folds(params): _describe_folds(metrics["train"]),
        "Shortcuts": _describe_shortcuts(metrics["split"]),
        "Promotion": describe_promotion(decision) if _is_decided(paths) else "not yet; run `dvc repro`",
        "Champion": _describe_champion(paths, decision),
        "Open": _join_existing(paths, [paths.report]),
        "Also": _join_existing(paths, [docs / "index.html" for docs in (paths.data_docs, paths.ready_docs)]),
        "Mistakes": "darkroom mistakes",
        "Compare": "darkroom compare, or darkroom ui",
        "Keep": "git add -A && git commit (dvc.lock names this result); dvc push keeps its files",
        "Try next": _suggest(paths, params, metrics),
    }
    return {heading: text for heading, text in summary.items() if text}


def _is_decided(paths: Paths) -> bool:
    """Whether the decision is about this very model and these scores, as far as dvc.lock tells."""
    if not paths.dvc_lock.exists():
        return True
    files = (paths.classifier, paths.metrics("evaluate"), paths.decision)
    return Lineage(paths).is_recorded("promote", [file.relative_to(paths.root).as_posix() for file in files])


def describe_promotion(decision: dict[str, Any]) -> str:
    """A decision in one line: the verdict, the version, the reasons."""
    model = f" {decision['model_name']} version {decision['version']}" if "version" in decision else ""
    reasons = "; ".join(decision.get("reasons", ()))
    return f"{decision['verdict']}{model}" + (f": {reasons}" if reasons else "")


def _describe_champion(paths: Paths, decision: dict[str, Any]) -> str:
    """Who is champion, where it is another model than this one; "" where only a server could say."""
    file = find_file(paths.root)
    if file is None or "version" not in decision:
        return ""
    lines = read_lines(FileLedger(file), decision["model_name"])
    if not lines or lines[-1].move.version == decision["version"]:
        return ""
    move, when = lines[-1].move, lines[-1].when[:10]
    why = f" ({move.decision}: {move.reason})" if move.decision in (ROLLBACK, FORCE) else ""
    return f"version {move.version}, since {when}{why}; darkroom registry history"


def read_decision(paths: Paths) -> dict[str, Any]:
    """The decision about the model of the last run.

    Raises:
        DataError: there is none yet, or what promote wrote is damaged.
    """
    decision = _read(paths.decision, paths.root)
    reasons = decision.get("reasons", [])
    if (
        decision.get("verdict") not in _VERDICTS
        or not isinstance(reasons, list)
        or not all(isinstance(reason, str) for reason in reasons)
        or ("version" in decision and "model_name" not in decision)
    ):
        raise DataError(_explain_damage(paths.decision, paths.root))
    return decision


def _describe_accuracy(metrics: dict[str, Any]) -> str:
    text = f"{metrics['accuracy']:.1%}" if "accuracy" in metrics else "not measured"
    low, high = (metrics.get(f"accuracy_{end}") for end in ("low", "high"))
    ends = "" if low is None or high is None else f" ({low:.1%} to {high:.1%})"
    n_test = metrics.get("n_test")
    return text + ends + (f", on {say_count(n_test, 'picture')}" if n_test else "")


def _describe_collection(name: str, decision: dict[str, Any]) -> str:
    """That params.yaml names another collection than the one that was run; "" where it is the same."""
    ran = decision.get("model_name", name)
    if ran == name or ran.startswith(f"{name}-"):
        return ""
    return f"what follows is of {ran}; params.yaml names {name} now: run `dvc repro`"


def _name_folds(params: Params) -> str:
    return "On new sources" if params.split.fold_by or params.split.group_by else "Cross-validated"


def _describe_folds(metrics: dict[str, Any]) -> str:
    """The accuracy over folds; "" where train did not answer out of fold."""
    name = "cross_validated_accuracy"
    if name not in metrics:
        return ""
    low, high = (metrics.get(f"{name}_{end}", 0.0) for end in ("low", "high"))
    return f"{metrics[name]:.1%} ({low:.1%} to {high:.1%}), over the pictures of train and val"


def _describe_shortcuts(metrics: dict[str, Any]) -> str:
    """How well facts beside the picture predict the class; "" if split has not measured it."""
    if not metrics.keys() >= {"metadata_accuracy", "residual_accuracy", "metadata_chance"}:
        return ""
    said = "file facts alone {metadata_accuracy:.1%}, developed pictures' facts {residual_accuracy:.1%}"
    return f"{said.format(**metrics)} (chance {metrics['metadata_chance']:.1%})"


def _suggest(paths: Paths, params: Params, metrics: dict[str, dict[str, Any]]) -> str:
    from pipeline.evidence.diagnosis import suggest_next
    from pipeline.training.history import read_history

    history = read_history(paths.history) if paths.history.exists() else ()
    found = suggest_next(params, metrics, history)
    return "\n".join(found[:_N_SUGGESTED])


def _join_existing(paths: Paths, files: list[Path]) -> str:
    return ", ".join(file.relative_to(paths.root).as_posix() for file in files if file.exists())


def _read_metrics(paths: Paths, file: Path) -> dict[str, Any]:
    values = _read(file, paths.root)
    if not all(isinstance(value, int | float) for value in values.values()):
        raise DataError(_explain_damage(file, paths.root))
    return values


def _read(path: Path, root: Path) -> dict[str, Any]:
    try:
        values = load_json(path)
    except FileNotFoundError:
        raise DataError(f"{path.relative_to(root)} does not exist; run `dvc repro`") from None
    except OSError as error:
        raise DataError(explain_unread(path.relative_to(root), error)) from None
    except ValueError:
        raise DataError(_explain_damage(path, root)) from None
    if not isinstance(values, dict):
        raise DataError(_explain_damage(path, root))
    return values


def _explain_damage(path: Path, root: Path) -> str:
    return f"{path.relative_to(root)} is damaged; run `dvc repro`"
