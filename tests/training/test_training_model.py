"""training_model: alters, mixes and smooths in training only; loss and accuracy are the textbook's."""

from typing import Any

import numpy as np
import pytest

from pipeline.training.training_model import CrossEntropy, TrainingModel, build_accuracy

LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0]], np.float32)
LABELS = np.eye(3, dtype=np.float32)[[0, 2]]


def build(**changed: Any) -> Any:
    """A training model of a network that sums up each of three pixels' channels."""
    import keras

    pictures = keras.Input((1, 3, 1), dtype="uint8")
    network = keras.Model(pictures, keras.layers.Flatten()(keras.layers.Rescaling(1.0)(pictures)))
    return TrainingModel(network, **{"augmenter": None, "mixers": [], "label_smoothing": 0.0} | changed)


def make_batch(n: int = 4) -> dict[str, Any]:
    pictures = np.arange(3 * n, dtype=np.uint8).reshape(n, 1, 3, 1)
    return {"pictures": pictures, "labels": np.eye(3, dtype=np.float32)[np.arange(n) % 3]}


@pytest.mark.parametrize("training", [False, True])
def test_plain(training: bool) -> None:
    fed = make_batch()
    y = np.asarray(build()(fed, training=training))
    assert y[:, 0].tolist() == fed["pictures"].reshape(4, 3).tolist()
    assert y[:, 1].tolist() == fed["labels"].tolist()


def test_smoothing_in_training_only() -> None:
    fed = make_batch()
    model = build(label_smoothing=0.3)
    assert np.asarray(model(fed, training=True))[0, 1] == pytest.approx([0.8, 0.1, 0.1])
    assert np.asarray(model(fed, training=False))[0, 1].tolist() == [1, 0, 0]


def test_augmentation_in_training_only() -> None:
    import keras

    pictures = keras.Input((1, 3, 1), dtype="uint8")
    mirror = keras.Model(pictures, keras.ops.flip(pictures, axis=2))
    fed = make_batch()
    model = build(augmenter=mirror)
    assert np.asarray(model(fed, training=True))[0, 0].tolist() == [2, 1, 0]
    assert np.asarray(model(fed, training=False))[0, 0].tolist() == [0, 1, 2]


def test_mixing_mixes_labels_alike() -> None:
    """What MixUp takes of one picture it takes of its label, as whole grey levels allow."""
    import keras

    n = 8
    pictures = np.zeros((n, 1, 3, 1), np.uint8)
    pictures[np.arange(n), 0, np.arange(n) % 3] = 255
    fed: dict[str, Any] = {"pictures": pictures, "labels": np.eye(3, dtype=np.float32)[np.arange(n) % 3]}
    model = build(mixers=[keras.layers.MixUp(alpha=1.0, seed=3, dtype="float32")])
    y = np.asarray(model(fed, training=True))
    assert y[:, 0] / 255 == pytest.approx(y[:, 1], abs=0.01)
    assert not np.array_equal(y[:, 1], fed["labels"])
    assert np.array_equal(np.asarray(model(fed, training=False))[:, 1], fed["labels"])


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param("softmax", [0.1698, 1.6803], id="softmax"),
        pytest.param("sigmoid", [0.1698, 1.6803], id="sigmoid, whose logits are (0, z)"),
        pytest.param(
            "one_vs_rest", [(0.1269 + 0.6931 + 0.3133) / 3, (0.9741 + 1.3133 + 0.6931) / 3], id="ovr"
        ),
    ],
)
def test_loss(head: str, expected: list[float]) -> None:
    y_pred = np.stack([LOGITS, LABELS], axis=1)
    loss = CrossEntropy(head)
    assert float(loss(LABELS, y_pred)) == pytest.approx(np.mean(expected), abs=1e-3)
    weighted = float(loss(LABELS, y_pred, sample_weight=np.array([2.0, 0.0])))
    assert weighted == pytest.approx(expected[0], abs=1e-3)


def test_accuracy_is_of_the_true_labels() -> None:
    """Also where the targets are mixed."""
    y_pred = np.stack([LOGITS, LABELS[::-1]], axis=1)
    metric = build_accuracy()
    metric.update_state(LABELS, y_pred)
    assert float(metric.result()) == 0.5
    assert metric.name == "accuracy"
