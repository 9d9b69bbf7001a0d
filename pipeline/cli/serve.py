"""`darkroom serve`: the model over HTTP, and on a page."""

import logging
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import Last, Model, make_console
from pipeline.errors import DarkroomError

if TYPE_CHECKING:
    from pipeline.server.app import Terms
    from pipeline.server.deployment import Deployment

LOCAL = ("127.0.0.1", "localhost", "::1")
_MIN_TOKEN = 16  # characters
_POLL_S = 5.0  # between two looks for another champion
_ADVICE = "`python -c 'import secrets; print(secrets.token_urlsafe())'` prints one"


def serve(
    *,
    model: Model = None,
    last: Last = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port to listen on; 0: any that is free.")
    ] = 8000,
    host: Annotated[
        str, typer.Option(help="The address to listen on. One that others can reach needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str,
        typer.Option(
            envvar="DARKROOM_TOKEN",
            help="What requests must bear. In the environment, other users of the machine do not see it.",
        ),
    ] = "",
    max_mb: Annotated[int, typer.Option(min=1, max=512, help="The largest request, in MB.")] = 32,
    batch: Annotated[
        int, typer.Option(min=1, max=256, help="The most images that are answered together.")
    ] = 32,
) -> None:
    """Serve the model over HTTP, and on a page where images are dropped. Ctrl+C ends it."""
    from pipeline.cli.ports import check_port
    from pipeline.cli.served_model import follow_model
    from pipeline.paths import Paths, project_root
    from pipeline.server.app import Terms
    from pipeline.server.deployment import Deployment

    _check_token(host, token)
    check_port(host, port, "serve")
    find, may_change = follow_model(Paths(project_root()), model=model, is_last=last)
    console = make_console(stderr=True)
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    deployment = Deployment(find)
    console.print("starting the process of the model: a few seconds", soft_wrap=True)
    deployment.open()
    try:
        terms = Terms(
            max_bytes=max_mb << 20,
            max_batch=batch,
            token=token,
            hosts=frozenset(LOCAL) if host in LOCAL else None,
            poll_s=_POLL_S if may_change else 0,
        )
        _listen(deployment, terms, host, port)
    finally:
        deployment.close()


def _listen(deployment: "Deployment", terms: "Terms", host: str, port: int) -> None:
    from pipeline.server.app import make_app
    from pipeline.server.connections import serve as serve_app

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        title = deployment.running.about.title
        serve_app(make_app(deployment, terms), listening, when_ready=lambda: _tell(title, address, terms))


def _tell(title: str, address: str, terms: "Terms") -> None:
    console = make_console()
    console.print(title, soft_wrap=True)
    console.print(f"page:    {address}/", soft_wrap=True)
    bearer = ' -H "Authorization: Bearer $DARKROOM_TOKEN"' if terms.token else ""
    console.print(f"command: curl{bearer} -F images=@scan.jpg {address}/predict", soft_wrap=True)


def _check_token(host: str, token: str) -> None:
    """Raise DarkroomError where strangers could ask, or the token could be guessed or not be sent."""
    if not token and host not in LOCAL:
        raise DarkroomError(
            f"--host {host} lets others in, so it needs a token: set DARKROOM_TOKEN, or --token, to at least"
            f" {_MIN_TOKEN} characters; {_ADVICE}"
        )
    if token and (len(token) < _MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        raise DarkroomError(
            f"a token has at least {_MIN_TOKEN} characters of ASCII without spaces; {_ADVICE}"
        )
