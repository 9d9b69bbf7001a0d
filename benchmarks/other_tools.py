"""How each tool is run on a poisoned collection, and what it did with each planted fault.

Of a file that was planted, a tool names it (its name stands in what the user sees), skips it (the tool does
not load it, and names it nowhere), or takes it (it is in the train or validation part, and named nowhere).
"""

import ast
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.poison import BROKEN, COPY, KINDS, Planted, Poisoned

SCRIPTS = Path(__file__).resolve().parent / "others_scripts"
TIMEOUT_S = 1800
EPOCHS = {"YOLO": 10, "AutoGluon": 5, "fastai": 5, "Keras": 10}
REPORT = "report.json"
N_PROBE = 30  # sound pictures a class beside the files of one kind, to see whether that kind ends a script
MAY_END = (*BROKEN, "16-bit TIFF", "float TIFF", "CMYK JPEG")


class Said(NamedTuple):
    """How a command ended, what it printed, and how long it took."""

    code: int
    output: str
    seconds: float


class Outcome(NamedTuple):
    """What a tool did with the collection."""

    found: dict[str, str]  # a sentence for each kind of fault
    shortcut: bool  # named to the user
    ends: list[str]  # the kinds on which its script ends; they were taken out by hand, and it ran again
    n_split_pairs: int  # near-copies on the other side of its own split than their original
    n_pairs: int
    claimed: tuple[float, int]
    right: list[bool]  # of the test set
    broken: dict[str, str]
    seconds: float
    n_lines: int
    weights: str


class Trained(NamedTuple):
    """A training that came to its end, as a tool reports it; paths as "class/file"."""

    output: str
    train: set[str]
    val: set[str]
    claimed: float
    answers: dict[str, str]
    broken: dict[str, str]
    seconds: float


class ToolError(Exception):
    """A tool could not be measured: the reason."""


