"""Money that is split: nothing is lost, nobody is more than a minor unit off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import split_minor

AMOUNTS = st.integers(-(10**15), 10**15)
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any)


@given(AMOUNTS, WEIGHTS)
def test_the_parts_add_up_to_the_whole_and_each_is_within_a_minor_unit_of_its_share(
    total: int, weights: list[int]
) -> None:
    parts = split_minor(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


@given(AMOUNTS, WEIGHTS)
def test_a_negative_total_is_the_mirror_of_its_positive(total: int, weights: list[int]) -> None:
    assert split_minor(-total, weights) == [-part for part in split_minor(total, weights)]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),  # ties go to the earlier part
        (101, [1, 1, 1], [34, 34, 33]),
        (10, [1, 5, 0], [2, 8, 0]),  # 1.67 and 8.33: the larger remainder first, and a weight of zero gets nothing
        (0, [3, 4], [0, 0]),
    ],
)
def test_what_is_left_over_goes_to_the_largest_remainders(total: int, weights: list[int], parts: list[int]) -> None:
    assert split_minor(total, weights) == parts


@pytest.mark.parametrize("weights", [[], [0, 0], [3, -1]])
def test_weights_that_share_out_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split_minor(100, weights)
