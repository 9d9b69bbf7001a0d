"""frozen_features: each picture's are computed once, found by what it shows, and lost only to damage."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.pictures import Part, Pictures
from pipeline.collection.shards import ShardWriter
from pipeline.training.frozen_features import FeatureCache, hash_backbone, hash_pictures

N = 7


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """Picture i shows the number i everywhere; the last is the first again."""
    return make_pictures(tmp_path / "shards", [*range(N - 1), 0])


def make_pictures(folder: Path, numbers: list[int]) -> Pictures:
    with ShardWriter(folder, len(numbers), (4, 4, 1), 100) as writer:
        for row, number in enumerate(numbers):
            writer.write(0, row, np.full((4, 4, 1), number, np.uint8))
    place = np.arange(len(numbers))
    return Pictures((folder, Part(tuple(map(str, place)), place * 0, place, place % 2)))


def build_backbone(scale: float = 1.0) -> Any:
    """Two features: the mean grey level, and its half; both times `scale`."""
    import keras

    raw = keras.Input((4, 4, 1), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1.0)(raw))
    dense = keras.layers.Dense(2, use_bias=False)
    model = keras.Model(raw, dense(mean))
    dense.set_weights([np.array([[scale, scale / 2]], np.float32)])
    return model


class Counted:
    """A backbone that counts the pictures it computes."""

    def __init__(self, model: Any) -> None:
        self.model, self.n = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict_on_batch(self, batch: Any) -> Any:
        self.n += int((batch.reshape(len(batch), -1).max(axis=1) > 0).sum())
        return self.model.predict_on_batch(batch)


def test_features(pictures: Pictures, tmp_path: Path) -> None:
    found = FeatureCache(build_backbone(), name="two", folder=tmp_path / "kept").read(
        pictures, "training pictures"
    )
    assert found.gather(np.array([3, 6, 1])).tolist() == [[3, 1.5], [0, 0], [1, 0.5]]
    assert found.gather(np.array([3])).dtype == np.float32
    assert (len(found), found.picture_shape) == (N, (2,))
    assert found.y.tolist() == pictures.y.tolist()


def test_only_what_is_new_is_computed(
    pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    counted = Counted(build_backbone())
    cache = FeatureCache(counted, name="two", folder=tmp_path / "kept")
    first = cache.read(pictures, "training pictures")
    assert counted.n == N - 2  # the picture of zeros is not counted, and comes twice
    again = FeatureCache(counted, name="two", folder=tmp_path / "kept").read(pictures, "training pictures")
    assert counted.n == N - 2
    assert np.array_equal(first.gather(np.arange(N)), again.gather(np.arange(N)))
    more = cache.read(make_pictures(tmp_path / "more", [5, 9, 3, 11]), "validation pictures")
    assert counted.n == N
    assert more.gather(np.arange(4))[:, 0].tolist() == [5, 9, 3, 11]
    assert caplog.messages[-1] == "features of 4 validation pictures: 2 known from before"


def test_without_a_folder(pictures: Pictures, tmp_path: Path) -> None:
    counted = Counted(build_backbone())
    cache = FeatureCache(counted, name="two", folder=None)
    for _ in range(2):
        cache.read(pictures, "training pictures")
    assert counted.n == 2 * (N - 2)


def test_no_pictures(tmp_path: Path) -> None:
    found = FeatureCache(build_backbone(), name="two", folder=tmp_path / "kept").read(
        make_pictures(tmp_path, []), "training"
    )
    assert found.gather(np.arange(0)).shape == (0, 2)


@pytest.mark.parametrize("n_bytes", [pytest.param(0, id="empty"), pytest.param(150, id="cut")])
def test_a_damaged_file(
    n_bytes: int, pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counted = Counted(build_backbone())
    cache = FeatureCache(counted, name="two", folder=tmp_path / "kept")
    whole = cache.read(pictures, "training pictures")
    (file,) = (tmp_path / "kept").rglob("*.npz")
    file.write_bytes(file.read_bytes()[:n_bytes])
    again = cache.read(pictures, "training pictures")
    assert "its features are computed again" in caplog.text
    assert counted.n == 2 * (N - 2)
    assert np.array_equal(whole.gather(np.arange(N)), again.gather(np.arange(N)))


def test_a_backbone_is_known_by_what_it_computes() -> None:
    assert hash_backbone(build_backbone(), "two") == hash_backbone(build_backbone(), "two")
    others = {
        hash_backbone(build_backbone(), "two"),
        hash_backbone(build_backbone(2.0), "two"),
        hash_backbone(build_backbone(), "other"),
    }
    assert len(others) == 3


def test_digests() -> None:
    pictures = np.zeros((3, 2, 2, 1), np.uint8)
    pictures[2, 1, 1] = 1
    first, second, third = hash_pictures(pictures)
    assert first == second != third


def test_broken_off_and_computed_to_its_end_the_bits_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file holds whole batches, so what is left stands in the same places, whatever was done before."""
    from pipeline.backend.inference import BATCH_SIZE
    from pipeline.training import frozen_features

    assert frozen_features._A_FILE % BATCH_SIZE == 0
    monkeypatch.setattr(frozen_features, "_A_FILE", 2 * BATCH_SIZE)
    seen = make_pictures(tmp_path / "shards", list(range(100)))
    whole = FeatureCache(build_backbone(0.1), name="two", folder=tmp_path / "whole").read(
        seen, "training pictures"
    )
    batches: list[bytes] = []

    class BrokenOff(Counted):
        def predict_on_batch(self, batch: Any) -> Any:
            batches.append(batch.tobytes())
            if len(batches) == 3:
                raise KeyboardInterrupt
            return super().predict_on_batch(batch)

    folder = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(BrokenOff(build_backbone(0.1)), name="two", folder=folder).read(
            seen, "training pictures"
        )
    interrupted, batches = batches, [b""] * 3
    again = FeatureCache(BrokenOff(build_backbone(0.1)), name="two", folder=folder).read(
        seen, "training pictures"
    )
    assert batches[3] == interrupted[2], "the third batch holds the same pictures in the same places"
    assert np.array_equal(again.gather(np.arange(100)), whole.gather(np.arange(100)))
