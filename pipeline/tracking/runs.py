"""How a stage logs to MLflow: an open run, or one that goes nowhere."""

import hashlib
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.errors import TrackingError, one_line
from pipeline.tracking.connection import connect, find_experiment, name_experiments, translate_errors
from pipeline.tracking.packaging import log_model
from pipeline.tracking.processes import PROCESS_TAG, describe_process, is_gone, name_user
from pipeline.tracking.spool import SPOOL_TAG, Dataset, Spooled
from pipeline.tracking.spool import Metric as Point

if TYPE_CHECKING:
    from mlflow import MlflowClient

_log = logging.getLogger(__name__)

STAGE_TAG = "dvc.stage"
ENTRY_TAG = "dvc.lock_entry"
PARENT_TAG = "mlflow.parentRunId"

_CODE = (".", ":!dvc.lock", ":!data")  # paths in which a difference from git is one of code or params
_PARAMS_A_CALL, _METRICS_A_CALL = 100, 1000  # MLflow's limits
_RUNS_A_CALL = 1000
_MAX_PARAM = 6000  # characters of a value; MLflow cuts what is longer


class Run(Protocol):
    """What a stage may log to its MLflow run. Every method is safe to call without a server."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers as they come, in one batch; names omit the stage's name and have "/" between parts."""

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Log a file, or a folder with all it holds, under `folder` of the run's artifacts."""

    def log_dataset(self, name: str, path: Path, context: str) -> None:
        """Record a file as an input of the run: its name, the md5 of its bytes, and what it was used for."""

    def log_classifier(self, folder: Path) -> None:
        """Log a classifier folder as an MLflow model that takes encoded pictures."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Describe the run in words, as MLflow tags."""


class Untracked:
    """A run that goes nowhere: for tests, and for what is tried beside the chain while the server is away."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Do nothing."""

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Do nothing."""

    def log_dataset(self, name: str, path: Path, context: str) -> None:
        """Do nothing."""

    def log_classifier(self, folder: Path) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""


@dataclass
class Tracked:
    """An open MLflow run.

    Once the server stops answering, a stage's run warns once and logs no more: hours of training are worth
    more than their curve. A row (`is_strict`) is whole or not at all, so it raises TrackingError.

    Attributes:
        spooled: notes all that is said, to be kept if the server is lost.
    """

    client: "MlflowClient"
    run_id: str
    is_strict: bool = False
    spooled: Spooled | None = None
    is_lost: bool = field(default=False, init=False)

    def log_metrics(
        self, metrics: Mapping[str, float], step: int | None = None, *, model_id: str | None = None
    ) -> None:
        """As `Run.log_metrics`, in calls of at most 1,000; with `model_id`, of that logged model too."""
        if self.spooled:
            self.spooled.log_metrics(metrics, step)
        now = int(time.time() * 1000)
        points = [Point(name, float(value), now, step or 0) for name, value in metrics.items()]
        self.log_points(points, model_id=model_id)

    def log_points(self, points: Sequence[Point], *, model_id: str | None = None) -> None:
        """Log numbers that know when they were measured."""
        from mlflow.entities import Metric

        batch = [Metric(one.name, one.value, one.when, one.step, model_id=model_id) for one in points]
        for start in range(0, len(batch), _METRICS_A_CALL):
            part = batch[start : start + _METRICS_A_CALL]
            self._say(self.client.log_batch, self.run_id, metrics=part)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log values as text, in calls of at most 100; long texts are cut, and stay different."""
        from mlflow.entities import Param

        batch = [Param(name, shorten_value(str(value), _MAX_PARAM)) for name, value in params.items()]
        for start in range(0, len(batch), _PARAMS_A_CALL):
            part = batch[start : start + _PARAMS_A_CALL]
            self._say(self.client.log_batch, self.run_id, params=part)

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """As `Run.log_artifact`."""
        if self.spooled:
            self.spooled.log_artifact(path, folder)
        log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        self._say(log, self.run_id, str(path), folder or None)

    def log_dataset(self, name: str, path: Path, context: str) -> None:
        """As `Run.log_dataset`."""
        if self.spooled:
            self.spooled.log_dataset(name, path, context)
        self.log_input(Dataset.read(name, path, context))

    def log_input(self, dataset: Dataset) -> None:
        """Record an input of the run."""
        from mlflow import entities

        place = json.dumps({"uri": dataset.uri})
        made = entities.Dataset(dataset.name, dataset.md5, "local", place)
        tag = entities.InputTag("mlflow.data.context", dataset.context)
        self._say(
            self.client.log_inputs, self.run_id, datasets=[entities.DatasetInput(dataset=made, tags=[tag])]
        )

    def log_classifier(self, folder: Path) -> None:
        """As `Run.log_classifier`, with the package inside the model."""
        if self.spooled:
            self.spooled.log_classifier(folder)
        self._say(log_model, self.client, self.run_id, folder)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """As `Run.set_tags`, all or none, in one call."""
        from mlflow.entities import RunTag

        if self.spooled:
            self.spooled.set_tags(tags)
        batch = [RunTag(key, value) for key, value in tags.items()]
        self._say(self.client.log_batch, self.run_id, tags=batch)

    def finish(self, status: str) -> None:
        """End the run: FINISHED, FAILED or KILLED."""
        self._say(self.client.set_terminated, self.run_id, status)

    def _say(self, call: Callable[..., object], *arguments: Any, **named: Any) -> None:
        from mlflow.exceptions import MlflowException

        if self.is_lost:
            return
        try:
            call(*arguments, **named)
        except (MlflowException, OSError) as error:
            if self.is_strict:
                raise TrackingError(f"MLflow stopped answering: {one_line(error)}") from None
            self.is_lost = True
            _log.warning("MLflow stopped answering; the work continues without it: %s", one_line(error))


