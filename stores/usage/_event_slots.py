"""What events came to, slot by slot: whole hours from the rollups, what sticks out at the edges from events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.quality import Shares
from billing.metering.slots import Part, Slot, SlotRequest
from stores.statements import chunks, run
from stores.usage import _windows
from stores.usage._slots import whole_hours
from stores.usage._windows import EventHours

EVENTS = """
SELECT k, sum(quantity), sum(count)::int8, min(minimum), max(maximum), max(known_at) FROM (
  SELECT w.k, h.*
  FROM unnest(%(ks)b::int4[], %(subscriptions)b::uuid[], %(meters)b::uuid[], %(h0)b::timestamptz[],
              %(h1)b::timestamptz[])
    AS w (k, subscription_id, meter_id, h0, h1)
  CROSS JOIN LATERAL (
    SELECT sum(h.quantity) AS quantity, sum(h.count) AS count, min(h.minimum) AS minimum, max(h.maximum) AS maximum,
           max(h.known_at) AS known_at
    FROM event_hour h WHERE h.provider_id = %(provider)b AND h.subscription_id = w.subscription_id
      AND h.meter_id = w.meter_id AND h.hour >= w.h0 AND h.hour < w.h1) h
  WHERE h.known_at IS NOT NULL
  UNION ALL
  SELECT w.k, e.quantity, 1, e.quantity, e.quantity, e.received_at
  FROM unnest(%(eks)b::int4[], %(esubscriptions)b::uuid[], %(emeters)b::uuid[], %(x0)b::timestamptz[],
              %(x1)b::timestamptz[])
    AS w (k, subscription_id, meter_id, x0, x1)
  JOIN usage_event e ON e.provider_id = %(provider)b AND e.subscription_id = w.subscription_id
    AND e.meter_id = w.meter_id AND e.at >= w.x0 AND e.at < w.x1
) parts GROUP BY k
"""
OUTERMOST = """
SELECT w.k, f.quantity, l.quantity
FROM unnest(%(ks)b::int4[], %(subscriptions)b::uuid[], %(meters)b::uuid[], %(a)b::timestamptz[], %(b)b::timestamptz[])
  AS w (k, subscription_id, meter_id, a, b)
CROSS JOIN LATERAL (
  SELECT e.quantity FROM usage_event e WHERE e.provider_id = %(provider)b AND e.subscription_id = w.subscription_id
    AND e.meter_id = w.meter_id AND e.at >= w.a AND e.at < w.b
  ORDER BY e.at, e.event_id COLLATE "C", e.digest LIMIT 1) f
CROSS JOIN LATERAL (
  SELECT e.quantity FROM usage_event e WHERE e.provider_id = %(provider)b AND e.subscription_id = w.subscription_id
    AND e.meter_id = w.meter_id AND e.at >= w.a AND e.at < w.b
  ORDER BY e.at DESC, e.event_id COLLATE "C" DESC, e.digest DESC LIMIT 1) l
"""

Wanted = tuple[SlotRequest, Slot]


def fill(session: Session, provider_id: UUID, wanted: Sequence[Wanted]) -> dict[SlotRequest, datetime]:
    """Fill slots in place, and tell the latest arrival by request where there was one."""
    known: dict[SlotRequest, datetime] = {}
    for some in chunks(wanted):
        for k, total, count, least, most, known_at in _sums(session, provider_id, some):
            request, slot = some[k]
            slot.sum, slot.count, slot.min, slot.max, slot.quality = total, count, least, most, Shares(measured=total)
            known[request] = max(known_at, known.get(request, known_at))
        for k, first, last in _outermost(session, provider_id, some):
            some[k][1].first, some[k][1].last = first, last
    return known


def _sums(session: Session, provider_id: UUID, some: Sequence[Wanted]) -> Iterator[Sequence[Any]]:
    """Number, sum, count, least, most and latest arrival of each slot that has events."""
    hours = [whole_hours(slot.period) for _, slot in some]
    whole = [k for k, (_, slot) in enumerate(some) if hours[k] == (slot.period.start, slot.period.end)]
    shared = _windows.crowded((k, _hours(some[k][0], *hours[k])) for k in whole)
    for window, ks in shared.items():
        subscriptions = list({some[k][0].subscription_id for k in ks})
        sums = _windows.event_hours(session, provider_id, subscriptions, window)
        for k in ks:
            if (row := sums.get(some[k][0].subscription_id)) is not None:
                yield k, *row
    together = {k for ks in shared.values() for k in ks}
    alone = [k for k in range(len(some)) if k not in together]
    if alone:
        yield from run(session, EVENTS, _parameters(provider_id, some, alone))


def _hours(request: SlotRequest, start: datetime, end: datetime) -> EventHours:
    return EventHours(start, end, request.meter_id, request.parts & {Part.MIN, Part.MAX})


def _parameters(provider_id: UUID, some: Sequence[Wanted], ks: Sequence[int]) -> dict[str, Any]:
    hours = {k: whole_hours(some[k][1].period) for k in ks}
    edges = []
    for k, (h0, h1) in hours.items():
        period = some[k][1].period
        edges += [(k, a, b) for a, b in ((period.start, h0), (h1, period.end)) if a < b]
    return {
        "ks": ks,
        "subscriptions": [some[k][0].subscription_id for k in ks],
        "meters": [some[k][0].meter_id for k in ks],
        "h0": [a for a, _ in hours.values()],
        "h1": [b for _, b in hours.values()],
        "eks": [k for k, _, _ in edges],
        "esubscriptions": [some[k][0].subscription_id for k, _, _ in edges],
        "emeters": [some[k][0].meter_id for k, _, _ in edges],
        "x0": [a for _, a, _ in edges],
        "x1": [b for _, _, b in edges],
        "provider": provider_id,
    }


def _outermost(session: Session, provider_id: UUID, some: Sequence[Wanted]) -> Iterable[tuple[int, Decimal, Decimal]]:
    """First and last quantity of the slots whose aggregation asks for them."""
    asked = [(k, r, slot.period) for k, (r, slot) in enumerate(some) if r.parts & {Part.FIRST, Part.LAST}]
    if not asked:
        return []
    parameters = {
        "ks": [k for k, _, _ in asked],
        "subscriptions": [r.subscription_id for _, r, _ in asked],
        "meters": [r.meter_id for _, r, _ in asked],
        "a": [p.start for _, _, p in asked],
        "b": [p.end for _, _, p in asked],
        "provider": provider_id,
    }
    rows: Iterable[Any] = run(session, OUTERMOST, parameters).fetchall()
    return rows
