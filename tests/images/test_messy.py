"""Bad input through validate and clean: every file is accounted for, with the right reason; no crash.

`DARKROOM_MUTATIONS=20000` makes the run over damaged files ten times as long.
"""

import io
import os
import random
import struct
import tarfile
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from benchmarks.bombs import BOMBS, gif_header, png, png_chunk
from benchmarks.tiff_files import Kind, join_tiff, make_tiff, write_tiff
from pipeline.errors import DataError
from pipeline.images.first_look import give_up as give_up_looking
from pipeline.images.first_look import look_item
from pipeline.images.flattening import REPAIRS
from pipeline.images.inspection import Inspection, inspect
from pipeline.images.measures import measure_residues
from pipeline.images.picture import Developed, develop_item
from pipeline.images.picture import give_up as give_up_developing
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.refusals import REASONS
from pipeline.sources import open_source
from pipeline.stages import clean, split, validate
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tables.split import SPLIT
from pipeline.tracking.runs import Untracked
from pipeline.workers import ordered_map
from tests.images.scenes import FORMATS, draw_noise, encode, make_recipe

ParamsOf = Callable[..., Params]
LOOK: dict[str, Any] = {
    "formats": FORMATS,
    "max_pixels": 1_000_000,
    "min_side_px": 4,
    "min_local_contrast": 0.04,
}


def draw(seed: int, width: int = 16, height: int = 16, mode: str = "RGB") -> Image.Image:
    return draw_noise(width, height, seed, mode)


def say_limits(params: Params, max_seconds: float) -> Params:
    """What validate is told: LOOK, and how long a file may take."""
    section = params.validate_.model_copy(update=LOOK | {"max_seconds_per_file": max_seconds})
    return params.model_copy(update={"validate_": section})


def develop(paths: Paths, source: Path, params: Params) -> tuple[pa.Table, pa.Table, pa.Table]:
    """validate (without its expectations) and clean of a source: raw manifest, kept, quarantine."""
    manifest = validate.build_manifest(open_source(source, params.data), say_limits(params, max_seconds=5))
    write_table(manifest, paths.raw_manifest)
    clean.main(params, paths, Untracked())
    kept, away = read_table(paths.clean_manifest, CLEAN_MANIFEST), read_table(paths.quarantine, QUARANTINE)
    assert sorted(kept["key"].to_pylist() + away["key"].to_pylist()) == manifest["key"].to_pylist()
    assert set(away["reason"].to_pylist()) <= set(REASONS)
    return read_table(paths.raw_manifest, RAW_MANIFEST), kept, away


def map_keys(table: pa.Table, column: str) -> dict[str, Any]:
    return dict(zip(table["key"].to_pylist(), table[column].to_pylist(), strict=True))


def explain(found: Inspection | Developed) -> str:
    """The reason of its refusal, or ""."""
    return found.refusal.reason if found.refusal else ""


# --- each reason and each repair ---


