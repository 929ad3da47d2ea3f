"""When a payer is sent a statement of what is not billed yet: a day of each week or month, in its zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from billing.bill_dates import bill_at
from billing.periods import add_months, local_date

WEEK, MONTH = "week", "month"
EVERY = (WEEK, MONTH)


def next_statement_at(
    schedule: Mapping[str, Any], after: datetime, time_zone: str, close_after_minutes: int
) -> datetime:
    """The first statement's instant strictly after another one, in UTC; as long past midnight as a bill date's.

    Args:
        schedule: `{"every": "week", "day": 1 to 7}`, 1 is Monday (ISO 8601), or `{"every": "month", "day": 1 to 28}`.
    """
    day = _first(schedule, local_date(after, time_zone))
    while (at := bill_at(day, time_zone, close_after_minutes)) <= after:
        day = day + timedelta(days=7) if schedule["every"] == WEEK else add_months(day, 1)
    return at


def _first(schedule: Mapping[str, Any], today: date) -> date:
    """The day of the week or month that a day is in."""
    if schedule["every"] == WEEK:
        return today + timedelta(days=schedule["day"] - today.isoweekday())
    return today.replace(day=schedule["day"])
