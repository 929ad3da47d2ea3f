"""Readings that stop before a span ends: case 18 of the worked examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing.metering.readings import Rate
from billing.metering.tail import WEEK, Basis, History, Known, all_hours_known, hours_known, tail

SINCE = datetime(2026, 3, 20, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS_4 = 4 * 24 * HOUR
HOUR_S = Decimal(3600)


def watts(power: int | str) -> Rate:
    return Rate(Decimal(power), HOUR_S)


def test_each_hour_counts_as_the_same_hours_of_the_weeks_before() -> None:
    made = tail(History(SINCE, {0: Known(Decimal(4000), 4), 1: Known(Decimal(900), 3)}, Known(Decimal(9999), 1)))
    assert made.between(SINCE, SINCE + HOUR) == 1000
    assert made.between(SINCE + HOUR, SINCE + 2 * HOUR) == 300
    assert made.between(SINCE + HOUR / 2, SINCE + HOUR * 3 / 2) == 650
    assert made.bases_between(SINCE, SINCE + 2 * HOUR) == (Basis.SAME_HOURS,)


def test_the_week_begins_anew_for_as_long_as_nothing_comes() -> None:
    same = {hour: Known(Decimal(hour), 1) for hour in range(WEEK)}
    made = tail(History(SINCE, same))
    week = timedelta(days=7)
    assert made.between(SINCE, SINCE + week) == sum(range(WEEK))
    assert made.between(SINCE + 3 * week + 5 * HOUR, SINCE + 3 * week + 7 * HOUR) == 5 + 6


def test_an_hour_of_the_week_that_is_not_known_counts_as_the_mean_of_those_that_are() -> None:
    made = tail(History(SINCE, {0: Known(Decimal(100), 1)}, Known(Decimal(800), 2), watts(50)))
    assert made.between(SINCE, SINCE + 3 * HOUR) == 100 + 400 + 400
    assert made.bases_between(SINCE, SINCE + 3 * HOUR) == (Basis.SAME_HOURS, Basis.KNOWN_HOURS)


def test_a_register_without_a_whole_hour_goes_on_at_its_last_rate() -> None:
    made = tail(History(SINCE, rate=watts(1200)))
    assert made.between(SINCE, SINCE + DAYS_4) == 96 * 1200
    assert made.bases_between(SINCE, SINCE + DAYS_4) == (Basis.LAST_RATE,)


def test_nothing_is_invented_where_nothing_is_known() -> None:
    made = tail(History(SINCE))
    assert made.between(SINCE, SINCE + DAYS_4) == 0
    assert made.bases_between(SINCE, SINCE + DAYS_4) == ()


def test_no_hour_is_more_than_the_rating_whatever_it_is_estimated_by() -> None:
    for history in (
        History(SINCE, {0: Known(Decimal(9000), 1)}, cap=watts(3680)),
        History(SINCE, all=Known(Decimal(9000), 1), cap=watts(3680)),
        History(SINCE, rate=watts(9000), cap=watts(3680)),
    ):
        assert tail(history).between(SINCE, SINCE + HOUR) == 3680


def test_a_rate_that_cannot_be_is_not_gone_on_with() -> None:
    assert tail(History(SINCE, rate=Rate(Decimal(10**25), Decimal(1)))).between(SINCE, SINCE + HOUR) == 0


def test_nothing_before_the_last_reading_is_estimated() -> None:
    since = SINCE + HOUR / 4
    made = tail(History(since, rate=watts(1000)))
    assert made.between(SINCE - DAYS_4, SINCE + HOUR) == 750
    assert made.between(SINCE - DAYS_4, since) == 0


def test_only_hours_after_the_first_reading_are_known() -> None:
    first = SINCE - timedelta(days=10)
    assert [hours_known(first, SINCE, hour) for hour in (0, 71, 96, 167)] == [1, 1, 2, 2]
    assert hours_known(first + timedelta(minutes=1), SINCE, 96) == 1
    assert all_hours_known(first, SINCE + timedelta(minutes=59)) == 240
    assert all_hours_known(first + timedelta(minutes=1), SINCE) == 239
    assert all_hours_known(SINCE - timedelta(days=90), SINCE) == 4 * WEEK
    assert all_hours_known(SINCE, SINCE) == 0


instants = st.integers(0, 60 * 24 * 3600).map(lambda s: SINCE + timedelta(seconds=s))
quantities = st.decimals(0, 10**6, places=6)


@given(st.lists(instants, min_size=2, max_size=20), st.lists(quantities, min_size=1, max_size=WEEK), st.integers(1, 4))
def test_pieces_add_up_wherever_they_are_cut(cuts: list[datetime], week: list[Decimal], count: int) -> None:
    same = {hour: Known(quantity, count) for hour, quantity in enumerate(week)}
    made = tail(History(SINCE + timedelta(seconds=1234), same, Known(Decimal(1), 3)))
    cuts.sort()
    pieces = [made.between(a, b) for a, b in pairwise(cuts)]
    assert sum(pieces) == made.between(cuts[0], cuts[-1])
    assert all(piece >= 0 for piece in pieces)
