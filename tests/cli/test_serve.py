"""`darkroom serve` as people use it: with the champion of a registry, which changes while clients ask."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from pipeline.cli.serve import LOCAL
from pipeline.collection.demos import encode_grey_png
from pipeline.serving.seal import write_seal
from pipeline.tracking import connection, registry
from pipeline.tracking.packaging import log_model
from pipeline.tracking.runs import create_run
from tests.conftest import values_with
from tests.serve_process import REPO, ask, run_serve
from tests.toy_classifier import save_toy_classifier

LIGHT, DARK = (encode_grey_png([bytes([level] * 8)] * 8) for level in (250, 5))
TOKEN = "0123456789abcdef"


def run_in_vain(root: Path, *options: str) -> str:
    """What the command says where it cannot serve."""
    (root / "dvc.yaml").write_text("stages: {}\n")
    YAML().dump(values_with(), root / "params.yaml")
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))
    }
    command = [sys.executable, "-m", "pipeline.cli.app", "serve", "--port", "0", *options]
    env = variables | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(
            ["--host", "0.0.0.0"], "error: --host 0.0.0.0 lets others in, so it needs a token", id="open"
        ),
        pytest.param(["--token", "short"], "error: a token has at least 16 characters", id="a short token"),
        pytest.param(
            ["--token", "ü" * 20], "error: a token has at least 16 characters of ASCII", id="no ASCII"
        ),
        pytest.param([], "error: there is no champion of 'digits' in the registry", id="no champion"),
        pytest.param(["--model", "params.yaml"], "error: 'params.yaml' names no model", id="no model"),
    ],
)
def test_what_cannot_be_served_is_one_line(options: list[str], said: str, tmp_path: Path) -> None:
    assert run_in_vain(tmp_path, *options).startswith(said)


def test_what_is_local() -> None:
    assert "0.0.0.0" not in LOCAL


@pytest.mark.slow
def test_ctrl_c_ends_all_processes(classifier_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    options = ("--model", str(classifier_folder), "--host", "0.0.0.0", "--token", TOKEN)
    with run_serve(tmp_path, *options) as served:
        address = served.address.replace("0.0.0.0", "127.0.0.1")
        assert ask(f"{address}/predict", LIGHT)[0] == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert ask(f"{address}/predict", LIGHT, headers=headers)[1]["answers"][0]["class"] == "light"
        children = psutil.Process(served.process.pid).children(recursive=True)
        assert len(children) >= 2, "the model, and what decodes"
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(60) == 0
        assert psutil.wait_procs(children, timeout=30)[1] == []
        assert "Traceback" not in served.log.read_text()


class Registry:
    """A project with a registry, in which versions are crowned."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "dvc.yaml").write_text("stages: {}\n")
        YAML().dump(values_with(), root / "params.yaml")
        self.client = connection.connect(root)

    def crown(self, *seen: str, spoil: bool = False) -> int:
        """A new champion that calls light and dark pictures so; its number."""
        folder = self.root / "-".join(seen) / "classifier"
        save_toy_classifier(folder, looks=True, seen=(seen[0], seen[1]))
        seal = write_seal(folder)
        row = create_run(self.client, self.root, "state", row=True, tags={})
        (self.root / "model_card.json").write_text(json.dumps({"intended_use": seen[0]}))
        self.client.log_artifact(row.run_id, str(self.root / "model_card.json"))
        row.set_tags({"stage.evaluate.run_id": row.run_id})
        model = log_model(self.client, row.run_id, folder, md5=seen[0], seal="0" * 64 if spoil else seal)
        given: dict[str, Any] = {"model": model, "run_id": row.run_id, "classes": (*seen, "odd")}
        version = registry.register_version(self.client, "digits", **given)
        registry.crown(self.client, "digits", version.number)
        return version.number


class Clients:
    """Threads that ask one after the other, and keep every code and version."""

    def __init__(self, address: str, n: int) -> None:
        self.said: list[tuple[int, int | None, str]] = []
        self._address, self._is_over = address, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(n)]

    def _ask(self) -> None:
        while not self._is_over.is_set():
            code, answer = ask(f"{self._address}/predict", LIGHT)
            self.said.append((code, answer["model"]["version"], answer["answers"][0]["class"]))

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


def wait_until(condition: Callable[[], bool]) -> None:
    last = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.2)


@pytest.mark.slow
def test_a_new_champion_is_taken_up_without_a_dropped_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # the registry is the project's own
    project = Registry(tmp_path / "project")
    first = project.crown("light", "dark")
    with run_serve(project.root) as served:
        model = ask(f"{served.address}/model")[1]
        assert (model["version"], model["card"]) == (first, {"intended_use": "light"})
        (before,) = list_models(served.process.pid)
        with Clients(served.address, 4) as clients:
            second = project.crown("bright", "dim")
            wait_until(lambda: ask(f"{served.address}/model")[1]["version"] == second)
            n = len(clients.said)
            wait_until(lambda: len(clients.said) > n + 20)
        assert {code for code, *_ in clients.said} == {200}
        assert {tuple(rest) for _, *rest in clients.said} == {(first, "light"), (second, "bright")}
        assert psutil.wait_procs([before], timeout=30)[1] == [], "the old one ended when it was done"
        code, said = ask(f"{served.address}/explain", LIGHT)
        assert (code, said["class"]) == (200, "bright")
        check_a_spoiled_one_changes_nothing(project, served.address, second)


def list_models(number: int) -> list[psutil.Process]:
    children = psutil.Process(number).children()
    return [one for one in children if "model_host.py" in " ".join(one.cmdline())]


def check_a_spoiled_one_changes_nothing(project: Registry, address: str, second: int) -> None:
    project.crown("wrong", "false", spoil=True)
    wait_until(lambda: ask(f"{address}/ready")[1]["problem"] is not None)
    code, said = ask(f"{address}/ready")
    assert (code, said["ready"]) == (200, True)
    assert "a newer version cannot be loaded, so digits version 2" in said["problem"]
    assert "is not as it was registered" in said["problem"]
    said = ask(f"{address}/predict", DARK)[1]
    assert (said["model"]["version"], said["answers"][0]["class"]) == (second, "dim")
