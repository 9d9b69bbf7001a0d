"""KerasTuner's Hyperband on the space of `benchmarks.search asha`, in an environment of its own.

Run: python keras_tuner_hyperband.py PARTS.npz FOLDER
"""

import sys
import time
from typing import Any

import keras
import keras_tuner
import numpy as np


def build(hp: Any) -> Any:
    """Darkroom's conv1, as a Keras user writes it."""
    dropout, units = hp.Float("dropout", 0.0, 0.5), hp.Choice("units", [64, 128, 256])
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Dropout(dropout),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 0.0001, 0.03, sampling="log")
    model.compile(keras.optimizers.AdamW(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Model(keras_tuner.HyperModel):  # type: ignore[misc]
    """The network, and its batch size."""

    def build(self, hp: Any) -> Any:
        """The network."""
        return build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **named: Any) -> Any:
        """Train with the batch size of the trial."""
        return model.fit(*args, batch_size=hp.Choice("batch_size", [64, 128, 256]), **named)


def main() -> None:
    with np.load(sys.argv[1]) as parts:
        x_train, y_train, x_val, y_val = (parts[name] for name in ("x_train", "y_train", "x_val", "y_val"))
    start = time.perf_counter()
    tuner = keras_tuner.Hyperband(
        Model(), "val_accuracy", max_epochs=20, factor=3, seed=0, directory=sys.argv[2], project_name="tuner"
    )
    tuner.search(x_train, y_train, validation_data=(x_val, y_val), verbose=0)
    trials = list(tuner.oracle.trials.values())
    best = max(trial.score for trial in trials if trial.score is not None)
    print(
        f"KerasTuner's Hyperband: best {best:.2%}, {time.perf_counter() - start:.0f} s, {len(trials)} trials"
    )


main()
