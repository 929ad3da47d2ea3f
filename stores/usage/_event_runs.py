"""What events came to in runs of slots, by their properties; levels that last; the events themselves.

Requests of one shape (the same dimensions, the same property to tell apart) share their statements, so their number
follows from the catalogue and not from how many items are asked for.
"""

# ruff: noqa: S608 (statements are put together from constants and the shape of a request; values are parameters)

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.quality import Shares
from billing.metering.slots import Cell, Event, Part, Slot, SlotRequest
from core.decimals import EXACT
from stores.statements import chunks, run
from stores.usage._filled import Slots
from stores.usage._runs import Run

TICK = timedelta(microseconds=1)
ORDER = 'e.at, e.event_id COLLATE "C", e.digest'
BACKWARDS = 'e.at DESC, e.event_id COLLATE "C" DESC, e.digest DESC'
WANTED = """
unnest(%(ks)b::int4[], %(subscriptions)b::uuid[], %(meters)b::uuid[], %(starts)b::timestamptz[],
       %(ends)b::timestamptz[], %(steps)b::int8[])
  AS w (k, subscription_id, meter_id, start, until, step)
"""
EVENT = """
JOIN usage_event e ON e.provider_id = %(provider)b AND e.subscription_id = w.subscription_id
  AND e.meter_id = w.meter_id
"""
# Whole hours that follow each other, from the rollup.
HOURS = f"""
SELECT w.k, (extract(epoch FROM h.hour - w.start) / 3600)::int4, NULL::text[], h.known_at, h.quantity, h.count::int8,
       h.minimum, h.maximum
FROM {WANTED}
JOIN event_hour h ON h.provider_id = %(provider)b AND h.subscription_id = w.subscription_id
  AND h.meter_id = w.meter_id AND h.hour >= w.start AND h.hour < w.until
"""


@dataclass(frozen=True)
class Shape:
    """What requests that share a statement have in common.

    Args:
        distinct: whether values are told apart, and of which property; None of the property is the quantity.
        levels: whether first, last and integral are wanted.
    """

    dimensions: tuple[str, ...]
    distinct: tuple[str | None] | None
    levels: bool

    @property
    def names(self) -> dict[str, str]:
        """Property names, as parameters of a statement."""
        names = {f"d{i}": name for i, name in enumerate(self.dimensions)}
        told = self.distinct[0] if self.distinct else None
        return names if told is None else names | {"told": told}


def shape_of(request: SlotRequest) -> Shape:
    """The shape of a request."""
    distinct = (request.distinct,) if Part.DISTINCT in request.parts else None
    return Shape(request.dimensions, distinct, bool(request.parts & {Part.FIRST, Part.LAST, Part.INTEGRAL}))


def fill_hours(
    session: Session,
    provider_id: UUID,
    wanted: Sequence[tuple[SlotRequest, Run]],
    slots: Mapping[SlotRequest, Slots],
) -> dict[SlotRequest, datetime]:
    """Fill slots of whole hours in place, and tell the latest arrival by request."""
    return _fill(session, provider_id, HOURS, {}, wanted, slots)


def fill_runs(
    session: Session,
    provider_id: UUID,
    wanted: Sequence[tuple[SlotRequest, Run]],
    slots: Mapping[SlotRequest, Slots],
) -> dict[SlotRequest, datetime]:
    """Fill slots of any length in place from the events themselves, and tell the latest arrival by request."""
    by_shape: dict[Shape, list[tuple[SlotRequest, Run]]] = defaultdict(list)
    for request, run_ in wanted:
        by_shape[shape_of(request)].append((request, run_))
    known: dict[SlotRequest, datetime] = {}
    for shape, some in by_shape.items():
        known |= _fill(session, provider_id, _statement(shape), shape.names, some, slots)
    return known


@cache
def _statement(shape: Shape) -> str:
    """Events grouped by slot and cell. `n` counts the slots of a run from 0."""
    levels = """
      , (array_agg(p.quantity ORDER BY p.place))[1], (array_agg(p.quantity ORDER BY p.place DESC))[1], min(p.at),
      sum(p.quantity * extract(epoch FROM
        coalesce(p.next_at, p.start + (p.n + 1) * p.step * interval '1 microsecond') - p.at))"""
    placed = """
      , row_number() OVER o AS place, lead(e.at) OVER o AS next_at"""
    window = f"WINDOW o AS (PARTITION BY w.k, s.n, {_cell(shape.dimensions)} ORDER BY {ORDER})"
    told = ", array_agg(DISTINCT p.told) FILTER (WHERE p.told IS NOT NULL)"
    return f"""
    SELECT p.k, p.n, p.cell, max(p.received_at), sum(p.quantity), count(*)::int8, min(p.quantity), max(p.quantity)
           {levels if shape.levels else ""}{told if shape.distinct else ""}
    FROM (
      SELECT w.k, w.start, w.step, s.n, {_cell(shape.dimensions)} AS cell, e.quantity, e.at, e.received_at
             {placed if shape.levels else ""}{_told(shape)}
      FROM {WANTED} {EVENT} AND e.at >= w.start AND e.at < w.until
      CROSS JOIN LATERAL (
        SELECT ((extract(epoch FROM e.at - w.start) * 1000000)::int8 / w.step)::int4 AS n) s
      {window if shape.levels else ""}
    ) p GROUP BY p.k, p.n, p.cell
    """


def _cell(dimensions: Sequence[str]) -> str:
    if not dimensions:
        return "NULL::text[]"
    return f"ARRAY[{', '.join(f'e.properties->>%(d{i})b::text' for i in range(len(dimensions)))}]"


