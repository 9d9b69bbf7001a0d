"""Run one stage: logging, params, the MLflow run, metrics.json, time, exit code."""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

from pipeline.backend.meeting import explain_wait, is_follower
from pipeline.characters import escape
from pipeline.errors import DarkroomError
from pipeline.metrics_file import divide_metrics, round_metrics, write_metrics
from pipeline.params import Params
from pipeline.params_file import load_params
from pipeline.paths import Paths, project_root
from pipeline.storage import hold_lock
from pipeline.tracking.connection import use_experiment
from pipeline.tracking.inputs import Inputs
from pipeline.tracking.relocation import repair_locations
from pipeline.tracking.runs import ENTRY_TAG, Run, Untracked, open_stage_run

Metrics = Mapping[str, float]
StageMain = Callable[[Params, Paths, Run], Metrics]

_INTERRUPTED = 130
_LOCKS = ".darkroom/running"  # ignored by Git and DVC

_log = logging.getLogger("darkroom")


def run_stage(name: str, main: StageMain) -> None:
    """Run a stage in the working folder's project and exit: 0, 1 with one line of error, 130 on Ctrl+C.

    Where several hosts train together, all but host 0 only help: that one runs the stage, and writes.
    """
    set_up_logging()
    try:
        paths = Paths(project_root())
        if name == "train" and is_follower():
            follow(main, paths)
        else:
            execute(name, main, paths)
    except DarkroomError as error:
        _log.error("%s: %s", name, error)
        leave(1)
    except KeyboardInterrupt:
        _log.error("%s: interrupted", name)
        leave(_INTERRUPTED)
    leave(0)


def leave(code: int) -> NoReturn:
    """End the process at once.

    Python and TensorFlow take a second to tidy up. DVC would record what is edited in that second as what the
    stage ran with, although the stage has compared its inputs before.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def execute(name: str, main: StageMain, paths: Paths) -> None:
    """Run a stage's `main` inside its MLflow run, then write its metrics file.

    `promote` connects by itself. The other stages continue without a server: their runs wait in the spool.
    One process at a time runs a stage in a folder: a stage outlives DVC where DVC alone was killed.

    Raises:
        DarkroomError: as `main` does, and for params or tracking.
    """
    start = time.monotonic()

    def tell() -> None:
        _log.info("another process runs %s in this folder: waiting for it%s", name, explain_wait())

    with hold_lock(paths.root / _LOCKS / f"{name}.lock", tell):
        _execute_alone(name, main, paths)
    _log.info("%s: done in %.1f s", name, time.monotonic() - start)


def follow(main: StageMain, paths: Paths) -> None:
    """Run a stage's `main` without a lock, a run or metrics: those are of the machine that runs the stage."""
    params = load_params(paths.params)
    use_experiment(params.data.name)
    main(params, paths, Untracked())


def _execute_alone(name: str, main: StageMain, paths: Paths) -> None:
    inputs = Inputs.read(paths, name)
    params = load_params(paths.params)
    use_experiment(params.data.name)
    repair_locations(paths.root)
    if name == "promote":
        write_metrics(main(params, paths, Untracked()), paths.metrics(name))
        return
    source = inputs.stamp_source(params)
    logged = params.section(name).flatten(f"{name}.")
    with open_stage_run(paths.root, name, logged) as run:
        metrics = round_metrics(main(params, paths, run))
        main_metrics, details = divide_metrics(metrics)
        write_metrics(main_metrics, paths.metrics(name))
        if details:
            write_metrics(details, paths.details(name))
        run.log_metrics(metrics)
        _tag_entry(run, inputs)
        inputs.check(params, source)


def set_up_logging() -> None:
    """Log to stderr: coloured on a terminal, plain lines in a pipe; other libraries log from warnings up."""
    handler = _make_handler()
    handler.addFilter(_escape_lines)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(message)s", force=True)
    for name in ("darkroom", "pipeline", "__main__"):
        logging.getLogger(name).setLevel(logging.INFO)


def _escape_lines(record: logging.LogRecord) -> bool:
    """Write out what a terminal would obey: names from anywhere are in log lines. Others' tracebacks go."""
    record.msg, record.args = "\n".join(map(escape, record.getMessage().split("\n"))), None
    record.exc_info = record.exc_text = None
    return True


def _make_handler() -> logging.Handler:
    if not sys.stderr.isatty():
        plain = logging.StreamHandler()
        plain.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        return plain
    from rich.console import Console
    from rich.logging import RichHandler

    return RichHandler(console=Console(stderr=True), show_path=False, show_time=False)


def _tag_entry(run: Run, inputs: Inputs) -> None:
    """Under DVC, tag the run with the hash of the lock entry that DVC will write, so promote can find it."""
    if os.environ.get("DVC_STAGE") == inputs.stage:
        run.set_tags({ENTRY_TAG: inputs.lineage.hash_entry_from_files(inputs.stage)})
