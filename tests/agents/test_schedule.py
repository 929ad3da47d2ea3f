"""Polls are spread over the interval, and none misses an hour or a midnight of the site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.schedule import boundary_rank, next_hour, next_poll
from agents.spool import Rank

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (naive by contract)
ZONES = st.sampled_from(["UTC", "Europe/Amsterdam", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago"])


def polls(start: datetime, end: datetime, device: str, interval_s: int, zone: ZoneInfo) -> list[datetime]:
    found, now = [], start
    while (now := next_poll(now, device, interval_s, zone).at) < end:
        found.append(now)
    return found


@given(INSTANTS, ZONES, st.integers(1, 3600))
def test_the_next_poll_lies_ahead_and_within_the_interval(now: datetime, zone: str, interval_s: int) -> None:
    due = next_poll(now, "pdu-a", interval_s, ZoneInfo(zone))
    assert now < due.at <= now + timedelta(seconds=interval_s + 1)


@given(INSTANTS, ZONES)
def test_every_full_local_hour_is_polled(now: datetime, zone: str) -> None:
    hour = next_hour(now, ZoneInfo(zone))
    assert now < hour <= now + timedelta(hours=1)
    local = hour.astimezone(ZoneInfo(zone))
    # Lord Howe turns its clocks by half an hour, inside an hour.
    assert (local.minute, local.second) in ((0, 0), (30, 0)) if zone.endswith("Howe") else local.minute == 0
    assert hour in polls(now, hour + timedelta(seconds=1), "pdu-a", 300, ZoneInfo(zone))


def test_devices_are_spread_over_the_interval_and_stay_where_they_are() -> None:
    start = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    firsts = {n: next_poll(start, f"pdu-{n}", 300, AMSTERDAM).at for n in range(200)}
    assert len(set(firsts.values())) > 100
    again = {n: next_poll(start, f"pdu-{n}", 300, AMSTERDAM).at for n in range(200)}
    assert again == firsts


def test_a_day_has_a_boundary_poll_at_local_midnight_when_the_clocks_change() -> None:
    start, end = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)
    days, now = [], start
    while (due := next_poll(now, "pdu-a", 300, AMSTERDAM)).at < end:
        now = due.at
        days += [now] if due.rank is Rank.DAY else []
    assert days == [datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("instant", "zone", "rank"),
    [
        (datetime(2026, 1, 31, 23, tzinfo=UTC), "Europe/Amsterdam", Rank.DAY),
        (datetime(2026, 2, 1, 0, tzinfo=UTC), "Europe/Amsterdam", Rank.HOUR),
        (datetime(2026, 1, 31, 18, 30, tzinfo=UTC), "Asia/Kolkata", Rank.DAY),
        # In Santiago the clocks skip from 24:00 to 01:00: the day begins at the hour that follows.
        (datetime(2026, 9, 6, 4, tzinfo=UTC), "America/Santiago", Rank.DAY),
    ],
)
def test_a_day_begins_where_the_site_says(instant: datetime, zone: str, rank: Rank) -> None:
    assert boundary_rank(instant, ZoneInfo(zone)) is rank
