"""The exam of a registered version: what it takes is read from the state and from MLflow."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import TrackingError
from pipeline.evidence.exams import Exam, read_exam
from pipeline.evidence.paired_groups import Pair
from pipeline.evidence.slices import Fact
from pipeline.json_file import read_json
from pipeline.promotion.artefact import Trial, find_faults, measure_cpu
from pipeline.promotion.budget import Use
from pipeline.promotion.exam import Known, accept_first, compare, confirm_champion, miss_champion
from pipeline.promotion.gate import Decision, Rival, hold_for_rival
from pipeline.promotion.learning import (
    list_learnt,
    list_new_sources,
    pair_answers,
    read_groups,
)
from pipeline.promotion.recognition import list_known
from pipeline.promotion.reexamination import complete_exam
from pipeline.promotion.state import State
from pipeline.serving.seal import check_model
from pipeline.tables.new_sources import NEW_SOURCES
from pipeline.tables.parquet import read_table
from pipeline.tracking import decisions, exam_files, registry, rows
from pipeline.tracking.packaging import LEARNT_FILE, NEW_SOURCES_FILE
from pipeline.tracking.runs import search_runs
from pipeline.tracking.stored_models import Address, fetch_model, find_model

if TYPE_CHECKING:
    from mlflow import MlflowClient

Comparison = tuple[Any, decisions.Decision, Use]  # of two models, that a row holds

USE_TAG = "promote.test_set"  # of a row whose decision compared two models: which ones, on which pictures


def examine(
    client: "MlflowClient",
    model_name: str,
    version: registry.Version,
    state: State,
    trial: Trial | None = None,
) -> tuple[Decision, int | None]:
    """The decision about a version, and the number of the champion that it was compared with.

    Args:
        trial: of the version as it is registered; None: it was not tried.
    """
    before = registry.find_champion(client, model_name)
    decision = _judge(client, model_name, (version, before), state, trial)
    if trial and (faults := find_faults(trial, state.params.promote)):
        decision = replace(decision, verdict="REJECT", reasons=faults + decision.reasons)
    return decision, before.number if before else None


def _judge(
    client: "MlflowClient",
    model_name: str,
    versions: tuple[registry.Version, registry.Version | None],
    state: State,
    trial: Trial | None,
) -> Decision:
    """The decision about the first of two versions; the second is the champion, if there is one."""
    params, (version, champion) = state.params.promote, versions
    exam = read_exam(state.paths.predictions, state.paths.classes)
    if champion is None:
        return accept_first(exam, params)
    if champion.number == version.number:
        return confirm_champion(exam, params)
    with tempfile.TemporaryDirectory() as scratch:
        found = exam_files.fetch_exam(client, champion, Path(scratch))
        if found is None:
            return miss_champion(exam, champion.number, params)
        theirs = read_exam(*found)
        fetch_beside = partial(exam_files.fetch_beside_exam, client, champion, into=Path(scratch))
        file = fetch_beside(LEARNT_FILE)
        learnt = list_known(file, state.paths.clean_manifest, state.params.clean) if file else None
        known = _gather(exam, state, learnt or set())
        fetch = partial(fetch_version, state.root, model_name, champion)
        if learnt is not None:
            theirs = complete_exam(theirs, exam, learnt, fetch, state)
        comparisons = list(_list_comparisons(client, model_name))
        known = replace(
            known,
            models=(version.model_md5, champion.model_md5),
            sizes=_measure_sizes(client, champion, fetch, state, trial),
            uses=tuple(use for _, _, use in comparisons),
            new_sources=_pair_new_sources(fetch_beside(NEW_SOURCES_FILE), state, exam.class_names),
        )
        decision = compare(exam, theirs, known, params)
        if params.candidate == "every":
            return decision
        rival = _find_rival(comparisons, champion, decision.use)
        return hold_for_rival(decision, _read_train_metric(state, "val_accuracy"), rival)


def _gather(exam: Exam, state: State, learnt: Set[str]) -> Known:
    """What the state knows beside the answers.

    Args:
        learnt: what the champion learned from, as far as it is known.
    """
    return Known(
        groups=read_groups(state.paths.clean_manifest),
        learnt=learnt | set(list_learnt(state.paths)["id"].to_pylist()),
        facts=_read_facts(exam, state),
    )


def fetch_version(root: Path, model_name: str, version: registry.Version) -> Path:
    """The folder of a version's model, as the registry of a project gives it.

    Raises:
        TrackingError: it is gone, or cannot be fetched.
    """
    found = find_model(root, Address(model_name, number=version.number))
    if found is None:
        raise TrackingError(f"the registry holds no {model_name} version {version.number}")
    folder = fetch_model(root, found)
    check_model(folder, found.model_seal)
    return folder


def _pair_new_sources(file: Path | None, state: State, class_names: tuple[str, ...]) -> Pair | None:
    """Both models on sources that they had not seen; None where one of them was not asked."""
    if file is None:
        return None
    champion = read_table(file, NEW_SOURCES)
    return pair_answers(list_new_sources(state.paths), champion, state.paths, class_names)


def _read_facts(exam: Exam, state: State) -> list[Fact]:
    """The facts by which slices are cut; none where `evaluate.slices` wants none."""
    if not state.params.evaluate.slices:
        return []
    # Here: it imports pandas, which a repro with nothing to do has no use for.
    from pipeline.evidence.slice_facts import read_facts

    paths, split = state.paths, state.params.split
    of_sources = split.fold_by or split.group_by
    manifests = {"raw_manifest": paths.raw_manifest, "clean_manifest": paths.clean_manifest}
    return read_facts(exam.ids.tolist(), **manifests, group_by=of_sources)


def _measure_sizes(
    client: "MlflowClient",
    champion: registry.Version,
    fetch: Callable[[], Path],
    state: State,
    trial: Trial | None,
) -> tuple[float | None, float | None]:
    """What `promote.prefer` goes by, of the challenger and the champion: weights, or ms of processor time.

    Both are timed on this machine and the same pictures, one after the other.
    """
    params = state.params.promote
    if params.prefer == "faster":
        if trial is None:
            return None, None
        return trial.cpu_ms, measure_cpu(fetch(), state, params.trial_images)
    return _read_train_metric(state, "n_parameters"), registry.read_metric(client, champion, "n_parameters")


def _read_train_metric(state: State, name: str) -> float | None:
    found: float | None = read_json(state.paths.metrics("train"), "train").get(name)
    return found


def _find_rival(
    comparisons: Iterable[Comparison], champion: registry.Version, use: Use | None
) -> Rival | None:
    """The best in validation of the models that were held against this champion on the same test pictures."""
    waiting = [
        Rival(str(run.info.run_name), run.data.metrics["val_accuracy"])
        for run, decision, earlier in comparisons
        if use
        and earlier.test == use.test
        and earlier.challenger != use.challenger
        and (decision["verdict"], decision["champion_before"]) == ("HOLD", champion.number)
        and decisions.CHAMPION_TAG not in run.data.tags  # a person tried it as champion already
        and "val_accuracy" in run.data.metrics
    ]
    return max(waiting, key=lambda one: one.accuracy, default=None)


def _list_comparisons(client: "MlflowClient", model_name: str) -> Iterator[Comparison]:
    """The rows that compared models of this name, oldest first. A row that was deleted is forgotten."""
    found = search_runs(client, "attributes.status = 'FINISHED'", row=True)
    for run in sorted(found, key=lambda run: str(run.data.tags.get(rows.RECORDED_TAG, ""))):
        decision = decisions.parse_decision(run.data.tags)
        use = Use.from_text(run.data.tags.get(USE_TAG, ""))
        if decision and use and decision["model_name"] == model_name:
            yield run, decision, use
