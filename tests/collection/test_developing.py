"""Developing a collection: each file is read and decoded once, or not at all where its picture is known."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from pipeline.collection import known_files
from pipeline.collection.developing import Work, develop_files
from pipeline.collection.file_plan import plan_files
from pipeline.collection.known_files import KnownFiles
from pipeline.errors import SourceError
from pipeline.images.picture import Developed
from pipeline.images.recipe import Recipe
from pipeline.params import Params
from pipeline.sources import Source, open_source, stamps
from pipeline.sources.disk import Folder
from pipeline.stages import clean, validate
from pipeline.workers import ordered_map

ParamsOf = Callable[..., Params]
RECIPE = Recipe((6, 5), 3, "stretch", "bicubic", 0, ("PNG",), 10**6)


class Cost(NamedTuple):
    """How often each file was read, and how many were decoded."""

    read: Counter[str]
    n_decoded: int


@pytest.fixture
def source(tmp_path: Path, params_of: ParamsOf) -> Callable[[], Source]:
    """`source()`: 30 files of noise in two classes, one of them twice and one no picture."""
    rng = np.random.default_rng(0)
    for i in range(30):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(stream, "PNG")
        file = tmp_path / "raw" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(stream.getvalue())
    (tmp_path / "raw" / "b" / "copy.png").write_bytes(stream.getvalue())
    (tmp_path / "raw" / "b" / "bad.png").write_bytes(b"no image")
    return lambda: open_source(tmp_path / "raw", params_of().data)


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Cost]:
    """`cost()`: what was read and decoded since the last call."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    monkeypatch.setattr(stamps, "TIME_STEP_NS", 0)
    read: Counter[str] = Counter()
    decoded: list[int] = []
    original = Folder._read

    def count_reads(self: Folder, entries: Any) -> Iterator[Any]:
        for content in original(self, entries):
            read[content.entry.name] += 1
            yield content

    def count_decodes(function: Any, items: Any, **options: Any) -> Any:
        def counted() -> Iterator[Any]:
            for ticket, item in items:
                decoded.append(int(bool(item[0]) and item[1] is not False))
                yield ticket, item

        return ordered_map(function, counted(), **options)

    monkeypatch.setattr(Folder, "_read", count_reads)
    monkeypatch.setattr(known_files, "ordered_map", count_decodes)

    def cost() -> Cost:
        seen = Cost(Counter(read), sum(decoded))
        read.clear()
        decoded.clear()
        return seen

    return cost


def test_another_size_reads_and_decodes_each_file_once(
    source: Callable[[], Source], cost: Callable[[], Cost], params_of: ParamsOf, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    params = params_of(validate={"min_local_contrast": 0})
    manifest = validate.build_manifest(source(), params, results)
    once = Counter(manifest.column("key").to_pylist())
    assert cost() == Cost(once, 32)
    files = plan_files(manifest)
    thumbnail = Cost(Counter({"b/copy.png": 1}), 1)  # of the copy, made each time

    def develop(recipe: Recipe) -> dict[str, Any]:
        work = Work(recipe, first_frame=False, max_seconds=5.0)
        with KnownFiles(results) as known:
            return {record.key: made for record, made in develop_files(files, source(), work, known)}

    first = develop(RECIPE)
    assert cost() == Cost(once, 31), "the broken file is not decoded"
    again = develop(RECIPE)
    assert cost() == thumbnail
    assert first.keys() == again.keys() == once.keys()
    for key, made in first.items():
        assert made.id == again[key].id
        assert (made.picture is None) == (again[key].picture is None)
        assert made.picture is None or (made.picture == again[key].picture).all()
    develop(Recipe((7, 7), 3, "stretch", "bicubic", 0, ("PNG",), 10**6))
    assert cost() == Cost(once, 31)
    develop(RECIPE)
    assert cost() == thumbnail, "an earlier size is known still"
    validate.build_manifest(source(), params, results)
    assert cost() == Cost(Counter(), 0)


def test_what_validate_decodes_is_not_decoded_again(
    source: Callable[[], Source], cost: Callable[[], Cost], params_of: ParamsOf, tmp_path: Path
) -> None:
    """What clean finds is what it would make of the files itself."""
    params = params_of(validate={"min_local_contrast": 0}, clean={"image_hw": [6, 5], "channels": 3})
    results = tmp_path / "results"
    manifest = validate.build_manifest(source(), params, results)
    assert cost().n_decoded == 32
    files = plan_files(manifest)
    work = clean.plan_work(params, manifest, files)
    made: list[dict[str, Developed]] = []
    for folder in (results, None):
        with KnownFiles(folder) as known:
            made.append({record.key: one for record, one in develop_files(files, source(), work, known)})
        made_again = cost()
        assert made_again.n_decoded == (1 if folder else 31), "the copy, for its thumbnail"
    handed_on, anew = made
    for key, one in anew.items():
        assert replace(handed_on[key], picture=None) == replace(one, picture=None)
        np.testing.assert_array_equal(handed_on[key].picture, one.picture)


def test_a_file_that_is_new_since_validate(
    source: Callable[[], Source], cost: Callable[[], Cost], params_of: ParamsOf, tmp_path: Path
) -> None:
    """Whether its bytes are known or not."""
    results, work = tmp_path / "results", Work(RECIPE, first_frame=False, max_seconds=5.0)
    files = plan_files(validate.build_manifest(source(), params_of(), results))
    with KnownFiles(results) as known:
        list(develop_files(files, source(), work, known))
    (tmp_path / "raw" / "a" / "new.png").write_bytes((tmp_path / "raw" / "a" / "0.png").read_bytes())
    for folder in (results, None):
        with (
            KnownFiles(folder) as known,
            pytest.raises(SourceError, match=r"changed since validate: a/new\.png is new"),
        ):
            list(develop_files(files, source(), work, known))
