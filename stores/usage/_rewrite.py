"""Putting what a replay made in the place of what was there: intervals, epochs, hours and days, heads; in sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from billing.metering.cuts import hour_of, rollup
from billing.metering.intervals import Interval
from billing.metering.quality import NONE, Quality, Shares
from billing.metering.readings import Head
from billing.metering.steps import Step
from stores.statements import EVER, FOREVER, chunks, run, texts
from stores.usage._days import day_of, share_lanes
from stores.usage.port import Rewrite

GONE = """
DELETE FROM interval i
USING unnest(%(registers)b::uuid[], %(after)b::timestamptz[], %(until)b::timestamptz[]) AS w (register_id, after, until)
WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id AND i.start_at >= w.after AND i.start_at < w.until
RETURNING i.register_id, i.start_at, i.end_at, i.start_value, i.quantity, i.quality, i.step, i.metered
"""
EPOCHS_GONE = """
DELETE FROM epoch e
USING unnest(%(registers)b::uuid[], %(after)b::timestamptz[], %(until)b::timestamptz[]) AS w (register_id, after, until)
WHERE e.provider_id = %(provider)b AND e.register_id = w.register_id AND e.start_at > w.after AND e.start_at <= w.until
"""
INTERVALS = """
INSERT INTO interval
  (provider_id, register_id, start_at, end_at, start_value, quantity, quality, step, metered, known_at)
SELECT %(provider)b, w.register_id, w.start_at, w.end_at, w.start_value::numeric, w.quantity::numeric, w.quality,
       w.step, w.metered::numeric, %(known_at)b
FROM unnest(%(registers)b::uuid[], %(starts)b::timestamptz[], %(ends)b::timestamptz[], %(values)b::text[],
            %(quantities)b::text[], %(qualities)b::text[], %(steps)b::text[], %(metered)b::text[])
  AS w (register_id, start_at, end_at, start_value, quantity, quality, step, metered)
"""
EPOCHS = """
INSERT INTO epoch
  (provider_id, register_id, start_at, value, cause, serial, serial_at, reset_at, reset_seen_at, evidence)
SELECT %(provider)b, w.*
FROM unnest(%(registers)b::uuid[], %(starts)b::timestamptz[], %(values)b::numeric[], %(causes)b::text[],
            %(serials)b::text[], %(serials_at)b::timestamptz[], %(resets)b::timestamptz[],
            %(resets_seen)b::timestamptz[], %(evidence)b::jsonb[])
  AS w (register_id, start_at, value, cause, serial, serial_at, reset_at, reset_seen_at, evidence)
ON CONFLICT (provider_id, register_id, start_at) DO UPDATE
SET value = excluded.value, cause = excluded.cause, serial = excluded.serial, serial_at = excluded.serial_at,
    reset_at = excluded.reset_at, reset_seen_at = excluded.reset_seen_at,
    evidence = CASE WHEN excluded.evidence = '{}' THEN epoch.evidence ELSE excluded.evidence END
"""
# Hours, and days that are summed, alike.
ADD = """
INSERT INTO register_{kind} AS h
  (provider_id, register_id, {kind}, measured, interpolated, estimated, substituted, invalid, intervals, known_at)
SELECT %(provider)b, w.register_id, w.start, w.measured::numeric, w.interpolated::numeric, w.estimated::numeric,
       w.substituted::numeric, w.invalid::numeric, w.intervals, %(known_at)b
FROM unnest(%(registers)b::uuid[], %(starts)b::timestamptz[], %(measured)b::text[], %(interpolated)b::text[],
            %(estimated)b::text[], %(substituted)b::text[], %(invalid)b::text[], %(intervals)b::int4[])
  AS w (register_id, start, measured, interpolated, estimated, substituted, invalid, intervals)
ON CONFLICT (provider_id, register_id, {kind}) DO UPDATE
SET measured = h.measured + excluded.measured, interpolated = h.interpolated + excluded.interpolated,
    estimated = h.estimated + excluded.estimated, substituted = h.substituted + excluded.substituted,
    invalid = h.invalid + excluded.invalid, intervals = h.intervals + excluded.intervals,
    known_at = greatest(h.known_at, excluded.known_at)
