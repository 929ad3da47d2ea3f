"""When to poll a device: spread over the interval, and at every boundary that a bill may be cut at.

A register read at midnight needs no interpolation, so all devices are also read at each full local hour, and midnight
readings are the last that a full spool would give up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agents.spool import Rank

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Due:
    """A poll: when, and what its readings are worth keeping for."""

    at: datetime
    rank: Rank


def next_poll(now: datetime, device: str, interval_s: int, zone: ZoneInfo) -> Due:
    """The first poll of a device after `now`.

    Args:
        device: its name; the hash of it places the device within the interval, the same after every restart.
        zone: the site's, whose hours and days are the boundaries.
    """
    boundary = next_hour(now, zone)
    spread = _next_in_grid(now, interval_s, _offset_s(device, interval_s))
    return Due(spread, Rank.DETAIL) if spread < boundary else Due(boundary, boundary_rank(boundary, zone))


def next_hour(now: datetime, zone: ZoneInfo) -> datetime:
    """The next full hour on the site's clocks, in UTC."""
    local = now.astimezone(zone)
    past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return now.astimezone(UTC) - past + HOUR


def boundary_rank(boundary: datetime, zone: ZoneInfo) -> Rank:
    """Whether a full hour also begins a day. In a zone that skips midnight, the day begins an hour later."""
    before = boundary - timedelta(seconds=1)
    return Rank.DAY if boundary.astimezone(zone).date() != before.astimezone(zone).date() else Rank.HOUR


def _offset_s(device: str, interval_s: int) -> int:
    return int.from_bytes(hashlib.sha256(device.encode()).digest()[:8], "big") % interval_s


def _next_in_grid(now: datetime, interval_s: int, offset_s: int) -> datetime:
    since = int(now.timestamp())
    steps = (since - offset_s) // interval_s + 1
    return datetime.fromtimestamp(steps * interval_s + offset_s, UTC)
