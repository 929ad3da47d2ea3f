"""What registers have counted since their last reading: estimated from their hours, in sets.

Nothing of it is stored: an estimate is gone as soon as a reading tells better. Where readings reach to the end of all
that is asked for, this costs no query.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.cuts import HOUR, hour_of
from billing.metering.evidence import Estimate
from billing.metering.quality import Shares
from billing.metering.readings import Limits, Rate
from billing.metering.tail import WEEK, History, Known, Tail, all_hours_known, hours_known, tail
from stores.statements import run
from stores.usage._slots import Found, Piece

HEADS = """
SELECT r.id, r.unit, r.rate_quantity, r.rate_seconds, p.rating, f.start_at, l.evidence
FROM unnest(%(registers)b::uuid[]) AS w (register_id)
JOIN register r ON r.provider_id = %(provider)b AND r.id = w.register_id
JOIN point p ON p.provider_id = r.provider_id AND p.id = r.point_id
JOIN reading l ON l.provider_id = r.provider_id AND l.register_id = r.id AND l.at = r.reading_at
CROSS JOIN LATERAL (
  SELECT e.start_at FROM epoch e WHERE e.provider_id = %(provider)b AND e.register_id = w.register_id
  ORDER BY e.start_at LIMIT 1) f
"""
# An hour with an estimate in it is not known: an estimate is not made of estimates.
SAME_HOURS = """
SELECT w.register_id, (extract(epoch FROM h.hour - w.h0) / 3600)::int4 + n.week * 168,
       sum(CASE WHEN h.estimated = 0 AND h.invalid = 0 THEN h.measured + h.interpolated + h.substituted ELSE 0 END),
       count(*) FILTER (WHERE h.estimated <> 0 OR h.invalid <> 0)
FROM unnest(%(registers)b::uuid[], %(h0)b::timestamptz[], %(h1)b::timestamptz[]) AS w (register_id, h0, h1)
CROSS JOIN generate_series(1, 4) AS n (week)
JOIN register_hour h ON h.provider_id = %(provider)b AND h.register_id = w.register_id
  AND h.hour >= w.h0 - n.week * interval '168 hours' AND h.hour < w.h1 - n.week * interval '168 hours'
GROUP BY 1, 2
"""
ALL_HOURS = """
SELECT w.register_id,
       sum(CASE WHEN h.estimated = 0 AND h.invalid = 0 THEN h.measured + h.interpolated + h.substituted ELSE 0 END),
       count(*) FILTER (WHERE h.estimated <> 0 OR h.invalid <> 0)
FROM unnest(%(registers)b::uuid[], %(from)b::timestamptz[], %(h0)b::timestamptz[]) AS w (register_id, since, h0)
JOIN register_hour h ON h.provider_id = %(provider)b AND h.register_id = w.register_id
  AND h.hour >= w.since AND h.hour < w.h0
