"""Registers and readings: locked, appended, and looked up around late ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from billing.metering.intervals import Epoch
from billing.metering.late import Window
from billing.metering.readings import Head, Rate, Reading, seconds
from core.ids import new_id
from stores.statements import run
from stores.usage._events import make_months
from stores.usage.port import RegisterState, StoredReading

# In the order of ids: two batches about the same registers wait for each other in one direction only.
LOCK = """
SELECT r.id, r.point_id, r.name, r.unit, r.kind, r.reading_at, r.value, r.boots, r.uptime_s, r.serial, r.reset_at,
       r.rate_quantity, r.rate_seconds, NULLIF(p.rating, '{}')
FROM unnest(%(points)b::uuid[], %(names)b::text[]) AS w (point_id, name)
JOIN register r ON r.provider_id = %(provider)b AND r.point_id = w.point_id AND r.name = w.name
JOIN point p ON p.provider_id = r.provider_id AND p.id = r.point_id
ORDER BY r.id FOR UPDATE OF r
"""
MAKE = """
INSERT INTO register (provider_id, id, point_id, name, unit, kind)
SELECT %(provider)b, w.id, w.point_id, w.name, w.unit, w.kind
FROM unnest(%(ids)b::uuid[], %(points)b::uuid[], %(names)b::text[], %(units)b::text[], %(kinds)b::text[])
  AS w (id, point_id, name, unit, kind)
JOIN point p ON p.provider_id = %(provider)b AND p.id = w.point_id
ORDER BY w.point_id, w.name
ON CONFLICT (provider_id, point_id, name) DO NOTHING
"""
APPEND = """
INSERT INTO reading (provider_id, register_id, at, value, evidence, received_at)
SELECT %(provider)b, w.register_id, w.at, w.value::numeric, w.evidence::jsonb, %(received_at)b
FROM unnest(%(registers)b::uuid[], %(at)b::timestamptz[], %(values)b::text[], %(evidence)b::text[])
  AS w (register_id, at, value, evidence)
JOIN register r ON r.provider_id = %(provider)b AND r.id = w.register_id
ON CONFLICT (provider_id, register_id, at) DO NOTHING RETURNING register_id, at
"""
VALUES_AT = """
SELECT r.register_id, r.at, r.value
FROM unnest(%(registers)b::uuid[], %(at)b::timestamptz[]) AS w (register_id, at)
JOIN reading r ON r.provider_id = %(provider)b AND r.register_id = w.register_id AND r.at = w.at
"""
EPOCHS_AT = """
SELECT w.register_id, e.start_at, e.value, e.cause, e.serial, e.serial_at, e.reset_at, e.reset_seen_at
FROM unnest(%(registers)b::uuid[], %(at)b::timestamptz[]) AS w (register_id, at)
CROSS JOIN LATERAL (
  SELECT * FROM epoch e WHERE e.provider_id = %(provider)b AND e.register_id = w.register_id AND e.start_at <= w.at
  ORDER BY e.start_at DESC LIMIT 1) e
"""
# The value at or before an instant is still the value: a register never comes back to one it has left in its epoch.
STILL = """
SELECT w.register_id, a.at, p.power
FROM unnest(%(registers)b::uuid[], %(since)b::timestamptz[], %(at)b::timestamptz[]) AS w (register_id, since, at)
JOIN LATERAL (
  SELECT r.at, r.value FROM reading r
  WHERE r.provider_id = %(provider)b AND r.register_id = w.register_id AND r.at <= w.since
  ORDER BY r.at DESC LIMIT 1) a ON true
JOIN reading b ON b.provider_id = %(provider)b AND b.register_id = w.register_id AND b.at = w.at AND b.value = a.value
CROSS JOIN LATERAL (
  SELECT min((r.evidence->>'power_w')::numeric) AS power FROM reading r
  WHERE r.provider_id = %(provider)b AND r.register_id = w.register_id AND r.at >= a.at AND r.at <= w.at) p
WHERE p.power > 0 AND NOT EXISTS (
  SELECT 1 FROM epoch e WHERE e.provider_id = %(provider)b AND e.register_id = w.register_id
    AND e.start_at > a.at AND e.start_at <= w.at)
"""
# The reading before the late ones, the last measured interval up to it, and the first normal step after them.
AROUND = """
SELECT w.register_id, b.at, b.value, b.evidence, i.quantity, i.end_at - i.start_at, h.start_at
FROM unnest(%(registers)b::uuid[], %(first)b::timestamptz[], %(last)b::timestamptz[]) AS w (register_id, first, last)
LEFT JOIN LATERAL (
  SELECT r.at, r.value, r.evidence FROM reading r
  WHERE r.provider_id = %(provider)b AND r.register_id = w.register_id AND r.at < w.first
  ORDER BY r.at DESC LIMIT 1) b ON true
LEFT JOIN LATERAL (
  SELECT i.quantity, i.start_at, i.end_at FROM interval i
  WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id AND i.start_at < b.at AND i.end_at <= b.at
    AND i.quality = 'measured'
  ORDER BY i.start_at DESC LIMIT 1) i ON true
LEFT JOIN LATERAL (
  SELECT i.start_at FROM interval i
  WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id AND i.start_at >= w.last AND i.step = 'normal'
  ORDER BY i.start_at LIMIT 1) h ON true
