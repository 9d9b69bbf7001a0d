"""Every block of code in README.md and docs/guide.md works as it stands, in a clone that has run.

Blocks run in the order of the pages, each on the committed params.yaml. What cannot run here is in one table,
with the reason; the parameters of a skipped experiment are checked all the same.
"""

import itertools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError

from pipeline.params_file import check_params
from pipeline.yaml_file import read_yaml
from tests.clones import QUICK, Clone, make_clone

pytestmark = pytest.mark.slow

REPO = Path(__file__).resolve().parents[1]
NOT_RUN = {
    r"make (run|test|help|install|check)\b": "installs packages, or runs all tests",
    r"source \.venv\b": "the tests have an environment of their own",
    r"darkroom ui\b": "serves until it is stopped",
    r"darkroom serve\b": "serves until it is stopped; tests/cli/test_serve.py runs it",
    r"127\.0\.0\.1:8000": "asks that server",
    r"git clone\b": "needs an address",
    r"darkroom setup /": "asks about a collection of the reader's",
    r"dvc (remote|push|pull)\b": "needs a place for the files",
    r"tracking health": "needs a server of a team; tests/test_server_story.py runs it",
    r"git add -A": "fails where nothing has changed",
    r"pip install": "installs packages",
    r"darkroom demo (fashion-mnist|mnist)\b": "needs a Debian package or the network",
    r"train\.model=efficientnet_lite0": "half a minute each, at 224 x 224",
    "keras.applications.MobileNetV2": "a minute",
    r"train\.start_from": "refused here, as other pages moved pictures; tests/test_end_to_end.py runs it",
    r"crossval -k 10 --seeds 3": "thirty trainings",
    r"tune -j 4|DARKROOM_STUDIES": "needs a database that hosts share",
    r"tune --trials 8": "a minute each; tests/cli/test_tune.py runs them on less",
    r"compare --ablate .*--folds 5": "75 trainings",
    r"dvc queue start": "starts a process that outlives the command",
    r"DARKROOM_(MUTATIONS|KILLS)": "minutes to hours",
}
SERVES = "mlflow models serve"
CLASSES = ("Photo", "Painting", "Schematics", "Sketch", "Text")
N_A_CLASS = 30


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: str
    number: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}-{self.kind or 'text'}"


def list_blocks() -> list[Block]:
    pages = (REPO / "README.md", REPO / "docs" / "guide.md")
    return [
        Block(page.name, number, kind, text)
        for page in pages
        for number, (kind, text) in enumerate(
            re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
        )
    ]


BLOCKS = list_blocks()


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Clone:
    """A clone with the files that the pages name, committed and run once."""
    clone = make_clone(repo, tmp_path_factory.mktemp("docs") / "darkroom")
    clone.warm = warm
    draw_collection(clone)
    clone.run("git", "init", "-q")
    clone.set_params(QUICK)
    clone.run("dvc", "add", "-q", "data/raw")
    clone.commit()
    clone.run("dvc", "repro")
    clone.commit()
    port = find_port()
    clone.env |= {"MLFLOW_PORT": str(port), "GIT_CEILING_DIRECTORIES": str(clone.root.parent)}
    return clone


@pytest.fixture(scope="module")
def started() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The servers that blocks start; they end with the last test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def draw_collection(clone: Clone) -> None:
    """Classes that even three epochs tell apart, and the files that the pages speak of."""
    raw = clone.paths.raw
    for index, name in enumerate(CLASSES):
        for number in range(N_A_CLASS):
            draw(
                raw / name / f"batch{number % 4:02d}_{number:04d}.png", 48 * index, seed=100 * index + number
            )
    draw(raw / "Text" / "plan7.png", 100, seed=1)
    draw(raw / "Text" / "blurred.png", 190, seed=2)
    draw(raw / "stray.png", 100, seed=3)
    Image.new("L", (24, 24), 255).save(raw / "Photo" / "snow.jpg")
    for name in ("scan.jpg", "scans/a.jpg", "scans/b.jpg"):
        draw(clone.root / name, 10, seed=len(name))