"""
HOURS, DAYS = ADD.format(kind="hour"), ADD.format(kind="day")
HEADS = """
UPDATE register r
SET reading_at = w.at, value = w.value::numeric, boots = w.boots, uptime_s = w.uptime_s::numeric, serial = w.serial,
    reset_at = w.reset_at, rate_quantity = w.rate_quantity::numeric, rate_seconds = w.rate_seconds::numeric
FROM unnest(%(registers)b::uuid[], %(at)b::timestamptz[], %(values)b::text[], %(boots)b::int8[], %(uptimes)b::text[],
            %(serials)b::text[], %(resets)b::timestamptz[], %(rate_quantities)b::text[], %(rate_seconds)b::text[])
  AS w (register_id, at, value, boots, uptime_s, serial, reset_at, rate_quantity, rate_seconds)
WHERE r.provider_id = %(provider)b AND r.id = w.register_id
"""
# Where a register was gone over again: what was rated before it may come to something else.
REPLAYED = """
UPDATE register r
SET replayed_at = %(known_at)b, replayed_from = least(r.replayed_from, w.after)
FROM unnest(%(registers)b::uuid[], %(after)b::timestamptz[]) AS w (register_id, after)
WHERE r.provider_id = %(provider)b AND r.id = w.register_id
"""

Changes = dict[tuple[UUID, datetime], tuple[Shares, int]]


def rewrite(session: Session, provider_id: UUID, rewrites: Sequence[Rewrite], known_at: datetime) -> None:
    """Put the rows of some registers, all of them locked, in place."""
    replays = [r for r in rewrites if not r.appends]
    removed = _remove(session, provider_id, replays)
    _note_replays(session, provider_id, replays, known_at)
    _put_intervals(session, provider_id, rewrites, known_at)
    _put_epochs(session, provider_id, rewrites)
    changes: Changes = {}
    for r in rewrites:
        changes |= hour_changes(r.register_id, r.intervals, removed.get(r.register_id, []))
    _put_hours(session, provider_id, changes, known_at)
    _put_heads(session, provider_id, [(r.register_id, r.head) for r in rewrites if r.head is not None])


def _note_replays(session: Session, provider_id: UUID, replays: Sequence[Rewrite], known_at: datetime) -> None:
    if replays:
        parameters = {
            "registers": [r.register_id for r in replays],
            "after": [r.after or EVER for r in replays],
            "known_at": known_at,
            "provider": provider_id,
        }
        run(session, REPLAYED, parameters)


def hour_changes(register: UUID, added: Sequence[Interval], removed: Sequence[Interval]) -> Changes:
    """How the hours of a register change: shares, and the number of intervals that start in them."""
    counts: dict[datetime, int] = defaultdict(int)
    for interval in added:
        counts[hour_of(interval.start)] += 1
    for interval in removed:
        counts[hour_of(interval.start)] -= 1
    shares = rollup(added, removed)
    hours = shares.keys() | {hour for hour, count in counts.items() if count}
    return {(register, hour): (shares.get(hour, NONE), counts.get(hour, 0)) for hour in hours}


def _remove(session: Session, provider_id: UUID, rewrites: Sequence[Rewrite]) -> dict[UUID, list[Interval]]:
    removed: dict[UUID, list[Interval]] = defaultdict(list)
    if not rewrites:
        return removed
    parameters = {
        "registers": [r.register_id for r in rewrites],
        "after": [r.after or EVER for r in rewrites],
        "until": [r.until or FOREVER for r in rewrites],
        "provider": provider_id,
    }
    for register, start, end, value, quantity, quality, step, metered in run(session, GONE, parameters):
        removed[register].append(Interval(start, end, value, quantity, Quality(quality), Step(step), metered))
    run(session, EPOCHS_GONE, parameters)
    return removed


def _put_intervals(session: Session, provider_id: UUID, rewrites: Sequence[Rewrite], known_at: datetime) -> None:
    for rows in chunks((r.register_id, i) for r in rewrites for i in r.intervals):
        parameters = {
            "registers": [register for register, _ in rows],
            "starts": [i.start for _, i in rows],
            "ends": [i.end for _, i in rows],
            "values": texts([i.start_value for _, i in rows]),
            "quantities": texts([i.quantity for _, i in rows]),
            "qualities": [str(i.quality) for _, i in rows],
            "steps": [str(i.step) for _, i in rows],
            "metered": texts([i.metered for _, i in rows]),
            "provider": provider_id,
            "known_at": known_at,
        }
        run(session, INTERVALS, parameters)


def _put_epochs(session: Session, provider_id: UUID, rewrites: Sequence[Rewrite]) -> None:
    # The last row of a start counts: an epoch may learn its serial number within one batch.
    rows = {(r.register_id, e.start): (e, r.evidence.get(e.start, {})) for r in rewrites for e in r.epochs}
    if not rows:
        return
    epochs = [epoch for epoch, _ in rows.values()]
    parameters = {
        "registers": [register for register, _ in rows],
        "starts": [e.start for e in epochs],
        "values": [e.value for e in epochs],
        "causes": [str(e.cause) for e in epochs],
        "serials": [e.serial for e in epochs],
        "serials_at": [e.serial_at for e in epochs],
        "resets": [e.reset_at for e in epochs],
        "resets_seen": [e.reset_seen_at for e in epochs],
        "evidence": [Jsonb(evidence) for _, evidence in rows.values()],
        "provider": provider_id,
    }
    run(session, EPOCHS, parameters)


def _put_hours(session: Session, provider_id: UUID, changes: Changes, known_at: datetime) -> None:
    """Add to hours, and to the days that are summed; the registers are locked, so nobody else is at them."""
    if not changes:
        return
    summed_until = share_lanes(session, provider_id, {hour for _, hour in changes})
    _add(session, provider_id, HOURS, changes, known_at)
    if summed_until is not None:
        _add(session, provider_id, DAYS, _by_day(changes, summed_until), known_at)


def _by_day(changes: Changes, until: datetime) -> Changes:
    """Changes of the hours before an instant, added up by the day."""
    found: Changes = {}
    for (register, hour), (shares, count) in changes.items():
        if hour < until:
            key = register, day_of(hour)
            before, counted = found.get(key, (NONE, 0))
            found[key] = before + shares, counted + count
    return found


def _add(session: Session, provider_id: UUID, statement: str, changes: Changes, known_at: datetime) -> None:
    for rows in chunks(sorted(changes.items(), key=lambda change: (change[0][0].int, change[0][1]))):
        shares = [s for _, (s, _) in rows]
        parameters = {
            "registers": [register for (register, _), _ in rows],
            "starts": [start for (_, start), _ in rows],
            "measured": texts([s.measured for s in shares]),
            "interpolated": texts([s.interpolated for s in shares]),
            "estimated": texts([s.estimated for s in shares]),
            "substituted": texts([s.substituted for s in shares]),
            "invalid": texts([s.invalid for s in shares]),
            "intervals": [count for _, (_, count) in rows],
            "provider": provider_id,
            "known_at": known_at,
        }
        run(session, statement, parameters)


def _put_heads(session: Session, provider_id: UUID, heads: Sequence[tuple[UUID, Head]]) -> None:
    if not heads:
        return
    readings = [head.reading for _, head in heads]
    rates: list[tuple[Decimal | None, Decimal | None]] = [
        (h.rate.quantity, h.rate.seconds) if h.rate else (None, None) for _, h in heads
    ]
    parameters = {
        "registers": [register for register, _ in heads],
        "at": [r.at for r in readings],
        "values": texts([r.value for r in readings]),
        "boots": [r.boots for r in readings],
        "uptimes": texts([r.uptime_s for r in readings]),
        "serials": [h.serial for _, h in heads],
        "resets": [h.reset_at for _, h in heads],
        "rate_quantities": texts([q for q, _ in rates]),
        "rate_seconds": texts([s for _, s in rates]),
        "provider": provider_id,
    }
    run(session, HEADS, parameters)
