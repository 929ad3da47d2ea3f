"""What callers wrote, resolved in sets: subscriptions and meters of events, points of readings.

A reference is an id, an external id, or (meters) a code, (points) a path; the tenant's own rows alone are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import Invalid
from core.ids import PREFIXES, decode
from stores.statements import run
from stores.usage._days import lanes_of, lock_of
from stores.usage._events import months_of
from stores.usage.port import References

EVENTS = """
SELECT 's', s.id, NULL FROM subscription s
WHERE s.provider_id = %(provider)b AND s.id = ANY(%(subscription_ids)b::uuid[]) AND {visible}
UNION ALL
SELECT 's', s.id, s.external_id FROM subscription s
WHERE s.provider_id = %(provider)b AND s.external_id = ANY(%(subscription_names)b::text[]) AND {visible}
UNION ALL
SELECT 'm', m.id, NULL FROM meter m
WHERE m.provider_id = %(provider)b AND m.id = ANY(%(meter_ids)b::uuid[])
UNION ALL
SELECT 'm', m.id, m.external_id FROM meter m
WHERE m.provider_id = %(provider)b AND m.external_id = ANY(%(meter_names)b::text[])
UNION ALL
SELECT 'm', m.id, m.code FROM meter m
WHERE m.provider_id = %(provider)b AND m.code = ANY(%(meter_names)b::text[])
UNION ALL
SELECT 'd', NULL, extract(epoch FROM busbar_share_lanes(%(provider)b, %(lock)b::int4, %(lanes)b::int4[]))::int8::text
UNION ALL
SELECT 'p', NULL, busbar_partition('usage_event', month)::text FROM unnest(%(months)b::date[]) AS month
"""
ALL = EVENTS.replace("{visible}", "true")
OWN = EVENTS.replace(
    "{visible}",
    "EXISTS (SELECT 1 FROM account a WHERE a.provider_id = s.provider_id AND a.id = s.account_id"
    " AND a.path && %(roots)b::uuid[])",
)
# A path is unique within its site only; "site/path" is unique.
POINTS = """
SELECT p.id, NULL FROM point p WHERE p.provider_id = %(provider)b AND p.id = ANY(%(ids)b::uuid[])
UNION ALL
SELECT p.id, p.external_id FROM point p
WHERE p.provider_id = %(provider)b AND p.external_id = ANY(%(names)b::text[])
UNION ALL
SELECT p.id, p.path FROM point p WHERE p.provider_id = %(provider)b AND p.path = ANY(%(names)b::text[])
UNION ALL
SELECT p.id, s.code || '/' || p.path FROM site s
JOIN point p ON p.provider_id = s.provider_id AND p.site_id = s.id
WHERE s.provider_id = %(provider)b
  AND (s.code, p.path) IN (SELECT * FROM unnest(%(sites)b::text[], %(paths)b::text[]))
"""


def _sorted(kind: str, references: Collection[str]) -> tuple[dict[UUID, str], list[str]]:
    """References that are ids (by id), and the others."""
    ids: dict[UUID, str] = {}
    names = []
    for reference in references:
        found = _id(kind, reference)
        if found is None:
            names.append(reference)
        else:
            ids[found] = reference
    return ids, names


@lru_cache(maxsize=65_536)
def _id(kind: str, reference: str) -> UUID | None:
    """A reference as the id that it is, or None. The same things are referred to again and again."""
    if not reference.startswith(PREFIXES[kind] + "_"):
        return None
    try:
        return decode(kind, reference)
    except Invalid:
        return None


def of_events(
    session: Session,
    provider_id: UUID,
    subscriptions: Collection[str],
    meters: Collection[str],
    instants: Sequence[datetime],
    roots: frozenset[UUID] | None,
) -> References:
    """Subscriptions and meters by reference; what does not exist for the caller is missing.

    The same round trip shares the lanes of the days that `instants` lie in (`_days`), and makes the partitions that
    events at them need.
    """
    subscription_ids, subscription_names = _sorted("subscription", subscriptions)
    meter_ids, meter_names = _sorted("meter", meters)
    parameters: dict[str, Any] = {
        "subscription_ids": list(subscription_ids),
        "subscription_names": subscription_names,
        "meter_ids": list(meter_ids),
        "meter_names": meter_names,
        "months": months_of(instants),
        "lock": lock_of(provider_id),
        "lanes": lanes_of(instants),
        "provider": provider_id,
    }
    if roots is not None:
        parameters["roots"] = list(roots)
    found: dict[str, dict[str, UUID]] = {"s": {}, "m": {}}
    summed_until = None
    for kind, row_id, name in run(session, ALL if roots is None else OWN, parameters):
        if kind in found:
            ids = subscription_ids if kind == "s" else meter_ids
            found[kind][ids[row_id] if name is None else name] = row_id
        elif kind == "d" and name is not None:
            summed_until = datetime.fromtimestamp(int(name), UTC)
    return References(found["s"], found["m"], summed_until)


def of_points(session: Session, provider_id: UUID, references: Collection[str]) -> dict[str, set[UUID]]:
    """Points by reference. More than one: the same path at several sites, and nobody said which."""
    ids, names = _sorted("point", references)
    split = [name.partition("/") for name in names]
    parameters = {
        "ids": list(ids),
        "names": names,
        "sites": [site for site, _, path in split if path],
        "paths": [path for _, _, path in split if path],
        "provider": provider_id,
    }
    found: dict[str, set[UUID]] = defaultdict(set)
    for row_id, name in run(session, POINTS, parameters):
        found[ids[row_id] if name is None else name].add(row_id)
    return found
