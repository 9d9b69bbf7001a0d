"""Darkroom beside other tools on one collection with planted faults: what each finds, says and gets right.

Darkroom by `darkroom setup --yes` and `dvc repro`; `yolo classify train` of ultralytics (10 epochs at 224
pixels); AutoGluon MultiModal (preset medium_quality, 5 epochs); fastai (`fine_tune(5)`); Keras (a head on a
frozen network, 10 epochs). All else is left at its defaults. What their users would write is in
benchmarks/others_scripts. All but YOLO begin with the ImageNet weights of EfficientNet-Lite0 that Darkroom
uses: the Keras script loads the network from a file that is made here of Darkroom's own port.

Run: make bench-others, or python -m benchmarks.others [--tools Darkroom Keras] [--environments .bench]
Cost: half an hour to an hour on two shared cores. A tool whose environment is missing is "not measured".
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.copies import TOUM
from benchmarks.darkroom_itself import measure_darkroom
from benchmarks.other_tools import SCRIPTS, Outcome, Scripted, ToolError, Yolo, measure
from benchmarks.poison import BROKEN, KINDS, Poisoned, make_poisoned
from pipeline.backend.device import set_up_device
from pipeline.evidence.intervals import bound_share
from pipeline.models.efficientnet_lite0 import build_backbone, find_package_file

TOOLS = ["Darkroom", "YOLO", "AutoGluon", "fastai", "Keras"]
CONFIDENCE = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--classes", nargs="+", default=["Photo", "Schematics", "Text"])
    parser.add_argument("--pictures", type=int, default=60, help="of a class in the collection; at least 40")
    parser.add_argument("--test", type=int, default=100, help="of a class in the test set outside")
    parser.add_argument("--tools", nargs="+", default=TOOLS, choices=TOOLS)
    parser.add_argument("--environments", type=Path, default=Path(".bench"))
    parser.add_argument(
        "--keep", type=Path, help="a new folder for all that is made and said; else none is kept"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    columns = {}
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as folder:
        work = Path(folder).absolute()
        made = make_poisoned(
            options.source, work, classes=options.classes, n=options.pictures, n_test=options.test
        )
        broken = gather_broken(made, work / "broken")
        for name in options.tools:
            print(f"{name} ...", file=sys.stderr, flush=True)
            columns[name] = try_tool(name, made, broken, work / name, options.environments)
        n_files = sum(path.is_file() for path in made.collection.rglob("*"))
    print(f"{n_files} files, {len(made.planted)} of them planted; {3 * options.test} other pictures outside")
    rows = [["", *columns], *([name, *cells] for name, cells in lay_out(columns))]
    print_markdown(rows) if options.markdown else print_plain(rows)


def gather_broken(made: Poisoned, folder: Path) -> Path:
    """One file of each broken kind, named by its kind."""
    folder.mkdir()
    for kind in BROKEN:
        path = next(fault.path for fault in made.planted if fault.kind == kind)
        shutil.copyfile(made.collection / path, folder / f"{kind.replace(' ', '_').replace('.', '')}.jpg")
    return folder


def try_tool(name: str, made: Poisoned, broken: Path, work: Path, environments: Path) -> Outcome | str:
    """What a tool did on its own copy of the collection, or why it could not be measured."""
    shutil.copytree(made.collection, work / "collection")
    own = made._replace(collection=work / "collection")
    try:
        if name == "Darkroom":
            return measure_darkroom(own, broken, work)
        if name == "YOLO":
            return measure(Yolo(environments, made.test, broken), own, work)
        network = export_network(work) if name == "Keras" else name_weights(name, work, environments)
        tool = Scripted(environments, made.test, broken, name=name, network=network)
        return measure(tool, own, work)
    except ToolError as error:
        return f"not measured: {error}"


def export_network(work: Path) -> Path:
    """Darkroom's port of EfficientNet-Lite0 with its weights, as a file that Keras loads."""
    set_up_device()
    network = build_backbone(image_hw=(224, 224), channels=3, weights="imagenet")
    network.save(work / "network.keras")
    return work / "network.keras"


def name_weights(name: str, work: Path, environments: Path) -> Path:
    """The same weights as timm names them: a file for fastai, a folder for AutoGluon.

    Raises:
        ToolError: the environment of the tool is missing, or has no timm that fits.
    """
    python = environments.absolute() / name.lower() / "bin" / "python"
    if not python.exists():
        raise ToolError("it is not installed: make bench-others")
    command = [str(python), str(SCRIPTS / "timm_weights.py"), str(find_package_file()), str(work / "weights")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"its weights could not be named: {done.stderr[-200:]}")
    return work / "weights" / "pytorch_model.bin" if name == "fastai" else work / "weights"


def lay_out(columns: dict[str, Outcome | str]) -> list[tuple[str, list[str]]]:
    """Each row of the table: its name, and a cell for each tool."""

    def ask(cell: Callable[[Outcome], str]) -> list[str]:
        return ["-" if isinstance(one, str) else cell(one) for one in columns.values()]

    return [
        ("begins with", [one if isinstance(one, str) else one.weights for one in columns.values()]),
        ("script runs through", ask(lambda one: f"no: {', '.join(one.ends)}" if one.ends else "yes")),
        *((f"{n} x {kind}", ask(partial(name_found, kind))) for kind, n in KINDS.items()),
        ("shortcut: PNG is Schematics", ask(lambda one: "named" if one.shortcut else "not named")),
        ("near-copies across its split", ask(lambda one: f"{one.n_split_pairs} of {one.n_pairs}")),
        ("accuracy that it claims", ask(lambda one: describe_share(*one.claimed))),
        ("accuracy outside", ask(lambda one: describe_share(float(np.mean(one.right)), len(one.right)))),
        *((f"prediction of: {name}", cells) for name, cells in ask_broken(columns)),
        ("seconds", ask(lambda one: f"{one.seconds:.0f}")),
        ("lines to write", ask(lambda one: str(one.n_lines))),
    ]


def name_found(kind: str, one: Outcome) -> str:
    return one.found[kind]


def ask_broken(columns: dict[str, Outcome | str]) -> list[tuple[str, list[str]]]:
    """A row for each broken file that was to be predicted."""
    outcomes = [one for one in columns.values() if not isinstance(one, str)]
    names = sorted({name for one in outcomes for name in one.broken})
    return [
        (
            Path(name).stem.replace("_", " "),
            [
                "-" if isinstance(one, str) else one.broken.get(name, "nothing")[:60]
                for one in columns.values()
            ],
        )
        for name in names
    ]


def describe_share(share: float, n: int) -> str:
    """A share of right answers with its exact interval and the number of pictures."""
    n_right = round(share * n)
    right = np.repeat([1.0, 0.0], [n_right, n - n_right])
    found = bound_share(right, np.arange(n), confidence=CONFIDENCE)
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%}), n = {n}"


def print_markdown(rows: list[list[str]]) -> None:
    for number, row in enumerate(rows):
        print(f"| {' | '.join(row)} |")
        if number == 0:
            print(f"|{'---|' * len(row)}")


def print_plain(rows: list[list[str]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], box=SIMPLE)
    for row in rows[1:]:
        table.add_row(*row)
    Console(width=28 * len(rows[0])).print(table, markup=False)


if __name__ == "__main__":
    main()
