"""Planted copies of real pictures through validate, clean and split: how many are not held together.

Copies are resized, re-compressed, cropped, turned, mirrored and brightened; one is lost where it is not in
its original's group, split and fold.

Run: python -m benchmarks.copies [--source ../shared/data/toum.zip] [--copies 300]
"""

import argparse
import io
import logging
import random
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image, ImageEnhance

from pipeline.params import Params
from pipeline.paths import Paths, project_root
from pipeline.sources import open_source
from pipeline.stages import clean, split, validate
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.split import SPLIT
from pipeline.tracking.runs import Untracked
from pipeline.yaml_file import read_yaml

Alter = Callable[[Image.Image], Image.Image]

TOUM = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "toum.zip"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--copies", type=int, default=300)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the table says what matters here
    with zipfile.ZipFile(options.source) as archive:
        files = {name: archive.read(name) for name in sorted(archive.namelist()) if name[-1] != "/"}
    n_files = len(files)
    files, planted = with_copies(files, random.Random(0).sample(list(files), min(options.copies, n_files)))
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        source = zipped(files, paths.root / "copies.zip")
        developed(paths, source, params_for(source))
        lost = Counter(kind_of(copy) for copy in scattered(paths, planted))
        sizes = Counter(group for group, *_ in place_of(paths).values())
    print(f"{len(planted):,} copies among {n_files:,} pictures of {options.source.name}")
    print(f"{'alteration':<22}{'copies':>8}{'lost':>8}")
    kinds = Counter(map(kind_of, planted))
    for kind in COPIES:
        print(f"{kind:<22}{kinds[kind]:>8,}{lost[kind]:>8,}")
    print(f"{'all':<22}{len(planted):>8,}{lost.total():>8,}")
    n_more = sum(size > 2 for size in sizes.values())
    print(f"groups of more than a picture and its copy: {n_more}, the largest of {max(sizes.values())}")


def params_for(source: Path, **sections: dict[str, Any]) -> Params:
    """The repository's params for a source, with some values replaced."""
    values = read_yaml(Paths(project_root()).params)
    for name, section in ({"data": {"source": str(source)}} | sections).items():
        values[name] |= section
    return Params.model_validate(values)


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
    "cropped 4 % a side": cropped(0.04, 0.04, 0.04, 0.04),
    "cropped 6 % a side": cropped(0.06, 0.06, 0.06, 0.06),
    "cropped unevenly": cropped(0.06, 0.01, 0.03, 0.05),
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


def look_at(source: Path, params: Params) -> pa.Table:
    """validate's manifest of a source."""
    return validate.build_manifest(open_source(source, params.data), params)


def developed(paths: Paths, source: Path, params: Params) -> None:
    """validate's manifest of a source, then clean and split."""
    write_table(look_at(source, params), paths.raw_manifest)
    clean.main(params, paths, Untracked())
    split.main(params, paths, Untracked())


def place_of(paths: Paths) -> dict[str, tuple[str, str, int]]:
    """Group, split and fold of each picture by key."""
    kept = read_table(paths.clean_manifest, CLEAN_MANIFEST).to_pandas().set_index("id")
    placed = read_table(paths.split, SPLIT).to_pandas().set_index("id").join(kept["key"])
    columns = (placed["group"], placed["split"], placed["fold"])
    return dict(zip(placed["key"], zip(*columns, strict=True), strict=True))


def scattered(paths: Paths, planted: dict[str, str]) -> list[str]:
    """The copies that are not in their original's group, split and fold; each as its alteration."""
    places = place_of(paths)
    return [copy for copy, original in planted.items() if copy in places and places[copy] != places[original]]


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


def kind_of(copy: str) -> str:
    """The alteration that a copy's key names."""
    return copy.rsplit(".", 2)[1]


if __name__ == "__main__":
    main()
