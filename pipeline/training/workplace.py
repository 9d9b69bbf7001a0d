"""What a process of another machine needs so that it computes the same bits as this one.

Importing this imports no Keras: `enter` comes before it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.backend import device, gpu_memory
from pipeline.backend.device import describe_machine, set_up_device
from pipeline.errors import WorkersError
from pipeline.workers.errands import check_same

_VARIABLES = ("KERAS_BACKEND", device.VARIABLE, gpu_memory.VARIABLE, "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS")
# Threads of TensorFlow and of XLA: sums depend on how many there are, by default one a core of the machine.
_THREADS = ("TF_NUM_INTRAOP_THREADS", "NPROC")


@dataclass(frozen=True)
class Workplace:
    """The place of a computation.

    Attributes:
        folder: the working folder, on a file system that all machines share.
        variables: of the environment.
        machine: as `describe_machine` tells it.
        n_cores: cores that the computation may use.
    """

    folder: str
    variables: Mapping[str, str]
    machine: Mapping[str, Any]
    n_cores: int

    @classmethod
    def describe(cls, machine: Mapping[str, Any] | None = None) -> Self:
        """That of this process.

        Args:
            machine: as `describe_machine` tells it; None: it is asked, so that the device must be set up.
        """
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        known = {name: os.environ[name] for name in (*_VARIABLES, *_THREADS) if name in os.environ}
        variables = dict.fromkeys(_THREADS, str(n_cores)) | known
        return cls(str(Path.cwd()), variables, machine or describe_machine(), n_cores)

    @property
    def n_gpus(self) -> int:
        """GPUs that the computation uses."""
        return int(self.machine["n_devices"]) if self.machine["device"] == "gpu" else 0

    def enter(self) -> None:
        """Make this process compute as at this place; Keras must not be imported yet.

        Raises:
            WorkersError: the folder is not there, or this machine would compute other bits.
            ModelError: as `set_up_device`.
        """
        if not Path(self.folder).is_dir():
            raise WorkersError(
                f"{self.folder} is not there; every machine must find the project at the same path"
            )
        os.chdir(self.folder)
        for name in (*_VARIABLES, *_THREADS):
            os.environ.pop(name, None)
        os.environ.update(self.variables)
        set_up_device()
        check_same(describe_machine(), self.machine)
