"""Send the runs that waited in the spool: each once and whole, in the order in which they began.

A run carries the id of what was spooled. So a run that a kill or a lost server cut short is told: it is
removed, and sent anew. Only the last call finishes a run.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking.connection import connect, find_experiment, translate_errors
from pipeline.tracking.processes import PROCESS_TAG, describe_process
from pipeline.tracking.runs import Tracked, search_experiment
from pipeline.tracking.spool import SPOOL_TAG, Spooled, has_waiting, hold_spool, read_waiting

if TYPE_CHECKING:
    from mlflow import MlflowClient

_log = logging.getLogger(__name__)


def replay(root: Path) -> list[str]:
    """Send what waits in the spool of a project; without any, MLflow is not imported.

    Returns:
        The stages whose runs were sent, in order.

    Raises:
        TrackingError: the server is away or refuses, or a spooled run cannot be read. What was not sent
            whole still waits.
    """
    if not has_waiting(root):
        return []
    sent = []
    with hold_spool(root):
        waiting = read_waiting(root)
        if waiting:
            client = connect(root)
            with translate_errors():
                for one in waiting:
                    _send(client, root, one.run)
                    one.remove()
                    sent.append(one.run.stage)
    if sent:
        _log.info("sent to MLflow what waited in the spool: %s", ", ".join(sent))
    return sent


def _send(client: "MlflowClient", root: Path, spooled: Spooled) -> None:
    """Make a finished run of a spooled one, unless there is one already; half a one is removed."""
    for found in search_experiment(client, f"tags.`{SPOOL_TAG}` = '{spooled.id}'", spooled.experiment):
        if found.info.status == "FINISHED":
            return
        client.delete_run(found.info.run_id)
    tags = spooled.tags | {SPOOL_TAG: spooled.id, PROCESS_TAG: describe_process()}
    experiment = find_experiment(client, root, spooled.experiment)
    made = client.create_run(experiment, start_time=spooled.start, tags=tags, run_name=spooled.stage)
    run = Tracked(client, made.info.run_id, is_strict=True)
    run.log_params(spooled.params)
    run.log_points(spooled.metrics)
    for dataset in spooled.datasets:
        run.log_input(dataset)
    for kind, path, folder in spooled.logged:
        if kind == "model":
            run.log_classifier(path)
        else:
            run.log_artifact(path, folder)
    client.set_terminated(made.info.run_id, "FINISHED", end_time=spooled.end)