def create_run(
    client: "MlflowClient", root: Path, name: str, *, row: bool = False, tags: Mapping[str, str]
) -> Tracked:
    """Open a run in the experiment of rows (`row`) or of stage runs, with where it came from as tags."""
    names = name_experiments()
    experiment = names.rows if row else names.stages
    run = start_run(client, root, name, experiment=experiment, tags=describe_origin(root) | dict(tags))
    run.is_strict = row
    return run


def start_run(
    client: "MlflowClient", root: Path, name: str, *, experiment: str, tags: Mapping[str, str]
) -> Tracked:
    """Open a run in an experiment, by its name."""
    number = find_experiment(client, root, experiment)
    made = client.create_run(number, run_name=name, tags={PROCESS_TAG: describe_process()} | dict(tags))
    return Tracked(client, made.info.run_id)


@contextmanager
def open_stage_run(root: Path, stage: str, params: Mapping[str, Any]) -> Iterator[Run]:
    """The run of one stage: FINISHED on a clean exit, FAILED on an exception, KILLED on Ctrl+C.

    While the server is away, before or in the midst of it, the run of a stage that ends well is kept in the
    spool, and a warning says so.
    """
    tags = describe_origin(root) | {STAGE_TAG: stage}
    spooled = Spooled(stage, name_experiments().stages, tags, dict(params))
    try:
        client = connect(root)
        with translate_errors():
            end_killed_runs(client)
            started = tags | {SPOOL_TAG: spooled.id}
            run = start_run(client, root, stage, experiment=spooled.experiment, tags=started)
    except TrackingError as error:
        _log.warning("%s; %s continues, and its run waits in .darkroom/spool", error, stage)
        yield spooled
        spooled.keep(root)
        return
    run.spooled = spooled
    with finish_run(run, params):
        yield run
    if run.is_lost:
        spooled.keep(root)


@contextmanager
def finish_run(run: Tracked, params: Mapping[str, Any]) -> Iterator[None]:
    """Log parameters at the start of a run, and at its end how it ended."""
    status = "FAILED"
    try:
        run.log_params(params)
        yield
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        run.finish(status)


def end_killed_runs(client: "MlflowClient", experiment: str | None = None) -> None:
    """Give runs whose process was killed the status KILLED; they would stay RUNNING for ever.

    Args:
        experiment: the name of theirs; None: that of the stage runs.
    """
    name = experiment or name_experiments().stages
    for run in search_experiment(client, "attributes.status = 'RUNNING'", name):
        if is_gone(run.data.tags.get(PROCESS_TAG), run.info.start_time):
            client.set_terminated(run.info.run_id, "KILLED")


def search_runs(client: "MlflowClient", asked: str, *, row: bool) -> list[Any]:
    """The active rows, or stage runs, that a filter of MLflow's finds, newest first; [] before the first."""
    names = name_experiments()
    return search_experiment(client, asked, names.rows if row else names.stages)


def search_experiment(client: "MlflowClient", asked: str, name: str) -> list[Any]:
    """The active runs that a filter finds in the experiment of a name, newest first; [] without it."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return []
    ids, order = [experiment.experiment_id], ["attributes.start_time DESC"]
    found: list[Any] = []
    page = None
    while page is None or page.token:
        token = page.token if page else None
        page = client.search_runs(ids, asked, order_by=order, max_results=_RUNS_A_CALL, page_token=token)
        found += page
    return found


def shorten_value(text: str, n_characters: int) -> str:
    """A text of at most `n_characters`; a longer one is cut, and ends in a hash of the whole."""
    if len(text) <= n_characters:
        return text
    end = f"... (sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"
    return text[: n_characters - len(end)] + end


def describe_origin(root: Path) -> dict[str, str]:
    """Where a run came from: who, git commit, whether code or params differ from it, the DVC experiment."""
    commit = ask_git(root, "rev-parse", "HEAD")
    changed = ask_git(root, "status", "--porcelain", "--untracked-files=no", "--", *_CODE)
    tags = {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "LOCAL", "mlflow.user": name_user()}
    if commit:
        tags |= {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changed)).lower()}
    if os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
    return tags


def ask_git(root: Path, *arguments: str) -> str:
    """What git says; "" where there is no repository, or no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        return ""
    return done.stdout.strip()
