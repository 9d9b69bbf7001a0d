"""device: what DARKROOM_DEVICE may say, what computes here, several devices at once."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.backend import device
from pipeline.backend.device import set_up_device
from pipeline.errors import ModelError

# Trains on one, then on two virtual CPUs, for each number of pictures given: 48 in 3 batches, or 47 in
# batches of 16, 16, 15. What was found, or the error, is a line of JSON each.
TRAINING = """
import json, sys, tempfile
import numpy as np
from pipeline.backend.device import describe_machine, set_up_device, share_batches
from pipeline.backend.precision import resolve_precision
from pipeline.backend.streaming import choose_jit

set_up_device()
import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
rng = np.random.default_rng(0)

class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y
    def __len__(self):
        return 3
    def __getitem__(self, i):
        j = np.array_split(np.arange(len(self.y)), 3)[i]
        return self.x[j], np.eye(3, dtype="float32")[self.y[j]], np.ones(len(j), "float32")

def train(devices, x, y):
    keras.utils.set_random_seed(0)
    called = []
    with share_batches(devices) as n_replicas:
        model = keras.Sequential([
            keras.Input((8, 8, 1), dtype="uint8"), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
            keras.layers.Dense(3),
        ])
        model.compile(keras.optimizers.SGD(0.05), keras.losses.CategoricalCrossentropy(from_logits=True),
                      jit_compile=choose_jit())
        callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: called.append(epoch))
        history = model.fit(Batches(x, y), validation_data=Batches(x, y), epochs=3, verbose=0, shuffle=False,
                            callbacks=[callback]).history
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        is_same = np.allclose(keras.models.load_model(f"{folder}/model.keras")(x), model(x), atol=1e-5)
    return n_replicas, model, history, called, bool(is_same)

def compare(n):
    y = rng.integers(0, 3, n)
    x = (rng.integers(0, 80, (n, 8, 8, 1)) + y[:, None, None, None] * 80).astype("uint8")
    one, two = train(["cpu:0"], x, y), train(["cpu:0", "cpu:1"], x, y)
    apart = max(float(np.abs(a - b).max()) for a, b in zip(one[1].get_weights(), two[1].get_weights()))
    return {"replicas": [one[0], two[0]], "apart": apart, "loss": two[2]["loss"],
            "val_loss": two[2]["val_loss"], "called": two[3], "saved": two[4],
            "left": keras.distribution.distribution() is None, "on": describe_machine(),
            "auto": resolve_precision("auto"), "jit": str(choose_jit())}

for n in map(int, sys.argv[1:]):
    try:
        print(json.dumps(compare(n)))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}",
                          "left": keras.distribution.distribution() is None}))
"""

Train = Callable[..., dict[int, dict[str, Any]]]


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
    with pytest.raises(ModelError, match="DARKROOM_DEVICE=gpu, but Keras on tensorflow sees no GPU"):
        set_up_device()


SET_UP = """
from pipeline.backend.device import describe_machine, list_gpus, set_up_device
from pipeline.errors import ModelError
try:
    print(set_up_device(), list_gpus(), describe_machine()["device"])
except ModelError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        pytest.param("", "cpu [] cpu", id="any device"),
        pytest.param("gpu", "DARKROOM_DEVICE=gpu, but Keras on jax sees no GPU", id="a GPU"),
    ],
)
def test_jax_without_a_gpu(choice: str, said: str) -> None:
    """Asked for its GPUs, JAX raises where there are none. 5 s each."""
    settings = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "DARKROOM_DEVICE": choice}
    command = [sys.executable, "-c", SET_UP]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(said), done.stderr


def test_another_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_DEVICE", "tpu")
    with pytest.raises(ModelError, match="allowed are auto, cpu, gpu, got 'tpu'"):
        set_up_device()


def test_the_name_of_the_processor() -> None:
    assert device.name_processor("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu\n") == "Some CPU"
    assert device.name_processor("")


def test_on_a_cpu_there_is_one_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_DEVICE", "cpu")
    with device.share_batches() as n_replicas:
        assert n_replicas == 1
    assert device.describe_machine() == device.describe_machine()
    assert device.describe_machine()["device"] == "cpu"


@pytest.fixture(scope="module")
def trained() -> Train:
    """`trained("jax", 48, 47)`: what TRAINING in a process of its own found, by number; once for all tests.

    A backend and its virtual devices are chosen once in each process, and importing one takes seconds.
    """

    @functools.cache
    def train(backend: str, *numbers: int) -> dict[int, dict[str, Any]]:
        settings = {
            "KERAS_BACKEND": backend,
            "DARKROOM_DEVICE": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "NPROC": "8",  # threads of XLA: with two, two devices may wait for each other for ever
        }
        command = [sys.executable, "-c", TRAINING, *map(str, numbers)]
        done = subprocess.run(
            command, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()[-len(numbers) :]
        return dict(zip(numbers, map(json.loads, lines), strict=True))

    return train


# 34 s with TensorFlow, 12 s with JAX, on a busy machine. TensorFlow halves 15 pictures into 8 and 7, whose
# means weigh the same.
@pytest.mark.parametrize(
    ("backend", "numbers", "apart"),
    [
        pytest.param("tensorflow", (47,), 1e-2, id="tensorflow"),
        pytest.param("jax", (48, 47), 1e-5, id="jax"),
    ],
)
def test_two_devices_train_as_one_does(
    backend: str, numbers: tuple[int, ...], apart: float, trained: Train
) -> None:
    found = trained(backend, *numbers)[numbers[0]]
    assert "error" not in found, found
    assert found["replicas"] == [1, 2]
    assert found["apart"] < apart
    assert found["loss"][-1] < found["loss"][0]
    assert len(found["val_loss"]) == len(found["called"]) == 3
    assert found["saved"]
    assert found["left"]
    assert found["on"]["backend"] == backend
    assert backend == "tensorflow" or (found["auto"], found["jit"]) == ("float32", "auto")


def test_jax_refuses_a_batch_that_its_devices_do_not_divide(trained: Train) -> None:
    found = trained("jax", 48, 47)[47]
    assert "IndivisibleError" in found["error"]
    assert found["left"]
