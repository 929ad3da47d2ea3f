"""Spans in a zone: the anchor is kept, no instant is skipped and none counted twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.periods import ANCHORS, UNITS, Interval, cadence, day_start, local_date, zone
from core.errors import Invalid

ZONES = ["UTC", "Europe/Amsterdam", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
AMS = "Europe/Amsterdam"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def dates(unit: str, count: int, anchor: str, start: str, time_zone: str, number: int) -> list[str]:
    """The local dates on which the first spans from the start's own begin."""
    spans = cadence(Interval(unit, count), anchor, at(start), time_zone).spans_from(at(start))
    return [local_date(span.start, time_zone).isoformat() for span in islice(spans, number)]


@pytest.mark.parametrize(
    ("unit", "count", "anchor", "start", "expected"),
    [
        ("month", 1, "anniversary", "2026-01-31T12:00+01:00", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("month", 1, "anniversary", "2028-01-31T12:00+01:00", ["2028-01-31", "2028-02-29", "2028-03-31"]),
        ("month", 1, "anniversary", "2026-01-30T12:00+01:00", ["2026-01-30", "2026-02-28", "2026-03-30"]),
        ("month", 1, "calendar", "2026-01-31T12:00+01:00", ["2026-01-01", "2026-02-01", "2026-03-01"]),
        ("month", 2, "calendar", "2026-02-10T12:00+01:00", ["2026-02-01", "2026-04-01", "2026-06-01"]),
        ("quarter", 1, "calendar", "2026-02-10T12:00+01:00", ["2026-01-01", "2026-04-01", "2026-07-01"]),
        ("quarter", 1, "anniversary", "2025-11-30T12:00+01:00", ["2025-11-30", "2026-02-28", "2026-05-30"]),
        ("half-year", 1, "calendar", "2026-08-31T12:00+02:00", ["2026-07-01", "2027-01-01", "2027-07-01"]),
        ("year", 1, "calendar", "2026-08-31T12:00+02:00", ["2026-01-01", "2027-01-01", "2028-01-01"]),
        ("year", 1, "anniversary", "2024-02-29T12:00+01:00", ["2024-02-29", "2025-02-28", "2026-02-28"]),
        ("week", 1, "calendar", "2026-03-25T12:00+01:00", ["2026-03-23", "2026-03-30", "2026-04-06"]),
        ("week", 2, "anniversary", "2026-03-25T12:00+01:00", ["2026-03-25", "2026-04-08", "2026-04-22"]),
        ("day", 1, "calendar", "2026-03-28T12:00+01:00", ["2026-03-28", "2026-03-29", "2026-03-30"]),
        ("day", 30, "calendar", "2026-03-28T12:00+01:00", ["2026-03-28", "2026-04-27", "2026-05-27"]),
    ],
)
def test_spans_begin_on_the_dates_of_their_anchor(
    unit: str, count: int, anchor: str, start: str, expected: list[str]
) -> None:
    assert dates(unit, count, anchor, start, AMS, len(expected)) == expected


def test_a_yearly_span_of_29_february_comes_back_to_it_in_a_leap_year() -> None:
    assert dates("year", 1, "anniversary", "2024-02-29T12:00Z", "UTC", 5)[4] == "2028-02-29"


def test_the_zone_decides_in_which_month_a_start_lies() -> None:
    late = "2026-02-01T04:30Z"  # still January in California
    assert dates("month", 1, "calendar", late, "America/Los_Angeles", 1) == ["2026-01-01"]
    assert dates("month", 1, "calendar", late, AMS, 1) == ["2026-02-01"]


def test_a_month_with_the_change_to_summer_time_is_an_hour_short_and_october_an_hour_long() -> None:
    march = cadence(Interval("month"), "calendar", at("2026-03-10T00:00Z"), AMS).span_at(at("2026-03-10T00:00Z"))
    october = cadence(Interval("month"), "calendar", at("2026-03-10T00:00Z"), AMS).span_at(at("2026-10-10T00:00Z"))
    assert march.end - march.start == timedelta(days=31, hours=-1)
    assert october.end - october.start == timedelta(days=31, hours=1)


def test_a_day_without_a_midnight_starts_at_its_first_instant() -> None:
    # Sao Paulo went from 23:59:59 on 3 November 2018 to 01:00 on the 4th.
    assert day_start(date(2018, 11, 4), "America/Sao_Paulo") == at("2018-11-04T03:00Z")


def test_a_day_that_a_zone_skipped_has_no_span() -> None:
    days = dates("day", 1, "calendar", "2011-12-29T12:00-10:00", "Pacific/Apia", 2)
    assert days == ["2011-12-29", "2011-12-31"]


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "/etc/passwd", "CET\0"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        zone(name)
    assert refused.value.code == "time_zone_unknown"


INSTANTS = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001


@given(
    unit=st.sampled_from(UNITS),
    count=st.integers(1, 5),
    anchor=st.sampled_from(ANCHORS),
    start=INSTANTS,
    looked_at=INSTANTS,
    time_zone=st.sampled_from(ZONES),
)
def test_every_instant_lies_in_exactly_one_span(
    unit: str, count: int, anchor: str, start: datetime, looked_at: datetime, time_zone: str
) -> None:
    row = cadence(Interval(unit, count), anchor, start, time_zone)
    spans = list(islice(row.spans_from(looked_at), 4))
    assert looked_at in spans[0]
    assert all(before.end == after.start for before, after in pairwise(spans))
    assert row.span_at(spans[2].start) == spans[2]