def make_rotated(seed: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(draw(seed), "JPEG", exif=exif)


def make_transparent(seed: int) -> bytes:
    image = draw(seed)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return encode(image)


def make_hidden(seed: int) -> bytes:
    """A picture under an alpha of 0."""
    image = draw(seed)
    image.putalpha(0)
    return encode(image)


def make_chalk() -> bytes:
    """White squares on a transparent ground."""
    squares = np.kron([[0, 1], [1, 0]], np.full((8, 8), 255)).astype(np.uint8)
    image = Image.new("RGB", (16, 16), "white")
    image.putalpha(Image.fromarray(squares))
    return encode(image)


def make_scan(kind: str, value: int) -> bytes:
    """A TIFF with a palette of bytes; of 12 bits in `value`; or of floats with one of `value`."""
    values = np.asarray(draw(40, mode="L")).astype(np.uint16)[..., None]
    if kind == "palette":
        return write_tiff(Kind(kind), values.astype(np.uint8), list(range(256)) * 3)
    if kind == "grey":
        return write_tiff(Kind(kind, bits=value), values << 4)
    floats = (values / 255).astype(np.float32)
    floats[0, 0] = value
    return write_tiff(Kind("grey", bits=32, sample="f"), floats)


def make_book(*, thumbnail: bool) -> bytes:
    """A TIFF that begins with a thumbnail, or whose second page is missing."""
    pixels = np.asarray(draw(41 + thumbnail, mode="L")).tobytes()
    page = {256: (3, [16]), 257: (3, [16]), 258: (3, [8]), 262: (3, [1]), 273: (4, [16]), 279: (4, [256])}
    small = page | {254: (4, [1]), 256: (3, [4]), 257: (3, [4]), 279: (4, [16])}
    return join_tiff(pixels, [small, page] if thumbnail else [page], last=0 if thumbnail else 10**6)


WHOLE, TWICE = encode(draw(1)), encode(draw(2))
BAD_FILES = {
    "a/text.png": (b"hello, world", "not_an_image"),
    "a/nothing.png": (b"", "empty"),
    "a/half.png": (WHOLE[: len(WHOLE) // 2], "truncated"),
    "a/hole.png": (WHOLE[:100] + bytes(64) + WHOLE[164:], "corrupt"),
    "a/scan.pdf": (b"%PDF-1.4", "unsupported_format"),
    "a/bomb.png": (png(100_000, 100_000), "too_many_pixels"),
    "a/dot.png": (encode(draw(3, 3, 40)), "too_small"),
    "a/film.gif": (
        encode(draw(4), "GIF", save_all=True, append_images=[draw(5), draw(6)]),
        "animated",
    ),
    "a/blank.png": (encode(Image.new("RGB", (300, 200), "ivory")), "low_information"),
    "a/x_copy.png": (WHOLE, "duplicate"),
    "a/torn.png": (TWICE, "conflicting_labels"),
    "b/torn.png": (TWICE, "conflicting_labels"),
    "stray.png": (encode(draw(7)), "no_label"),
}
REPAIRED: dict[str, tuple[Any, ...]] = {
    "a/named.jpg": (encode(draw(10)), "wrong_extension"),
    "a/turned.jpg": (make_rotated(11), "exif_rotation"),
    "a/glass.png": (make_transparent(12), "alpha"),
    "a/few.png": (encode(draw(13).quantize(8)), "palette"),
    "a/print.jpg": (encode(draw(14, mode="CMYK"), "JPEG"), "cmyk"),
    "a/hidden.png": (make_hidden(17), "alpha_ignored"),
    "a/chalk.png": (make_chalk(), "alpha_on_black"),
    "a/byte_palette.tif": (make_scan("palette", 1), "palette", "byte_palette"),
    "a/instrument.tif": (make_scan("grey", 16), "sixteen_bit", "guessed_scale"),
    "a/heights.tif": (make_scan("float", -9999), "sixteen_bit", "nodata"),
    "a/preview.tif": (make_book(thumbnail=True), "thumbnail_first"),
    "a/torn_book.tif": (make_book(thumbnail=False), "lost_pages"),
    "a/deep.png": (
        encode(Image.fromarray(np.asarray(draw(15, mode="L")).astype(np.uint16) << 8)),
        "sixteen_bit",
    ),
    "a/pages.tif": (
        encode(draw(16), "TIFF", save_all=True, append_images=[draw(17)]),
        "multi_frame_first",
    ),
}
SOUND = {"a/whole.png": WHOLE, "b/one.jpg": encode(draw(9), "JPEG")}
SOUND |= {f"b/{seed}.png": encode(draw(seed)) for seed in range(20, 24)}
ALL = {key: data for key, (data, *_) in (*BAD_FILES.items(), *REPAIRED.items())} | SOUND


def in_folder(root: Path, files: dict[str, bytes]) -> Path:
    """Files on disk, and what only a disk has."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    os.mkfifo(root / "a" / "pipe.png")
    (root / "a" / "outside.png").symlink_to("/etc/passwd")
    (root / "a" / "nowhere.png").symlink_to("gone.png")
    return root


def in_tar(root: Path, files: dict[str, bytes]) -> Path:
    path = root.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name, kind, target in [
            ("a/pipe.png", tarfile.CHRTYPE, ""),
            ("a/outside.png", tarfile.SYMTYPE, "../../passwd"),
            ("a/nowhere.png", tarfile.LNKTYPE, "gone.png"),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return path


def in_zip(root: Path, files: dict[str, bytes]) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        for name, mode, target in [
            ("a/pipe.png", 0o010644, ""),
            ("a/outside.png", 0o120777, "../../passwd"),
            ("a/nowhere.png", 0o120777, "gone.png"),
        ]:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, target)
    return path


SPECIAL = {"a/pipe.png": "special_file", "a/outside.png": "outside_source", "a/nowhere.png": "unreadable"}


@pytest.mark.parametrize("make", [in_folder, in_zip, in_tar])
def test_every_reason_and_every_repair(
    tmp_path: Path, params_of: ParamsOf, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    source = make(tmp_path / "in", ALL)
    params = params_of(data={"source": str(source), "ignore": []}, clean={"image_hw": [8, 8]})
    _, kept, away = develop(Paths(tmp_path / "project"), source, params)
    reasons = {key: reason for key, (_, reason) in BAD_FILES.items()} | SPECIAL
    assert map_keys(away, "reason") == reasons
    assert all(away["detail"].to_pylist())
    repairs = {key: list(named) for key, (_, *named) in REPAIRED.items()} | {key: [] for key in SOUND}
    assert map_keys(kept, "repairs") == repairs
    assert set(reasons.values()) | {"dropped", "missing"} == set(REASONS), "by a person; of a table"
    assert {repair for found in repairs.values() for repair in found} == set(REPAIRS)


def make_film(n_frames: int) -> bytes:
    """A GIF of frames of a pixel each."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    return gif_header(8, 8, 8).removesuffix(b";") + frame * n_frames + b";"


def test_a_file_that_takes_too_long_is_unreadable_and_costs_no_other(
    tmp_path: Path, params_of: ParamsOf
) -> None:
    source = in_zip(
        tmp_path / "in",
        SOUND | {"a/slow.png": png(8, 8, png_chunk(b"prVt", b"") * 10**6), "a/quick.gif": make_film(3)},
    )
    params = params_of(data={"ignore": []})
    found = validate.build_manifest(open_source(source, params.data), say_limits(params, max_seconds=0.6))
    reasons = map_keys(found, "reason")
    assert {key: reason for key, reason in reasons.items() if reason} == SPECIAL | {
        "a/slow.png": "unreadable",
        "a/quick.gif": "animated",
    }
    assert map_keys(found, "detail")["a/slow.png"] == "reading it took longer than 0.6 s of computing time"
    assert map_keys(found, "n_bytes")["a/slow.png"] > 10**6


def test_clean_holds_files_to_the_same_time(tmp_path: Path, params_of: ParamsOf) -> None:
    """A thousandth of a second is not enough for any file."""
    source = in_zip(tmp_path / "in", SOUND)
    params = params_of(data={"source": str(source), "ignore": []}, validate={"max_seconds_per_file": 0.001})
    paths = Paths(tmp_path / "project")
    with pytest.raises(DataError, match="unreadable"):
        develop(paths, source, params)
    away = read_table(paths.quarantine, QUARANTINE)
    assert all("reading it took longer than" in map_keys(away, "detail")[key] for key in SOUND)


# --- low information ---


def draw_page(text: str = "", light: float = 0.0, shade: int = 240) -> bytes:
    """A scanned page of 620 x 877 pixels: paper with noise, lit unevenly; `text` in one line at its foot."""
    from PIL import ImageDraw, ImageFont

    rng = np.random.default_rng(0)
    paper = (shade + rng.normal(0, 6, (877, 620))) * (1 - light * np.linspace(0, 1, 620))
    image = Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))
    ImageDraw.Draw(image).text((300, 820), text, fill=40, font=ImageFont.load_default(14))
    return encode(image, "JPEG", quality=75)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(draw_page(), "low_information", id="a blank page"),
        pytest.param(draw_page(light=0.4), "low_information", id="a blank page, lit from one side"),
        pytest.param(draw_page(shade=8), "low_information", id="a black page"),
        pytest.param(encode(Image.new("RGB", (64, 64), "teal")), "low_information", id="one colour"),
        pytest.param(draw_page("One line of text on an empty page"), "", id="a line of text"),
        pytest.param(draw_page("7", light=0.1), "", id="a page number"),
        pytest.param(encode(Image.linear_gradient("L")), "", id="a shading from black to white"),
        pytest.param(encode(draw(0, 4, 4)), "", id="4 x 4 pixels"),
    ],
)
def test_low_information(data: bytes, reason: str) -> None:
    assert explain(inspect(data, "x", **LOOK)) == reason
    assert inspect(data, "x", **LOOK | {"min_local_contrast": 0}).refusal is None


