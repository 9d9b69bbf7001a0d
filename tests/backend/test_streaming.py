"""streaming: the batches of a feed, as TensorFlow takes them; and no XLA on a CPU."""

from typing import Any

import numpy as np
import pytest

from pipeline.backend.streaming import choose_jit, stream


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
    streamed = stream(fed)
    assert streamed.options().autotune.enabled is False
    assert int(streamed.cardinality()) == 3
    assert streamed.element_spec[0]["pictures"] == tf.TensorSpec((None, 2, 2, 1), tf.uint8)
    for epoch in range(2):
        fed.epoch = epoch
        got = [(int(x["pictures"][0, 0, 0, 0]), len(y)) for x, y in streamed]
        assert got == [(10 * epoch + number, 4 - number) for number in range(3)]


def test_on_a_cpu_tensorflow_has_no_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_DEVICE", "cpu")
    assert choose_jit() is False
