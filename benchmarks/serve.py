"""How many pictures a second `darkroom serve` answers, beside one at a time and beside MLflow's server.

A model with random weights is registered in a project of its own. Each server in turn is asked by 16
clients, one JPEG a request, for a while. Prints errors, throughput, p50 and p95, and how far the answers are
from those of `darkroom predict`. The hostile requests of `benchmarks/hostile_requests.py` are sent while
clients ask.

Run: python -m benchmarks.serve [--seconds 60] [--network compact] [--side 64]
"""

import argparse
import asyncio
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from benchmarks.hostile_requests import REQUESTS, send

N_CLIENTS, N_PICTURES, N_CLASSES = 16, 64, 5
REPO = Path(__file__).resolve().parents[1]
NAME = "bench"
_START_S = 300


class Load(NamedTuple):
    """What clients saw: seconds of each request, errors, and the probabilities of each picture."""

    seconds: float
    latencies: list[float]
    errors: list[str]
    answers: dict[int, dict[str, float]]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--network", default="compact")
    parser.add_argument("--side", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        model = make_project(root, given.network, given.side)
        pictures = draw_pictures(root / "pictures")
        print(f"{given.network} at {given.side}, {N_CLIENTS} clients, {given.seconds:g} s each")
        print(
            f"{'server':26} {'a second':>9} {'p50 ms':>8} {'p95 ms':>8} {'requests':>9} errors  load before"
        )
        found = {}
        for name, run, ask in list_servers(root, model):
            load_before = os.getloadavg()[0]
            with run() as address:
                asyncio.run(press(address, ask, pictures, 3))  # warm
                found[name] = asyncio.run(press(address, ask, pictures, given.seconds))
                print_load(name, found[name], load_before)
                if name == "batching":
                    attack(address, ask, pictures)
        batching, single, mlflow = found.values()
        print(f"batching beside one at a time {batching.per_second / single.per_second:.1f}x (asked: 2x)")
        print(
            f"batching beside mlflow models serve {batching.per_second / mlflow.per_second:.1f}x (asked: 3x)"
        )
        print(f"farthest from darkroom predict: {compare_with_predict(root, batching):.1e}")


def make_project(root: Path, network: str, side: int) -> Path:
    """A project whose registry holds one version; the folder of its model."""
    import keras

    from pipeline.images.recipe import Recipe
    from pipeline.models import build_model
    from pipeline.serving.seal import write_seal
    from pipeline.serving.settings import Settings, save_classifier
    from pipeline.tracking import connection, registry
    from pipeline.tracking.packaging import log_model
    from pipeline.tracking.runs import create_run
    from pipeline.tracking.stored_models import fetch_model, find_model, parse_address

    root.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPO / name, root)
    keras.utils.set_random_seed(0)
    names = tuple(f"class {number}" for number in range(N_CLASSES))
    recipe = Recipe((side, side), 3, "stretch", "bicubic", 0, ("JPEG", "PNG"), 100_000_000)
    model = build_model(network, image_hw=(side, side), channels=3, n_classes=N_CLASSES)
    save_classifier(model, Settings(names, recipe, test_mirror=False), root / "classifier")
    seal = write_seal(root / "classifier")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    client = connection.connect(root)
    row = create_run(client, root, "state", row=True, tags={})
    logged = log_model(client, row.run_id, root / "classifier", seal=seal)
    registry.register_version(client, NAME, model=logged, run_id=row.run_id, classes=names)
    found = find_model(root, parse_address(f"{NAME}/1"))
    assert found
    return fetch_model(root, found)


def draw_pictures(folder: Path) -> list[bytes]:
    """JPEGs of 640 x 480, as a camera or a scanner might give them: large shapes, and some grain."""
    from PIL import Image

    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(N_PICTURES):
        shapes = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((640, 480))
        grain = random.normal(0, 6, (480, 640, 1))
        pixels = np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.jpg", quality=88)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


Ask = Callable[[aiohttp.ClientSession, str, bytes], Any]


def list_servers(root: Path, model: Path) -> list[tuple[str, Callable[[], Any], Ask]]:
    """Name, how it is started, and how it is asked, of each server."""
    darkroom = [sys.executable, "-m", "pipeline.cli.app", "serve", "--model", f"{NAME}/1"]
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    return [
        ("batching", lambda: start(darkroom, root, "/health"), ask_darkroom),
        ("one at a time", lambda: start([*darkroom, "--batch", "1"], root, "/health"), ask_darkroom),
        ("mlflow models serve", lambda: start(mlflow, root, "/ping"), ask_mlflow),
    ]


