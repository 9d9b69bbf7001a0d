"""Questions to a tracking server over plain HTTP, each with a deadline, without importing MLflow.

MLflow itself takes seconds to import and retries for minutes. Its REST API is stable: `/health` and
`/api/2.0/mlflow/...` (https://mlflow.org/docs/latest/api_reference/rest-api.html).
"""

import base64
import http.client
import json
import logging
import os
import re
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEADLINE_S = 5.0  # for the whole of an answer: a server that sends a byte a second is away as well
_WORD_AFTER_S = 1.0
_SIGNED = re.compile(r"^([^:/?#]+://)[^/?#]*@")  # the start of a URI with a name and a password
_MAX_BYTES = 64 << 20  # of an answer
# How else a client may have to present itself. What stands there is left to MLflow.
_UNUSUAL = (
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_WORKSPACE",
)
_CA, _OWN = "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"
_INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"

_log = logging.getLogger(__name__)


class UnusualAnswerError(Exception):
    """The server answered, but not with what was asked for: MLflow finds out why.

    Attributes:
        code: of an error over HTTP; 0 for something else.
    """

    def __init__(self, said: str, code: int = 0) -> None:
        super().__init__(said)
        self.code = code


def is_server(uri: str) -> bool:
    """Whether a tracking URI names a server that speaks HTTP."""
    return uri.startswith(("http://", "https://"))


def probe(uri: str) -> None:
    """Return if a server answers, whatever it says.

    Raises:
        OSError: it does not answer, or has not finished its answer after DEADLINE_S.
        ValueError: the URI is malformed.
    """
    try:
        _fetch(uri, "/health")
    except UnusualAnswerError:
        return


def ask(
    uri: str, path: str, body: Mapping[str, Any] | None = None, *, version: str = "2.0", method: str = ""
) -> Any:
    """The JSON that the REST API answers: to a GET, or to a POST of `body`.

    Args:
        version: of the API; what knows roles is 3.0.
        method: in place of GET or POST.

    Raises:
        UnusualAnswerError: an error code, something else than JSON, or a way to sign in that only MLflow has.
        OSError, ValueError: as `probe`.
    """
    if any(os.environ.get(name) for name in _UNUSUAL):
        raise UnusualAnswerError("only MLflow can sign in")
    try:
        return json.loads(_fetch(uri, f"/api/{version}/mlflow/{path}", body, method) or b"{}")
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise UnusualAnswerError("no JSON") from None


def ask_experiment_id(uri: str, name: str) -> str:
    """The id of the experiment of a name.

    Raises:
        LookupError, TypeError: there is none.
        UnusualAnswerError, OSError, ValueError: as `ask`.
    """
    found = ask(uri, f"experiments/get-by-name?experiment_name={urllib.parse.quote(name, safe='')}")
    return str(found["experiment"]["experiment_id"])


def _fetch(uri: str, path: str, body: Mapping[str, Any] | None = None, method: str = "") -> bytes:
    """The bytes of an answer.

    They are read in a thread, since a socket's own timeout begins anew with every byte. A thread that is
    given up ends with the process.
    """
    try:
        request = _build_request(uri, path, body, method)
    except ValueError:  # its text may hold a part of a password
        raise ConnectionError("the address is malformed") from None
    results: list[bytes | Exception] = []

    def read() -> None:
        try:
            tls = _make_context() if uri.startswith("https:") else None
            with urllib.request.urlopen(request, timeout=2 * DEADLINE_S, context=tls) as answer:  # noqa: S310
                results.append(answer.read(_MAX_BYTES))
        except http.client.HTTPException:  # its text may hold a part of a password
            results.append(
                ConnectionError("it does not answer as an HTTP server, or the address is malformed")
            )
        except Exception as error:  # noqa: BLE001 (it is raised in the thread that waits)
            results.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(_WORD_AFTER_S)
    if thread.is_alive():
        _log.info("waiting for MLflow at %s", hide_password(uri))
        thread.join(DEADLINE_S - _WORD_AFTER_S)
    if not results:
        raise TimeoutError(f"no whole answer within {DEADLINE_S:g} s")
    if isinstance(results[0], urllib.error.HTTPError):
        results[0].close()
        raise UnusualAnswerError(f"HTTP {results[0].code}", results[0].code)
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def _make_context() -> ssl.SSLContext:
    """How to speak TLS, by MLflow's variables: whom to trust, and what to show."""
    ca, own = os.environ.get(_CA, ""), os.environ.get(_OWN)
    is_folder = Path(ca).is_dir() if ca else False
    context = ssl.create_default_context(
        cafile=None if is_folder else ca or None, capath=ca if is_folder else None
    )
    if own:
        context.load_cert_chain(own)
    if os.environ.get(_INSECURE, "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _build_request(
    uri: str, path: str, body: Mapping[str, Any] | None, method: str
) -> urllib.request.Request:
    """A request with the name and password, or the token, that MLflow's variables or the URI hold."""
    parts = urllib.parse.urlsplit(uri)
    name, password = (
        urllib.parse.unquote(part) if part else os.environ.get(variable, "")
        for part, variable in (
            (parts.username, "MLFLOW_TRACKING_USERNAME"),
            (parts.password, "MLFLOW_TRACKING_PASSWORD"),
        )
    )
    headers = {"Content-Type": "application/json"}
    if name:
        signed = base64.b64encode(f"{name}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {signed}"
    elif token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}{path}"
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.Request(address, data, headers, method=method or None)  # noqa: S310 (http only)


def sign_in(uri: str) -> str:
    """The URI without name and password, which MLflow then finds in its variables: it logs addresses."""
    parts = urllib.parse.urlsplit(uri)
    for name, value in (("USERNAME", parts.username), ("PASSWORD", parts.password)):
        if value:
            os.environ[f"MLFLOW_TRACKING_{name}"] = urllib.parse.unquote(value)
    return uri.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)


def hide_password(uri: str) -> str:
    """A URI as a log may hold it, a malformed one too."""
    return _SIGNED.sub(r"\1***@", uri)
