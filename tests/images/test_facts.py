"""The table of facts against the code that measures them."""

import numpy as np

from pipeline.images.facts import FACT_BY_NAME, FACTS
from pipeline.images.inspection import inspect
from pipeline.images.measures import measure_residues
from tests.images.scenes import FORMATS, draw_scene, encode


def test_every_column_is_a_fact_of_a_sound_file_and_no_other() -> None:
    settings = {"formats": FORMATS, "max_pixels": 10_000, "min_side_px": 4, "min_local_contrast": 0}
    found = inspect(encode(draw_scene(), "JPEG"), "x.jpg", **settings)
    assert found.facts.keys() == {fact.name for fact in FACTS if fact.dtype}


def test_what_is_left_in_a_picture_is_measured_of_it() -> None:
    measured = measure_residues(np.zeros((9, 9, 3), np.uint8))
    assert {fact.name for fact in FACTS if fact.of_picture} <= measured.keys() <= FACT_BY_NAME.keys()


def test_a_fact_that_is_asked_for_has_its_words() -> None:
    asked = [fact for fact in FACTS if fact.of_file or fact.of_picture]
    assert all(fact.word and "{}" in fact.more for fact in asked)
    assert all("{}" in fact.less for fact in asked if fact.less)
    assert len({fact.word for fact in asked}) == len(asked)
    assert len(FACT_BY_NAME) == len(FACTS)
