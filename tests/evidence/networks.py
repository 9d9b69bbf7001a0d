"""Networks made by hand for examinations."""

from dataclasses import replace
from typing import Any

from pipeline.evidence.examination import Examination, predict
from pipeline.serving.classifier import Classifier


def build_conv(n_classes: int = 3, shape: tuple[int, int, int] = (8, 8, 1)) -> Any:
    """A small network with two convolutions, at random, from a seed."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 1 if min(shape[:2]) < 3 else 3, padding="same", activation="relu"),
        keras.layers.Conv2D(6, 1 if min(shape[:2]) < 3 else 3, padding="same", activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(n_classes, activation="softmax"),
    ]
    return keras.Sequential([keras.Input(shape), *layers])


def examine_network(examined: Examination, network: Any) -> Examination:
    """The same pictures, answered by another network."""
    classifier = Classifier(network, examined.classifier.settings)
    return replace(examined, classifier=classifier, y_prob=predict(classifier, examined.pictures))
