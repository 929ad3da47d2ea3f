"""Bands: hours of the day, on some days and in some months, at a price of their own.

An instant belongs to the band that the clock on the wall shows. Where the clock is put back, the hour that happens
twice is twice in its band; where it is put forward, the hour that is skipped is in none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import pairwise

from billing.periods import zone
from billing.public_holidays import public_holidays
from core.period import Period, utc

DAY_MINUTES = 24 * 60
# The band of instants that no band covers.
OTHERWISE = -1

_MINUTE, _DAY, _STEP, _SECOND = timedelta(minutes=1), timedelta(days=1), timedelta(hours=6), timedelta(seconds=1)
# (weekday from Monday 0, whether it is a public holiday)
DayKind = tuple[int, bool]
# (month, weekday, whether it is a public holiday)
_Day = tuple[int, int, bool]
# From which minute of a day which band holds, rising.
_Plan = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Band:
    """One band.

    Args:
        start, end: minutes since midnight of the day on which it starts. An end above 1440 is on the next day, which
            need not be one of `days`.
        days, months: when it starts.
    """

    name: str
    unit_price: Decimal
    start: int
    end: int
    days: frozenset[DayKind]
    months: frozenset[int]

    def starts_on(self, day: _Day) -> bool:
        """Whether it starts on such a day."""
        return day[0] in self.months and day[1:] in self.days

    def meets(self, other: Band) -> bool:
        """Whether there can be a day on which both hold at the same time."""
        return self._meets_same_day(other) or self._meets_next_day(other) or other._meets_next_day(self)

    def _meets_same_day(self, other: Band) -> bool:
        together = self.start < other.end and other.start < self.end
        return together and bool(self.days & other.days) and bool(self.months & other.months)

    def _meets_next_day(self, other: Band) -> bool:
        if self.end - DAY_MINUTES <= other.start:
            return False
        following = {weekday for weekday, _ in other.days}
        months = self.months | {month % 12 + 1 for month in self.months}
        return bool(months & other.months) and any((weekday + 1) % 7 in following for weekday, _ in self.days)


@dataclass(frozen=True)
class Bands:
    """Bands that do not meet, as cuts of time.

    Args:
        time_zone: whose clock they follow; None follows that of the place where usage is metered.
        holidays: whose public holidays count; None where they do not.
    """

    bands: tuple[Band, ...]
    time_zone: str | None = None
    holidays: str | None = None

    def edges(self, span: Period, time_zone: str) -> tuple[datetime, ...]:
        """The instants strictly within a span at which another band begins to hold."""
        return _edges(self, span, self.time_zone or time_zone)

    def key(self, instant: datetime, time_zone: str) -> int:
        """The position of the band that holds at an instant, or `OTHERWISE`.

        Bands of one name and price share the first one's.
        """
        local = instant.astimezone(zone(self.time_zone or time_zone))
        plan = self.plan(local.date())
        minute = local.hour * 60 + local.minute
        return plan[bisect_right(plan, minute, key=lambda entry: entry[0]) - 1][1]

    def plan(self, day: date) -> _Plan:
        """From which minute of a day which band holds."""
        kinds = self._kind(day), self._kind(day - _DAY)
        if kinds not in self._plans:
            self._plans[kinds] = self._planned(*kinds)
        return self._plans[kinds]

    def gap(self) -> bool:
        """Whether there can be an instant that no band covers."""
        flags = (False, True) if self.holidays else (False,)
        for month, weekday in ((m, w) for m in range(1, 13) for w in range(7)):
            for before in {month, (month - 2) % 12 + 1}:
                for is_free, was_free in ((a, b) for a in flags for b in flags):
                    plan = self._planned((month, weekday, is_free), (before, (weekday - 1) % 7, was_free))
                    if any(band == OTHERWISE for _, band in plan):
                        return True
        return False

    @cached_property
    def _plans(self) -> dict[tuple[_Day, _Day], _Plan]:
        return {}

    @cached_property
    def _first_alike(self) -> tuple[int, ...]:
        told = [(band.name, band.unit_price) for band in self.bands]
        return tuple(told.index(each) for each in told)

    def _kind(self, day: date) -> _Day:
        free = self.holidays is not None and day in public_holidays(self.holidays, day.year)
        return day.month, day.weekday(), free

    def _planned(self, today: _Day, yesterday: _Day) -> _Plan:
        held = [(b.start, min(b.end, DAY_MINUTES), i) for i, b in enumerate(self.bands) if b.starts_on(today)]
        held += [
            (0, b.end - DAY_MINUTES, i)
            for i, b in enumerate(self.bands)
            if b.end > DAY_MINUTES and b.starts_on(yesterday)
        ]
        plan: list[tuple[int, int]] = []
        minute = 0
        for start, end, band in sorted(held):
            if start > minute:
                plan.append((minute, OTHERWISE))
            plan.append((start, self._first_alike[band]))
            minute = end
        if minute < DAY_MINUTES:
            plan.append((minute, OTHERWISE))
        return tuple(plan)


@lru_cache(maxsize=1024)
def _edges(bands: Bands, span: Period, time_zone: str) -> tuple[datetime, ...]:
    changes = dict(_changes(bands, span, time_zone))  # of several at one instant the last one holds
    return tuple(at for (_, before), (at, after) in pairwise(changes.items()) if before != after and at > span.start)


def _changes(bands: Bands, span: Period, time_zone: str) -> Iterator[tuple[datetime, int]]:
    """From which instant which band holds, in order of time; some are the same as before, or lie before the span."""
    for stretch, offset in _stretches(span, time_zone):
        start, end = (utc(edge).replace(tzinfo=None) + offset for edge in (stretch.start, stretch.end))
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        while day < end:
            for minute, band in bands.plan(day.date()):
                wall = day + minute * _MINUTE
                if wall < end:
                    yield (max(wall, start) - offset).replace(tzinfo=UTC), band
            day += _DAY


@lru_cache(maxsize=1024)
def _stretches(span: Period, time_zone: str) -> tuple[tuple[Period, timedelta], ...]:
    """A span cut where clocks are changed, each part with its offset from UTC."""
    found = []
    start = span.start
    before = start.replace(microsecond=0)
    while before < span.end:
        after = before + _STEP
        if _offset(after, time_zone) != _offset(before, time_zone):
            changed = min(_change(before, after, time_zone), span.end)
            if changed > start:
                found.append((Period(start, changed), _offset(before, time_zone)))
                start = changed
        before = after
    if start < span.end:
        found.append((Period(start, span.end), _offset(start, time_zone)))
    return tuple(found)


def _offset(instant: datetime, time_zone: str) -> timedelta:
    return instant.astimezone(zone(time_zone)).utcoffset() or timedelta()


def _change(before: datetime, after: datetime, time_zone: str) -> datetime:
    """When the clock was changed between two instants, to the second."""
    old = _offset(before, time_zone)
    while after - before > _SECOND:
        middle = before + (after - before) // 2 // _SECOND * _SECOND
        if _offset(middle, time_zone) == old:
            before = middle
        else:
            after = middle
    return after