def call(command: list[str], folder: Path, **env: str) -> Said:
    """Run a command in a folder, with what it says also in said.txt; returns however it ends.

    Raises:
        ToolError: it runs longer than `TIMEOUT_S`, or is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    whole = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | env
    try:
        done = subprocess.run(
            command, cwd=folder, env=whole, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"it ran longer than {TIMEOUT_S // 60} minutes") from None
    except FileNotFoundError:
        raise ToolError(f"{Path(command[0]).name} is not installed: make bench-others") from None
    said = Said(done.returncode, done.stdout + done.stderr, time.perf_counter() - start)
    with (folder / "said.txt").open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n{said.output}\nexit status {said.code}\n")
    return said


def measure(tool: "Tool", made: Poisoned, work: Path) -> Outcome:
    """Train on the collection; where that ends early, find the kinds that end it, and train without them."""
    trained = tool.train(made.collection, work / "all")
    ends: list[str] = []
    if isinstance(trained, str):
        ends = [kind for kind in MAY_END if ends_with(tool, made, kind, work / kind.replace(" ", "_"))]
        if not ends:
            raise ToolError(f"it ended with: {last_line(trained)}")
        crash, folder = trained, work / "rest" / "collection"
        leave_out(made, set(ends), folder)
        trained = tool.train(folder, work / "again")
        if isinstance(trained, str):
            raise ToolError(f"without {', '.join(ends)} it ended with: {last_line(trained)}")
        trained = trained._replace(output=crash + trained.output)
    pairs = [fault for fault in made.planted if fault.kind == COPY]
    parts = [(trained.train, trained.val), (trained.val, trained.train)]
    split = [pair for pair in pairs if any(pair.path in a and pair.original in b for a, b in parts)]
    return Outcome(
        found={kind: describe(kind, made.planted, trained, kind in ends) for kind in KINDS},
        shortcut="PNG" in trained.output,
        ends=ends,
        n_split_pairs=len(split),
        n_pairs=len(pairs),
        claimed=(trained.claimed, len(trained.val)),
        right=[Path(path).parent.name == answer for path, answer in trained.answers.items()],
        broken=trained.broken,
        seconds=trained.seconds,
        n_lines=tool.n_lines,
        weights=tool.weights,
    )


def ends_with(tool: "Tool", made: Poisoned, kind: str, work: Path) -> bool:
    """Whether some sound pictures and the files of one kind end the script."""
    planted = {fault.path for fault in made.planted}
    for label in sorted(made.collection.iterdir()):
        sound = [path for path in sorted(label.iterdir()) if f"{label.name}/{path.name}" not in planted]
        for path in sound[-N_PROBE:]:
            copy_file(path, work / "collection" / label.name / path.name)
    for fault in made.planted:
        if fault.kind == kind:
            copy_file(made.collection / fault.path, work / "collection" / fault.path)
    return tool.ends_early(work / "collection", work / "run")


def leave_out(made: Poisoned, kinds: set[str], folder: Path) -> None:
    """A copy of the collection without the files of some kinds."""
    shutil.copytree(made.collection, folder)
    for fault in made.planted:
        if fault.kind in kinds:
            (folder / fault.path).unlink()


def describe(kind: str, planted: list[Planted], trained: Trained, is_end: bool) -> str:
    """What became of the files of one kind."""
    faults = [fault for fault in planted if fault.kind == kind]
    named = [fault for fault in faults if is_named(fault, trained.output)]
    if is_end:
        return f"ends the script, names {len(named)} of {len(faults)}"
    loaded = trained.train | trained.val
    became = Counter(
        "named" if fault in named else "taken" if fault.path in loaded else "skipped" for fault in faults
    )
    return ", ".join(f"{word} {n}/{len(faults)}" for word, n in became.most_common())


def is_named(fault: Planted, output: str) -> bool:
    names = [Path(path).name for path in (fault.path, fault.original) if path]
    return any(re.search(rf"\b{re.escape(name)}\b", output) for name in names)


def last_line(output: str) -> str:
    return next((line for line in reversed(output.splitlines()) if line.strip()), "nothing")[:200]


def copy_file(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def count_lines(script: Path) -> int:
    """Lines of code: without blank lines, comments and the docstring."""
    body = ast.parse(script.read_text(encoding="utf-8")).body[1:]
    return len({line for node in body for line in range(node.lineno, (node.end_lineno or 0) + 1)})


def short(path: str | Path) -> str:
    return f"{Path(path).parent.name}/{Path(path).name}"


class Tool:
    """A tool in an environment of its own."""

    weights = "the ImageNet weights of Darkroom"
    n_lines = 1

    def __init__(self, environments: Path, test: Path, broken: Path) -> None:
        self.environments, self.test, self.broken = environments.absolute(), test, broken

    def train(self, collection: Path, work: Path) -> Trained | str:
        """What came of it, or what the script said that ended early."""
        raise NotImplementedError

    def ends_early(self, collection: Path, work: Path) -> bool:
        """Whether a training of one epoch ends early."""
        raise NotImplementedError


class Scripted(Tool):
    """A tool that its user drives by a Python script."""

    def __init__(self, environments: Path, test: Path, broken: Path, *, name: str, network: Path) -> None:
        super().__init__(environments, test, broken)
        self.name, self.network = name, network
        self.script = SCRIPTS / f"with_{name.lower()}.py"
        own = self.environments / name.lower() / "bin" / "python"
        self.python = Path(sys.executable) if name == "Keras" else own
        self.n_lines = count_lines(self.script)

    def train(self, collection: Path, work: Path) -> Trained | str:
        said = self.run_script(collection, work, test=str(self.test), n_epochs=EPOCHS[self.name])
        if said.code:
            return said.output
        found = json.loads((work / REPORT).read_text(encoding="utf-8"))
        train, val = ({short(path) for path in found[part]} for part in ("train", "val"))
        rest = {name: found[name] for name in ("claimed", "answers", "broken", "seconds")}
        return Trained(said.output, train, val, **rest)

    def ends_early(self, collection: Path, work: Path) -> bool:
        return self.run_script(collection, work, test="", n_epochs=1).code != 0

    def run_script(self, collection: Path, work: Path, *, test: str, n_epochs: int) -> Said:
        watched = [self.name, str(self.script), str(work / REPORT), test, str(self.broken)]
        arguments = [str(collection), str(self.network), str(n_epochs)]
        command = [str(self.python), str(SCRIPTS / "watch.py"), *watched, *arguments]
        return call(command, work, HF_HUB_OFFLINE="1")


class Yolo(Tool):
    """`yolo classify train`. It is AGPL: run by its command, in an environment of its own, never imported."""

    weights = "from scratch: its weights could not be downloaded here"

    def train(self, collection: Path, work: Path) -> Trained | str:
        said = self.run_training(collection, work, EPOCHS["YOLO"])
        if said.code:
            return said.output
        split = collection.with_name(f"{collection.name}_split")
        ignored = set(re.findall(r"(\S+): ignoring corrupt", said.output))
        train, val = (
            {short(path) for path in (split / part).glob("*/*") if str(path) not in ignored}
            for part in ("train", "val")
        )
        model = f"model={work / 'run' / 'weights' / 'best.pt'}"
        answers = dict(ANSWERED.findall(self.answer(work, model, f"source={self.test}/**/*.jpg").output))
        broken = {path.name: self.ask_broken(work, model, path) for path in sorted(self.broken.iterdir())}
        return Trained(said.output, train, val, read_best(work), answers, broken, said.seconds)

    def ends_early(self, collection: Path, work: Path) -> bool:
        return self.run_training(collection, work, 1).code != 0

    def run_training(self, collection: Path, work: Path, n_epochs: int) -> Said:
        what = [f"data={collection}", "model=yolo11n-cls.yaml", f"epochs={n_epochs}", "imgsz=224"]
        return self.command(work, "train", *what, f"project={work}", "name=run")

    def answer(self, work: Path, model: str, source: str) -> Said:
        return self.command(work, "predict", model, source, "imgsz=224", "save=False")

    def ask_broken(self, work: Path, model: str, path: Path) -> str:
        said = self.answer(work, model, f"source={path}")
        if answered := ANSWERED.findall(said.output):
            return f"guess: {answered[0][1]}"
        if "Traceback" in said.output:
            return f"crash: {last_line(said.output)}"
        lines = (line for line in said.output.splitlines() if path.name in line)
        return f"error: {next(lines, 'nothing').replace(str(path), path.name)}"

    def command(self, work: Path, mode: str, *arguments: str) -> Said:
        yolo = str(self.environments / "yolo" / "bin" / "yolo")
        quiet = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(work)}
        return call([yolo, "classify", mode, *arguments], work, **quiet)


def read_best(work: Path) -> float:
    """The accuracy of the epoch that YOLO keeps: the best on its validation part."""
    with (work / "run" / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        return max(float(row["metrics/accuracy_top1"]) for row in rows)


ANSWERED = re.compile(r"image \d+/\d+ (\S+): \d+x\d+ (\w+) \d")