def test_no_digit_has_low_information() -> None:
    from sklearn.datasets import load_digits

    pictures = (load_digits().images * (255 / 16)).astype(np.uint8)
    assert min(measure_residues(picture[..., None])["local_contrast"] for picture in pictures) > 0.5


# --- header bombs ---


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_takes_memory(name: str) -> None:
    import resource

    data, reason = BOMBS[name]
    look = partial(inspect, data, "x", **LOOK | {"max_pixels": 200_000_000})
    look()  # what decoders load once is not counted
    resident_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    found = look()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert explain(found) == reason
    assert peak_bytes < 5 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident_kb < 20 << 10


# --- damaged files ---

N_MUTATIONS = int(os.environ.get("DARKROOM_MUTATIONS", "2000"))
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF")


LAYOUTS = (
    Kind("rgb", bits=16, planar=True, order=">", compression="lzw", predictor=2),
    Kind("grey", bits=32, sample="f", compression="deflate", predictor=3, tiled=True),
    Kind("rgb", alpha=1, bits=12, big=True, compression="packbits"),
    Kind("palette", big=True, order=">", compression="zstd"),
    Kind("cmyk", compression="jpeg", planar=True, tiled=True),
)


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def splice(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + rng.randint(0, 20)] = rng.randbytes(rng.randint(0, 20))


