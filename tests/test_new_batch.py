"""A new batch: after any history of a collection, outputs are byte for byte those of a run from nothing."""

import io
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.collection import near_duplicates
from pipeline.collection.overrides import Override, write_overrides
from pipeline.collection.result_store import Shelf
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import stamps
from pipeline.stages import clean, validate
from pipeline.tables.pairs import PAIRS
from pipeline.tables.parquet import read_table
from pipeline.tracking.runs import Untracked

pytestmark = pytest.mark.slow

ParamsOf = Callable[..., Params]
N_HISTORIES, N_STEPS, N_CHANGES, N_OF_GROUPS = 10, 2, 10, 4
LABELS = ("circle", "line", "square")
KINDS = (
    *("photo.jpg", "photo.jpg", "large.jpg", "grey.png", "alpha.png", "deep.png", "deep.tif", "pages.tif"),
    *("moving.gif", "blank.png", "text.png", "empty.png", "cut.jpg", "turned.jpg", "tiny.png", "wrong.png"),
)


@pytest.fixture(autouse=True)
def _trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a moment ago are trusted here: a step takes longer than a clock's."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    monkeypatch.setattr(stamps, "TIME_STEP_NS", 0)


def make_file(rng: random.Random, kind: str) -> bytes:
    """A file of a kind: sound, to be repaired, or bad."""
    if kind == "text.png":
        return f"no image {rng.random()}".encode()
    if kind == "empty.png":
        return b""
    side = {"large.jpg": rng.randint(90, 160), "tiny.png": 3}.get(kind, rng.randint(12, 80))
    noise = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (side, side + 2, 4), dtype=np.uint8)
    picture = Image.fromarray(noise[..., :3])
    stream, options = io.BytesIO(), dict[str, Any]()
    kinds = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "gif": "GIF"}
    if kind == "grey.png":
        picture = picture.convert("L")
    elif kind == "alpha.png":
        picture = Image.fromarray(noise)
    elif kind.startswith("deep"):
        picture = Image.fromarray(noise[..., 0].astype(np.uint16) * rng.randint(2, 255))
    elif kind == "blank.png":
        picture = Image.new("RGB", (side, side), (rng.randint(0, 255),) * 3)
    elif kind == "turned.jpg":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = rng.randint(2, 8)
    if kind in ("moving.gif", "pages.tif"):
        options |= {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    name = "x.jpg" if kind == "wrong.png" else kind
    picture.save(stream, kinds[name[-3:]], **options)
    return stream.getvalue()[: -60 if kind == "cut.jpg" else None]


def list_files(raw: Path) -> list[Path]:
    return sorted(path for path in raw.rglob("*") if path.is_file())


def make_alike(rng: random.Random, data: bytes) -> bytes:
    """A near-duplicate of a picture; another photo where it is none."""
    try:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
    except OSError:
        return make_file(rng, "photo.jpg")
    stream = io.BytesIO()
    turned = picture.rotate(rng.choice((0, 0, 90, 180)), expand=True)
    turned.save(stream, "JPEG", quality=rng.randint(60, 95))
    return stream.getvalue()


def find_middle(paths: Paths) -> Path | None:
    """The picture that most near-duplicates are linked with."""
    pairs = read_table(paths.pairs, PAIRS)
    ends = Counter(pairs.column("key_a").to_pylist() + pairs.column("key_b").to_pylist())
    there = [paths.raw / key for key, _ in ends.most_common() if (paths.raw / key).is_file()]
    return there[0] if there else None


def change_group(rng: random.Random, paths: Paths) -> None:
    """Another picture in a group of near-duplicates, or one less: that which held it together."""
    middle = find_middle(paths) or list_files(paths.raw)[0]
    if rng.random() < 0.4:
        middle.unlink()
    else:
        target = paths.raw / rng.choice(LABELS) / f"{rng.getrandbits(32):08x}.jpg"
        target.write_bytes(make_alike(rng, middle.read_bytes()))


def change(rng: random.Random, raw: Path) -> None:
    """An addition, a removal, a renaming, a copy or an edit."""
    files, kind = list_files(raw), rng.choice(KINDS)
    target = raw / rng.choice(LABELS) / f"{rng.getrandbits(32):08x}{Path(kind).suffix}"
    one = rng.choice(files)
    match rng.choice(("add", "add", "add", "remove", "rename", "ending", "copy", "edit", "swap", "touch")):
        case "add":
            target.write_bytes(make_file(rng, kind))
        case "remove":
            one.unlink()
        case "rename":
            one.rename(target.with_suffix(one.suffix))
        case "ending":
            one.rename(one.with_suffix(rng.choice((".png", ".jpg", ".tif", ".xyz"))))
        case "copy":
            shutil.copy2(one, target.with_suffix(one.suffix))
        case "edit":
            one.write_bytes(make_file(rng, kind))
        case "swap":
            other = rng.choice(files)
            a, b = one.read_bytes(), other.read_bytes()
            one.write_bytes(b)
            other.write_bytes(a)
        case "touch":
            one.touch()


def decide(rng: random.Random, paths: Paths) -> None:
    """What a person decides: to restore a moving picture, whose first frame counts, or to drop a file."""
    files = list_files(paths.raw)
    moving = [file for file in files if file.suffix == ".gif" and file.read_bytes()[:3] == b"GIF"][:1]
    chosen = [
        (file, "restore") for file in moving if sum(x.read_bytes() == file.read_bytes() for x in files) == 1
    ]
    dropped = rng.choice([file for file in files if file.suffix != ".gif" and file.name != "kept.jpg"])
    chosen += [(dropped, "drop")] * rng.randint(0, 1)
    lines = [Override("", file.relative_to(paths.raw).as_posix(), action) for file, action in chosen]
    write_overrides(lines, paths.overrides)


def run(paths: Paths, params: Params) -> dict[str, bytes | str]:
    """validate and clean; all that they wrote, and their metrics."""
    for stage in ("validate", "clean"):
        shutil.rmtree(paths.stage(stage), ignore_errors=True)
    said = {"validate": str(validate.main(params, paths, Untracked()))}
    said |= {"clean": str(clean.main(params, paths, Untracked()))}
    files = [file for stage in said for file in paths.stage(stage).rglob("*") if file.is_file()]
    return said | {str(file.relative_to(paths.root)): file.read_bytes() for file in files}


@pytest.fixture
def params(params_of: ParamsOf) -> Params:
    return params_of(
        validate={
            "min_images_per_class": 1,
            "max_unreadable_share": 0.99,
            "formats": ["JPEG", "PNG", "TIFF", "GIF"],
        },
        clean={"image_hw": [10, 12]},
    )


@pytest.fixture
def n_found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each result that was found in the store."""
    lines: list[str] = []
    original = Shelf.find

    def find(self: Shelf, name: str) -> bytes | None:
        body = original(self, name)
        if body is not None:
            lines.append(name)
        return body

    monkeypatch.setattr(Shelf, "find", find)
    return lines


@pytest.mark.parametrize("seed", range(N_HISTORIES))
def test_after_a_history_the_outputs_are_those_of_a_run_from_nothing(
    project: Paths, params: Params, n_found: list[str], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(near_duplicates, "_MOST_CHANGED", 1)
    rng = random.Random(seed)
    for label in LABELS:
        for old in list_files(project.raw / label):
            old.unlink()
        for i, kind in enumerate(("photo.jpg", "photo.jpg", "grey.png", "large.jpg", *rng.sample(KINDS, 3))):
            (project.raw / label / f"{i}{Path(kind).suffix}").write_bytes(make_file(rng, kind))
            (project.raw / label / "kept.jpg").write_bytes(make_file(rng, "photo.jpg"))
        last = make_file(rng, "large.jpg")
        for i in range(3):
            last = make_alike(rng, last)
            (project.raw / label / f"alike{i}.jpg").write_bytes(last)
    for step in range(N_STEPS):
        run(project, params)
        assert n_found, f"step {step}: clean finds what validate decoded"
        for _ in range(N_CHANGES):
            change(rng, project.raw)
        for _ in range(N_OF_GROUPS):
            change_group(rng, project)
        for label in LABELS:  # each class keeps a picture
            (project.raw / label / "kept.jpg").write_bytes(make_file(rng, "photo.jpg"))
        decide(rng, project)
    written = run(project, params)
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0")  # every stage decodes for itself
    n_found.clear()
    anew = run(project, params)
    assert not n_found
    assert written.keys() == anew.keys()
    assert [name for name in anew if anew[name] != written[name]] == []


def test_without_a_store_the_outputs_are_the_same(
    project: Paths, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it may not be written, each stage says so once and goes on."""
    params = params_of(validate={"min_images_per_class": 1, "min_local_contrast": 0})
    written = run(project, params)
    shutil.rmtree(project.cache)
    project.cache.mkdir()
    (project.cache / "results").write_bytes(b"in its place")
    caplog.clear()
    assert run(project, params) == written
    assert caplog.text.count("the store of results is not used") == 2
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0")
    caplog.clear()
    assert run(project, params) == written
    assert "store of results" not in caplog.text
