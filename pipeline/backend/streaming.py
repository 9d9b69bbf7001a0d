"""Batches as the backend takes them best, and compiled as it computes them best."""

from collections.abc import Iterator
from typing import Any

from pipeline.backend.device import list_gpus


def stream(fed: Any) -> Any:
    """A `keras.utils.PyDataset`, its batches gathered ahead by a thread, as the backend takes it best.

    TensorFlow gets a tf.data.Dataset without autotuning, which Keras would switch on. Its thread sleeps for
    10 ms, 20 ms, 40 ms ... and an epoch that is over waits for it to wake: up to as long again as it took.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return fed
    import tensorflow as tf

    def gathered() -> Iterator[Any]:
        return map(fed.__getitem__, range(len(fed)))

    def spec(array: Any) -> Any:
        return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

    options = tf.data.Options()
    options.autotune.enabled = False
    signature = tf.nest.map_structure(spec, fed[0])
    batches = tf.data.Dataset.from_generator(gathered, output_signature=signature)
    return batches.prefetch(2).apply(tf.data.experimental.assert_cardinality(len(fed))).with_options(options)


def choose_jit() -> bool | str:
    """For `model.compile`: XLA on one GPU only (on a CPU it is 2 to 5 times slower); JAX decides for itself.

    Inside `share_batches` Keras would warn, and go on without it.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return bool(list_gpus()) and tf.distribute.get_strategy().num_replicas_in_sync == 1