def draw(path: Path, shade: int, *, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 60, (24, 24))
    Image.fromarray((noise + shade).astype(np.uint8)).save(path)


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.kind == "sh"], ids=str)
def test_commands(block: Block, clone: Clone, started: list["subprocess.Popen[bytes]"]) -> None:
    clone.run("git", "checkout", "-q", "--", "params.yaml")
    if SERVES in block.text:
        started.append(serve(clone, block.text))
        return
    for command in join_lines(block.text):
        if any(re.search(pattern, command) for pattern in NOT_RUN):
            check_overrides(clone, command)
        else:
            said = clone.run("bash", "-euo", "pipefail", "-c", use_port(clone, command))
            assert "Traceback" not in said
            assert "curl" not in command or json.loads(said)["predictions"][0]["class"] in CLASSES


def join_lines(text: str) -> Iterator[str]:
    """The commands of a block, each with the lines that continue it."""
    for command in re.split(r"(?<![|\\&])\n", text):
        if command.partition("#")[0].strip():
            yield command


def use_port(clone: Clone, command: str) -> str:
    """A free port in place of the page's, which something else on this machine may have."""
    port = clone.env["MLFLOW_PORT"]
    return command.replace("127.0.0.1:5001", f"127.0.0.1:{port}").replace("--port 5001", f"--port {port}")


def serve(clone: Clone, text: str) -> "subprocess.Popen[bytes]":
    """Run a block that serves until it is stopped; it answers when this returns."""
    log = (clone.root.parent / "serve.log").open("w")
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", use_port(clone, text)],
        cwd=clone.root,
        env=clone.environment(),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    log.close()
    last = time.monotonic() + 120
    while time.monotonic() < last:
        assert process.poll() is None, (clone.root.parent / "serve.log").read_text()
        with (
            suppress(OSError),
            urllib.request.urlopen(use_port(clone, "http://127.0.0.1:5001/ping"), timeout=5),
        ):
            return process
        time.sleep(0.2)
    raise TimeoutError((clone.root.parent / "serve.log").read_text())


def check_overrides(clone: Clone, command: str) -> None:
    """Each `-S` of a command that is not run names a parameter, and values that it may have."""
    values = read_yaml(clone.paths.params)
    words = shlex.split(command, comments=True)
    for flag, override in itertools.pairwise(words):
        if flag == "-S":
            key, _, said = override.partition("=")
            section, _, name = key.partition(".")
            assert name in values[section], key
            for one in [said] if said.startswith(("[", '"')) else said.split(","):
                values[section][name] = YAML(typ="safe").load(one)
                check_params(values, command)


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.kind == "python"], ids=str)
def test_python(block: Block, clone: Clone) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", block.text],
        cwd=clone.root,
        env=clone.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.kind == "yaml"], ids=str)
def test_parameters(block: Block) -> None:
    """Whole sections, or one key of a section a line, where each line is an example of its own."""
    try:
        examples = [YAML(typ="safe").load(block.text)]
    except DuplicateKeyError:
        examples = [YAML(typ="safe").load(line) for line in block.text.splitlines()]
    for example in examples:
        values: dict[str, Any] = read_yaml(REPO / "params.yaml")
        for key, value in example.items():
            if key in values:
                assert isinstance(value, dict)
                values[key] |= value
            else:
                (section,) = (name for name, inner in values.items() if key in inner)
                values[section][key] = value
        check_params(values, str(block))


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.kind == "json"], ids=str)
def test_json(block: Block) -> None:
    for line in block.text.splitlines():
        assert json.loads(line)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {one.kind for one in BLOCKS} <= {"sh", "python", "yaml", "json", "mermaid", ""}


def test_nothing_is_named_that_the_pages_no_longer_say() -> None:
    text = "\n".join(one.text for one in BLOCKS if one.kind == "sh") + "pip install DARKROOM_KILLS"
    assert [pattern for pattern in NOT_RUN if not re.search(pattern, text)] == []
