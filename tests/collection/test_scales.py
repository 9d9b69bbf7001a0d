"""One scale for a collection: dark pictures of a series stay as dark as they were taken."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.tiff_files import Kind, write_tiff
from pipeline.collection.scales import choose_scales
from pipeline.collection.shards import Shards
from pipeline.images.depths import Guess, choose_series
from pipeline.images.picture import develop
from pipeline.images.recipe import Recipe
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import open_source
from pipeline.stages import clean, validate
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import build_table, read_table, write_table
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tracking.runs import Untracked
from tests.images.scenes import draw_noise, encode

ParamsOf = Callable[..., Params]
LUMA = np.random.default_rng(0).integers(10, 250, (16, 16, 1)).astype(np.uint16)
DEEP, FLOATS = Kind("grey", bits=16), Kind("grey", bits=32, sample="f")


def say(kind: str, *ranges: tuple[float, float]) -> list[Guess]:
    return [Guess(kind, *one) for one in ranges]


@pytest.mark.parametrize(
    ("guesses", "expected"),
    [
        pytest.param([], [], id="nothing to guess"),
        pytest.param(
            say("u16", (0, 1023), (0, 4095), (0, 1023)), [("u16", 0, 4095)], id="12 bits, some dark"
        ),
        pytest.param(
            [*say("u16", (0, 1023)), *say("f32", (0, 4095))],
            [("f32", 0, 4095), ("u16", 0, 1023)],
            id="two types",
        ),
        pytest.param(
            say("f32", *[(-20, 20)] * 98, (-9e9, 20), (-20, 9e9)), [("f32", -20, 20)], id="stretched, two odd"
        ),
        pytest.param(
            say("f32", (-3, 3), (0, 4095), (0, 1023)), [("f32", 0, 4095)], id="most have full scales"
        ),
    ],
)
def test_one_scale_for_each_type(guesses: list[Guess], expected: list[tuple[str, float, float]]) -> None:
    assert list(choose_series(guesses)) == expected


def develop_collection(
    root: Path, files: dict[str, bytes], params_of: ParamsOf
) -> dict[str, NDArray[np.uint8]]:
    """The pictures of a collection, 16 x 16, by key."""
    source = root / "in"
    for key, data in files.items():
        (source / key).parent.mkdir(parents=True, exist_ok=True)
        (source / key).write_bytes(data)
    params = params_of(
        data={"source": str(source), "ignore": []}, clean={"image_hw": [16, 16], "channels": 1}
    )
    paths = Paths(root / "project")
    found = validate.build_manifest(open_source(source, params.data), params)
    write_table(found, paths.raw_manifest)
    clean.main(params, paths, Untracked())
    kept = read_table(paths.clean_manifest, CLEAN_MANIFEST)
    pictures = Shards(paths.shards).gather(kept.column("shard").to_numpy(), kept.column("row").to_numpy())
    return dict(zip(kept.column("key").to_pylist(), pictures[..., 0], strict=True))


def test_a_dark_picture_of_a_series_stays_dark(
    tmp_path: Path, params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    dark = LUMA // 4
    files = {
        "a/bright.tif": write_tiff(DEEP, LUMA << 4),
        "a/dark.tif": write_tiff(DEEP, dark << 4),
        "a/dark.png": encode(Image.fromarray((dark[..., 0] + 1) << 4)),
        "b/full.tif": write_tiff(DEEP, LUMA << 8),
        "b/stated.tif": write_tiff(DEEP, dark << 2, more={281: (3, [1023])}),
        "b/plain.png": encode(Image.fromarray(LUMA[..., 0].astype(np.uint8)[::-1])),
    }
    files |= {
        f"{label}/{i}.png": encode(draw_noise(seed=100 * ord(label) + i)) for label in "ab" for i in range(5)
    }
    with caplog.at_level(logging.WARNING):
        pictures = develop_collection(tmp_path, files, params_of)
    assert "3 pictures hold numbers of type u16" in caplog.text
    assert "from 0 to 4095" in caplog.text
    assert json.loads(Paths(tmp_path / "project").scales.read_text()) == [["u16", 0, 4095]]
    shown = {"a/bright.tif": LUMA, "a/dark.tif": dark, "a/dark.png": dark + 1, "b/full.tif": LUMA}
    for key, luma in {**shown, "b/stated.tif": dark, "b/plain.png": LUMA[::-1]}.items():
        assert np.abs(pictures[key].astype(int) - luma[..., 0]).max() <= 1, key


def test_the_served_model_uses_the_same_scale() -> None:
    recipe = Recipe(
        (16, 16), 1, "stretch", "bicubic", 0, ("TIFF",), scales=(("u16", 0, 4095), ("f32", -20, 20))
    )
    assert Recipe.from_json(json.loads(json.dumps(recipe.__dict__))) == recipe
    dark = LUMA // 4
    assert np.abs(develop(write_tiff(DEEP, dark << 4), recipe).astype(int) - dark).max() <= 1
    heights = (LUMA / 255 * 4 - 2).astype(np.float32)  # a flat part of a country between -20 and 20
    assert np.ptp(develop(write_tiff(FLOATS, heights), recipe).astype(int)) < 30
    bright = develop(write_tiff(DEEP, LUMA << 8), recipe)
    assert np.abs(bright.astype(int) - LUMA).max() <= 1, "what needs all bits has them"


def test_only_kept_files_count() -> None:
    row = {"scale_kind": "u16", "scale_black": 0.0, "repairs": [], "verdict": "repaired"}
    rows = [row | {"key": "a", "scale_white": 1023.0}, row | {"key": "b", "scale_white": 4095.0}]
    manifest = build_table(rows, RAW_MANIFEST, sort_by="key")
    assert choose_scales(manifest, {"a"}) == (("u16", 0.0, 1023.0),)
    assert choose_scales(manifest, set()) == ()
