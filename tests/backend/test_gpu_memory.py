"""gpu_memory: what the variable may say, and what TensorFlow and JAX are told. No GPU is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.backend import gpu_memory
from pipeline.backend.device import set_up_device
from pipeline.errors import ModelError

# TensorFlow's own configuration, with a GPU in its list that is not there; what it would hand to its runtime.
CONFIGURE = """
import json, os, sys
import tensorflow as tf
from tensorflow.python.eager import context
from pipeline.backend.gpu_memory import limit_gpus, limit_tensorflow, read_limit_mb

how = sys.argv[1]
if how == "too late":
    tf.constant(1)
inner = context.context()
inner._initialize_physical_devices()
gpus = [context.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(2)]
inner._physical_devices += gpus
inner._visible_device_list += gpus
inner._memory_growth_map |= dict.fromkeys(gpus)
if how == "in a stage":
    limit_tensorflow(tf.config, gpus, read_limit_mb())
else:
    limit_gpus()
options = inner._compute_gpu_options()
limits = [list(one.memory_limit_mb) for one in options.experimental.virtual_devices]
print(json.dumps([limits, options.allow_growth, os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH")]))
"""


@pytest.mark.parametrize(
    ("how", "said", "found"),
    [
        pytest.param("in a stage", "", [[], True, None], id="no-limit"),
        pytest.param("in a stage", "2048", [[[2048], [2048]], False, "true"], id="a-limit"),
        pytest.param("served", "2048", [[[2048], [2048]], False, "true"], id="a-limit-served"),
        pytest.param("too late", "2048", [[], False, "true"], id="a-limit-too-late"),
    ],
)
def test_tensorflow_grows_up_to_the_limit(how: str, said: str, found: list[Any]) -> None:
    environment = os.environ | {gpu_memory.VARIABLE: said, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_FORCE_GPU_ALLOW_GROWTH", None)
    command = [sys.executable, "-c", CONFIGURE, how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == found
    is_warned = "DARKROOM_GPU_MEMORY_MB is not kept: " in done.stderr
    assert is_warned == (how == "too late")


@pytest.mark.parametrize(
    ("said", "limit"),
    [pytest.param("", None, id="empty"), pytest.param("256", 256, id="least"), ("80000", 80000)],
)
def test_the_limit(said: str, limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpu_memory.VARIABLE, said)
    assert gpu_memory.read_limit_mb() == limit


@pytest.mark.parametrize(
    "said", ["255", "0", "-1", "4GB", "4096.0", " ", "1e4", "\u0664\u0660\u0660", "9" * 5000]
)
def test_a_limit_that_is_none_stops_before_anything_is_computed(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(gpu_memory.VARIABLE, said)
    with pytest.raises(
        ModelError, match="DARKROOM_GPU_MEMORY_MB must be a whole number of 256 or more"
    ) as caught:
        set_up_device()
    assert len(str(caught.value)) < 400


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of this name, alone on the path; to be written."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in gpu_memory._SHARES:
        monkeypatch.setenv(name, "")
    return tmp_path / "nvidia-smi"


def say(program: Path, text: str, code: int = 0) -> None:
    program.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("totals", "share"),
    [
        pytest.param("81920", "0.0250", id="one-gpu"),
        pytest.param("81920\n8192", "0.2500", id="the-smallest-counts"),
        pytest.param("1024", "1.0000", id="no-more-than-there-is"),
    ],
)
def test_jax_gets_a_share(totals: str, share: str, nvidia_smi: Path) -> None:
    say(nvidia_smi, totals)
    assert gpu_memory.has_nvidia()
    gpu_memory.limit_jax(2048)
    assert os.environ["XLA_CLIENT_MEM_FRACTION"] == share


def test_a_share_that_was_set_stays(nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", ".5")
    gpu_memory.limit_jax(2048)
    assert os.environ["XLA_CLIENT_MEM_FRACTION"] == ""


@pytest.mark.parametrize("said", [None, ("", 9), ("", 0), ("[N/A]", 0), ("0", 0)])
def test_an_unknown_memory_is_one_line(said: tuple[str, int] | None, nvidia_smi: Path) -> None:
    if said:
        say(nvidia_smi, *said)
    with pytest.raises(ModelError, match="set XLA_CLIENT_MEM_FRACTION instead, or use TensorFlow") as caught:
        gpu_memory.limit_jax(2048)
    assert "\n" not in str(caught.value)
