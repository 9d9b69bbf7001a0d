"""Batches that a thread prepares while the device computes, for backends without tf.data."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras

_N_AHEAD = 2  # batches


class Ahead(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of `fed`, in order: while one is used, a thread gathers the next ones and sends them off.

    The first batch of an epoch is asked for anew, so the order of `fed` may change between epochs.

    Args:
        fed: a `keras.utils.PyDataset`.
        is_sent: whether batches go to JAX's device here; False where Keras divides them between devices.
    """

    def __init__(self, fed: Any, *, is_sent: bool) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._fed, self._is_sent = fed, is_sent
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._waiting: dict[int, Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._fed)

    def __getitem__(self, number: int) -> Any:
        if number not in self._waiting or number == 0:
            self._waiting.clear()
            self._waiting[number] = self._thread.submit(self._prepare, number)
        for following in range(number + 1, min(number + 1 + _N_AHEAD, len(self))):
            if following not in self._waiting:
                self._waiting[following] = self._thread.submit(self._prepare, following)
        return self._waiting.pop(number).result()

    def _prepare(self, number: int) -> Any:
        batch = self._fed[number]
        return send_to_device(batch) if self._is_sent else batch


def send_to_device(batch: Any) -> Any:
    """The arrays of a batch on JAX's device; one that comes twice is sent once."""
    import jax

    sent: dict[int, Any] = {}

    def send(array: Any) -> Any:
        if id(array) not in sent:
            sent[id(array)] = jax.device_put(array)
        return sent[id(array)]

    return keras.tree.map_structure(send, batch)
