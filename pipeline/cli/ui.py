"""`darkroom ui`: MLflow's UI over the project's database, with the address of the table of results."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import make_console
from pipeline.cli.ports import become_server, check_port
from pipeline.paths import Paths, project_root

_FIND = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"


def ui(
    port: Annotated[
        int, typer.Option(min=1, max=65_535, envvar="MLFLOW_PORT", help="The port to listen on.")
    ] = 5000,
    host: Annotated[str, typer.Option(envvar="MLFLOW_HOST", help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Open MLflow's UI: which result is better, and what differed. On a server of your own: its address."""
    from pipeline.params_file import load_params
    from pipeline.tracking.connection import find_database, resolve_uri, use_experiment
    from pipeline.tracking.relocation import repair_locations
    from pipeline.tracking.server import hide_password, is_server

    root = project_root()
    repair_locations(root)
    use_experiment(load_params(Paths(root).params).data.name)
    uri = resolve_uri(root)
    if not is_server(uri):
        check_port(host, port, "ui")
    for line in list_addresses(root, hide_password(uri) if is_server(uri) else f"http://{host}:{port}"):
        make_console().print(line, soft_wrap=True)
    if not is_server(uri):
        if database := find_database(root):
            database.parent.mkdir(parents=True, exist_ok=True)
        become_server(host, port, os.environ | {"MLFLOW_BACKEND_STORE_URI": uri})


def list_addresses(root: Path, server: str) -> list[str]:
    """What to open in a browser: the table of results, its charts, the scores of each class."""
    from pipeline.tracking.connection import name_experiments
    from pipeline.tracking.views import BEST, CHARTS, CLASSES, NAMES, locate_view

    rows, stages = (_find_experiment(root, name) for name in name_experiments()[:2])
    if not rows:
        return [f"{server}: there is no result yet; run `dvc repro`"]
    views = ((rows, BEST), (rows, CHARTS), (stages, CLASSES))
    return [
        f"{NAMES[view] + ':':<17} {server.rstrip('/')}{locate_view(number, view)}"
        for number, view in views
        if number
    ]


def _find_experiment(root: Path, name: str) -> str:
    """The id of an experiment, from the database or the server itself; "" if there is none."""
    from pipeline.tracking.connection import find_database, resolve_uri
    from pipeline.tracking.server import UnusualAnswerError, ask_experiment_id

    with suppress(sqlite3.Error, UnusualAnswerError, OSError, LookupError, TypeError, ValueError):
        if database := find_database(root):
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
                return str(db.execute(_FIND, (name,)).fetchone()[0])
        return ask_experiment_id(resolve_uri(root), name)
    return ""
