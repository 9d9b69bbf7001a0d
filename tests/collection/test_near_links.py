"""Links between near-duplicates: the forest does not depend on how it is made, and the groups have names."""

import numpy as np
import pytest

from pipeline.collection.near_links import Links, find_components, make_none, thin

N, N_LINKS = 60, 400


def draw_links(seed: int) -> Links:
    """Many links of few distances, some of them between the same pair, in both directions and views."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, N, N_LINKS)
    b = (a + rng.integers(1, N, N_LINKS)) % N
    return Links(a, b, rng.integers(0, 4, N_LINKS), rng.integers(0, 3, N_LINKS))


def list_rows(links: Links) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in links.list_columns()), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_a_forest_is_the_same_in_parts_and_in_any_order(seed: int) -> None:
    links = draw_links(seed)
    forest = thin(links, N)
    assert len(forest) == N - len(set(find_components(N, links.a, links.b).tolist()))
    parts = np.random.default_rng(seed).integers(0, 4, N_LINKS)
    joined = make_none()
    for part in range(4):
        joined = joined.join(thin(links.take(parts == part), N))
    assert list_rows(thin(joined, N)) == list_rows(forest)
    order = np.random.default_rng(seed).permutation(N_LINKS)
    assert list_rows(thin(links.take(order), N)) == list_rows(forest)


def test_rows_get_other_numbers() -> None:
    links = Links(np.array([0]), np.array([2]), np.array([5]), np.array([1]))
    assert list_rows(links.renumber(np.array([7, 8, 9]))) == [(7, 9, 5, 1)]


def test_a_component_is_named_by_its_smallest_row() -> None:
    a, b = np.array([4, 5, 1]), np.array([2, 4, 3])
    assert find_components(7, a, b).tolist() == [0, 1, 2, 1, 2, 2, 6]
