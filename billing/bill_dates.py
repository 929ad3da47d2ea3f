"""When a payer is billed, and when it has to pay.

A payer is billed on the 1st of each month in its own zone, a little after local midnight, so that the readings at the
boundary are in. Days are calendar days: one of 23 or 25 hours is one day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

DEFAULT_CLOSE_AFTER_MINUTES = 30


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local date, in UTC.

    Where a clock change skips midnight, the day starts at the change; where it repeats midnight, at the first one.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone, fold=0).astimezone(UTC)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The date on the wall at an instant."""
    return instant.astimezone(zone).date()


def bill_at(day: date, zone: ZoneInfo, close_after_minutes: int = DEFAULT_CLOSE_AFTER_MINUTES) -> datetime:
    """The instant at which the documents of a bill date are made, in UTC."""
    return start_of_day(day, zone) + timedelta(minutes=close_after_minutes)


def next_bill_at(after: datetime, zone: ZoneInfo, close_after_minutes: int = DEFAULT_CLOSE_AFTER_MINUTES) -> datetime:
    """The first bill date's instant strictly after another instant, in UTC."""
    day = local_date(after, zone).replace(day=1)
    while (instant := bill_at(day, zone, close_after_minutes)) <= after:
        day = (day + timedelta(days=32)).replace(day=1)
    return instant


def due_at(issued_on: date, terms_days: int, zone: ZoneInfo) -> datetime:
    """When a document is overdue if it is not paid: the end of its due date, in UTC.

    Args:
        issued_on: the document's date, in `zone`.
        terms_days: days from that date to the due date; 0 is payable on the day of issue.
    """
    return start_of_day(issued_on + timedelta(days=terms_days + 1), zone)


def due_on(due: datetime, zone: ZoneInfo) -> date:
    """The due date that `due_at` ends, as it is printed."""
    return local_date(due - timedelta(microseconds=1), zone)
