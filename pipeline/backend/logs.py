"""What TensorFlow logs: TensorBoard's files, if they cannot be written; and advice that helps nobody."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StorageError, one_line


def silence_retracing() -> None:
    """Drop TensorFlow's advice about a function that is traced again: each fold has a network of its own."""
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in str(record.msg)


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
