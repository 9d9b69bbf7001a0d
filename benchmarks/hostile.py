"""Hostile inputs: small files that are made to exhaust, crash or mislead whoever reads them.

Each is written by code and read by the real entry, in a process of its own: a source is opened and streamed,
an image is looked at by validate's workers and developed, and so on; some are given to `darkroom predict`.
Prints what happened, the CPU seconds (so load does not change them) and the peak memory of its largest
process. Wrong is a traceback, two minutes by the clock, more than 20 s of CPU time, more than 1 GB, a message
of more than 2,000 characters, or one of several lines.

Run: python -m benchmarks.hostile [--only WORD]
"""

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.hostile_files import list_cases
from pipeline.errors import DarkroomError
from pipeline.params_file import load_params
from pipeline.paths import Paths, project_root

MAX_SECONDS, MAX_MB, MAX_CHARACTERS, GIVE_UP_SECONDS = 20, 1024, 2000, 120
ROOT = project_root(Path(__file__).parent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    parser.add_argument("--make", nargs=2, metavar=("NUMBER", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=2, metavar=("ENTRY", "PATH"), help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.read:
        read(said.read[0], Path(said.read[1]))
        return
    if said.make:
        print(list_cases()[int(said.make[0])][2](Path(said.make[1])))
        return
    cases = [(i, name, entry) for i, (name, entry, _) in enumerate(list_cases()) if said.only in name]
    print(f"{'case':<38}{'entry':<12}{'s':>6}{'MB':>7}  outcome")
    n_wrong = sum(try_case(*case) for case in cases)
    print(f"{len(cases)} inputs, {n_wrong} wrong")
    sys.exit(bool(n_wrong))


def try_case(number: int, name: str, entry: str) -> bool:
    """Print what one input does; returns whether that is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: Linux counts what a parent holds as the peak of its children.
        make = [sys.executable, "-m", "benchmarks.hostile", "--make", str(number), folder]
        made = subprocess.run(make, cwd=ROOT, check=True, capture_output=True, text=True)
        path = Path(made.stdout.splitlines()[-1])
        code, seconds, megabytes, output = run(build_command(entry, path, Path(folder)))
    lines = [line for line in output.splitlines() if line]
    said = lines[-1] if lines else ""
    faults = {
        "TRACEBACK": "Traceback" in output or code < 0 or code > 1,
        "SLOW": seconds > MAX_SECONDS,
        "MEMORY": megabytes > MAX_MB,
        "LINES": code == 1 and not said.startswith("error: "),
        "LONG": len(said) > MAX_CHARACTERS,
    }
    wrong = " ".join(fault for fault, is_so in faults.items() if is_so)
    shown = said.replace(folder, "").encode("ascii", "replace").decode()
    print(f"{name[:37]:<38}{entry:<12}{seconds:>6.1f}{megabytes:>7.0f}  {wrong}{shown[:150]}", flush=True)
    return bool(wrong)


def build_command(entry: str, path: Path, folder: Path) -> list[str]:
    if entry == "predict":
        code = "from benchmarks.hostile import predict; import sys; predict(*sys.argv[1:])"
        return [sys.executable, "-c", code, str(path), str(folder)]
    return [sys.executable, "-m", "benchmarks.hostile", "--read", entry, str(path)]


def run(command: list[str]) -> tuple[int, float, float, str]:
    """Exit code, CPU seconds, peak MB of its largest process, and output of a command."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, process_group=0
        )
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(GIVE_UP_SECONDS)
        _, status, usage = os.wait4(process.pid, 0)
        signal.alarm(0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def read(entry: str, path: Path) -> None:
    """Read one input as the pipeline does, and print in one line what came of it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        print(READERS[entry](path))
    except DarkroomError as error:
        print(f"error: {error}")
        sys.exit(1)


def read_source(path: Path) -> str:
    from pipeline.sources import open_source
    from pipeline.stages.validate import build_manifest

    params = load_params(Paths(ROOT).params)
    source = open_source(path, params.data)
    manifest = build_manifest(source, params)
    reasons = sorted(
        {f"{r['reason']}: {r['detail']}" for r in manifest.select(["reason", "detail"]).to_pylist()}
    )
    return f"{len(manifest)} files in {len(source.labels)} classes: {'; '.join(reasons)[:300]}"


def read_image(path: Path) -> str:
    """As one file of a collection, and as a picture that is to be predicted."""
    from pipeline.errors import ImageError
    from pipeline.images.picture import develop
    from pipeline.images.recipe import Recipe

    folder = path.parent / "in" / "A"
    folder.mkdir(parents=True)
    path.rename(folder / path.name)
    looked = read_source(path.parent / "in")
    section = load_params(Paths(ROOT).params)
    recipe = Recipe.from_params(
        section.clean, formats=section.validate_.formats, max_pixels=section.validate_.max_pixels
    )
    try:
        return f"{looked}; developed {develop((folder / path.name).read_bytes(), recipe).shape}"
    except ImageError as error:
        return f"{looked}; {error}"


def read_params(path: Path) -> str:
    return str(load_params(path))


def read_overrides(path: Path) -> str:
    from pipeline.collection import overrides

    return f"{len(overrides.read_overrides(path))} decisions"


def read_json(path: Path) -> str:
    from pipeline import json_file

    return str(json_file.read_json(path, "split"))[:100]


def read_classifier(path: Path) -> str:
    from pipeline.serving.classifier import Classifier

    return str(Classifier.load(path).class_names)


def predict(path: str, folder: str) -> None:
    """`darkroom predict` on an input, by a classifier that is made here."""
    from benchmarks.hostile_models import keras_archive
    from pipeline.cli import app

    classifier = keras_archive(lambda files: None)(Path(folder))
    sys.argv = ["darkroom", "predict", path, "--model", str(classifier)]
    app.main()


READERS = {
    "source": read_source,
    "image": read_image,
    "params": read_params,
    "overrides": read_overrides,
    "json": read_json,
    "classifier": read_classifier,
}


if __name__ == "__main__":
    main()
