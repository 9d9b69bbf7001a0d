"""Alpha-spending: the levels, and which earlier decisions count."""

import numpy as np
import pytest

from pipeline.promotion.budget import Budget, Use, number_use, share_of, sketch_ids

IDS = [f"picture {number}" for number in range(600)]
OTHERS = [f"other {number}" for number in range(600)]


def make_use(challenger: str, champion: str = "a", ids: list[str] = IDS) -> Use:
    return Use(challenger, champion, sketch_ids(ids))


def test_the_levels_add_up_to_alpha() -> None:
    budgets = [Budget(0.05, number) for number in range(1, 1001)]
    assert budgets[0].level == pytest.approx(0.025)
    assert budgets[1].level == pytest.approx(0.05 / 6)
    spent = np.cumsum([one.level for one in budgets])
    assert 0.05 - spent == pytest.approx([one.left for one in budgets])
    assert spent[-1] < 0.05


@pytest.mark.parametrize(
    ("earlier", "number"),
    [
        pytest.param([], 1, id="the first"),
        pytest.param([make_use("b"), make_use("c")], 3, id="two before"),
        pytest.param([make_use("b"), make_use("b"), make_use("c")], 3, id="one of them twice"),
        pytest.param([make_use("new"), make_use("b")], 1, id="itself, repeated later"),
        pytest.param([make_use("b"), make_use("new"), make_use("new")], 2, id="itself, repeated"),
        pytest.param([make_use("new", "b")], 2, id="over another champion"),
        pytest.param([make_use("b", ids=OTHERS)], 1, id="other test pictures"),
        pytest.param([make_use("b", ids=IDS[:400] + OTHERS[:200])], 2, id="most of the pictures"),
        pytest.param([make_use("b", ids=IDS[:150] + OTHERS[:450])], 1, id="a quarter of them"),
        pytest.param([make_use("b", ids=IDS + OTHERS * 1)], 2, id="all, and as many more"),
        pytest.param([make_use("b", ids=IDS[:100])], 1, id="a sixth of them, and no other"),
    ],
)
def test_distinct_decisions_of_the_same_pictures_count(earlier: list[Use], number: int) -> None:
    assert number_use(earlier, "new", "a", IDS) == number


@pytest.mark.parametrize("n_shared", [0, 150, 300, 450, 600])
def test_a_sketch_tells_the_share(n_shared: int) -> None:
    found = [
        share_of(ids, sketch_ids(ids[:n_shared] + [f"{seed}/{name}" for name in OTHERS[n_shared:]]))
        for seed in range(20)
        for ids in [[f"{seed}/{name}" for name in IDS]]
    ]
    assert np.mean(found) == pytest.approx(n_shared / 600, abs=0.03)
    assert np.std(found) < 0.08


def test_a_small_set_is_known_whole() -> None:
    assert share_of(IDS[:40], sketch_ids(IDS[10:30])) == 0.5
    assert share_of([], sketch_ids(IDS)) == share_of(IDS, ()) == 0


def test_a_use_is_a_short_text_and_comes_back() -> None:
    use = make_use("5" * 32 + ".dir " + "6" * 32, "7" * 32 + ".dir " + "8" * 32)
    assert len(use.as_text()) < 2000
    assert Use.from_text(use.as_text()) == use


@pytest.mark.parametrize(
    "text", ["", "{", "3", "[]", "{}", '{"challenger": "a", "champion": "b", "test": 3}']
)
def test_another_text_is_no_use(text: str) -> None:
    assert Use.from_text(text) is None
