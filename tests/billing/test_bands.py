"""Bands: every instant is in the band that the clock on the wall shows, whatever the zone does to its clocks."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bands import OTHERWISE, Bands
from billing.bands_read import DAYS, read_bands
from billing.members import Members
from billing.price import parse_price
from billing.public_holidays import holidays_known, public_holidays
from core.errors import FieldError, Invalid
from core.period import Period

MINUTE = timedelta(minutes=1)
ZONES = ["Europe/Amsterdam", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
# Days on which clocks are changed in one of the zones, month ends, and a leap day.
MIDNIGHTS = ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2028-02-28", "2026-12-30"]


def bands(*rows: dict[str, Any], **price: Any) -> Bands:
    errors: list[FieldError] = []
    found = read_bands(Members({"bands": [{"unit_price": "1", **row} for row in rows], **price}, "", errors))
    if errors:
        raise Invalid.collect(errors)
    return found


def apart(rows: list[dict[str, Any]]) -> Bands | None:
    """The bands, or None where they overlap."""
    errors: list[FieldError] = []
    found = read_bands(Members({"bands": [{"unit_price": "1", **row} for row in rows]}, "", errors))
    assert {error.code for error in errors} <= {"bands_overlap"}
    return None if errors else found


def minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def on_the_wall(rows: list[dict[str, Any]], instant: datetime, time_zone: str) -> int:
    """The band of an instant, the slow and simple way: look at the clock and go through the rows."""
    wall = instant.astimezone(ZoneInfo(time_zone))
    now, yesterday = wall.hour * 60 + wall.minute, wall - timedelta(days=1)
    for i, row in enumerate(rows):
        start, end = minutes(row["from"]), minutes(row["to"])
        today = DAYS[wall.weekday()] in row["days"]
        before = DAYS[(wall.weekday() - 1) % 7] in row["days"]
        assert yesterday.weekday() == (wall.weekday() - 1) % 7
        if end > start:
            if today and start <= now < end:
                return i
        elif (today and now >= start) or (before and now < end):
            return i
    return OTHERWISE


CLOCKS = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
DAYS_OF_BAND = st.lists(st.sampled_from(DAYS), min_size=1, unique=True)
ROWS = st.lists(
    st.fixed_dictionaries({"from": CLOCKS, "to": CLOCKS, "days": DAYS_OF_BAND}).map(lambda row: {"name": "x", **row}),
    min_size=1,
    max_size=3,
)


@given(
    rows=ROWS,
    zone=st.sampled_from(ZONES),
    midnight=st.sampled_from(MIDNIGHTS),
    start=st.integers(0, 2000),
    length=st.integers(1, 4000),
)
def test_edges_are_exactly_where_the_clock_on_the_wall_enters_another_band(
    rows: list[dict[str, Any]], zone: str, midnight: str, start: int, length: int
) -> None:
    named = [{**row, "name": f"band {i}"} for i, row in enumerate(rows)]
    found = apart(named)
    if found is None:
        return
    begin = datetime.fromisoformat(midnight).replace(tzinfo=UTC) + start * MINUTE
    span = Period(begin, begin + length * MINUTE)
    instants = [begin + i * MINUTE for i in range(length)]
    expected = [on_the_wall(named, instant, zone) for instant in instants]
    assert [found.key(instant, zone) for instant in instants] == expected
    changes = tuple(
        at for at, band, before in zip(instants[1:], expected[1:], expected, strict=False) if band != before
    )
    assert found.edges(span, zone) == changes


@given(rows=ROWS)
def test_bands_overlap_if_and_only_if_some_minute_of_a_week_belongs_to_two(rows: list[dict[str, Any]]) -> None:
    monday = datetime(2026, 6, 1, tzinfo=UTC)  # no clock is changed
    instants = [monday + i * 15 * MINUTE for i in range(7 * 96)]
    twice = any(sum(on_the_wall([row], instant, "UTC") != OTHERWISE for row in rows) > 1 for instant in instants)
    assert (apart(rows) is None) is twice


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", {0: 16, 1: 7}), ("2026-10-25", {0: 16, 1: 9}), ("2026-06-01", {0: 16, 1: 8})]
)
def test_the_bands_of_a_day_add_up_to_its_hours(day: str, hours: dict[int, int]) -> None:
    found = bands({"name": "day", "from": "07:00", "to": "23:00"}, {"name": "night", "from": "23:00", "to": "07:00"})
    zone = ZoneInfo("Europe/Amsterdam")
    start = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)
    edges = [start, *found.edges(Period(start, end), "Europe/Amsterdam"), end]
    got: dict[int, int] = {}
    for a, b in pairwise(edges):
        key = found.key(a, "Europe/Amsterdam")
        got[key] = got.get(key, 0) + (b - a) // timedelta(hours=1)
    assert got == hours


def test_a_band_in_the_hour_that_is_skipped_does_not_exist_that_day_and_one_that_happens_twice_lasts_double() -> None:
    found = bands({"name": "test", "from": "02:00", "to": "02:30"})
    spring = Period(datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    assert found.edges(spring, "Europe/Amsterdam") == ()
    autumn = Period(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC))
    assert [edge.strftime("%H:%M") for edge in found.edges(autumn, "Europe/Amsterdam")] == [
        "00:00",
        "00:30",
        "01:00",
        "01:30",
    ]


def test_a_span_may_begin_and_end_at_any_fraction_of_a_second() -> None:
    found = bands({"name": "night", "from": "23:00", "to": "07:00"})
    start = datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)
    end = datetime(2026, 3, 29, 5, 0, 0, 1, tzinfo=UTC)
    assert found.edges(Period(start, end), "Europe/Amsterdam") == (datetime(2026, 3, 29, 5, tzinfo=UTC),)


@pytest.mark.parametrize(
    ("day", "free"),
    [
        ("2026-04-27", True),  # King's Day
        ("2027-04-27", True),
        ("2026-12-25", True),
        ("2026-05-05", False),  # Liberation Day is public every five years
        ("2025-05-05", True),
        ("2026-04-28", False),
    ],
)
def test_public_holidays_of_the_netherlands(day: str, free: bool) -> None:
    found = datetime.fromisoformat(day).date()
    assert (found in public_holidays("NL", found.year)) is free


def test_holidays_of_a_part_of_a_country() -> None:
    epiphany = datetime(2026, 1, 6, tzinfo=UTC).date()
    assert epiphany in public_holidays("DE-BY", 2026)
    assert epiphany not in public_holidays("DE", 2026)
    assert [holidays_known(place) for place in ("NL", "DE-BY", "DE-XX", "XX", "", "-", "nl")] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]


HOLIDAY = datetime(2026, 4, 27, 10, tzinfo=UTC)  # King's Day, a Monday
SUNDAY, MONDAY = datetime(2026, 4, 26, 10, tzinfo=UTC), datetime(2026, 4, 20, 10, tzinfo=UTC)
WEEK = {"name": "week", "days": ["mon", "tue", "wed", "thu", "fri"]}


@pytest.mark.parametrize(
    ("rows", "price", "keys"),
    [
        ([WEEK], {}, (0, OTHERWISE, 0)),
        ([WEEK], {"holidays": "NL"}, (0, OTHERWISE, OTHERWISE)),
        ([{**WEEK, "holidays": "NL"}], {}, (0, OTHERWISE, OTHERWISE)),
        ([WEEK, {"name": "sun", "days": ["sun"]}], {"holidays": "NL"}, (0, 1, 1)),
        ([WEEK, {"name": "free", "days": ["holiday"]}], {"holidays": "NL"}, (0, OTHERWISE, 1)),
        (
            [WEEK, {"name": "sun", "days": ["sun"]}, {"name": "free", "days": ["holiday"]}],
            {"holidays": "NL"},
            (0, 1, 2),
        ),
        ([{"name": "free", "holidays": "NL"}], {}, (OTHERWISE, OTHERWISE, 0)),
        ([{"name": "always"}], {"holidays": "NL"}, (0, 0, 0)),
    ],
)
def test_what_a_public_holiday_counts_as(
    rows: list[dict[str, Any]], price: dict[str, Any], keys: tuple[int, int, int]
) -> None:
    found = bands(*rows, **price)
    assert tuple(found.key(instant, "Europe/Amsterdam") for instant in (MONDAY, SUNDAY, HOLIDAY)) == keys


def test_a_week_without_holidays_meets_a_band_of_holidays_and_one_that_looks_at_them_does_not() -> None:
    free = {"name": "free", "holidays": "NL"}
    with pytest.raises(Invalid) as refused:
        bands(WEEK, free)
    assert [(e.code, e.pointer) for e in refused.value.errors] == [("bands_overlap", "/bands/1")]
    assert bands({**WEEK, "holidays": "NL"}, free).holidays == "NL"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 30) | st.sampled_from(["", "07:00", "24:00", "mon", "NL", "1", "UTC"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
BAND_OF_JUNK = st.dictionaries(
    st.sampled_from(["name", "days", "from", "to", "months", "holidays", "unit_price", "x"]), JUNK, max_size=6
)


@given(
    price=st.fixed_dictionaries(
        {"model": st.just("time_of_use")},
        optional={
            "bands": st.lists(BAND_OF_JUNK | JUNK, max_size=3) | JUNK,
            "time_zone": JUNK,
            "holidays": JUNK,
            "otherwise": JUNK,
        },
    )
)
def test_whatever_is_sent_is_a_price_or_refused(price: dict[str, Any]) -> None:
    with suppress(Invalid):
        parse_price(price)
