"""Hundreds of faults in the real chain: writes that fail, and kills at work. Prints what was lost or wrong.

Each fault meets a stage that begins anew, at one of its calls to the system below data/, .darkroom/ or
mlflow/: the n-th write, sync, rename, memory map, change of size, opening, new folder or removal. Then the
stage runs again undisturbed. Right is: code 1 with one line of error (or none, and all outputs whole),
nothing half-written, then the same bytes as without a fault, no run left RUNNING in MLflow, and for `promote`
one finished row, which the champion is of.

Run: python -m benchmarks.faults [--kinds errors kills] [--stages train promote] [--share 0.1] [--verbose]
Cost: about 4 s a fault on two cores; the whole 40 minutes.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.paths import STAGES
from tests.faults import KINDS, Fault, Outcome, Stand, build_shim, spread
from tests.warm import warm_commands

REPO = Path(__file__).resolve().parents[1]
# Faults per stage, by where they strike. `promote` writes two files into data/, and nearly all into MLflow.
N_ERRORS = {"data": 30, "cache": 30}
N_KILLS = {"data": 20, "cache": 40, "mlflow": 20}
PROMOTE = {"errors": {"data": 6, "mlflow": 30}, "kills": {"data": 6, "mlflow": 64}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", choices=("errors", "kills"), default=["errors", "kills"])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--share", type=float, default=1.0, help="of the faults")
    parser.add_argument("--verbose", action="store_true", help="a line for each fault")
    asked = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shim = build_shim(Path(folder))
        if shim is None:
            sys.exit("a compiler for C is needed: Debian's package gcc")
        with warm_commands(Path(folder) / "warm", shim) as warm:
            stages = [stage for stage in STAGES if stage in asked.stages]
            stand = Stand.make(REPO, Path(folder), warm, stages)
            outcomes = list(try_all(stand, stages, asked.kinds, asked.share, is_verbose=asked.verbose))
    print_table(outcomes)
    print(f"{len(outcomes)} faults in {time.monotonic() - start:.0f} s")
    sys.exit(any(outcome.wrong for outcome in outcomes))


def try_all(
    stand: Stand, stages: Sequence[str], kinds: Sequence[str], share: float, *, is_verbose: bool
) -> Iterator[Outcome]:
    for stage in stages:
        for kind in kinds:
            for fault in choose_faults(stand, stage, kind, share):
                outcome = stand.try_fault(fault)
                if not outcome.ended.n_faults:
                    print(f"{fault}: not met, as this run made fewer calls; not counted", flush=True)
                    continue
                if is_verbose or outcome.wrong:
                    said = "; ".join(outcome.wrong) or f"as it must be, code {outcome.ended.code}"
                    print(f"{fault} ({Path(outcome.ended.path).name}): {said}", flush=True)
                yield outcome


def choose_faults(stand: Stand, stage: str, kind: str, share: float) -> Iterator[Fault]:
    numbers = PROMOTE[kind] if stage == "promote" else N_ERRORS if kind == "errors" else N_KILLS
    for where, n in numbers.items():
        if where != "cache" or stage == "train":  # it alone has one
            n_asked = max(1, round(n * share))
            yield from spread(stand, stage, where, n_asked, kinds=KINDS, kill=kind == "kills")


def print_table(outcomes: Sequence[Outcome]) -> None:
    table: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        kind = "kill" if outcome.fault.how.startswith("kill") else "error"
        row = table[outcome.fault.stage, f"{kind} in {outcome.fault.where}", outcome.fault.kind]
        row["n"] += 1
        row["lost"] += outcome.is_lost
        row["wrong"] += bool(outcome.wrong)
        row["traceback"] += "Traceback" in outcome.ended.said
    columns = ("n", "lost", "wrong", "traceback")
    print(f"{'stage':<10} {'fault':<16} {'call':<8}", *(f"{name:>9}" for name in columns))
    for (stage, what, call), row in table.items():
        print(f"{stage:<10} {what:<16} {call:<8}", *(f"{row[name]:>9}" for name in columns))
    total = sum(table.values(), Counter())
    print(f"{'all':<36}", *(f"{total[name]:>9}" for name in columns))


if __name__ == "__main__":
    main()
