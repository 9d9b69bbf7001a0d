"""Planted copies, through clean and split: none has its original on the other side, or in another fold."""

import hashlib
import io
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from benchmarks.copies import TOUM, developed, place_of, scattered, with_copies, zipped
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.tables.pairs import PAIRS
from pipeline.tables.parquet import read_table

ParamsOf = Callable[..., Params]
EVEN: dict[str, Any] = {"train": 0.4, "val": 0.3, "test": 0.3}  # few groups reach every part
N_REAL, N_OTHERS = 300, 200  # pictures with a planted copy, and without


def draw(number: int) -> Image.Image:
    """A picture of soft shapes, with lines and some noise."""
    rng = np.random.default_rng(number)
    low = Image.fromarray(rng.integers(0, 200, (9, 12, 3), dtype=np.uint8))
    image = low.resize((240, 180), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))
    grain = rng.integers(0, 12, (180, 240, 3), dtype=np.uint8)
    return Image.fromarray(np.asarray(image) + grain)


@pytest.fixture(scope="module")
def drawings() -> dict[str, bytes]:
    found = {}
    for number in range(60):
        stream = io.BytesIO()
        draw(number).save(stream, "PNG")
        found[f"{'ab'[number % 2]}/{number // 4:02d}-{number % 4}.png"] = stream.getvalue()
    return found


def test_copies_of_drawings_stay_with_their_originals(
    drawings: dict[str, bytes], tmp_path: Path, params_of: ParamsOf
) -> None:
    files, planted = with_copies(drawings, list(drawings))
    paths = Paths(tmp_path)
    source = zipped(files, tmp_path / "s.zip")
    developed(paths, source, params_of(data={"source": str(source)}, split=EVEN))
    assert scattered(paths, planted) == []
    assert Counter(group for group, *_ in place_of(paths).values()).most_common(1)[0][1] == 2
    pairs = read_table(paths.pairs, PAIRS).to_pandas()
    assert len(pairs) == len(planted)
    turns = {str(row.orientation) for row in pairs.itertuples()}
    assert {"mirrored", "rotated 180", "upright", "cropped"} <= turns
    assert (paths.figures("clean") / "pairs.png").is_file()


def test_a_distance_of_0_groups_equal_fingerprints_only(
    drawings: dict[str, bytes], tmp_path: Path, params_of: ParamsOf
) -> None:
    again = io.BytesIO()
    Image.open(io.BytesIO(drawings["a/00-0.png"])).save(again, "PNG", compress_level=1)
    files, planted = with_copies(drawings, list(drawings))
    source = zipped(files | {"a/same.png": again.getvalue()}, tmp_path / "s.zip")
    paths = Paths(tmp_path)
    developed(
        paths,
        source,
        params_of(data={"source": str(source)}, clean={"near_duplicate_distance": 0}, split=EVEN),
    )
    places = place_of(paths)
    assert places["a/same.png"] == places["a/00-0.png"]
    assert len(scattered(paths, planted)) > len(planted) / 3


def test_order_and_container_change_no_byte(
    drawings: dict[str, bytes], tmp_path: Path, params_of: ParamsOf
) -> None:
    files, _ = with_copies(drawings, list(drawings)[::3])
    shuffled = dict(random.Random(0).sample(list(files.items()), len(files)))
    folder = tmp_path / "folder"
    for key, data in shuffled.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    sources = [zipped(files, tmp_path / "1.zip"), zipped(shuffled, tmp_path / "2.zip"), folder]
    by_scan = {"group_by": r"/(\d\d)-", **EVEN}
    wrote = []
    for number, source in enumerate(sources):
        paths = Paths(tmp_path / str(number))
        developed(paths, source, params_of(data={"source": str(source)}, split=by_scan))
        names = (paths.split, paths.clean_manifest, paths.pairs, paths.figures("clean") / "pairs.png")
        wrote.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in names])
    assert wrote[0] == wrote[1] == wrote[2]
    held = place_of(Paths(tmp_path / "0"))
    by_name = pd.DataFrame([(key.split("/")[1][:2], *place[1:]) for key, place in held.items()])
    assert (by_name.groupby(0).nunique() == 1).all(axis=None)


@pytest.mark.slow
@pytest.mark.skipif(not TOUM.is_file(), reason="../shared/data/toum.zip is absent")
def test_300_copies_of_real_pictures_stay_with_their_originals(tmp_path: Path, params_of: ParamsOf) -> None:
    with zipfile.ZipFile(TOUM) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        chosen = random.Random(0).sample(names, N_REAL + N_OTHERS)
        files = {name: archive.read(name) for name in chosen}
    files, planted = with_copies(files, chosen[:N_REAL])
    source = zipped(files, tmp_path / "s.zip")
    paths = Paths(tmp_path)
    developed(paths, source, params_of(data={"source": str(source)}))
    assert scattered(paths, planted) == []
    sizes = Counter(group for group, *_ in place_of(paths).values())
    assert max(sizes.values()) < 0.05 * len(files), "unrelated pictures were chained together"
