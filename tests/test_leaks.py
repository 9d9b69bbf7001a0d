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
from PIL import Image, ImageEnhance, ImageFilter

from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.runs import Untracked
from pipeline.sources import open_source
from pipeline.stages import clean, split, validate
from pipeline.tables import CLEAN, PAIRS, SPLIT, read_table, write_table

ParamsOf = Callable[..., Params]
Alter = Callable[[Image.Image], Image.Image]

TOUM = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "toum.zip"
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
EVEN: dict[str, Any] = {"train": 0.4, "val": 0.3, "test": 0.3}  # few groups reach every part
N_REAL, N_OTHERS = 300, 200  # pictures with a planted copy, and without


def resized(share: float) -> Alter:
    return lambda image: image.resize((round(image.width * share), round(image.height * share)))


def cropped(left: float, top: float, right: float, bottom: float) -> Alter:
    """Without these shares of width and height."""

    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        kept = (width * left, height * top, width - width * right, height - height * bottom)
        return image.crop((round(kept[0]), round(kept[1]), round(kept[2]), round(kept[3])))

    return crop


def turned(how: Image.Transpose) -> Alter:
    return lambda image: image.transpose(how)


COPIES: dict[str, Alter] = {
    "resized to a half": resized(0.5),
    "enlarged": resized(1.6),
    "re-compressed": lambda image: image,  # as JPEG of quality 40
    "cropped around": cropped(0.025, 0.025, 0.025, 0.025),
    "cropped 5 % a side": cropped(0.05, 0.05, 0.05, 0.05),
    "cropped at a corner": cropped(0.05, 0, 0, 0.05),
    "cropped at one side": cropped(0, 0, 0.05, 0),
    "rotated 90": turned(Image.Transpose.ROTATE_90),
    "rotated 180": turned(Image.Transpose.ROTATE_180),
    "rotated 270": turned(Image.Transpose.ROTATE_270),
    "mirrored": turned(Image.Transpose.FLIP_LEFT_RIGHT),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
}


def on_white(data: bytes) -> Image.Image:
    """A picture as one sees it: a transparent one is not black."""
    layer = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def copy_of(data: bytes, name: str) -> bytes:
    stream = io.BytesIO()
    quality = 40 if name == "re-compressed" else 88
    COPIES[name](on_white(data)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def developed(paths: Paths, source: Path, params: Params) -> None:
    """validate's manifest of a source, then clean and split."""
    opened = open_source(source, ignore=[".*"], class_names=[], csv_label_column="label", csv_image_hw=(2, 2))
    manifest = validate.manifest_of(opened, formats=FORMATS, max_pixels=10**8, min_side_px=4)
    write_table(manifest, paths.raw_manifest)
    clean.main(params, paths, Untracked())
    split.main(params, paths, Untracked())


def place_of(paths: Paths) -> dict[str, tuple[str, str, int]]:
    """Group, split and fold of each picture by key."""
    kept = read_table(paths.clean_manifest, CLEAN).to_pandas().set_index("id")
    placed = read_table(paths.split, SPLIT).to_pandas().set_index("id").join(kept[["key", "group"]])
    columns = (placed["group"], placed["split"], placed["fold"])
    return dict(zip(placed["key"], zip(*columns, strict=True), strict=True))


def scattered(paths: Paths, planted: dict[str, str]) -> list[str]:
    """The copies that are not in their original's group, split and fold; each as its alteration."""
    places = place_of(paths)
    return [copy for copy, original in planted.items() if copy in places and places[copy] != places[original]]


def drawing(number: int) -> Image.Image:
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
        drawing(number).save(stream, "PNG")
        found[f"{'ab'[number % 2]}/{number // 4:02d}-{number % 4}.png"] = stream.getvalue()
    return found


def zipped(files: dict[str, bytes], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def with_copies(files: dict[str, bytes], originals: list[str]) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files with a copy of each original, the kinds of alteration in turn; and copy -> original."""
    planted, names = {}, list(COPIES)
    for i, key in enumerate(originals):
        name = names[i % len(names)]
        label, file = key.split("/", 1)
        planted[f"{label}/{file}.{name}.jpg"] = key
    copies = {copy: copy_of(files[key], copy.rsplit(".", 2)[1]) for copy, key in planted.items()}
    return files | copies, planted


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
