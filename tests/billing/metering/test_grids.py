"""Samples and windows lie on the hour of the wall's clock, and a day has as many as it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.grids import MINUTES, grid, merged, outward
from billing.periods import day_start
from core.period import Period

AMSTERDAM, KOLKATA, LORD_HOWE = "Europe/Amsterdam", "Asia/Kolkata", "Australia/Lord_Howe"


def local(start: str, end: str, zone: str) -> Period:
    return Period(*(day_start(datetime.fromisoformat(day).date(), zone) for day in (start, end)))


@pytest.mark.parametrize(
    ("start", "end", "zone", "minutes", "slots"),
    [
        ("2026-03-29", "2026-03-30", AMSTERDAM, 15, 92),
        ("2026-10-25", "2026-10-26", AMSTERDAM, 15, 100),
        ("2026-03-01", "2026-04-01", AMSTERDAM, 5, 8916),
        ("2026-10-01", "2026-11-01", AMSTERDAM, 5, 8940),
        ("2026-12-01", "2027-01-01", AMSTERDAM, 5, 8928),
        ("2026-06-01", "2026-06-02", KOLKATA, 60, 24),
        ("2026-04-05", "2026-04-06", LORD_HOWE, 30, 49),  # half an hour longer
    ],
)
def test_a_span_has_as_many_slots_as_its_clock_shows(start: str, end: str, zone: str, minutes: int, slots: int) -> None:
    edges = grid(local(start, end, zone), minutes, zone)
    assert len(edges) - 1 == slots
    assert {b - a for a, b in pairwise(edges)} == {timedelta(minutes=minutes)}


def test_an_hour_of_a_zone_that_is_half_an_hour_off_begins_at_half_past() -> None:
    day = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 1, 3, tzinfo=UTC))
    assert [edge.minute for edge in grid(day, 60, KOLKATA)] == [0, 30, 30, 30, 0]


spans = st.tuples(st.integers(0, 366 * 24 * 60), st.integers(1, 3 * 24 * 60)).map(
    lambda each: Period(
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=each[0]),
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=sum(each)),
    )
)
zones = st.sampled_from([AMSTERDAM, KOLKATA, LORD_HOWE, "America/New_York", "UTC"])


@given(spans, st.sampled_from(MINUTES), zones)
def test_a_grid_runs_from_end_to_end_in_steps_no_longer_than_asked(span: Period, minutes: int, zone: str) -> None:
    edges = grid(span, minutes, zone)
    assert (edges[0], edges[-1]) == (span.start, span.end)
    assert all(timedelta(0) < b - a <= timedelta(minutes=minutes) for a, b in pairwise(edges))
    assert all(edge.astimezone(UTC).second == 0 for edge in edges)


@given(spans, st.sampled_from(MINUTES), zones)
def test_what_lies_around_a_span_begins_and_ends_on_the_grid(span: Period, minutes: int, zone: str) -> None:
    around = outward(span, minutes, zone)
    assert around.covers(span)
    assert around.start > span.start - timedelta(minutes=minutes)
    assert around.end < span.end + timedelta(minutes=minutes)
    whole = grid(Period(around.start - timedelta(days=1), around.end + timedelta(days=1)), minutes, zone)
    assert {around.start, around.end} <= set(whole)


def test_edges_of_two_kinds_are_told_once_and_in_order() -> None:
    a, b, c = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (1, 2, 3))
    assert merged((a, c), (b, c)) == (a, b, c)
