"""`darkroom tracking`: the tracking server of a team, and runs that wait for it."""

import os
from typing import Annotated

import typer

from pipeline.characters import escape
from pipeline.cli.console import make_console
from pipeline.errors import TrackingError

app = typer.Typer(
    help="Run the tracking server of a team, let people in, and send it what waited while it was away.",
    no_args_is_help=True,
)


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=1, max=65_535, envvar="MLFLOW_PORT", help="The port to listen on.")
    ] = 5000,
    host: Annotated[str, typer.Option(envvar="MLFLOW_HOST", help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve MLflow for a team: on PostgreSQL, with names, passwords and roles. `make server` calls it."""
    from pipeline.cli.ports import become_server, check_port
    from pipeline.paths import project_root
    from pipeline.tracking.team_server import APP, prepare_server

    variables = prepare_server(project_root())
    check_port(host, port, "tracking serve")
    make_console().print(f"MLflow for a team: http://{host}:{port}", soft_wrap=True)
    become_server(host, port, variables, "--app-name", APP)


@app.command()
def health() -> None:
    """Ask the server whether it is well: it answers, lets you in, and reaches its database."""
    from pipeline.paths import project_root
    from pipeline.tracking.connection import check_health

    make_console().print(check_health(project_root()), soft_wrap=True)


@app.command()
def person(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    may: Annotated[str, typer.Option(metavar="look|train", help="What the person may do.")] = "train",
) -> None:
    """Let a person in, as the server's administrator. Repeated, it changes what the person may do.

    The password of a new name is asked for, or read from `DARKROOM_NEW_PASSWORD`.
    """
    from pipeline.paths import project_root
    from pipeline.tracking.people import add_person

    if may not in ("look", "train"):
        raise TrackingError(f"--may is look or train, not {escape(may)}")

    def ask_password() -> str:
        return os.environ.get("DARKROOM_NEW_PASSWORD") or str(
            typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        )

    is_new = add_person(project_root(), name, ask_password, trains=may == "train")
    said = "is let in" if is_new else "keeps the password"
    make_console().print(f"{escape(name)} {said}, and may {may}", soft_wrap=True)


@app.command()
def replay() -> None:
    """Send the runs that waited while the server was away. The next promotion of `dvc repro` does so, too."""
    from pipeline.paths import project_root
    from pipeline.tracking.replay import replay as send

    sent = send(project_root())
    said = f"sent the runs of {', '.join(sent)}" if sent else "no run waits in .darkroom/spool"
    make_console().print(said, soft_wrap=True)
