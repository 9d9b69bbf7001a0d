"""How batches reach the backend, and whether the training step is compiled."""

from collections.abc import Iterator
from typing import Any

from pipeline.backend.device import list_gpus


def stream(fed: Any) -> Any:
    """A `keras.utils.PyDataset` in the form that suits the backend, with batches prepared ahead by a thread.

    TensorFlow gets a tf.data.Dataset without autotuning, which Keras would switch on. The autotuning thread
    sleeps for 10 ms, 20 ms, 40 ms and so on, and the end of an epoch waits for it: up to as long again as the
    epoch took.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        from pipeline.backend.ahead import Ahead

        return Ahead(fed, is_sent=keras.distribution.distribution() is None)
    import tensorflow as tf

    def gather_batches() -> Iterator[Any]:
        return map(fed.__getitem__, range(len(fed)))

    def spec(array: Any) -> Any:
        return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

    options = tf.data.Options()
    options.autotune.enabled = False
    signature = tf.nest.map_structure(spec, fed[0])
    batches = tf.data.Dataset.from_generator(gather_batches, output_signature=signature)
    return batches.prefetch(2).apply(tf.data.experimental.assert_cardinality(len(fed))).with_options(options)


def choose_jit() -> bool | str:
    """The `jit_compile` of `model.compile`: XLA on one GPU only (on a CPU it is 2 to 5 times slower).

    JAX decides for itself. Inside `share_batches` Keras would warn, and continue without XLA.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return bool(list_gpus()) and tf.distribute.get_strategy().num_replicas_in_sync == 1