@contextmanager
def start(command: list[str], root: Path, probe: str) -> Iterator[str]:
    """A server on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    env = os.environ | {"PYTHONPATH": str(REPO), "TF_CPP_MIN_LOG_LEVEL": "3"}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        [*command, "--port", str(port)], cwd=root, env=env, start_new_session=True, **quiet
    )
    try:
        asyncio.run(wait_for(address + probe, process))
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(60)


async def wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    last = time.monotonic() + _START_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < last:
            with suppress(aiohttp.ClientError):
                async with session.get(address) as response:
                    if response.status == 200:
                        return
            assert process.poll() is None, "the server ended at its start"
            await asyncio.sleep(0.2)
    raise TimeoutError(address)


async def ask_darkroom(session: aiohttp.ClientSession, address: str, picture: bytes) -> dict[str, float]:
    headers = {"Content-Type": "image/jpeg"}
    async with session.post(f"{address}/predict", data=picture, headers=headers) as response:
        said = await response.json()
        assert response.status == 200, said
        found: dict[str, float] = said["answers"][0]["probabilities"]
        return found


async def ask_mlflow(session: aiohttp.ClientSession, address: str, picture: bytes) -> dict[str, float]:
    body = {"inputs": [base64.b64encode(picture).decode()]}
    async with session.post(f"{address}/invocations", json=body) as response:
        said = await response.json()
        assert response.status == 200, said
        (row,) = said["predictions"]
        return {name: value for name, value in row.items() if name.startswith("class ")}


async def press(address: str, ask: Ask, pictures: list[bytes], seconds: float) -> Load:
    """What 16 clients see that ask one picture after the other."""
    latencies: list[float] = []
    errors: list[str] = []
    answers: dict[int, dict[str, float]] = {}
    start_s = time.monotonic()

    async def be_a_client(number: int) -> None:
        at = number
        while time.monotonic() < start_s + seconds:
            begun = time.monotonic()
            try:
                answers[at % N_PICTURES] = await ask(session, address, pictures[at % N_PICTURES])
                latencies.append(time.monotonic() - begun)
            except (AssertionError, aiohttp.ClientError, TimeoutError) as error:
                errors.append(repr(error)[:200])
            at += N_CLIENTS

    timeout = aiohttp.ClientTimeout(total=120)
    connector = aiohttp.TCPConnector(limit=N_CLIENTS)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        await asyncio.gather(*(be_a_client(number) for number in range(N_CLIENTS)))
    return Load(time.monotonic() - start_s, latencies, errors, answers)


def print_load(name: str, load: Load, load_before: float) -> None:
    p50, p95 = (1000 * np.percentile(load.latencies, q) for q in (50, 95))
    counts = f"{len(load.latencies):9,} {len(load.errors):6}"
    print(f"{name:26} {load.per_second:9.1f} {p50:8.0f} {p95:8.0f} {counts}  {load_before:.1f}", flush=True)
    for error in set(load.errors):
        print(f"  {error}")


def attack(address: str, ask: Ask, pictures: list[bytes]) -> None:
    """The hostile requests, while clients ask: what each is answered, and whether a client noticed."""
    where = urlsplit(address)
    target = (str(where.hostname), int(where.port or 0))
    with ThreadPoolExecutor(len(REQUESTS)) as threads:
        sent = [threads.submit(send, target, one) for one in REQUESTS]
        load = asyncio.run(press(address, ask, pictures, 15))
        codes = {one.name: later.result()[0] for one, later in zip(REQUESTS, sent, strict=True)}
    odd = {one.name: codes[one.name] for one in REQUESTS if codes[one.name] not in one.codes}
    print(f"{len(REQUESTS)} hostile requests: {len(odd)} answered otherwise than they should {odd or ''}")
    print_load("  clients meanwhile", load, os.getloadavg()[0])


def compare_with_predict(root: Path, load: Load) -> float:
    """The largest difference between a served probability and that of `darkroom predict`."""
    command = [sys.executable, "-m", "pipeline.cli.app", "predict", "pictures", "--json"]
    command += ["--top", str(N_CLASSES), "--model", f"{NAME}/1"]
    env = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
    said = {int(Path(one["file"]).stem): one["top"] for one in map(json.loads, done.stdout.splitlines())}
    return max(
        abs(float(load.answers[number][one["class"]]) - float(one["probability"]))
        for number in load.answers
        for one in said[number]
    )


if __name__ == "__main__":
    main()
