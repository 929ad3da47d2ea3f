"""What registers counted, slot by slot: whole hours from the rollups, what sticks out at the edges from intervals.

A month of a register is some 740 rows however often it was polled. An interval that crosses the edge of a slot is cut
there by `billing.metering.cuts`, the same function that cut it at hours, so slots that touch add up exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.cuts import HOUR, hour_of, part
from billing.metering.evidence import Estimate
from billing.metering.intervals import Interval
from billing.metering.quality import NONE, ZERO, Quality, Shares
from billing.metering.slots import SlotRequest
from billing.metering.steps import Step
from core.decimals import EXACT
from core.period import Period
from core.quantity import convertible, factor
from stores.statements import FOREVER, chunks, run
from stores.usage import _windows
from stores.usage._runs import coarse_slots

FEEDS = """
SELECT a.item_id, a.point_id, p.path, lower(a.span), upper(a.span), r.id, r.name, r.unit, r.reading_at
FROM assignment a
JOIN point p ON p.provider_id = a.provider_id AND p.id = a.point_id
JOIN register r ON r.provider_id = a.provider_id AND r.point_id = a.point_id AND r.kind = 'counter'
WHERE a.provider_id = %(provider)b AND a.item_id = ANY(%(items)b::uuid[])
ORDER BY a.item_id, p.path, a.point_id, lower(a.span), r.name
"""
METERS = "SELECT id, register FROM meter WHERE provider_id = %(provider)b AND id = ANY(%(meters)b::uuid[])"
# Each piece adds up its own hours, one after another: joined and grouped, a month of thousands would be sorted first.
HOURS = """
SELECT w.k, h.*
FROM unnest(%(ks)b::int4[], %(registers)b::uuid[], %(h0)b::timestamptz[], %(h1)b::timestamptz[])
  AS w (k, register_id, h0, h1)
CROSS JOIN LATERAL (
  SELECT sum(h.measured), sum(h.interpolated), sum(h.estimated), sum(h.substituted), sum(h.invalid),
         sum(h.intervals), max(h.known_at) AS known_at
  FROM register_hour h WHERE h.provider_id = %(provider)b AND h.register_id = w.register_id
    AND h.hour >= w.h0 AND h.hour < w.h1) h
WHERE h.known_at IS NOT NULL
"""
# The interval that an edge lies in, and those that start between it and the next whole hour.
EDGES = """
SELECT w.k, i.start_at, i.end_at, i.start_value, i.quantity, i.quality, i.step, i.metered, i.known_at
FROM unnest(%(ks)b::int4[], %(registers)b::uuid[], %(x0)b::timestamptz[], %(x1)b::timestamptz[])
  AS w (k, register_id, x0, x1)
CROSS JOIN LATERAL (
  (SELECT * FROM interval i WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id AND i.start_at <= w.x0
   ORDER BY i.start_at DESC LIMIT 1)
  UNION ALL
  SELECT * FROM interval i WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id
    AND i.start_at > w.x0 AND i.start_at < w.x1) i
WHERE i.end_at > w.x0
"""


@dataclass(frozen=True)
class Feed:
    """A register that counts for an item while its point is assigned. `scale` turns its unit into the request's.

    `read_until` is its latest reading.
    """

    point_id: UUID
    path: str
    register_id: UUID
    register: str
    unit: str
    start: datetime
    end: datetime
    scale: Decimal
    read_until: datetime | None


@dataclass(frozen=True)
class Piece:
    """A stretch of one feed within one slot: what is asked of the tables."""

    request: SlotRequest
    slot: int
    feed: Feed
    period: Period


@dataclass(frozen=True)
class Found:
    """What the tables said of a piece, in the register's unit; `estimate` is in the shares."""

    shares: Shares = NONE
    intervals: int = 0
    known_at: datetime | None = None
    estimate: Estimate | None = None

    def __add__(self, other: Found) -> Found:
        return Found(
            self.shares + other.shares,
            self.intervals + other.intervals,
            latest(self.known_at, other.known_at),
            self.estimate + other.estimate if self.estimate and other.estimate else self.estimate or other.estimate,
        )


def latest(a: datetime | None, b: datetime | None) -> datetime | None:
    """The later of two instants that may be missing."""
    if a is None or b is None:
        return a or b
    return max(a, b)


@lru_cache(maxsize=64)
def whole_hours(period: Period) -> tuple[datetime, datetime]:
    """The whole hours within a period, as (start, end); empty at the period's end where there are none."""
    start, end = hour_of(period.start), hour_of(period.end)
    if start < period.start:
        start += HOUR
    return (start, end) if start < end else (period.end, period.end)


def feeds(session: Session, provider_id: UUID, requests: Sequence[SlotRequest]) -> dict[SlotRequest, list[Feed]]:
    """The registers that count for each request, by the points assigned to its item."""
    items = list({r.item_id for r in requests})
    parameters = {"meters": list({r.meter_id for r in requests}), "provider": provider_id}
    named: dict[Any, Any] = dict(run(session, METERS, parameters).all())
    rows: dict[UUID, list[Sequence[Any]]] = defaultdict(list)
    for item, *row in run(session, FEEDS, {"items": items, "provider": provider_id}).all():
        rows[item].append(row)
    return {
        r: [_feed(row, r.unit) for row in _chosen(rows[r.item_id], r.unit, named.get(r.meter_id))] for r in requests
    }


MAIN_REGISTER = "active_energy"


