"""Contact sheets: who is on them, what their files are called, and the same bytes each time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.collection import contact_sheets
from pipeline.collection.contact_sheets import (
    Uint8,
    choose_files,
    choose_thumbnails,
    draw_blank_tile,
    draw_classes,
    draw_quarantine,
    name_sheets,
)
from pipeline.collection.file_plan import File
from pipeline.collection.shards import ShardWriter
from pipeline.images.picture import THUMBNAIL_PX
from pipeline.refusals import Refusal
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import build_table


def read_png(path: Path) -> Uint8:
    """A PNG as uint8 [height, width, 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def refuse(reason: str, number: int) -> File:
    return File(f"{number:064x}", f"x/{number}.png", "x", "", Refusal(reason, ""), ())


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        pytest.param(["Photo", "Text"], ["Photo", "Text"], id="plain"),
        pytest.param(["Oak tree", "a/b", "é", "…"], ["Oak-tree-", "a-b-", "", ""], id="odd"),
        pytest.param(["cat", "Cat"], ["cat", "Cat-"], id="capitals"),
        pytest.param(["x" * 300], ["x" * 40 + "-"], id="long"),
    ],
)
def test_sheet_names_are_safe_and_differ(labels: list[str], names: list[str]) -> None:
    found = name_sheets(labels)
    assert [name if len(name) < 6 or name in labels else name[:-6] for name in found] == names
    assert len({name.casefold() for name in found}) == len(labels)
    assert all(name.isascii() and len(name) < 60 and not set(name) & set("/ \\") for name in found)


def test_rare_reasons_come_on_the_sheet() -> None:
    files = [refuse("duplicate", i) for i in range(300)] + [refuse("truncated", 400), refuse("dropped", 401)]
    files += [File("f" * 64, "x/on.png", "x", "", None, (), at=0)]
    chosen = choose_files(reversed(files))
    assert [file.reason for file in chosen] == ["truncated", *["duplicate"] * 46, "dropped"]
    assert [file.id for file in chosen[1:47]] == [file.id for file in files[:46]]
    assert choose_thumbnails(files) == {file.key for file in chosen[1:]}


def test_more_failures_bring_no_file_in_that_had_no_thumbnail() -> None:
    planned = [refuse("duplicate", i) for i in range(60)] + [refuse("too_small", 100 + i) for i in range(60)]
    later = [*planned, *(refuse("corrupt", 200 + i) for i in range(60))]
    before = {file.key for file in choose_files(planned)}
    assert {file.key for file in choose_files(later) if file.reason != "corrupt"} < before


@pytest.fixture
def collection(tmp_path: Path) -> tuple[pa.Table, Path]:
    """60 pictures of "many", in falling order of ids, and one of a class with an odd name."""
    rows = []
    with ShardWriter(tmp_path / "shards", 61, (8, 6, 1), 61) as writer:
        for i in range(61):
            writer.write(0, i, np.full((8, 6, 1), 4 * i, dtype=np.uint8))
            place = {"id": f"{60 - i:03d}", "key": f"k/{i}.png", "label": "many" if i < 60 else "$ [a]/\n"}
            rows.append(dict.fromkeys(CLEAN_MANIFEST.names) | place | {"shard": 0, "row": i})
    return build_table(rows, CLEAN_MANIFEST, sort_by="key"), tmp_path / "shards"


def test_a_sheet_a_class_with_the_smallest_ids(
    collection: tuple[pa.Table, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {}

    def note(pictures: Uint8, captions: list[str], *, title: str, path: Path) -> None:
        drawn[path.name] = (pictures[:, 0, 0, 0].tolist(), captions, title)

    monkeypatch.setattr(contact_sheets, "draw_sheet", note)
    draw_classes(collection[0], shards=collection[1], folder=tmp_path)
    odd, many = sorted(drawn)
    shades, captions, title = drawn[many]
    assert many == "class_many.png"
    assert shades == [4 * i for i in range(59, 11, -1)]
    assert captions[:2] == ["59.png", "58.png"]
    assert title == "many: 48 of 60 pictures, as developed"
    assert odd.startswith("class_a-")
    assert drawn[odd][0] == [240]


def test_sheets_are_drawn_with_the_same_bytes_and_old_ones_go(
    collection: tuple[pa.Table, Path], tmp_path: Path
) -> None:
    def draw() -> dict[str, bytes]:
        draw_classes(collection[0], shards=collection[1], folder=tmp_path)
        return {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}

    (tmp_path / "class_gone.png").write_bytes(b"old")
    (tmp_path / "pairs.png").write_bytes(b"another's")
    first = draw()
    assert len(first) == 3
    assert first.pop("pairs.png") == b"another's"
    assert draw().items() >= first.items()
    assert read_png(tmp_path / "class_many.png").shape[0] > 6 * 115


def test_there_are_no_more_than_fifty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(contact_sheets, "draw_sheet", lambda *_, path, **__: drawn.append(path.name))
    with ShardWriter(tmp_path / "shards", 1, (2, 2, 3), 1) as writer:
        writer.write(0, 0, np.zeros((2, 2, 3), np.uint8))
    common = dict.fromkeys(CLEAN_MANIFEST.names) | {"shard": 0, "row": 0}
    rows = [common | {"id": f"{i}", "key": f"{i}", "label": f"{i}"} for i in range(53)]
    draw_classes(
        build_table(rows, CLEAN_MANIFEST, sort_by="key"), shards=tmp_path / "shards", folder=tmp_path
    )
    assert drawn == [f"class_{i}.png" for i in range(50)]


def test_the_quarantine_is_drawn_with_and_without_pictures(tmp_path: Path) -> None:
    red = np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), (255, 0, 0), np.uint8)
    files = [refuse("corrupt", 1), refuse("duplicate", 2)]
    draw_quarantine(files, {"x/2.png": red}, tmp_path / "q.png")
    pixels = read_png(tmp_path / "q.png").reshape(-1, 3)
    assert all(
        (pixels == colour).all(axis=1).sum() > 5000 for colour in ((255, 0, 0), draw_blank_tile(8)[0, 4])
    )
    draw_quarantine([], {}, tmp_path / "none.png")
    assert read_png(tmp_path / "none.png").shape[0] < 100
