"""Uniform slots: sample times of a percentile, windows of a demand. On the hour, on the wall of a zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from billing.members import Members
from billing.metering.slots import Slot
from billing.periods import day_start, local_date
from core.errors import Refused
from core.period import Period

DAY = timedelta(days=1)
# A year of minutes.
SLOTS_MOST = 366 * 24 * 60
# Lengths that fill an hour evenly.
MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
MINUTES_SCHEMA = {"type": "integer", "enum": list(MINUTES)}


@lru_cache(maxsize=64)
def grid(span: Period, minutes: int, time_zone: str) -> tuple[datetime, ...]:
    """The edges of uniform slots within a span, its ends included. Items that share a span share the tuple.

    Slots count from each local midnight in elapsed time, so a day of 23 or 25 hours has as many more or fewer. The
    first and the last slot are shorter where the span does not begin or end on the grid.

    Raises:
        Refused: `too_many_slots`, beyond a year of minutes.
    """
    step = timedelta(minutes=minutes)
    if (span.end - span.start) // step > SLOTS_MOST:
        raise Refused("too_many_slots", f"A span has at most {SLOTS_MOST} samples or windows; ask for a shorter one.")
    edges = [span.start]
    day = local_date(span.start, time_zone)
    start = day_start(day, time_zone)
    while start < span.end:
        day += DAY
        following = day_start(day, time_zone)
        skipped = max(0, (span.start - start) // step)
        edge = start + skipped * step
        end = min(following, span.end)
        while edge < end:
            if edge > span.start:
                edges.append(edge)
            edge += step
        start = following
    return (*edges, span.end)


def outward(span: Period, minutes: int, time_zone: str) -> Period:
    """The shortest span of whole slots around another."""
    step = timedelta(minutes=minutes)
    midnight, last = (day_start(local_date(i, time_zone), time_zone) for i in (span.start, span.end))
    start = midnight + (span.start - midnight) // step * step
    return Period(start, last - (last - span.end) // step * step)


@lru_cache(maxsize=64)
def merged(edges: tuple[datetime, ...], more: tuple[datetime, ...]) -> tuple[datetime, ...]:
    """The edges of both, in order."""
    return tuple(sorted({*edges, *more}))


def read_minutes(members: Members, name: str, default: int) -> int:
    """A length of slots, or `not_one_of`."""
    minutes = members.whole(name, default, least=1, most=MINUTES[-1])
    if minutes not in MINUTES:
        members.refuse(name, "not_one_of", f"Use one of: {', '.join(map(str, MINUTES))}.")
        return default
    return minutes


def whole_slots(slots: Sequence[Slot], minutes: int) -> list[Slot]:
    """The slots that are not cut short: by the ends of the span, or by what else was cut there."""
    length = timedelta(minutes=minutes)
    return [slot for slot in slots if slot.period.end - slot.period.start == length]
