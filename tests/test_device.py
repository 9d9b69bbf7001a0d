"""device: what DARKROOM_DEVICE may say."""

import os

import pytest

from pipeline.device import set_up_device
from pipeline.errors import ModelError


@pytest.fixture(scope="module")
def has_gpu() -> bool:
    import keras

    return bool(keras.distribution.list_devices("gpu"))


@pytest.mark.parametrize("value", [pytest.param("auto", id="auto"), pytest.param("", id="empty"), "cpu"])
def test_without_a_gpu(value: str, has_gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if has_gpu and value != "cpu":
        pytest.skip("this machine has a GPU")
    monkeypatch.setenv("DARKROOM_DEVICE", value)
    assert set_up_device() == "cpu"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"]


def test_a_gpu_that_is_not_there(has_gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if has_gpu:
        pytest.skip("this machine has a GPU")
    monkeypatch.setenv("DARKROOM_DEVICE", "gpu")
    with pytest.raises(ModelError, match="DARKROOM_DEVICE=gpu, and Keras on tensorflow sees no GPU"):
        set_up_device()


def test_another_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_DEVICE", "tpu")
    with pytest.raises(ModelError, match="allowed are auto, cpu, gpu, got 'tpu'"):
        set_up_device()
