"""ahead: the batches of a feed in order, each prepared by a thread before it is asked for."""

import threading
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.backend.ahead import Ahead, send_to_device


class Fed(keras.utils.PyDataset):  # type: ignore[misc]
    """Five batches that say their epoch and number; each says when it is gathered."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0
        self.gathered = [threading.Event() for _ in range(5)]
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return 5

    def __getitem__(self, number: int) -> int:
        if number == 3 and self.epoch == 2:
            raise OSError("shard 3 is gone")
        self.threads.add(threading.current_thread().name)
        self.gathered[number].set()
        return 10 * self.epoch + number


def test_batches_come_in_order_and_each_epoch_anew() -> None:
    fed = Fed()
    ahead = Ahead(fed, is_sent=False)
    assert len(ahead) == 5
    assert ahead[0] == 0, "Keras looks at the first batch before the first epoch"
    for epoch in (1, 3, 4):
        fed.epoch = epoch
        assert [ahead[i] for i in range(5)] == [10 * epoch + i for i in range(5)]


def test_the_next_two_are_gathered_by_a_thread_before_they_are_asked_for() -> None:
    fed = Fed()
    ahead = Ahead(fed, is_sent=False)
    assert ahead[0] == 0
    assert fed.gathered[2].wait(10)
    assert not fed.gathered[3].is_set()
    assert [ahead[1], ahead[4]] == [1, 4]
    assert {name.startswith("batches") for name in fed.threads} == {True}


def test_an_error_comes_where_its_batch_is_asked_for() -> None:
    fed = Fed()
    fed.epoch = 2
    ahead = Ahead(fed, is_sent=False)
    assert [ahead[0], ahead[1], ahead[2]] == [20, 21, 22]
    with pytest.raises(OSError, match="shard 3 is gone"):
        ahead[3]


def test_what_comes_twice_is_sent_once() -> None:
    pytest.importorskip("jax")
    labels = np.ones((2, 3), np.float32)
    sent: Any = send_to_device(({"pictures": np.zeros((2, 4), np.uint8), "labels": labels}, labels))
    assert sent[0]["labels"] is sent[1]
    np.testing.assert_array_equal(sent[1], labels)
    assert sent[0]["pictures"].dtype == np.uint8
