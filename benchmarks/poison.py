"""A collection of real scans with planted faults, and a clean test set beside it.

Each class has so many pictures, and the faults of `KINDS` on top of them or in place of some. File names say
nothing: `p0042.jpg`. All Schematics are saved as PNG, all others as JPEG of quality 60: that is the shortcut.
The test set has other pictures, all saved alike (JPEG of quality 90), so that the shortcut is of no use.
"""

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchmarks.copies import on_white

# Each kind and how many of it there are.
COPY = "near-copy in its class"
KINDS = {
    COPY: 12,
    "under two labels": 5,
    "truncated JPEG": 5,
    "blank page": 4,
    "text named .jpg": 3,
    "empty file": 2,
    "turned by EXIF": 4,
    "16-bit TIFF": 2,
    "float TIFF": 2,
    "CMYK JPEG": 2,
}
BROKEN = ("truncated JPEG", "text named .jpg", "empty file")
PNG_CLASS = "Schematics"
# How a picture is stored so that this EXIF orientation puts it upright.
STORED = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}

Convert = Callable[[Image.Image], bytes]  # from a picture to the bytes of a file


class Planted(NamedTuple):
    """A planted fault: its kind, its file, and the file of the picture that it repeats, or ""."""

    kind: str
    path: str
    original: str = ""


class Poisoned(NamedTuple):
    """A folder a class in each of two folders, and the faults that were planted in the first."""

    collection: Path
    test: Path
    planted: list[Planted]


def make_poisoned(source: Path, folder: Path, *, classes: list[str], n: int, n_test: int) -> Poisoned:
    """Write both folders: `n` pictures a class with faults, `n_test` others a class without."""
    made = Poisoned(folder / "collection", folder / "test", [])
    with zipfile.ZipFile(source) as archive:
        rng = random.Random(0)
        spare: dict[str, Iterator[Image.Image]] = {}
        for label in classes:
            names = sorted(name for name in archive.namelist() if name.startswith(f"{label}/"))
            rng.shuffle(names)
            spare[label] = (on_white(archive.read(name)) for name in names if name[-1] != "/")
        for label in classes:
            for number in range(n_test):
                write(made.test / label / f"{label}_{number:04d}.jpg", encode(next(spare[label]), quality=90))
        planter = Planter(made, classes)
        for label in classes:
            planter.add_base(label, [next(spare[label]) for _ in range(n)])
        planter.add_repeats()
        planter.add_worthless(spare)
    return made


class Planter:
    """Numbers the files of a collection, and keeps account of what was planted."""

    def __init__(self, made: Poisoned, classes: list[str]) -> None:
        self.made, self.classes, self.n_files = made, classes, 0
        self.as_jpeg = [label for label in classes if label != PNG_CLASS]
        self.plain: dict[str, list[tuple[str, Image.Image]]] = {label: [] for label in classes}

    def add(self, label: str, data: bytes, suffix: str, kind: str = "", original: str = "") -> str:
        path = f"{label}/p{self.n_files:04d}{suffix}"
        self.n_files += 1
        write(self.made.collection / path, data)
        if kind:
            self.made.planted.append(Planted(kind, path, original))
        return path

    def add_base(self, label: str, images: list[Image.Image]) -> None:
        """The pictures of a class, the first of them in forms unlike the others."""
        forms = list(in_other_forms())
        mine = forms[self.as_jpeg.index(label) :: len(self.as_jpeg)] if label in self.as_jpeg else []
        for image, (kind, suffix, convert) in zip(images, mine, strict=False):
            self.add(label, convert(image), suffix, kind)
        for image in images[len(mine) :]:
            self.plain[label].append((self.add(label, *saved(label, image)), image))

    def add_repeats(self) -> None:
        """Near-copies inside a class, and the same files under a second label."""
        n_classes = len(self.classes)
        for number in range(KINDS[COPY]):
            label = self.classes[number % n_classes]
            original, image = self.plain[label][number]
            self.add(label, *saved(label, alter(image, number // n_classes)), COPY, original)
        for number in range(KINDS["under two labels"]):
            label, other = (self.classes[(number + step) % n_classes] for step in (0, 1))
            original, image = self.plain[label][20 + number]
            self.add(other, *saved(label, image), "under two labels", original)

    def add_worthless(self, spare: dict[str, Iterator[Image.Image]]) -> None:
        """Files that are broken, and pages with nothing on them."""
        for number in range(KINDS["truncated JPEG"]):
            label = self.as_jpeg[number % len(self.as_jpeg)]
            data = encode(next(spare[label]), quality=60)
            self.add(label, data[: len(data) * 6 // 10], ".jpg", "truncated JPEG")
        for number in range(KINDS["blank page"]):
            self.add(self.as_jpeg[-1], encode(draw_blank(number), quality=60), ".jpg", "blank page")
        for number in range(KINDS["text named .jpg"]):
            text = f"scan {number}: to be done\n".encode()
            self.add(self.classes[number % len(self.classes)], text, ".jpg", "text named .jpg")
        for number in range(KINDS["empty file"]):
            self.add(self.classes[number % len(self.classes)], b"", ".jpg", "empty file")


def in_other_forms() -> Iterator[tuple[str, str, Convert]]:
    """The faults that are a whole picture, stored unlike the others: kind, suffix, and how it is stored."""
    for number in range(KINDS["turned by EXIF"]):
        yield "turned by EXIF", ".jpg", turned(list(STORED)[number % len(STORED)])
    for _ in range(KINDS["16-bit TIFF"]):
        yield "16-bit TIFF", ".tif", store_16_bit
    for _ in range(KINDS["float TIFF"]):
        yield "float TIFF", ".tif", store_float
    for _ in range(KINDS["CMYK JPEG"]):
        yield "CMYK JPEG", ".jpg", lambda image: encode(image.convert("CMYK"), quality=90)


def turned(orientation: int) -> Convert:
    """As a camera stores it: the pixels lie, and EXIF says how to turn them."""

    def convert(image: Image.Image) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = orientation
        stream = io.BytesIO()
        image.transpose(STORED[orientation]).save(stream, "JPEG", quality=60, exif=exif)
        return stream.getvalue()

    return convert


def store_16_bit(image: Image.Image) -> bytes:
    return encode_tiff(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def store_float(image: Image.Image) -> bytes:
    return encode_tiff(np.asarray(image.convert("L")).astype(np.float32) / 255)


def encode_tiff(pixels: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "TIFF")
    return stream.getvalue()


def encode(image: Image.Image, *, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def saved(label: str, image: Image.Image) -> tuple[bytes, str]:
    """A picture as its class is saved, with the suffix of its file."""
    if label != PNG_CLASS:
        return encode(image, quality=60), ".jpg"
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue(), ".png"


def alter(image: Image.Image, how: int) -> Image.Image:
    """A near-copy: smaller, re-compressed, without 4 % on each side, or mirrored."""
    width, height = image.size
    if how == 0:
        return image.resize((width // 2, height // 2))
    if how == 1:
        return Image.open(io.BytesIO(encode(image, quality=40)))
    if how == 2:
        return image.crop((width // 25, height // 25, width - width // 25, height - height // 25))
    return ImageOps.mirror(image)


def draw_blank(number: int) -> Image.Image:
    """An empty page as a scanner sees it: paper of some grey, with a little grain."""
    rng = np.random.default_rng(number)
    grain = rng.integers(-number, number + 1, (360, 256))
    return Image.fromarray((252 - 4 * number + grain).clip(0, 255).astype(np.uint8)).convert("RGB")


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
