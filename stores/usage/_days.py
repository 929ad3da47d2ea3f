"""Days: the hours of a day (UTC) summed up once it has ended, so that a month is read as days and not as hours.

A provider's days that ended by `summed_usage.until` are the sums of their hours, always. Whoever writes hours adds what
lies before `until` to the days, in the same transaction. A job sums one day after another and moves `until` on.

So that neither misses what the other has not committed yet, they hold lanes (advisory locks of the transaction): a lane
is a provider's days of one number modulo 8. Writers share the lanes of all days that they write to, and then learn
`until`, from a query that begins after they have waited: a query sees what was committed when it began. The job takes a
day's lane for itself, and sums it in the statements that follow: whoever wrote to that day has committed by then, and
whoever comes later learns that the day is summed.

Nobody waits in a ring: the job waits for one lane only, while it holds nothing that a writer asks for; once it has the
lane it waits for nobody, since rows of a day that is not summed yet have no other writer.
"""

# ruff: noqa: S608 (a statement is put together from a constant; values are parameters)

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from stores.statements import run

DAY = timedelta(days=1)
LANES = 8
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

# A lane is two numbers, which are a space of their own among such locks. The function is made by migration 0019.
SHARE = "SELECT busbar_share_lanes(%(provider)b, %(lock)b::int4, %(lanes)b::int4[])"
TAKE = "SELECT pg_advisory_xact_lock(%(lock)b::int4, %(lane)b::int4)"
TRY_ALL = f"""
SELECT bool_and(pg_try_advisory_xact_lock(%(lock)b::int4, lane)) FROM generate_series(0, {LANES - 1}) AS lane
"""

FIRST_UNTIL = "INSERT INTO summed_usage (provider_id, until) VALUES (%(provider)b, %(until)b)"
# One at a time: who finds it taken has nothing to do.
UNTIL = "SELECT until FROM summed_usage WHERE provider_id = %(provider)b FOR UPDATE SKIP LOCKED"
MOVE = "UPDATE summed_usage SET until = %(until)b WHERE provider_id = %(provider)b"

# Key by key, in the order of keys: the hours of a day are a few rows of each, found by the primary key however much was
# stored before, and days that are read together come to lie together.
SUM_REGISTERS = """
INSERT INTO register_day
  (provider_id, register_id, day, measured, interpolated, estimated, substituted, invalid, intervals, known_at)
SELECT %(provider)b, r.id, %(day)b, h.*
FROM register r
CROSS JOIN LATERAL (
  SELECT sum(h.measured), sum(h.interpolated), sum(h.estimated), sum(h.substituted), sum(h.invalid),
         sum(h.intervals), max(h.known_at) AS known_at
  FROM register_hour h WHERE h.provider_id = %(provider)b AND h.register_id = r.id
    AND h.hour >= %(day)b AND h.hour < %(end)b) h
WHERE r.provider_id = %(provider)b AND h.known_at IS NOT NULL ORDER BY r.id
"""
SUM_EVENTS = """
INSERT INTO event_day (provider_id, subscription_id, meter_id, day, quantity, count, minimum, maximum, known_at)
SELECT %(provider)b, s.id, m.id, %(day)b, h.*
FROM subscription s JOIN meter m ON m.provider_id = s.provider_id
CROSS JOIN LATERAL (
  SELECT sum(h.quantity), sum(h.count), min(h.minimum), max(h.maximum), max(h.known_at) AS known_at
  FROM event_hour h WHERE h.provider_id = %(provider)b AND h.subscription_id = s.id AND h.meter_id = m.id
    AND h.hour >= %(day)b AND h.hour < %(end)b) h
WHERE s.provider_id = %(provider)b AND h.known_at IS NOT NULL ORDER BY s.id, m.id
"""
# The first hour from an instant on, before another.
FIRST_HOUR = """
SELECT min(hour) FROM (
  SELECT (SELECT min(h.hour) FROM register_hour h WHERE h.provider_id = %(provider)b AND h.register_id = r.id
            AND h.hour >= %(from)b AND h.hour < %(end)b) AS hour
  FROM register r WHERE r.provider_id = %(provider)b
  UNION ALL
  SELECT (SELECT min(h.hour) FROM event_hour h WHERE h.provider_id = %(provider)b AND h.subscription_id = s.id
            AND h.meter_id = m.id AND h.hour >= %(from)b AND h.hour < %(end)b)
  FROM subscription s JOIN meter m ON m.provider_id = s.provider_id WHERE s.provider_id = %(provider)b) first
"""


def day_of(instant: datetime) -> datetime:
    """The first instant of the day (UTC) that an instant lies in."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def lock_of(provider_id: UUID) -> int:
    """The number that a provider's lanes have in common. Two providers may share one, and then wait for each other."""
    return provider_id.int & 0x7FFF_FFFF


def lanes_of(instants: Iterable[datetime]) -> list[int]:
    """The lanes of the days that instants lie in."""
    return sorted({(instant - _EPOCH) // DAY % LANES for instant in instants})


def share_lanes(session: Session, provider_id: UUID, instants: Iterable[datetime]) -> datetime | None:
    """Before hours at these instants are written: up to when days are summed, which stays so for the days of these."""
    parameters = {"lock": lock_of(provider_id), "lanes": lanes_of(instants), "provider": provider_id}
    summed_until: datetime | None = run(session, SHARE, parameters).scalar_one()
    return summed_until


def make_room(session: Session, provider_id: UUID, now: datetime) -> None:
    """Of a new provider, which has no hours: the days before now are summed, there is nothing in them."""
    run(session, FIRST_UNTIL, {"provider": provider_id, "until": day_of(now)})


def sum_day(session: Session, provider_id: UUID, ended: datetime) -> int | None:
    """Sum the next day, if it had ended by an instant.

    Returns:
        How many rows it came to; None where there is nothing to do, or somebody else is at it.
    """
    day = _next(session, provider_id, ended)
    if day is None:
        return None
    run(session, TAKE, {"lock": lock_of(provider_id), "lane": lanes_of([day])[0]})
    parameters = {"provider": provider_id, "day": day, "end": day + DAY}
    made = sum(run(session, statement, parameters).rowcount for statement in (SUM_REGISTERS, SUM_EVENTS))
    run(session, MOVE, {"provider": provider_id, "until": day + DAY})
    return made


def pass_empty_days(session: Session, provider_id: UUID, ended: datetime) -> None:
    """Pass over the days without hours at once, up to the last that had ended by an instant.

    While somebody writes, to whatever day, the days are left to be summed one by one.
    """
    start = _next(session, provider_id, ended)
    if start is None or not run(session, TRY_ALL, {"lock": lock_of(provider_id)}).scalar_one():
        return
    end = day_of(ended)
    hour = run(session, FIRST_HOUR, {"provider": provider_id, "from": start, "end": end}).scalar_one()
    run(session, MOVE, {"provider": provider_id, "until": end if hour is None else day_of(hour)})


def _next(session: Session, provider_id: UUID, ended: datetime) -> datetime | None:
    until: datetime | None = run(session, UNTIL, {"provider": provider_id}).scalar()
    return None if until is None or until + DAY > ended else until
