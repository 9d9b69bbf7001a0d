"""precision: bfloat16 where the machine multiplies in it, and what is asked for by name."""

import logging

import pytest

from pipeline.backend import precision
from pipeline.backend.device import name_processor
from pipeline.backend.precision import (
    BITS,
    multiplies_bfloat16,
    resolve_precision,
    use_precision,
    warn_where_emulated,
)

BF16 = "model name\t: Some CPU\nflags\t\t: fpu avx2 avx512_bf16\n"
PLAIN = "model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f not_avx512_bf16\n"


@pytest.mark.parametrize(
    ("cpuinfo", "has", "name"),
    [
        pytest.param(BF16, True, "Some CPU", id="avx512_bf16"),
        pytest.param(BF16.replace("avx512_bf16", "amx_bf16"), True, "Some CPU", id="amx_bf16"),
        pytest.param(PLAIN, False, "Some CPU", id="neither, though a name contains one"),
    ],
)
def test_cpuinfo(cpuinfo: str, has: bool, name: str) -> None:
    assert multiplies_bfloat16(cpuinfo) is has
    assert name_processor(cpuinfo) == name


def test_no_cpuinfo() -> None:
    assert not multiplies_bfloat16("")


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
    monkeypatch.setattr(precision, "read_cpuinfo", lambda: cpuinfo)
    with caplog.at_level(logging.WARNING, "pipeline.backend.precision"):
        found = resolve_precision(choice)
        warn_where_emulated(found)
    assert found == policy
    assert found in BITS
    assert bool(caplog.records) is warns


def test_the_policy_holds_inside_only() -> None:
    import keras

    before = keras.config.dtype_policy().name
    with use_precision("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == before
    with pytest.raises(KeyError), use_precision("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == before
