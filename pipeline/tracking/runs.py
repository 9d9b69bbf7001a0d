"""How a stage logs to MLflow: an open run, or one that goes nowhere."""

import hashlib
import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.errors import TrackingError, one_line
from pipeline.tracking.connection import connect, find_experiment, name_experiments, translate_errors
from pipeline.tracking.packaging import log_model
from pipeline.tracking.processes import PROCESS_TAG, describe_process, is_gone

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
    """A run that goes nowhere: for tests, and for data stages while the tracking server is unreachable."""

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

    Once the server stops answering, a stage's run warns once and logs no more. Hours of training are worth
    more than their curve, and promote rebuilds a lost run from the files. A row (`is_strict`) is whole or not
    at all, so it raises TrackingError.
    """

    client: "MlflowClient"
    run_id: str
    is_strict: bool = False
    is_lost: bool = field(default=False, init=False)

    def log_metrics(
        self, metrics: Mapping[str, float], step: int | None = None, *, model_id: str | None = None
    ) -> None:
        """As `Run.log_metrics`, in calls of at most 1,000; with `model_id`, of that logged model too."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [
            Metric(name, float(value), now, step or 0, model_id=model_id) for name, value in metrics.items()
        ]
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
        log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        self._say(log, self.run_id, str(path), folder or None)

    def log_dataset(self, name: str, path: Path, context: str) -> None:
        """As `Run.log_dataset`; the URI is relative to the project, so it is the same on every machine."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        dataset = Dataset(name, digest, "local", json.dumps({"uri": f"data/{path.parent.name}/{path.name}"}))
        tagged = DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", context)])
        self._say(self.client.log_inputs, self.run_id, datasets=[tagged])

    def log_classifier(self, folder: Path) -> None:
        """As `Run.log_classifier`, with the package inside the model."""
        self._say(log_model, self.client, self.run_id, folder)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """As `Run.set_tags`, all or none, in one call."""
        from mlflow.entities import RunTag

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
    run = start_run(client, root, name, experiment=names.rows if row else names.stages, tags=tags)
    run.is_strict = row
    return run


def start_run(
    client: "MlflowClient", root: Path, name: str, *, experiment: str, tags: Mapping[str, str]
) -> Tracked:
    """Open a run in an experiment, by its name, with where it came from as tags."""
    origin = _describe_origin(root) | {PROCESS_TAG: describe_process()}
    number = find_experiment(client, root, experiment)
    made = client.create_run(number, run_name=name, tags=origin | dict(tags))
    return Tracked(client, made.info.run_id)


@contextmanager
def open_stage_run(root: Path, stage: str, params: Mapping[str, Any], *, required: bool) -> Iterator[Run]:
    """The run of one stage: FINISHED on a clean exit, FAILED on an exception, KILLED on Ctrl+C.

    With `required=False` an unreachable server is a warning, and the stage continues untracked.

    Raises:
        TrackingError: the server is unreachable and `required`.
    """
    try:
        client = connect(root)
        with translate_errors():
            end_killed_runs(client)
            run = create_run(client, root, stage, tags={STAGE_TAG: stage})
    except TrackingError as error:
        if required:
            raise
        _log.warning("%s; %s continues untracked, and promote will rebuild its run", error, stage)
        yield Untracked()
        return
    with finish_run(run, params):
        yield run


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
    for run in _search(client, "attributes.status = 'RUNNING'", experiment or name_experiments().stages):
        if is_gone(run.data.tags.get(PROCESS_TAG), run.info.start_time):
            client.set_terminated(run.info.run_id, "KILLED")


def search_runs(client: "MlflowClient", asked: str, *, row: bool) -> list[Any]:
    """The active rows, or stage runs, that a filter of MLflow's finds, newest first; [] before the first."""
    names = name_experiments()
    return _search(client, asked, names.rows if row else names.stages)


def _search(client: "MlflowClient", asked: str, name: str) -> list[Any]:
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


def _describe_origin(root: Path) -> dict[str, str]:
    """Where a run came from: git commit, whether code or params differ from it, the DVC experiment."""
    commit = _ask_git(root, "rev-parse", "HEAD")
    changed = _ask_git(root, "status", "--porcelain", "--untracked-files=no", "--", *_CODE)
    tags = {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "LOCAL"}
    if commit:
        tags |= {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changed)).lower()}
    if os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
    return tags


def _ask_git(root: Path, *arguments: str) -> str:
    """What git says; "" where there is no repository, or no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        return ""
    return done.stdout.strip()
