"""Graded alterations: none at severity 0, more at each severity, and by the picture's id alone."""

import itertools

import numpy as np
import pytest

from pipeline.images.graded_alterations import ALTERATIONS, MAX_SEVERITY, alter, is_grey


def make_pictures(n: int = 24, *, height: int = 40, width: int = 60, channels: int = 3) -> np.ndarray:
    """Pictures of smooth patches, as photos have them: uint8 [n, height, width, channels]."""
    coarse = np.random.default_rng(3).integers(0, 256, (n, height // 20, width // 20, channels), np.uint8)
    return coarse.repeat(20, axis=1).repeat(20, axis=2)


def name_pictures(n: int) -> list[str]:
    return [f"id-{i}" for i in range(n)]


def differ(altered: np.ndarray, pictures: np.ndarray) -> float:
    return float(np.abs(altered.astype(float) - pictures).mean())


@pytest.mark.parametrize("name", ALTERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_severity_0_is_the_picture(name: str, channels: int) -> None:
    pictures = make_pictures(channels=channels)
    assert np.array_equal(alter(pictures, name_pictures(24), name, 0), pictures)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_each_severity_alters_more(name: str) -> None:
    pictures = make_pictures()
    ids = name_pictures(24)
    found = [differ(alter(pictures, ids, name, severity), pictures) for severity in range(MAX_SEVERITY + 1)]
    assert found[0] == 0
    assert all(more > less for less, more in itertools.pairwise(found)), found


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_picture_is_altered_alike_alone_and_among_others(name: str) -> None:
    pictures, ids = make_pictures(6), name_pictures(6)
    together = alter(pictures, ids, name, 3)
    alone = alter(pictures[4:5], ids[4:5], name, 3)
    turned = alter(pictures[::-1], ids[::-1], name, 3)
    assert np.array_equal(together[4], alone[0])
    assert np.array_equal(together, turned[::-1])


@pytest.mark.parametrize("name", ["noise", "rotation", "shift", "imperfect", "occlusion"])
def test_pictures_differ_in_what_is_drawn(name: str) -> None:
    pictures = make_pictures(1).repeat(8, axis=0)
    altered = alter(pictures, name_pictures(8), name, 3)
    assert len({one.tobytes() for one in altered}) > 1


@pytest.mark.parametrize("name", ALTERATIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 1, 3), (2, 3, 40, 3), (0, 8, 8, 3)])
def test_pictures_of_any_size(name: str, shape: tuple[int, ...]) -> None:
    pictures = np.full(shape, 200, np.uint8)
    altered = alter(pictures, name_pictures(len(pictures)), name, MAX_SEVERITY)
    assert altered.shape == shape
    assert altered.dtype == np.uint8


def test_what_the_alterations_are() -> None:
    """Known values, each at severity 3 unless it says otherwise."""
    picture = np.zeros((1, 28, 28, 3), np.uint8)
    picture[0, 13:15, 13:15] = (100, 50, 0)
    ids = ["one"]
    brighter = alter(picture, ids, "brightness", 3)[0]
    assert brighter[0, 0].tolist() == [76, 76, 76]  # black has no hue
    assert brighter[13, 13].tolist() == [176, 88, 0]  # 100 + 0.3 * 255, the others in proportion
    flat = alter(picture, ids, "contrast", 5)[0]
    assert flat[13, 13, 0] - flat[0, 0, 0] == 5
    moved = np.argwhere(alter(picture, ids, "shift", 3)[0, :, :, 0] == 100)
    assert sorted(set(np.abs(moved - [13, 13]).max(axis=1))) in ([2, 3], [3, 4])  # by 3 pixels of 28
    assert (alter(picture, ids, "occlusion", 3) == 128).all(axis=-1).mean() == pytest.approx(0.2, abs=0.02)
    assert alter(picture, ids, "grayscale", 5)[0, 13, 13].tolist() == [59, 59, 59]
    assert (alter(picture, ids, "imperfect", 5)[0, :, :, 0] > 25).sum() == pytest.approx(2, abs=2)


def test_noise() -> None:
    grey = np.full((1, 256, 256, 3), 128, np.uint8)
    noise = alter(grey, ["one"], "noise", 2)
    assert noise.mean() == pytest.approx(128, abs=0.25)  # rounded, not cut
    assert noise.std() == pytest.approx(0.12 * 255, rel=0.03)
    assert is_grey(noise)
    assert np.array_equal(noise[..., :1], alter(grey[..., :1], ["one"], "noise", 2))
    coloured = alter(np.full((1, 64, 64, 3), (128, 129, 130), np.uint8), ["one"], "noise", 2)[0]
    assert abs(np.corrcoef(coloured[..., 0].ravel(), coloured[..., 1].ravel())[0, 1]) < 0.1


def test_the_rest_of_the_frame_has_the_colour_of_the_border() -> None:
    picture = np.full((1, 32, 32, 3), (250, 240, 230), np.uint8)
    picture[0, 8:24, 8:24] = 10
    for name in ("rotation", "shift", "imperfect"):
        altered = alter(picture, ["one"], name, 5)[0]
        assert set(map(tuple, altered.reshape(-1, 3))) >= {(250, 240, 230)}
        assert min(altered[row, column].sum() for row in (0, -1) for column in (0, -1)) == 720


def test_grey_pictures_are_known() -> None:
    assert is_grey(make_pictures(channels=1))
    assert is_grey(make_pictures(channels=1).repeat(3, axis=-1))
    assert not is_grey(make_pictures())