def _chosen(rows: Sequence[Sequence[Any]], unit: str, name: str | None) -> list[Sequence[Any]]:
    """The rows whose register feeds a meter: the one it names; else, of those with its dimension, the main energy
    register where a point has one (its phases would count twice), or all.
    """
    fitting = [row for row in rows if convertible(row[6], unit)]
    if name is not None:
        return [row for row in fitting if row[5] == name]
    led = {row[0] for row in fitting if row[5] == MAIN_REGISTER}
    return [row for row in fitting if row[5] == MAIN_REGISTER or row[0] not in led]


def _feed(row: Sequence[Any], unit: str) -> Feed:
    point, path, start, end, register, name, own, read_until = row
    return Feed(point, path, register, name, own, start, end or FOREVER, factor(own, unit), read_until)


def pieces(fed: Mapping[SlotRequest, Sequence[Feed]]) -> list[Piece]:
    """Assignments cut into the slots that are counted one by one."""
    found = []
    for request, registers in fed.items():
        slots = [(slot, request.periods[slot]) for slot in coarse_slots(request)]
        for feed in registers:
            for slot, period in slots:
                if feed.start < period.end and period.start < feed.end:
                    inside = Period(max(feed.start, period.start), min(feed.end, period.end))
                    found.append(Piece(request, slot, feed, inside))
    return found


def measure(session: Session, provider_id: UUID, wanted: Sequence[Piece]) -> list[Found]:
    """What each piece holds, in the order given."""
    found: list[Found] = []
    for some in chunks(wanted):
        hours = _hours(session, provider_id, some)
        edges = _edges(session, provider_id, [k for k, piece in enumerate(some) if _has_edges(piece, hours[k])], some)
        found += [_whole(piece, hours[k], edges.get(k, [])) for k, piece in enumerate(some)]
    return found


def _hours(session: Session, provider_id: UUID, some: Sequence[Piece]) -> list[Found]:
    found = [Found()] * len(some)
    spans = [whole_hours(p.period) for p in some]
    shared = _windows.crowded(enumerate(spans))
    for (start, end), ks in shared.items():
        registers = list({some[k].feed.register_id for k in ks})
        sums = _windows.register_hours(session, provider_id, registers, start, end)
        for k in ks:
            if (row := sums.get(some[k].feed.register_id)) is not None:
                found[k] = _found(row)
    alone = [k for k, span in enumerate(spans) if span not in shared]
    if alone:
        parameters = {
            "ks": alone,
            "registers": [some[k].feed.register_id for k in alone],
            "h0": [spans[k][0] for k in alone],
            "h1": [spans[k][1] for k in alone],
            "provider": provider_id,
        }
        for k, *row in run(session, HOURS, parameters).all():
            found[k] = _found(row)
    return found


def _found(row: Sequence[Any]) -> Found:
    *shares, intervals, known_at = row
    return Found(Shares(*shares), intervals, known_at)


def _has_edges(piece: Piece, hours: Found) -> bool:
    """Whether intervals must be looked at: the piece is not made of whole hours, or of several with cut intervals."""
    if whole_hours(piece.period) != (piece.period.start, piece.period.end):
        return True
    return hours.shares.interpolated != 0 and piece.period.end - piece.period.start > HOUR


def _edges(
    session: Session, provider_id: UUID, ks: Sequence[int], some: Sequence[Piece]
) -> dict[int, list[tuple[Interval, datetime]]]:
    found: dict[int, dict[datetime, tuple[Interval, datetime]]] = defaultdict(dict)
    if not ks:
        return {}
    stretches = []
    for k in ks:
        period, (h0, h1) = some[k].period, whole_hours(some[k].period)
        stretches += [(k, period.start, h0), (k, h1, period.end)]
    parameters = {
        "ks": [k for k, _, _ in stretches],
        "registers": [some[k].feed.register_id for k, _, _ in stretches],
        "x0": [a for _, a, _ in stretches],
        "x1": [b for _, _, b in stretches],
        "provider": provider_id,
    }
    for k, start, end, value, quantity, quality, step, metered, known_at in run(session, EDGES, parameters):
        found[k][start] = Interval(start, end, value, quantity, Quality(quality), Step(step), metered), known_at
    return {k: list(intervals.values()) for k, intervals in found.items()}


def _whole(piece: Piece, hours: Found, edges: Sequence[tuple[Interval, datetime]]) -> Found:
    """Hours and edges together. What was interpolated at hours is measured here, unless it sticks out of the piece."""
    period, (h0, h1) = piece.period, whole_hours(piece.period)
    nothing_joins = not edges and hours.shares.interpolated == 0
    if nothing_joins or ((h0, h1) == (period.start, period.end) and h1 - h0 <= HOUR):
        return hours
    total = Found(NONE, hours.intervals, hours.known_at)
    cut = ZERO
    for interval, known_at in edges:
        outside = part(interval, period.start, h0) + part(interval, max(h0, h1), period.end)
        within = part(interval, h0, h1) if h0 < h1 else NONE
        sticks_out = interval.start < period.start or period.end < interval.end
        if interval.quality is Quality.MEASURED:
            cut = EXACT.add(cut, within.interpolated if sticks_out else ZERO)
            outside = Shares(interpolated=outside.total) if sticks_out else Shares(measured=outside.total)
        counted = 0 if h0 <= interval.start < h1 or interval.start >= period.end or interval.end <= period.start else 1
        total += Found(outside, counted, known_at if outside != NONE else None)
    joined = EXACT.subtract(hours.shares.interpolated, cut)
    inner = replace(hours.shares, measured=EXACT.add(hours.shares.measured, joined), interpolated=cut)
    return replace(total, shares=total.shares + inner)
