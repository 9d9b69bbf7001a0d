"""decoding: pictures as in the clean stage, made elsewhere; a file that stalls or is none costs itself."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psutil
import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.images.picture import develop_item
from pipeline.images.recipe import Recipe
from pipeline.refusals import Refusal
from pipeline.serving import decoding
from pipeline.serving.decoding import Decoders, develop_whole, make_decoders, make_developers
from tests.slow_pictures import stall

RECIPE = Recipe((8, 8), 1, "stretch", "bicubic", equalise=20, formats=("PNG",), max_pixels=10_000)
NOISE = encode_grey_png([bytes(row) for row in np.random.default_rng(0).integers(0, 256, (8, 8)).tolist()])


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoders]:
    monkeypatch.setattr(decoding, "MAX_SECONDS", 0.8)
    with make_decoders(RECIPE) as decoders:
        yield decoders


def test_what_serves_is_equalised_as_what_was_trained(decoders: Decoders) -> None:
    (developed,) = decoders.answer([NOISE], n_bytes=len)
    assert not isinstance(developed, Refusal)
    trained = develop_item((NOISE, True), recipe=RECIPE).picture
    assert trained is not None
    assert np.array_equal(developed, trained)
    plain = develop_item((NOISE, True), recipe=replace(RECIPE, equalise=0)).picture
    assert plain is not None
    assert not np.array_equal(developed, plain)


def test_a_whole_picture_has_its_id_and_its_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_SECONDS", 0.8)
    with make_developers(RECIPE) as developers:
        good, bad, slow = developers.answer([NOISE, b"no picture", stall()], n_bytes=len)
    trained = develop_item((NOISE, True), recipe=RECIPE)
    assert (good.id, good.fingerprint) == (trained.id, trained.fingerprint)
    assert good.picture is not None
    assert trained.picture is not None
    assert np.array_equal(good.picture, trained.picture)
    assert (bad.picture, bad.refusal and bad.refusal.reason) == (None, "not_an_image")
    assert slow.refusal == Refusal("unreadable", "reading it took longer than 0.8 s of computing time")


def test_a_lack_of_memory_costs_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding, "develop_item", fail)
    refusal = develop_whole(NOISE, recipe=RECIPE).refusal
    assert refusal == Refusal("unreadable", "there is not enough memory to decode it")


def test_no_process_starts_before_there_is_work(decoders: Decoders) -> None:
    before = len(psutil.Process().children())
    assert decoders.answer([], n_bytes=len) == []
    assert len(psutil.Process().children()) == before
    decoders.answer([NOISE], n_bytes=len)
    assert len(psutil.Process().children()) == before + 1


def test_a_file_costs_itself_only(decoders: Decoders) -> None:
    found = decoders.answer([NOISE, b"no picture", stall(), b"", NOISE], n_bytes=len)
    assert [one.reason if isinstance(one, Refusal) else "" for one in found] == [
        "",
        "not_an_image",
        "unreadable",
        "empty",
        "",
    ]
    assert found[2] == Refusal("unreadable", "reading it took longer than 0.8 s of computing time")
    assert np.array_equal(found[0], found[4])
