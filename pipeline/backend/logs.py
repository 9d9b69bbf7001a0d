"""TensorBoard's logs, which TensorFlow writes on every backend: what happens if they cannot be written."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StorageError, one_line


@contextmanager
def translate_log_errors(folder: Path | None) -> Iterator[None]:
    """Turn what TensorFlow says while it writes logs to `folder` into a StorageError of one line.

    The training continues from its checkpoint when it runs again. With no folder, do nothing.
    """
    if folder is None:
        yield
        return
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        if "Summary" not in str(error):  # as in [Op:CreateSummaryFileWriter]
            raise
        why = one_line(ValueError(re.sub(r"\{\{.*?\}\}|\[Op:.*", "", error.message)))
        raise StorageError(
            f"{folder} cannot be written: {why}; make room or allow it, or set train.tensorboard to false, "
            "and run it again"
        ) from None
