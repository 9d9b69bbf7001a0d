"""The registered model on trial: loaded as anybody loads it, it must answer what evaluate recorded.

It runs in a process of its own, by MLflow and the code packed with it, and is given test pictures as the
source holds them. So what is compared is all of the way from a file to probabilities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ModelError
from pipeline.evidence.samples import choose_sample
from pipeline.params import PromoteParams
from pipeline.promotion.originals import read_originals
from pipeline.promotion.state import State
from pipeline.serving.model_process import ModelProcess
from pipeline.tables.parquet import read_table
from pipeline.tables.predictions import PREDICTIONS

if TYPE_CHECKING:
    import pyarrow as pa

TOLERANCE = 1e-5  # of a probability
_FRONT = 4  # columns of an answer before those of the classes (serving/pyfunc.py)


@dataclass(frozen=True)
class Trial:
    """What a registered model did in a process of its own.

    Attributes:
        n: pictures that it was given, as files.
        fault: why it cannot be used, in words; "" if it can.
        cpu_ms: the processor time that 95 % of the pictures took at most, each asked for alone; nan without
            pictures. Time by the clock would depend on what else the machine does.
        megabytes: of its folder.
    """

    n: int
    fault: str
    cpu_ms: float
    megabytes: float


def try_model(folder: Path, state: State, n: int) -> Trial:
    """Give a registered model test pictures of a state, of every class, and compare its answers.

    Args:
        folder: of the model, as MLflow logged it.
        n: how many pictures at most.

    Raises:
        SourceError, PromotionError: the files of the pictures cannot be had.
    """
    expected = _choose_expected(state, n)
    files = dict(read_originals(state, expected["id"].to_pylist()))
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    try:
        with ModelProcess(folder) as process:
            fault = _find_difference(process, files, expected)
            cpu_ms = float("nan") if fault else _time_answers(process, list(files.values()))
    except ModelError as error:
        fault, cpu_ms = str(error), float("nan")
    return Trial(len(files), fault, cpu_ms, megabytes)


def measure_cpu(folder: Path, state: State, n: int) -> float:
    """As `Trial.cpu_ms`, of another registered model on the same pictures.

    Raises:
        ModelError: it cannot be loaded.
        SourceError, PromotionError: the files of the pictures cannot be had.
    """
    files = [data for _, data in read_originals(state, _choose_expected(state, n)["id"].to_pylist())]
    with ModelProcess(folder) as process:
        process.ask(files)
        return _time_answers(process, files)


def _choose_expected(state: State, n: int) -> "pa.Table":
    """What evaluate recorded of `n` test pictures."""
    table = read_table(state.paths.predictions, PREDICTIONS)
    y_true = table["y_true"].to_numpy().astype(np.int64)
    return table.take(choose_sample(table["id"].to_pylist(), y_true, n, purpose="trial"))


def _time_answers(process: ModelProcess, files: Sequence[bytes]) -> float:
    """The processor time that 95 % of files take at most, each asked for alone, in ms; nan without files."""
    seconds = []
    for file in files:
        start = process.measure_cpu()
        process.ask([file])
        seconds.append(process.measure_cpu() - start)
    return 1000 * float(np.quantile(seconds, 0.95)) if seconds else float("nan")


def find_faults(trial: Trial, params: PromoteParams) -> tuple[str, ...]:
    """What speaks against a model that was tried, in words."""
    faults = [f"the registered model cannot be used as it is: {trial.fault}"] if trial.fault else []
    if trial.megabytes > params.max_mb:
        size = f"{trial.megabytes:,.0f} MB, and promote.max_mb allows {params.max_mb:g}"
        faults.append(f"the registered model takes {size}")
    if trial.cpu_ms > params.max_ms:
        faults.append(
            f"the registered model takes {trial.cpu_ms:,.0f} ms of processor time for a picture (95 % of "
            f"{trial.n} took at most that), and promote.max_ms allows {params.max_ms:g}"
        )
    return tuple(faults)


def _find_difference(process: ModelProcess, files: Mapping[str, bytes], expected: "pa.Table") -> str:
    """How the answers to files differ from the recorded ones, in words; "" if they do not."""
    wanted = dict(zip(expected["id"].to_pylist(), expected["y_prob"].to_pylist(), strict=True))
    key_of = dict(zip(expected["id"].to_pylist(), expected["key"].to_pylist(), strict=True))
    rows = process.ask(list(files.values()))
    for id_, row in zip(files, rows, strict=True):
        if row["reason"]:
            return f"it refuses {key_of[id_]} ({row['reason']}), which evaluate answered"
        given, recorded = np.array([*row.values()][_FRONT:], np.float64), np.array(wanted[id_], np.float64)
        if given.shape != recorded.shape:
            return f"it tells {len(given)} classes apart, and evaluate's model {len(recorded)}"
        worst = float(np.abs(given - recorded).max())
        if not worst <= TOLERANCE:
            return (
                f"it answers {key_of[id_]} otherwise than evaluate did, by {worst:.2g} in a probability "
                f"(allowed: {TOLERANCE:g})"
            )
    return ""
