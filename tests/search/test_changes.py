"""Changes: what a word takes out, what KEY=VALUE sets, and what is refused in one line."""

from typing import Any

import pytest

from pipeline.errors import DarkroomError, ParamsError
from pipeline.params import AugmentParams
from pipeline.search.changes import WORDS, parse_changes
from tests.conftest import values_with

SET: dict[str, Any] = {
    "augment": {"flip": "both", "rotation": 0.1, "mixup": 0.2, "fill_rare_to": 0.5},
    "train": {"label_smoothing": 0.1, "ema": 0.99, "kernel_l2": 0.1, "group_weights": True, "dropout": 0.3},
}


def parse(said: str, n_classes: int = 3, **sections: Any) -> dict[str, Any]:
    """What each change makes of the parameters: by name, {key: new value}."""
    values = values_with(**(sections or SET))
    found = parse_changes(said, values, n_classes=n_classes)
    (base,) = parse_changes("train.epochs=20", values, n_classes=n_classes)
    old = base.params.flatten()
    return {
        one.name: {key: value for key, value in one.params.flatten().items() if value != old[key]}
        for one in found
    }


@pytest.mark.parametrize(
    ("word", "changed"),
    [
        pytest.param("rotation", {"augment.rotation": 0}, id="one alteration"),
        pytest.param("flip", {"augment.flip": "none"}, id="flip"),
        pytest.param("mixup", {"augment.mixup": 0}, id="mixup"),
        pytest.param("dropout", {"train.dropout": 0}, id="dropout"),
        pytest.param("early_stopping", {"train.patience": 20}, id="early stopping"),
        pytest.param("head", {"train.head": "one_vs_rest"}, id="head"),
        pytest.param("class_weights", {"train.class_weights": False}, id="class weights"),
        pytest.param("group_weights", {"train.group_weights": False}, id="group weights"),
        pytest.param("label_smoothing", {"train.label_smoothing": 0}, id="label smoothing"),
        pytest.param("ema", {"train.ema": 0}, id="average of weights"),
        pytest.param("kernel_l2", {"train.kernel_l2": 0}, id="L2"),
        pytest.param("weight_decay", {"train.weight_decay": 0}, id="decay"),
        pytest.param("schedule", {"train.schedule": "constant"}, id="schedule"),
        pytest.param("warmup", {"train.warmup_epochs": 0}, id="warm-up"),
        pytest.param("weights", {"train.weights": None}, id="weights from elsewhere"),
        pytest.param("fine_tuning", {}, id="what is off already"),
        pytest.param("epochs=7", {"train.epochs": 7}, id="a key of train"),
        pytest.param("augment.zoom=0.5", {"augment.zoom": 0.5}, id="a key of augment"),
        pytest.param("dropout=default", {"train.dropout": None}, id="a word for a value"),
        pytest.param("class_weights=false", {"train.class_weights": False}, id="a truth"),
        pytest.param("learning_rate=1e-3", {"train.learning_rate": 0.001}, id="a number of YAML 1.2"),
    ],
)
def test_a_word_changes_this_and_nothing_else(word: str, changed: dict[str, Any]) -> None:
    assert parse(word) == {word: changed}


def test_augment_is_all_that_the_training_alters() -> None:
    found = parse("augment")["augment"]
    assert found["augment.flip"] == "none"
    assert {"augment.rotation", "augment.zoom", "augment.mixup", "augment.contrast"} <= found.keys()
    assert not {"augment.fill_rare_to", "augment.imperfect", "augment.seed"} & found.keys()
    knobs = set(AugmentParams.model_fields) - {"seed", "fill_rare_to", "imperfect", "synthetic"}
    assert knobs <= set(WORDS), "each knob is a word"


def test_a_head_of_two_classes_is_a_sigmoid_and_back() -> None:
    assert parse("head", n_classes=2)["head"] == {"train.head": "sigmoid"}
    turned = parse("head", train={"head": "one_vs_rest"}, n_classes=3)
    assert turned["head"] == {"train.head": "softmax"}


def test_a_change_is_said_with_its_values() -> None:
    values = values_with(**SET)
    said = {
        one.name: one.what for one in parse_changes("dropout, augment,ema,fine_tuning", values, n_classes=3)
    }
    assert said["dropout"] == "dropout 0.3 to 0"
    assert said["augment"] == "flip, rotation, zoom, shift, contrast, brightness, mixup off"
    assert said["ema"] == "ema 0.99 to 0"
    assert said["fine_tuning"] == ""
    assert list(said) == ["dropout", "augment", "ema", "fine_tuning"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        pytest.param("", "names nothing; known are augment", id="nothing"),
        pytest.param(" , ", "names nothing", id="commas"),
        pytest.param("rotatoin", r"'rotatoin' is not known \(did you mean rotation\?\)", id="misspelt"),
        pytest.param("fill_rare_to", "acts in the copies that the stage augment makes", id="of the stage"),
        pytest.param("imperfect=0", "augment.imperfect cannot be tried: it acts in", id="as a key"),
        pytest.param("train.seed=3", "no setting: --seeds", id="seed"),
        pytest.param("seed=3", r"got 'seed' \(say train.seed or augment.seed\)", id="two sections"),
        pytest.param("test_mirror", "acts in evaluate", id="of evaluate"),
        pytest.param("clean.channels=1", "keys of train and augment, got 'clean.channels'", id="pictures"),
        pytest.param("epochs=many", "--ablate epochs=many: train.epochs: .* got 'many'", id="a wrong value"),
        pytest.param("epochs=[", "not a value of YAML", id="no value"),
        pytest.param("head=sigmoid", "sigmoid is for two classes, got 3", id="a head that cannot be"),
    ],
)
def test_what_cannot_be_is_one_line(said: str, error: str) -> None:
    with pytest.raises(DarkroomError, match=error) as raised:
        parse_changes(said, values_with(), n_classes=3)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, ParamsError) or "sigmoid" in said
