"""models: the registry, and what every network takes and gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.models import (
    FAMILIES,
    Head,
    build_model,
    cut_to_logits,
    find_backbone,
    find_head,
    is_pretrainable,
)
from pipeline.models.knobs import Knobs

SMALL_APPLICATION = "keras.applications.MobileNetV3Small"
SMALL: dict[str, Any] = {"image_hw": (32, 32), "channels": 3, "n_classes": 3}


@pytest.mark.parametrize(
    ("name", "image_hw", "channels", "n_classes", "n_parameters"),
    [
        pytest.param("conv1", (28, 28), 1, 10, 693_962, id="conv1 as published"),
        pytest.param("conv2", (28, 28), 1, 10, 233_162, id="conv2, 28x28"),
        pytest.param("conv3", (28, 28), 1, 10, 688_266, id="conv3, 28x28"),
        pytest.param("conv4", (28, 28), 1, 10, 1_221_546, id="conv4 as published"),
        pytest.param("conv_gru", (28, 28), 1, 10, 4_034_026, id="conv_gru, 28x28"),
        pytest.param("conv_gru", (128, 128), 3, 5, 9_145_125, id="conv_gru, 128x128"),
        pytest.param("vgg_bn", (28, 28), 1, 10, 1_150_442, id="vgg_bn, 28x28"),
        pytest.param("compact", (32, 32), 3, 10, 293_882, id="compact, 32x32"),
        pytest.param("compact", (128, 128), 3, 5, 293_237, id="compact, 128x128"),
    ],
)
def test_parameters(
    name: str, image_hw: tuple[int, int], channels: int, n_classes: int, n_parameters: int
) -> None:
    """The counts that the docstrings state."""
    model = build_model(name, image_hw=image_hw, channels=channels, n_classes=n_classes)
    assert model.count_params() == n_parameters


@pytest.mark.parametrize(
    ("name", "image_hw", "channels"),
    [
        pytest.param("compact", (4, 4), 1, id="compact 4x4"),
        pytest.param("compact", (8, 8), 1, id="compact 8x8"),
        pytest.param("compact", (28, 28), 1, id="compact 28x28"),
        pytest.param("compact", (33, 65), 3, id="compact, not square, odd"),
        pytest.param("conv1", (4, 4), 1, id="conv1, smallest"),
        pytest.param("conv2", (12, 12), 1, id="conv2, smallest"),
        pytest.param("conv3", (12, 13), 3, id="conv3, smallest"),
        pytest.param("conv4", (16, 16), 3, id="conv4, smallest"),
        pytest.param("conv_gru", (8, 9), 3, id="conv_gru, smallest"),
        pytest.param("vgg_bn", (8, 8), 1, id="vgg_bn, smallest"),
    ],
)
def test_takes_uint8_and_gives_probabilities(name: str, image_hw: tuple[int, int], channels: int) -> None:
    model = build_model(name, image_hw=image_hw, channels=channels, n_classes=3)
    pictures = np.random.default_rng(0).integers(0, 256, (5, *image_hw, channels)).astype(np.uint8)
    y_prob = np.asarray(model(pictures))
    assert model.inputs[0].dtype == "uint8"
    assert y_prob.dtype == np.float32
    assert y_prob.shape == (5, 3)
    assert y_prob.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("side_px", [8, 28, 32, 64, 128, 224])
def test_compact_ends_small(side_px: int) -> None:
    """The last map before pooling is 3 or 4 pixels a side, whatever comes in."""
    model = build_model("compact", image_hw=(side_px, side_px), channels=3, n_classes=2)
    last = next(layer for layer in reversed(model.layers) if len(layer.output.shape) == 4)
    assert 3 <= last.output.shape[1] <= 4


@pytest.mark.parametrize(
    ("name", "image_hw", "message"),
    [
        pytest.param("compct", (8, 8), r"got 'compct' \(did you mean compact", id="misspelt"),
        pytest.param(
            "zzz",
            (8, 8),
            r"allowed are compact, conv1, .*, vgg_bn, .* keras\.applications\.<Name>, got 'zzz'$",
            id="nothing near",
        ),
        pytest.param("", (8, 8), "got ''$", id="empty"),
        pytest.param("conv4", (32, 15), "conv4 needs sides of at least 16 pixels.*32x15", id="too small"),
    ],
)
def test_refuses(name: str, image_hw: tuple[int, int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_model(name, image_hw=image_hw, channels=1, n_classes=2)


def test_families_are_sorted() -> None:
    assert list(FAMILIES) == sorted(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_learns_in_an_epoch(name: str) -> None:
    """Every weight that can be trained moves, and the loss stays a number.

    Without graphs, which take longer to make than to use: tests/training/test_trainer.py trains each in one.
    """
    import keras

    keras.utils.set_random_seed(0)
    model = build_model(name, image_hw=(16, 16), channels=1, n_classes=2)
    y = np.arange(32) % 2
    noise = np.random.default_rng(0).integers(0, 100, (32, 16, 16, 1))
    pictures = (noise + 100 * y[:, None, None, None]).astype(np.uint8)
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", run_eagerly=True)
    history = model.fit(pictures, y, batch_size=8, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert [
        w.path for w, b in zip(model.trainable_weights, before, strict=True) if np.array_equal(w, b)
    ] == []


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    ("knobs", "changes"),
    [
        pytest.param(Knobs(filters=8), True, id="fewer filters"),
        pytest.param(Knobs(units=16), None, id="fewer units"),
        pytest.param(Knobs(activation="tanh", dropout=0.0, kernel_l2=0.1), False, id="same size"),
    ],
)
def test_knobs(name: str, knobs: Knobs, changes: bool | None) -> None:
    """Fewer filters or units are fewer parameters; the others change none of them."""
    shape: dict[str, Any] = {"image_hw": (16, 16), "channels": 1, "n_classes": 3}
    model, plain = (build_model(name, **shape, knobs=k) for k in (knobs, Knobs()))
    if changes is None:  # of units, which compact does not have
        changes = name != "compact"
    assert (model.count_params() < plain.count_params()) == changes
    layers = cut_to_logits(model).layers
    kinds = [type(layer).__name__ for layer in layers]
    if knobs.dropout == 0:
        assert "Dropout" not in kinds
        penalised = [layer for layer in layers if getattr(layer, "kernel_regularizer", None)]
        assert len(penalised) >= kinds.count("Conv2D") + kinds.count("Dense")
    if knobs.activation:
        acts: set[Any] = {getattr(layer, "activation", None) for layer in layers} - {None}
        assert "relu" not in {act.__name__ for act in acts}
        assert "tanh" in {act.__name__ for act in acts}


@pytest.mark.parametrize(
    ("knobs", "filters", "units", "rate"),
    [
        pytest.param(Knobs(), 64, 64, 0.5, id="as published"),
        pytest.param(Knobs(filters=16, units=10, dropout=0.1), 32, 5, 0.1, id="in proportion"),
        pytest.param(Knobs(filters=1, units=1, dropout=0.0), 2, 1, 0.0, id="at least one"),
    ],
)
def test_proportions(knobs: Knobs, filters: int, units: int, rate: float) -> None:
    """Of a second layer: 64 filters after 32, 64 units after 128."""
    assert knobs.n_filters(64, first=32) == filters
    assert knobs.n_units(64, first=128) == units
    assert knobs.rate(0.5) == rate


@pytest.mark.parametrize(
    ("head", "n_classes"),
    [
        pytest.param("softmax", 3, id="softmax"),
        pytest.param("sigmoid", 2, id="sigmoid"),
        pytest.param("one_vs_rest", 3, id="one against the rest"),
    ],
)
def test_heads(head: Head, n_classes: int) -> None:
    """Probabilities are what the formula makes of the logits, and sum to 1."""
    model = build_model("conv1", image_hw=(8, 8), channels=1, n_classes=n_classes, head=head)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)
    z, y_prob = np.asarray(cut_to_logits(model)(pictures), np.float64), np.asarray(model(pictures))
    sigmoid = 1 / (1 + np.exp(-z))
    expected = {
        "softmax": np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
        "sigmoid": np.stack([1 - sigmoid[:, -1], sigmoid[:, -1]], axis=1),
        "one_vs_rest": sigmoid / sigmoid.sum(axis=1, keepdims=True),
    }[head]
    assert y_prob == pytest.approx(expected, abs=1e-5)
    assert model.get_layer("logits_dense").units == (1 if head == "sigmoid" else n_classes)


def test_a_sigmoid_is_for_two_classes() -> None:
    with pytest.raises(ModelError, match=r"train\.head: sigmoid is for two classes, got 3"):
        build_model("conv1", image_hw=(8, 8), channels=1, n_classes=3, head="sigmoid")


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "one_vs_rest"])
@pytest.mark.parametrize("name", ["compact", SMALL_APPLICATION])
def test_saved_and_loaded(name: str, head: Head, tmp_path: Path) -> None:
    """Compared without graphs: making one takes longer than all the rest."""
    import keras

    model = build_model(name, image_hw=(32, 32), channels=1, n_classes=2, head=head)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.uint8)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(np.asarray(model(pictures)), np.asarray(loaded(pictures)))


@pytest.fixture(scope="module")
def small() -> Any:
    """A network with a small backbone; whoever changes it puts its weights back."""
    return build_model(SMALL_APPLICATION, **SMALL)


def test_in_a_graph_as_without_one(small: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    assert small.predict_on_batch(pictures) == pytest.approx(np.asarray(small(pictures)), abs=1e-5)


@pytest.mark.parametrize("name", ["efficientnet_lite0", SMALL_APPLICATION])
def test_a_backbone_and_its_head_make_the_network(name: str, small: Any) -> None:
    assert is_pretrainable(name)
    model = small if name == SMALL_APPLICATION else build_model(name, **SMALL)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    features = np.asarray(find_backbone(model)(pictures))
    assert features.dtype == np.float32
    by_parts = np.asarray(find_head(model)(features))
    assert by_parts == pytest.approx(np.asarray(cut_to_logits(model)(pictures)), abs=1e-4)


@pytest.mark.parametrize("begins", ["at chance", "elsewhere"])
def test_statistics_of_batches(begins: str, small: Any, tmp_path: Path) -> None:
    """At chance it learns its batch norms' statistics; with weights from elsewhere it keeps those."""
    model, begun = small, small.get_weights()
    if begins == "elsewhere":
        path = tmp_path / "own.weights.h5"
        find_backbone(small).save_weights(path)
        model = build_model(SMALL_APPLICATION, **SMALL, weights=str(path))
    means = [weight for weight in find_backbone(model).weights if weight.path.endswith("moving_mean")]
    before = [np.array(mean) for mean in means]
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    cut_to_logits(model)(pictures, training=True)
    moved = [not np.array_equal(mean, old) for mean, old in zip(means, before, strict=True)]
    small.set_weights(begun)
    assert moved == [begins == "at chance"] * len(moved)
    assert moved


def test_our_own_networks_have_no_backbone() -> None:
    assert [name for name in FAMILIES if is_pretrainable(name)] == []
