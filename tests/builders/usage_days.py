"""Usage summed by the day, held against the hours that it is the sum of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text

from services.context import Context

QUALITIES = ("measured", "interpolated", "estimated", "substituted", "invalid")
TABLES = {
    "register": (("register_id",), (*(f"sum({q})" for q in QUALITIES), "sum(intervals)", "max(known_at)")),
    "event": (
        ("subscription_id", "meter_id"),
        ("sum(quantity)", "sum(count)", "min(minimum)", "max(maximum)", "max(known_at)"),
    ),
}
UNTIL = "SELECT until FROM summed_usage"


def summed_until(ctx: Context) -> datetime:
    """Up to when a provider's days are summed."""
    found: datetime = ctx.session.execute(text(UNTIL)).scalar_one()
    return found


def begin_at(ctx: Context, day: datetime) -> None:
    """As if a provider without usage had been made on a day."""
    ctx.session.execute(text("UPDATE summed_usage SET until = :day"), {"day": day})


def days(ctx: Context) -> list[Any]:
    """All rows of days, of registers and of events."""
    return [tuple(row) for row in _rows(ctx, "{table}_day", "day", "true")]


def days_by_hours(ctx: Context) -> list[Any]:
    """What these rows must be: the sums of the hours of the days that are summed."""
    hours = "date_trunc('day', hour, 'UTC')"
    return [tuple(row) for row in _rows(ctx, "{table}_hour", hours, f"hour < ({UNTIL})")]


def _rows(ctx: Context, name: str, day: str, condition: str) -> list[Any]:
    found: list[Any] = []
    for table, (keys, sums) in TABLES.items():
        key = ", ".join(keys)
        statement = f"""
            SELECT {key}, {day}, {", ".join(sums)} FROM {name.format(table=table)} WHERE {condition}
            GROUP BY {key}, {day} ORDER BY {key}, {day}
        """
        found += ctx.session.execute(text(statement)).all()
    return found


def by_hours(ctx: Context, table: str, start: datetime, end: datetime) -> dict[Any, list[Any]]:
    """What hours alone tell of a span: sums by the first part of the key."""
    keys, sums = TABLES[table]
    statement = f"""
        SELECT {keys[0]}, {", ".join(sums)} FROM {table}_hour WHERE hour >= :start AND hour < :end GROUP BY {keys[0]}
    """
    return {row[0]: list(row[1:]) for row in ctx.session.execute(text(statement), {"start": start, "end": end})}
