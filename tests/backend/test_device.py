"""device: what DARKROOM_DEVICE may say, precision, several devices at once."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backend import device
from pipeline.backend.device import set_up_device
from pipeline.errors import ModelError

BF16 = "model name\t: Some CPU\nflags\t\t: fpu avx2 avx512_bf16\n"
PLAIN = "model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f not_avx512_bf16\n"

# Trains on one, then on two virtual CPUs; 48 pictures in 3 batches, or 47 in batches of 16, 16, 15.
TRAINING = """
import json, sys
import numpy as np
from pipeline.backend import device

n = int(sys.argv[1])
device.set_up_device()
import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
rng = np.random.default_rng(0)
y = rng.integers(0, 3, n)
x = (rng.integers(0, 80, (n, 8, 8, 1)) + y[:, None, None, None] * 80).astype("uint8")

class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3
    def __getitem__(self, i):
        j = np.array_split(np.arange(n), 3)[i]
        return x[j], np.eye(3, dtype="float32")[y[j]], np.ones(len(j), "float32")

def trained(devices):
    keras.utils.set_random_seed(0)
    called = []
    with device.replicas(devices) as n_replicas:
        model = keras.Sequential([
            keras.Input((8, 8, 1), dtype="uint8"), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
            keras.layers.Dense(3),
        ])
        model.compile(keras.optimizers.SGD(0.05), keras.losses.CategoricalCrossentropy(from_logits=True),
                      jit_compile=device.jit_compile())
        callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: called.append(epoch))
        history = model.fit(Batches(), validation_data=Batches(), epochs=3, verbose=0, shuffle=False,
                            callbacks=[callback]).history
    model.save(sys.argv[2])
    same = np.allclose(keras.models.load_model(sys.argv[2])(x), model(x), atol=1e-5)
    return n_replicas, model, history, called, bool(same)

one, two = trained(["cpu:0"]), trained(["cpu:0", "cpu:1"])
apart = max(float(np.abs(a - b).max()) for a, b in zip(one[1].get_weights(), two[1].get_weights()))
print(json.dumps({"replicas": [one[0], two[0]], "apart": apart, "loss": two[2]["loss"],
                  "val_loss": two[2]["val_loss"], "called": two[3], "saved": two[4],
                  "left": keras.distribution.distribution() is None, "on": device.description(),
                  "auto": device.resolved_precision("auto"), "jit": str(device.jit_compile())}))
"""


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


@pytest.mark.parametrize(
    ("cpuinfo", "has", "name"),
    [
        pytest.param(BF16, True, "Some CPU", id="avx512_bf16"),
        pytest.param(BF16.replace("avx512_bf16", "amx_bf16"), True, "Some CPU", id="amx_bf16"),
        pytest.param(PLAIN, False, "Some CPU", id="neither, though a name contains one"),
    ],
)
def test_cpuinfo(cpuinfo: str, has: bool, name: str) -> None:
    assert device.multiplies_bfloat16(cpuinfo) is has
    assert device.processor_of(cpuinfo) == name


def test_no_cpuinfo() -> None:
    assert not device.multiplies_bfloat16("")
    assert device.processor_of("")


@pytest.mark.parametrize(
    ("cpuinfo", "choice", "policy", "warns"),
    [
        pytest.param(BF16, "auto", "mixed_bfloat16", False, id="auto with bfloat16"),
        pytest.param(PLAIN, "auto", "float32", False, id="auto without"),
        pytest.param(BF16, "float32", "float32", False, id="float32"),
        pytest.param(BF16, "mixed_bfloat16", "mixed_bfloat16", False, id="bfloat16"),
        pytest.param(PLAIN, "mixed_bfloat16", "mixed_bfloat16", True, id="bfloat16 without"),
        pytest.param(BF16, "mixed_float16", "mixed_float16", True, id="float16 on a CPU"),
    ],
)
def test_precision_on_a_cpu(
    cpuinfo: str,
    choice: str,
    policy: str,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("DARKROOM_DEVICE", "cpu")
    monkeypatch.setattr(device, "_cpuinfo", lambda: cpuinfo)
    with caplog.at_level(logging.WARNING, "pipeline.backend.device"):
        precision = device.resolved_precision(choice)
        device.warn_where_emulated(precision)
    assert precision == policy
    assert bool(caplog.records) is warns


def test_the_policy_holds_inside_only() -> None:
    import keras

    before = keras.config.dtype_policy().name
    with device.policy_scope("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == before
    with pytest.raises(KeyError), device.policy_scope("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == before


def test_on_a_cpu_tensorflow_has_no_xla_and_one_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_DEVICE", "cpu")
    assert device.jit_compile() is False
    with device.replicas() as n_replicas:
        assert n_replicas == 1
    assert device.description() == device.description()
    assert device.description()["device"] == "cpu"


def train(backend: str, n: int, folder: Path) -> "subprocess.CompletedProcess[str]":
    """TRAINING in a process of its own: a backend and its virtual devices are chosen once in each."""
    settings = {
        "KERAS_BACKEND": backend,
        "DARKROOM_DEVICE": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-c", TRAINING, str(n), str(folder / "model.keras")]
    return subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=120
    )


# 34 s with TensorFlow, 12 s with JAX, on a busy machine. TensorFlow halves 15 pictures into 8 and 7, whose
# means weigh the same.
@pytest.mark.parametrize(
    ("backend", "n", "apart"),
    [
        pytest.param("tensorflow", 47, 1e-2, id="tensorflow"),
        pytest.param("jax", 48, 1e-5, id="jax"),
    ],
)
def test_two_devices_train_as_one_does(backend: str, n: int, apart: float, tmp_path: Path) -> None:
    done = train(backend, n, tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["replicas"] == [1, 2]
    assert found["apart"] < apart
    assert found["loss"][-1] < found["loss"][0]
    assert len(found["val_loss"]) == len(found["called"]) == 3
    assert found["saved"]
    assert found["left"]
    assert found["on"]["backend"] == backend
    assert backend == "tensorflow" or (found["auto"], found["jit"]) == ("float32", "auto")


def test_jax_refuses_a_batch_that_its_devices_do_not_divide(tmp_path: Path) -> None:  # 24 s
    assert "IndivisibleError" in train("jax", 47, tmp_path).stderr


def test_streamed() -> None:
    """The same batches as the feed's, each epoch anew, and no autotuning to wait for when it is over."""
    import keras
    import tensorflow as tf

    class Fed(keras.utils.PyDataset):  # type: ignore[misc]
        epoch = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, number: int) -> tuple[dict[str, Any], Any]:
            pictures = np.full((4 - number, 2, 2, 1), 10 * self.epoch + number, np.uint8)
            return {"pictures": pictures}, np.ones(4 - number, np.float32)

    fed = Fed()
    streamed = device.streamed(fed)
    assert streamed.options().autotune.enabled is False
    assert int(streamed.cardinality()) == 3
    assert streamed.element_spec[0]["pictures"] == tf.TensorSpec((None, 2, 2, 1), tf.uint8)
    for epoch in range(2):
        fed.epoch = epoch
        got = [(int(x["pictures"][0, 0, 0, 0]), len(y)) for x, y in streamed]
        assert got == [(10 * epoch + number, 4 - number) for number in range(3)]
