"""TensorBoard's logs that cannot be written are one line; other errors of TensorFlow keep their traceback."""

import logging
from pathlib import Path

import pytest

from pipeline.backend.logs import silence_retracing, translate_log_errors
from pipeline.errors import StorageError


def test_logs_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    import tensorflow as tf

    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "tensorboard"
    with (
        pytest.raises(StorageError, match=r"tensorboard cannot be written: .*; make room") as caught,
        translate_log_errors(folder),
    ):
        tf.summary.create_file_writer(str(folder / "train"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("has_logs", [False, True])
def test_other_errors_are_left_alone(tmp_path: Path, has_logs: bool) -> None:
    import tensorflow as tf

    folder = tmp_path / "tensorboard" if has_logs else None
    with pytest.raises(tf.errors.InvalidArgumentError), translate_log_errors(folder):
        tf.add(tf.constant([1.0, 2.0]), tf.constant([1.0, 2.0, 3.0]))


def test_advice_about_many_networks_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    silence_retracing()
    logger = logging.getLogger("tensorflow")
    logger.warning("5 out of the last 8 calls to %s triggered tf.function retracing.", "f")
    logger.warning("something else")
    assert caplog.messages == ["something else"]