def make_mutations(n: int) -> Iterator[tuple[str, bytes]]:
    """Damaged files, the same for the same n: a third each bit flips, truncations, splices."""
    wholes: dict[str, list[bytes]] = {}
    for kind in KINDS:
        wholes[kind] = [encode(draw(seed, *size), kind) for seed, size in enumerate([(24, 24), (70, 50)])]
    wholes["JPEG"].append(encode(draw(3, 64, 64), "JPEG", progressive=True))
    wholes["TIFF"] += [encode(draw(4, 40, 40), "TIFF", compression=c) for c in ("tiff_lzw", "jpeg")]
    wholes["TIFF"] += [make_tiff(kind)[0] for kind in LAYOUTS]
    wholes["WEBP"].append(encode(draw(5, 40, 40), "WEBP", lossless=True))
    for i in range(n):
        rng = random.Random(i)
        kind, damage = KINDS[i % len(KINDS)], (flip, cut, splice)[i % 3]
        data = bytearray(rng.choice(wholes[kind]))
        damage(data, rng)
        yield f"{kind}/{damage.__name__} {i}", bytes(data)


def test_no_damage_crashes_or_goes_unnoticed() -> None:
    recipe = make_recipe(max_pixels=LOOK["max_pixels"])
    look = partial(look_item, recipe=recipe, **LOOK | {"min_local_contrast": 0})
    develop_one = partial(develop_item, recipe=recipe)
    limits: dict[str, Any] = {"n_bytes": lambda item: len(item[0]), "max_seconds": 5}
    files = ((name, (data, name, True)) for name, data in make_mutations(N_MUTATIONS))
    looks = dict(ordered_map(look, files, lost=give_up_looking, **limits))
    seen = {name: one.inspection for name, one in looks.items()}
    files_again = ((name, (data, True)) for name, data in make_mutations(N_MUTATIONS))
    developed = dict(ordered_map(develop_one, files_again, lost=give_up_developing, **limits))
    assert len(seen) == len(developed) == N_MUTATIONS
    for name, found in seen.items():
        picture = developed[name]
        assert picture.id == found.id, name
        assert (picture.picture is None) == bool(picture.refusal), name
        if explain(found) != "too_small":
            assert explain(picture) == explain(found), (name, found.refusal, picture.refusal)
        if handed_on := looks[name].developed:
            assert replace(handed_on, picture=None) == replace(picture, picture=None), name
            assert np.array_equal(handed_on.picture, picture.picture), name  # type: ignore[arg-type]
    assert sum(one.developed is not None for one in looks.values()) > N_MUTATIONS / 50
    counts = Counter(explain(found) or "decoded" for found in seen.values())
    print(f"{N_MUTATIONS:,} damaged files:", dict(counts.most_common()))  # noqa: T201 (with -s)
    assert set(counts) - {"decoded"} <= set(REASONS)
    assert counts["truncated"] > N_MUTATIONS / 10
    assert counts["decoded"] > N_MUTATIONS / 20


MESSY = Path(__file__).resolve().parents[3] / "shared" / "data" / "messy.zip"


@pytest.mark.skipif(not MESSY.exists(), reason="../shared/data/messy.zip is absent")
def test_the_awkward_files_of_the_world_are_all_accounted_for(tmp_path: Path, params_of: ParamsOf) -> None:
    with zipfile.ZipFile(MESSY) as archive, zipfile.ZipFile(tmp_path / "in.zip", "w") as wrapped:
        for i, name in enumerate(archive.namelist()):
            wrapped.writestr(f"{'ab'[i % 2]}/{name}", archive.read(name))
    params = params_of(data={"source": str(tmp_path / "in.zip"), "ignore": []}, clean={"image_hw": [8, 8]})
    manifest, kept, away = develop(Paths(tmp_path / "project"), tmp_path / "in.zip", params)
    assert len(manifest) == len(kept) + len(away) == 482
    seen = map_keys(manifest, "reason")
    later = {key: reason for key, reason in map_keys(away, "reason").items() if reason != seen[key]}
    assert set(later.values()) <= {"duplicate", "conflicting_labels"}
    assert {"not_an_image", "truncated", "corrupt", "unsupported_format", "animated"} <= set(seen.values())


