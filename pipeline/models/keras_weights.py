"""Weights that Keras saved, put into a model."""

from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, one_line


def load_keras_weights(model: Any, path: Path) -> None:
    """Put the weights of a .weights.h5 file into a model of the same architecture.

    Raises:
        ModelError: the file is missing or damaged, or holds another architecture.
    """
    if not path.is_file():
        raise ModelError(f"train.weights: {path} does not exist; give a file, imagenet or none")
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise ModelError(
            f"train.weights: {path} does not fit {model.name} ({one_line(error)}); give weights that this"
            " network saved (.weights.h5), imagenet or none"
        ) from None
