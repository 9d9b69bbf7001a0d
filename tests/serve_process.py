"""`darkroom serve` as people start it, on a free port of 127.0.0.1, and how a client asks it."""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

REPO = Path(__file__).resolve().parents[1]
_LAST_WORDS_S = 60


class Served(NamedTuple):
    """A server that answers: its process, its address without a slash behind it, and the file of its log."""

    process: "subprocess.Popen[str]"
    address: str
    log: Path


@contextmanager
def run_serve(root: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """The command in a project, answering when this yields."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))
    }
    log = root / "serve.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli.app", "serve", "--port", "0", *options],
            cwd=root,
            env=variables | {"PYTHONPATH": str(REPO)} | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        said = [process.stdout.readline() for _ in range(2)]
        assert said[1].startswith("page:"), said[0] + log.read_text(encoding="utf-8")
        yield Served(process, said[1].split()[1].rstrip("/"), log)
    finally:
        process.terminate()
        process.wait(_LAST_WORDS_S)
        process.stdout.close()


def ask(
    address: str, body: bytes | None = None, kind: str = "image/png", headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """The code and the JSON (or text) that an address answers to a GET, or to a POST of `body`."""
    given = dict(headers or {}) | ({"Content-Type": kind} if body is not None else {})
    request = urllib.request.Request(address, body, given)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, _read(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _read(error)


def ask_about(address: str, pictures: Sequence[bytes]) -> tuple[int, Any]:
    """What the server says of pictures, sent as JSON."""
    encoded = {"images": [base64.b64encode(one).decode() for one in pictures]}
    return ask(f"{address}/predict", json.dumps(encoded).encode(), "application/json")


def _read(response: Any) -> Any:
    text = response.read().decode()
    return json.loads(text) if "json" in response.headers.get("content-type", "") else text
