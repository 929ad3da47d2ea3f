"""Events: identity, event and hour in one statement, so that a repeat changes none of them; days after it."""

# ruff: noqa: S608 (statements are put together from constants; values are parameters)

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from stores.statements import run
from stores.usage.port import EventColumns

UNIQUE_VIOLATION = "23505"
# A month of the bulk table, made by its owner's function when the first row of it comes.
PARTITIONS = "SELECT busbar_partition(%(bulk)s, m) FROM unnest(%(months)b::date[]) m"

# Identities are claimed in the order of digests and hours in the order of their keys, so that two batches that meet
# wait for each other in one direction only.
_EVENTS = """
  SELECT (%(subscription_ids)b::uuid[])[e.s] AS subscription_id, (%(meter_ids)b::uuid[])[e.m] AS meter_id, e.at, digest,
         e.source, e.id, e.quantity::numeric(38, 12) AS quantity, e.properties::jsonb AS properties
  FROM unnest(%(digests)b::bytea[], %(subscriptions)b::int4[], %(meters)b::int4[], %(at)b::timestamptz[],
              %(sources)b::text[], %(ids)b::text[], %(quantities)b::text[], %(properties)b::text[])
    AS e (digest, s, m, at, source, id, quantity, properties)
"""
# PostgreSQL carries out what is not read from in the reverse of this order: hours, which other batches may wait for,
# are the last to be locked.
_STORE = """
hours AS (
  INSERT INTO event_hour AS h
    (provider_id, subscription_id, meter_id, hour, quantity, count, minimum, maximum, known_at)
  SELECT %(provider)b, subscription_id, meter_id, date_bin('1 hour', at, timestamptz '2000-01-01 00:00Z') AS hour,
         sum(quantity), count(*), min(quantity), max(quantity), %(received_at)b
  FROM fresh GROUP BY subscription_id, meter_id, hour ORDER BY subscription_id, meter_id, hour
  ON CONFLICT (provider_id, subscription_id, meter_id, hour) DO UPDATE
  SET quantity = h.quantity + excluded.quantity, count = h.count + excluded.count,
      minimum = least(h.minimum, excluded.minimum), maximum = greatest(h.maximum, excluded.maximum),
      known_at = greatest(h.known_at, excluded.known_at)
), stored AS (
  INSERT INTO usage_event
    (provider_id, subscription_id, meter_id, at, digest, source, event_id, quantity, properties, received_at)
  SELECT %(provider)b, subscription_id, meter_id, at, digest, source, id, quantity, properties, %(received_at)b
  FROM fresh
)
"""
# For events that are all new: one look at the index of identities. One that was known fails the statement.
APPEND_NEW = f"""
WITH fresh AS MATERIALIZED ({_EVENTS}), {_STORE}
INSERT INTO usage_event_identity (provider_id, digest) SELECT %(provider)b, digest FROM fresh ORDER BY digest
"""
# For any events: identities that are known are passed over, at the price of a second look.
APPEND = f"""
WITH claimed AS (
  INSERT INTO usage_event_identity (provider_id, digest)
  SELECT %(provider)b, digest FROM unnest(%(digests)b::bytea[]) AS digest ORDER BY digest
  ON CONFLICT DO NOTHING RETURNING digest
), fresh AS MATERIALIZED ({_EVENTS} JOIN claimed USING (digest)), {_STORE}
SELECT array_agg(digest) FROM claimed HAVING count(*) < %(count)b
"""
# Of events that lie in days that are summed. A statement of its own, for few do: as a part of the others it would cost
# each of them a third of a millisecond to plan. It locks days in the order of their keys, as hours are, and after them.
LATE = f"""
INSERT INTO event_day AS d (provider_id, subscription_id, meter_id, day, quantity, count, minimum, maximum, known_at)
SELECT %(provider)b, subscription_id, meter_id, date_bin('1 day', at, timestamptz '2000-01-01 00:00Z') AS day,
       sum(quantity), count(*), min(quantity), max(quantity), %(received_at)b
FROM ({_EVENTS}) late WHERE at < %(summed_until)b AND digest <> ALL(%(known)b::bytea[])
GROUP BY subscription_id, meter_id, day ORDER BY subscription_id, meter_id, day
ON CONFLICT (provider_id, subscription_id, meter_id, day) DO UPDATE
SET quantity = d.quantity + excluded.quantity, count = d.count + excluded.count,
    minimum = least(d.minimum, excluded.minimum), maximum = greatest(d.maximum, excluded.maximum),
    known_at = greatest(d.known_at, excluded.known_at)
"""
SET = 200  # from so many events on the second look costs more than the savepoint that replaces it

# What is stored decides, not how it was written: "1.50" is "1.5", an external id is the id it stands for.
SAME = """
SELECT e.digest
FROM unnest(%(digests)b::bytea[], %(subscriptions)b::int4[], %(meters)b::int4[], %(at)b::timestamptz[],
            %(quantities)b::text[], %(properties)b::text[])
  AS e (digest, s, m, at, quantity, properties)
JOIN usage_event u ON u.provider_id = %(provider)b AND u.subscription_id = (%(subscription_ids)b::uuid[])[e.s]
  AND u.meter_id = (%(meter_ids)b::uuid[])[e.m] AND u.at = e.at AND u.digest = e.digest
WHERE u.quantity = e.quantity::numeric(38, 12) AND u.properties IS NOT DISTINCT FROM e.properties::jsonb
"""


def months_of(instants: Sequence[datetime]) -> list[date]:
    """The first days of the months (UTC) from that of the earliest instant to that of the latest."""
    if not instants:
        return []
    months, last = [month_of(min(instants))], month_of(max(instants))
    while months[-1] < last:
        months.append((months[-1] + timedelta(days=31)).replace(day=1))
    return months


def month_of(instant: datetime) -> date:
    """The first day of the month (UTC) that an instant lies in."""
    return instant.astimezone(UTC).date().replace(day=1)


def make_months(session: Session, bulk: str, instants: list[datetime]) -> None:
    """Make the partitions that rows at these instants (in UTC) need."""
    run(session, PARTITIONS, {"bulk": bulk, "months": months_of(instants)})


def append(
    session: Session, provider_id: UUID, rows: EventColumns, received_at: datetime, summed_until: datetime | None
) -> set[bytes]:
    """Store what is new; the digests that were known already come back. Their months are there already, and the lanes
    of their days are shared: `_references.of_events` saw to both, and told up to when days are summed.
    """
    parameters = {**vars(rows), "provider": provider_id, "received_at": received_at}
    known = _store(session, parameters, rows.digests)
    if summed_until is not None and min(rows.at) < summed_until:
        run(session, LATE, {**parameters, "summed_until": summed_until, "known": list(known)})
    return known


def _store(session: Session, parameters: dict[str, Any], digests: Sequence[bytes]) -> set[bytes]:
    if len(digests) >= SET and _all_new(session, parameters):
        return set()
    some = run(session, APPEND, {**parameters, "count": len(digests)}).first()  # only if some were known
    return set() if some is None else set(digests).difference(some[0] or ())


def _all_new(session: Session, parameters: dict[str, Any]) -> bool:
    """Store events on the supposition that none was known; False, and nothing stored, if one was."""
    try:
        with session.begin_nested():  # a savepoint of the request's transaction
            run(session, APPEND_NEW, parameters)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION:
            return False
        raise
    return True


def same(session: Session, provider_id: UUID, rows: EventColumns) -> set[bytes]:
    """The digests that are stored with this content; a statement of its own sees what others committed meanwhile."""
    return {digest for (digest,) in run(session, SAME, {**vars(rows), "provider": provider_id})}
