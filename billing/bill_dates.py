"""When a payer is billed, and when it has to pay.

A payer is billed on the 1st of each month in its own zone, a little after local midnight, so that the readings at
the boundary are in. Days are calendar days: one of 23 or 25 hours is one day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from billing.periods import day_start, local_date

DEFAULT_CLOSE_AFTER_MINUTES = 30


def bill_at(day: date, time_zone: str, close_after_minutes: int = DEFAULT_CLOSE_AFTER_MINUTES) -> datetime:
    """The instant at which the documents of a bill date are made, in UTC."""
    return day_start(day, time_zone) + timedelta(minutes=close_after_minutes)


def next_bill_at(after: datetime, time_zone: str, close_after_minutes: int = DEFAULT_CLOSE_AFTER_MINUTES) -> datetime:
    """The first bill date's instant strictly after another instant, in UTC."""
    day = local_date(after, time_zone).replace(day=1)
    while (instant := bill_at(day, time_zone, close_after_minutes)) <= after:
        day = (day + timedelta(days=32)).replace(day=1)
    return instant


def due_at(issued_on: date, terms_days: int, time_zone: str) -> datetime:
    """When a document is overdue if it is not paid: the end of its due date, in UTC.

    Args:
        issued_on: the document's date, in `time_zone`.
        terms_days: days from that date to the due date; 0 is payable on the day of issue.
    """
    return day_start(issued_on + timedelta(days=terms_days + 1), time_zone)


def due_on(due: datetime, time_zone: str) -> date:
    """The due date that `due_at` ends, as it is printed."""
    return local_date(due - timedelta(microseconds=1), time_zone)
