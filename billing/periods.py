"""The spans that an item is billed by: calendar arithmetic in the zone of its subscription.

A boundary is a local date and becomes the first instant of that day, so a day of 23 or 25 hours is one day. The anchor
is kept: monthly from 31 January has boundaries on 31 January, 28 or 29 February, 31 March.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from core.errors import Invalid
from core.period import Period, utc

CALENDAR, ANNIVERSARY = "calendar", "anniversary"
ANCHORS = (CALENDAR, ANNIVERSARY)
COUNT_MOST = 120
# Calendar spans are the same for thousands of items; so many are remembered.
SPANS_KEPT = 20_000

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "quarter": 3, "half-year": 6, "year": 12}
UNITS = (*_DAYS, *_MONTHS)


@dataclass(frozen=True)
class Interval:
    """A length of time in the calendar: three months, one half-year."""

    unit: str
    count: int = 1

    def as_json(self) -> dict[str, str | int]:
        """As a plan price shows it."""
        return {"unit": self.unit, "count": self.count}

    @property
    def days_least(self) -> int:
        """How many days it has at least; a month has 28."""
        return (_DAYS[self.unit] if self.unit in _DAYS else 28 * _MONTHS[self.unit]) * self.count

    @property
    def months(self) -> Fraction:
        """How many months it is, to compare prices by; of days as if every month were a twelfth of 365."""
        if self.unit in _MONTHS:
            return Fraction(_MONTHS[self.unit] * self.count)
        return Fraction(_DAYS[self.unit] * self.count * 12, 365)


@cache
def zone(name: str) -> ZoneInfo:
    """The IANA zone of a name.

    Raises:
        Invalid: `time_zone_unknown`.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Invalid("time_zone_unknown", "Use an IANA zone such as Europe/Amsterdam.", "/time_zone") from None


def local_date(instant: datetime, time_zone: str) -> date:
    """The date on the wall in a zone."""
    return instant.astimezone(zone(time_zone)).date()


def day_start(day: date, time_zone: str) -> datetime:
    """The first instant of a local day.

    Where midnight is skipped it is the end of the gap, where it happens twice the first of the two (PEP 495, fold 0).
    """
    return utc(datetime(day.year, day.month, day.day, tzinfo=zone(time_zone)))


def add_months(day: date, months: int) -> date:
    """The same day of the month, or the month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Cadence:
    """The endless row of spans of one item: `origin` is the first boundary, the others follow in both directions."""

    interval: Interval
    origin: date
    time_zone: str

    def __hash__(self) -> int:
        # Few intervals share an origin, and this is asked dozens of times for each item.
        return hash((self.origin, self.time_zone))

    def boundary(self, index: int) -> date:
        """The local date on which span `index` starts."""
        unit, count = self.interval.unit, self.interval.count
        if unit in _DAYS:
            return self.origin + timedelta(days=_DAYS[unit] * count * index)
        return add_months(self.origin, _MONTHS[unit] * count * index)

    @lru_cache(maxsize=SPANS_KEPT)  # noqa: B019 (a value, and one that most items of a payer share)
    def index_at(self, instant: datetime) -> int:
        """The index of the span that contains an instant."""
        day = local_date(instant, self.time_zone)
        unit, count = self.interval.unit, self.interval.count
        if unit in _DAYS:
            return (day - self.origin).days // (_DAYS[unit] * count)
        months = (day.year - self.origin.year) * 12 + day.month - self.origin.month
        index = months // (_MONTHS[unit] * count)
        return index if self.boundary(index) <= day else index - 1

    @lru_cache(maxsize=SPANS_KEPT)  # noqa: B019 (as above)
    def span(self, index: int) -> Period | None:
        """Span `index`, or None for a day that the zone skipped (Pacific/Apia had no 30 December 2011)."""
        start = day_start(self.boundary(index), self.time_zone)
        end = day_start(self.boundary(index + 1), self.time_zone)
        return Period(start, end) if start < end else None

    def span_at(self, instant: datetime) -> Period:
        """The span that contains an instant."""
        return next(self.spans_from(instant))

    def spans_from(self, instant: datetime) -> Iterator[Period]:
        """The spans in order, from the one that contains an instant, without end."""
        index = self.index_at(instant)
        while True:
            span = self.span(index)
            if span is not None and span.end > instant:
                yield span
            index += 1


def cadence(interval: Interval, anchor: str, start: datetime, time_zone: str) -> Cadence:
    """The spans of something that starts at an instant.

    Args:
        anchor: `calendar` (day 1; weeks on Monday; quarters in Jan/Apr/Jul/Oct; half-years in Jan/Jul; counts above
            one from the first span) or `anniversary` (the local date of the start).
        start: of the subscription, whose spans all its items share.
        time_zone: IANA name, frozen on the subscription.
    """
    return _cadence(interval, anchor, utc(start), time_zone)


@lru_cache(maxsize=SPANS_KEPT)
def _cadence(interval: Interval, anchor: str, start: datetime, time_zone: str) -> Cadence:
    day = local_date(start, time_zone)
    if anchor == CALENDAR:
        day = _calendar_origin(day, interval.unit)
    return Cadence(interval, day, time_zone)


def _calendar_origin(day: date, unit: str) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit in _MONTHS:
        return date(day.year, day.month - (day.month - 1) % _MONTHS[unit], 1)
    return day
