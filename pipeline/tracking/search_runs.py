"""Runs in MLflow of what is tried beside the chain: a search, and each of its trials below it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import TrackingError
from pipeline.tracking.connection import connect, name_experiments, translate_errors
from pipeline.tracking.processes import PROCESS_TAG, describe_process
from pipeline.tracking.runs import (
    PARENT_TAG,
    Run,
    Tracked,
    Untracked,
    describe_origin,
    end_killed_runs,
    finish_run,
    start_run,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

_log = logging.getLogger(__name__)


@contextmanager
def open_search_run(
    root: Path, name: str, params: Mapping[str, Any], *, parent: Run | None = None, known_id: str = ""
) -> Iterator[Run]:
    """A run beside the chain; an unreachable server is a warning. It ends as `open_stage_run` says.

    Args:
        parent: the run that it is a part of; MLflow shows it below that one.
        known_id: of a run that is continued, if it is still there; it keeps its parameters.
    """
    tags = {PARENT_TAG: parent.run_id} if isinstance(parent, Tracked) else {}
    try:
        client = connect(root)
        with translate_errors():
            experiment = name_experiments().search
            end_killed_runs(client, experiment)
            run = _continue_run(client, known_id) if known_id else None
            params = {} if run else params
            origin = describe_origin(root)
            run = run or start_run(client, root, name, experiment=experiment, tags=origin | tags)
    except TrackingError as error:
        _log.warning("%s; %s continues untracked", error, name)
        yield Untracked()
        return
    with finish_run(run, params):
        yield run


def _continue_run(client: "MlflowClient", run_id: str) -> Tracked | None:
    """A run as one that runs again; None if it is no longer there."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run_id)
        if found.info.lifecycle_stage != "active":
            return None
        client.update_run(run_id, status="RUNNING")
        client.set_tag(run_id, PROCESS_TAG, describe_process())
    except MlflowException:
        return None
    return Tracked(client, run_id)
