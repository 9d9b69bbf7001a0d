"""workplace: another process computes as this one does, or not at all."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.backend.device import set_up_device
from pipeline.errors import WorkersError
from pipeline.training.workplace import Workplace

MACHINE = {"backend": "tensorflow", "device": "gpu", "n_devices": 2}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workplace:
    """This process's, in a folder of its own, and with two threads that the user asked for."""
    for name in ("NPROC", "XLA_FLAGS", "TF_NUM_INTRAOP_THREADS"):
        monkeypatch.setenv(name, "")  # taken back at the end
        monkeypatch.delenv(name)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    monkeypatch.chdir(tmp_path)
    set_up_device()
    return Workplace.describe()


def test_it_tells_the_cores_and_what_the_user_set(place: Workplace, tmp_path: Path) -> None:
    assert place.n_cores == len(os.sched_getaffinity(0))
    assert place.variables["NPROC"] == str(place.n_cores)
    assert place.variables["TF_NUM_INTRAOP_THREADS"] == "7"
    assert place.folder == str(tmp_path)
    assert place.n_gpus == 0
    assert replace(place, machine=MACHINE).n_gpus == 2


def test_who_enters_has_its_folder_and_variables(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("XLA_FLAGS", "--of=another")
    place.enter()
    assert str(Path.cwd()) == place.folder
    assert os.environ["NPROC"] == str(place.n_cores)
    assert "XLA_FLAGS" not in os.environ


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"folder": "/nowhere"}, "/nowhere is not there; every machine must find the project"),
        ({"machine": MACHINE}, "device cpu in place of gpu"),
    ],
)
def test_who_would_compute_other_bits_does_not_enter(
    other: dict[str, Any], said: str, place: Workplace
) -> None:
    with pytest.raises(WorkersError, match=said):
        replace(place, **other).enter()