GROUP BY 1
"""


@dataclass(frozen=True)
class Silent:
    """A register whose readings stop at `since`, before `until` that is asked for."""

    since: datetime
    until: datetime

    @property
    def hours(self) -> int:
        """How many hours of the week are asked for, from the full hour before `since` on."""
        return min(WEEK, -((hour_of(self.since) - self.until) // HOUR))


def extend(
    session: Session, provider_id: UUID, wanted: Sequence[Piece], measured: Sequence[Found], now: datetime
) -> list[Found]:
    """What was measured of each piece, with what is estimated where its readings stop before its end.

    Args:
        now: of what runs on beyond it nothing is missing yet.
    """
    silent = _silent(wanted, now)
    if not silent:
        return list(measured)
    tails = {register: tail(history) for register, history in _histories(session, provider_id, silent).items()}
    return [
        _extended(piece, found, tails.get(piece.feed.register_id)) if piece.request.span.end < now else found
        for piece, found in zip(wanted, measured, strict=True)
    ]


def _silent(wanted: Sequence[Piece], now: datetime) -> dict[UUID, Silent]:
    found: dict[UUID, Silent] = {}
    for piece in wanted:
        since, until = piece.feed.read_until, piece.period.end
        if since is None or until <= since or piece.request.span.end >= now:
            continue
        known = found.get(piece.feed.register_id)
        found[piece.feed.register_id] = Silent(since, max(until, known.until) if known else until)
    return found


def _extended(piece: Piece, found: Found, made: Tail | None) -> Found:
    if made is None:
        return found
    start, end = max(piece.period.start, made.since), piece.period.end
    if start >= end:
        return found
    quantity = made.between(start, end)
    estimate = Estimate(start, end, quantity, made.bases_between(start, end))
    return replace(found, shares=found.shares + Shares(estimated=quantity), estimate=estimate)


def _histories(session: Session, provider_id: UUID, silent: Mapping[UUID, Silent]) -> dict[UUID, History]:
    heads = run(session, HEADS, {"registers": list(silent), "provider": provider_id}).all()
    first = {row[0]: row[5] for row in heads}
    same = _same_hours(session, provider_id, silent, first)
    young = [register for register, hours in same.items() if len(hours) < silent[register].hours]
    whole = _all_hours(session, provider_id, silent, first, young)
    return {
        register: History(
            since=silent[register].since,
            same=same[register],
            all=whole.get(register, Known()),
            rate=None if seconds is None else Rate(quantity, seconds),
            cap=Limits.rated(unit, rating or {}).else_of(Limits.told(unit, evidence or {})).rate,
        )
        for register, unit, quantity, seconds, rating, _, evidence in heads
    }


def _same_hours(
    session: Session, provider_id: UUID, silent: Mapping[UUID, Silent], first: Mapping[UUID, datetime]
) -> dict[UUID, dict[int, Known]]:
    """What the hours asked for counted one to four weeks earlier; those that are not known are left out."""
    parameters: dict[str, Any] = {
        "registers": list(silent),
        "h0": [hour_of(s.since) for s in silent.values()],
        "h1": [hour_of(s.since) + s.hours * HOUR for s in silent.values()],
        "provider": provider_id,
    }
    told: dict[tuple[UUID, int], tuple[Decimal, int]] = {}
    for register, hour, quantity, doubtful in run(session, SAME_HOURS, parameters):
        told[register, hour] = quantity, doubtful
    found: dict[UUID, dict[int, Known]] = {}
    for register, begun in first.items():
        known = ((hour, _same(told, register, hour, begun, silent)) for hour in range(silent[register].hours))
        found[register] = {hour: each for hour, each in known if each.hours > 0}
    return found


def _same(
    told: Mapping[tuple[UUID, int], tuple[Decimal, int]],
    register: UUID,
    hour: int,
    first: datetime,
    silent: Mapping[UUID, Silent],
) -> Known:
    """An hour without a row counted nothing."""
    quantity, doubtful = told.get((register, hour), (Decimal(0), 0))
    return Known(quantity, hours_known(first, silent[register].since, hour) - doubtful)


def _all_hours(
    session: Session,
    provider_id: UUID,
    silent: Mapping[UUID, Silent],
    first: Mapping[UUID, datetime],
    young: Collection[UUID],
) -> dict[UUID, Known]:
    """The hours of the four weeks before the last reading together, for registers that lack some of the week's."""
    if not young:
        return {}
    counts = {register: all_hours_known(first[register], silent[register].since) for register in young}
    ends = {register: hour_of(silent[register].since) for register in young}
    parameters: dict[str, Any] = {
        "registers": list(young),
        "from": [ends[register] - counts[register] * HOUR for register in young],
        "h0": list(ends.values()),
        "provider": provider_id,
    }
    rows = run(session, ALL_HOURS, parameters)
    told = {register: Known(quantity, counts[register] - doubtful) for register, quantity, doubtful in rows}
    return {register: told.get(register, Known(Decimal(0), counts[register])) for register in young}