# --- names ---

NAMES = {
    b"a b.png": "a b.png",
    b"\"quoted\" 'twice'.png": "\"quoted\" 'twice'.png",
    b"line\nbreak.png": "line\\x0abreak.png",
    b"caf\xe9.png": "caf\\xe9.png",
    b"caf\\xe9.png": "caf\\x5cxe9.png",
    b"a,b;c=[red].png": "a,b;c=[red].png",
    "日本 été.png".encode(): "日本 été.png",
    b"x" * 246 + b".png": "x" * 246 + ".png",
    b"same.png": "same.png",
    b"SAME.png": "SAME.png",
    b"=cmd.png": "=cmd.png",
}


def named_folder(root: Path, files: dict[bytes, bytes]) -> Path:
    for name, data in files.items():
        path = os.fsencode(root) + b"/" + name
        Path(os.fsdecode(path)).parent.mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(data)
    return root


def named_tar(root: Path, files: dict[bytes, bytes]) -> Path:
    with tarfile.open(root.with_suffix(".tar"), "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(os.fsdecode(name))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return root.with_suffix(".tar")


def named_zip(root: Path, files: dict[bytes, bytes]) -> Path:
    """A zip as Unix tools make it: names are bytes, without the mark for UTF-8."""
    plain = {f"{i:0{len(name)}d}".encode(): name for i, name in enumerate(files)}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, name in plain.items():
            archive.writestr(number.decode(), files[name])
    data = stream.getvalue()
    for number, name in sorted(plain.items(), key=lambda pair: -len(pair[0])):
        assert data.count(number) == 2
        data = data.replace(number, name)
    root.with_suffix(".zip").write_bytes(data)
    return root.with_suffix(".zip")


@pytest.mark.parametrize("make", [named_folder, named_tar, named_zip])
def test_odd_names_go_all_the_way(
    tmp_path: Path, params_of: ParamsOf, make: Callable[[Path, dict[bytes, bytes]], Path]
) -> None:
    labels = (b"Photo", b"odd \xff\n label")
    files = {
        label + b"/" + name: encode(draw(len(NAMES) * i + j, 40, 40))
        for i, label in enumerate(labels)
        for j, name in enumerate(NAMES)
    }
    source = make(tmp_path / "in", files)
    shares = {"train": 0.4, "val": 0.3, "test": 0.3, "folds": 2}
    params = params_of(data={"source": str(source), "ignore": []}, clean={"image_hw": [8, 8]}, split=shares)
    paths = Paths(tmp_path / "project")
    _, kept, away = develop(paths, source, params)
    keys = {f"{label}/{name}" for label in ("Photo", "odd \\xff\\x0a label") for name in NAMES.values()}
    assert set(kept["key"].to_pylist()) == keys
    assert len(away) == 0
    split.main(params, paths, Untracked())
    assert set(read_table(paths.split, SPLIT)["class_name"].to_pylist()) == {"Photo", "odd \\xff\\x0a label"}


def test_odd_names_are_listed_by_predict(tmp_path: Path, classifier_folder: Path) -> None:
    from pipeline.serving.classifier import Classifier
    from pipeline.serving.decoding import make_scanners
    from pipeline.serving.files import find_files
    from pipeline.serving.predictions import predict_files
    from pipeline.serving.reports import make_row, write_rows

    files = {name: encode(draw(i, 8, 8)) for i, name in enumerate(NAMES)}
    folder, archive = named_folder(tmp_path / "in", files), named_zip(tmp_path / "packed", files)
    single = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    found = find_files([folder, archive, single])
    classifier = Classifier.load(classifier_folder)
    with make_scanners(classifier.settings.recipe) as scanners:
        predictions = [one.prediction for one in predict_files(found, classifier, scanners, top=1)]
    assert {one.refusal for one in predictions} == {None}
    assert {one.file for one in predictions} == {
        *(f"{folder}/{name}" for name in NAMES.values()),
        *(f"{archive}/{name}" for name in NAMES.values()),
    }
    write_rows(map(make_row, predictions), tmp_path / "answers.csv", top=1)
    assert len((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()) == 2 * len(NAMES) + 2
