"""Price indexes: values by slot, and what a slot is taken for that is not known yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing.index import IndexSeries
from core.errors import Refused
from core.period import Period

AMSTERDAM = "Europe/Amsterdam"


def at(day: int, hour: int = 0, minute: int = 0, *, month: int = 1) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def series(values: Mapping[datetime, str], slot_minutes: int = 60) -> IndexSeries:
    return IndexSeries("day_ahead", "kWh", "EUR", slot_minutes, {k: Decimal(v) for k, v in values.items()})


def test_a_known_slot_has_its_value_a_negative_one_too() -> None:
    index = series({at(1): "0.08", at(1, 1): "-0.0125"})
    assert index.price_of(at(1), "UTC") == (Decimal("0.08"), False)
    assert index.price_at(at(1, 1, 59), "UTC") == (Decimal("-0.0125"), False)


def test_edges_lie_strictly_within_a_span() -> None:
    index = series({}, slot_minutes=15)
    assert index.edges(Period(at(1, 0, 10), at(1, 0, 45))) == (at(1, 0, 15), at(1, 0, 30))
    assert index.edges(Period(at(1), at(1, 0, 15))) == ()


def test_a_missing_slot_is_the_mean_of_the_same_hours_of_the_month_before() -> None:
    index = series({at(day, 10): str(day) for day in range(1, 32)} | {at(day, 11): "99" for day in range(1, 32)})
    assert index.price_of(at(3, 10, month=2), "UTC") == (Decimal(16), True)


def test_a_mean_that_does_not_end_is_rounded_to_twelve_places() -> None:
    index = series({at(1, 10): "0.1", at(2, 10): "0.1", at(3, 10): "0.2"})
    assert index.price_of(at(1, 10, month=2), "UTC")[0] == Decimal("0.133333333333")


def test_the_last_known_month_is_taken_not_all_months() -> None:
    index = series({at(1, 10): "1", at(1, 10, month=2): "3"})
    assert index.price_of(at(1, 10, month=5), "UTC") == (Decimal(3), True)


def test_the_month_before_is_preferred_to_what_is_known_of_the_own_month() -> None:
    index = series({at(1, 10): "1", at(1, 10, month=2): "3"})
    assert index.price_of(at(2, 10, month=2), "UTC") == (Decimal(1), True)


def test_the_first_month_of_an_index_is_estimated_from_itself() -> None:
    index = series({at(1, 10): "1", at(2, 10): "2"})
    assert index.price_of(at(3, 10), "UTC") == (Decimal("1.5"), True)


def test_hours_are_those_of_the_zone_on_both_sides_of_a_clock_change() -> None:
    """10:00 in Amsterdam is 09:00Z in March before the 29th, 08:00Z in April."""
    index = series({at(day, 9, month=3): "7" for day in range(1, 29)})
    assert index.price_of(at(1, 8, month=4), AMSTERDAM) == (Decimal(7), True)
    with pytest.raises(Refused):
        index.price_of(at(1, 8, month=4), "UTC")


def test_the_month_is_that_of_the_zone() -> None:
    """23:30Z on 31 January is February in Amsterdam, whose month before is January."""
    index = series({at(5, 23): "4"})
    assert index.price_of(at(31, 23), AMSTERDAM) == (Decimal(4), True)


def test_the_four_quarters_of_an_hour_are_the_same_hour() -> None:
    index = series({at(1, 10, m): v for m, v in ((0, "1"), (15, "2"), (30, "3"), (45, "6"))}, slot_minutes=15)
    assert index.price_of(at(1, 10, 45, month=2), "UTC") == (Decimal(3), True)


def test_an_index_that_knows_no_month_refuses() -> None:
    with pytest.raises(Refused) as refused:
        series({at(1, 11): "1"}).price_of(at(1, 10, month=2), "UTC")
    assert refused.value.code == "index_unknown_slots"


def test_a_month_longer_ago_than_a_year_is_no_ground_for_an_estimate() -> None:
    with pytest.raises(Refused):
        series({datetime(2025, 1, 1, 10, tzinfo=UTC): "1"}).price_of(at(1, 10, month=2), "UTC")


def test_missing_slots_are_those_a_span_touches() -> None:
    index = series({at(1, 1): "1"})
    assert list(index.missing([Period(at(1, 0, 30), at(1, 3))])) == [at(1), at(1, 2)]