def _told(shape: Shape) -> str:
    if shape.distinct is None:
        return ""
    value = "trim_scale(e.quantity)::text" if shape.distinct[0] is None else "e.properties->>%(told)b::text"
    return f", {value} AS told"


def _fill(
    session: Session,
    provider_id: UUID,
    statement: str,
    names: Mapping[str, str],
    wanted: Sequence[tuple[SlotRequest, Run]],
    slots: Mapping[SlotRequest, Slots],
) -> dict[SlotRequest, datetime]:
    known: dict[SlotRequest, datetime] = {}
    for some in chunks(wanted):
        parameters = {**_parameters(some), **names, "provider": provider_id}
        for k, n, cell, known_at, *parts in run(session, statement, parameters).all():
            request, run_ = some[k]
            slot = slots[request].at(run_.first + n)
            if cell is None:
                _put(request, slot, parts)
            else:
                inner = slots[request].cell(slot, tuple(cell))
                _put(request, inner, parts)
                _add(slot, inner)
            known[request] = max(known_at, known.get(request, known_at))
    return known


def _parameters(some: Sequence[tuple[SlotRequest, Run]]) -> dict[str, Any]:
    return {
        "ks": list(range(len(some))),
        "subscriptions": [request.subscription_id for request, _ in some],
        "meters": [request.meter_id for request, _ in some],
        "starts": [run_.start for _, run_ in some],
        "ends": [run_.end for _, run_ in some],
        "steps": [run_.step // TICK for _, run_ in some],
    }


def _put(request: SlotRequest, slot: Slot, parts: Sequence[Any]) -> None:
    """What a statement said of a slot or cell: the plain parts, those of levels, the values told apart."""
    slot.sum, slot.count, slot.min, slot.max, *more = parts
    slot.quality = Shares(measured=slot.sum)
    if Part.DISTINCT in request.parts:
        slot.distinct = frozenset(more.pop() or ())
    if more:
        slot.first, slot.last, first_at, integral = more
        if Part.INTEGRAL in request.parts:
            slot.first_at, slot.integral = first_at, integral


def _add(slot: Slot, cell: Slot) -> None:
    """A cell's share of its slot."""
    slot.sum = EXACT.add(slot.sum, cell.sum)
    slot.quality = Shares(measured=slot.sum)
    slot.count += cell.count
    slot.min = min(x for x in (slot.min, cell.min) if x is not None)
    slot.max = max(x for x in (slot.max, cell.max) if x is not None)
    slot.distinct |= cell.distinct


@dataclass(frozen=True)
class Carried:
    """The last quantities before a request's first edge, by cell, and the latest of their arrivals."""

    levels: Mapping[Cell, Decimal]
    known_at: datetime


def carried(session: Session, provider_id: UUID, requests: Iterable[SlotRequest]) -> dict[SlotRequest, Carried]:
    """The levels that requests begin with; those without any are left out."""
    found: dict[SlotRequest, Carried] = {}
    for dimensions, some in _by_dimensions(requests).items():
        names = {f"d{i}": name for i, name in enumerate(dimensions)}
        for k, cell, quantity, known_at in run(session, _before(dimensions), _spans(provider_id, some) | names):
            before = found.get(some[k], Carried({}, known_at))
            levels = {**before.levels, tuple(cell or ()): quantity}
            found[some[k]] = Carried(levels, max(known_at, before.known_at))
    return found


@cache
def _before(dimensions: tuple[str, ...]) -> str:
    if dimensions:
        cell = _cell(dimensions)
        return f"""
        SELECT DISTINCT ON (w.k, {cell}) w.k, {cell}, e.quantity, e.received_at
        FROM {WANTED} {EVENT} AND e.at < w.start ORDER BY w.k, {cell}, {BACKWARDS}
        """
    return f"""
    SELECT w.k, NULL::text[], e.quantity, e.received_at FROM {WANTED}
    CROSS JOIN LATERAL (
      SELECT e.quantity, e.received_at FROM usage_event e
      WHERE e.provider_id = %(provider)b AND e.subscription_id = w.subscription_id AND e.meter_id = w.meter_id
        AND e.at < w.start
      ORDER BY {BACKWARDS} LIMIT 1) e
    """


def events(session: Session, provider_id: UUID, requests: Iterable[SlotRequest]) -> dict[SlotRequest, list[Event]]:
    """The events of each request's span, by time and then by id, with the properties that it groups by."""
    found: dict[SlotRequest, list[Event]] = defaultdict(list)
    for dimensions, some in _by_dimensions(requests).items():
        names = {f"d{i}": name for i, name in enumerate(dimensions)}
        statement = f"""
        SELECT w.k, e.at, e.quantity, e.event_id, {_cell(dimensions)} FROM {WANTED} {EVENT}
          AND e.at >= w.start AND e.at < w.until
        ORDER BY w.k, {ORDER}
        """
        for k, at, quantity, event_id, cell in run(session, statement, _spans(provider_id, some) | names):
            properties = dict(zip(dimensions, cell or (), strict=True))
            found[some[k]].append(Event(at, quantity, event_id, properties))
    return found


def _by_dimensions(requests: Iterable[SlotRequest]) -> dict[tuple[str, ...], list[SlotRequest]]:
    found: dict[tuple[str, ...], list[SlotRequest]] = defaultdict(list)
    for request in requests:
        found[request.dimensions].append(request)
    return found


def _spans(provider_id: UUID, some: Sequence[SlotRequest]) -> dict[str, Any]:
    whole = [(r, Run(0, 1, r.edges[0], r.edges[-1] - r.edges[0])) for r in some]
    return {**_parameters(whole), "provider": provider_id}