"""
BETWEEN = """
SELECT r.register_id, r.at, r.value, r.evidence
FROM unnest(%(registers)b::uuid[], %(first)b::timestamptz[], %(until)b::timestamptz[]) AS w (register_id, first, until)
JOIN reading r ON r.provider_id = %(provider)b AND r.register_id = w.register_id
  AND r.at >= w.first AND r.at <= coalesce(w.until, 'infinity')
ORDER BY r.register_id, r.at
"""


_json = msgspec.json.Encoder().encode


def lock(
    session: Session, provider_id: UUID, wanted: Collection[tuple[UUID, str, str, str]]
) -> dict[tuple[UUID, str], RegisterState]:
    """The registers (point, name, unit, kind), made where missing and locked."""
    keys = {(point, name) for point, name, _, _ in wanted}
    found = _lock(session, provider_id, keys)
    missing = sorted(w for w in wanted if (w[0], w[1]) not in found)
    if not missing:
        return found
    columns = list(zip(*missing, strict=True))
    made: dict[str, Any] = {"ids": [new_id() for _ in missing], "points": list(columns[0]), "names": list(columns[1])}
    made |= {"units": list(columns[2]), "kinds": list(columns[3]), "provider": provider_id}
    run(session, MAKE, made)
    return found | _lock(session, provider_id, {(w[0], w[1]) for w in missing})


def _lock(
    session: Session, provider_id: UUID, keys: Collection[tuple[UUID, str]]
) -> dict[tuple[UUID, str], RegisterState]:
    ordered = sorted(keys, key=lambda key: (key[0].int, key[1]))
    parameters: dict[str, Any] = {"points": [p for p, _ in ordered], "names": [n for _, n in ordered]}
    parameters |= {"provider": provider_id}
    states = [_state(row) for row in run(session, LOCK, parameters)]
    return {(s.point_id, s.name): s for s in states}


def _state(row: Sequence[Any]) -> RegisterState:
    register, point, name, unit, kind, at, value, boots, uptime, serial, reset_at, rate_q, rate_s, rating = row
    head = None
    if at is not None:
        rate = Rate(rate_q, rate_s) if rate_s is not None else None
        head = Head(Reading(at, value, None, None, boots, uptime), serial, reset_at, rate)
    return RegisterState(register, point, name, unit, kind, head, rating or {})


def append(
    session: Session, provider_id: UUID, rows: Sequence[StoredReading], received_at: datetime
) -> set[tuple[UUID, datetime]]:
    """Store readings whose (register, at) is new, and return those."""
    make_months(session, "reading", [r.at for r in rows])
    parameters = {
        "registers": [r.register_id for r in rows],
        "at": [r.at for r in rows],
        "values": [f"{r.value:f}" for r in rows],
        "evidence": [None if r.evidence is None else _json(r.evidence).decode() for r in rows],
        "provider": provider_id,
        "received_at": received_at,
    }
    return set(run(session, APPEND, parameters).fetchall())


def values_at(
    session: Session, provider_id: UUID, keys: Collection[tuple[UUID, datetime]]
) -> dict[tuple[UUID, datetime], Decimal]:
    """What is stored at these (register, at)."""
    parameters = {"registers": [k[0] for k in keys], "at": [k[1] for k in keys], "provider": provider_id}
    return {(register, at): value for register, at, value in run(session, VALUES_AT, parameters)}


def epochs_at(session: Session, provider_id: UUID, keys: Mapping[UUID, datetime]) -> dict[UUID, Epoch]:
    """The epoch that each register is in at an instant."""
    parameters = {"registers": list(keys), "at": list(keys.values()), "provider": provider_id}
    return {row[0]: Epoch(*row[1:]) for row in run(session, EPOCHS_AT, parameters)}


def standing_still(
    session: Session, provider_id: UUID, asked: Mapping[UUID, tuple[datetime, datetime]]
) -> dict[UUID, tuple[datetime, Decimal]]:
    """Registers that show the same value as they did: since which reading, and the least power told since then."""
    parameters: dict[str, Any] = {
        "registers": list(asked),
        "since": [since for since, _ in asked.values()],
        "at": [at for _, at in asked.values()],
        "provider": provider_id,
    }
    return {register: (at, power) for register, at, power in run(session, STILL, parameters)}


def windows(
    session: Session,
    provider_id: UUID,
    stretches: Mapping[UUID, tuple[datetime, datetime | None]],
    units: Mapping[UUID, str],
) -> dict[UUID, Window]:
    """What replays of late readings need, by register: earliest late one, latest late one (None: to the end)."""
    parameters: dict[str, Any] = {
        "registers": list(stretches),
        "first": [first for first, _ in stretches.values()],
        "last": [last for _, last in stretches.values()],
        "provider": provider_id,
    }
    around = {row[0]: row[1:] for row in run(session, AROUND, parameters)}
    horizons = {register: row[5] for register, row in around.items()}
    parameters["until"] = [horizons[register] for register in stretches]
    readings: dict[UUID, list[Reading]] = defaultdict(list)
    for register, at, value, evidence in run(session, BETWEEN, parameters):
        readings[register].append(Reading.told(at, value, units[register], evidence))
    befores = epochs_at(session, provider_id, {r: row[0] for r, row in around.items() if row[0] is not None})
    nexts = epochs_at(session, provider_id, {r: h for r, h in horizons.items() if h is not None})
    found = {}
    for register, (at, value, evidence, quantity, length, _) in around.items():
        before = None if at is None else Reading.told(at, value, units[register], evidence)
        rate = None if quantity is None else Rate(quantity, seconds(length))
        found[register] = Window(before, befores.get(register), rate, readings[register], nexts.get(register))
    return found
