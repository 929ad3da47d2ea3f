"""What a quantity was computed from, gathered in sets: outermost readings, breaks, intervals in doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.evidence import Break, PointEvidence, RegisterReading
from billing.metering.quality import Quality
from core.decimals import EXACT
from core.ids import encode
from core.period import Period, parse_instant
from stores.statements import run
from stores.usage._slots import Feed, Found

# The readings that bound a stretch: at or before its start, else the first within; at or after its end, else the last.
OUTERMOST = """
SELECT w.k, f.at, f.value, f.evidence->>'serial', l.at, l.value, l.evidence->>'serial'
FROM unnest(%(ks)b::int4[], %(registers)b::uuid[], %(a)b::timestamptz[], %(b)b::timestamptz[])
  AS w (k, register_id, a, b)
LEFT JOIN LATERAL (
  (SELECT r.* FROM reading r WHERE r.provider_id = %(provider)b AND r.register_id = w.register_id AND r.at <= w.a
   ORDER BY r.at DESC LIMIT 1)
  UNION ALL
  (SELECT r.* FROM reading r WHERE r.provider_id = %(provider)b AND r.register_id = w.register_id
   AND r.at > w.a AND r.at < w.b ORDER BY r.at LIMIT 1)
  LIMIT 1) f ON true
LEFT JOIN LATERAL (
  (SELECT r.* FROM reading r WHERE r.provider_id = %(provider)b AND r.register_id = w.register_id AND r.at >= w.b
   ORDER BY r.at LIMIT 1)
  UNION ALL
  (SELECT r.* FROM reading r WHERE r.provider_id = %(provider)b AND r.register_id = w.register_id
   AND r.at < w.b AND r.at > w.a ORDER BY r.at DESC LIMIT 1)
  LIMIT 1) l ON true
"""
BREAKS = """
SELECT w.k, e.cause, e.evidence
FROM unnest(%(ks)b::int4[], %(registers)b::uuid[], %(a)b::timestamptz[], %(b)b::timestamptz[])
  AS w (k, register_id, a, b)
JOIN epoch e ON e.provider_id = %(provider)b AND e.register_id = w.register_id AND e.start_at > w.a
  AND e.evidence ? 'before' AND (e.evidence->'before'->>'at')::timestamptz < w.b
ORDER BY w.k, e.start_at
"""
DOUBTFUL = """
SELECT w.k, i.quality, count(*)
FROM unnest(%(ks)b::int4[], %(registers)b::uuid[], %(a)b::timestamptz[], %(b)b::timestamptz[])
  AS w (k, register_id, a, b)
JOIN interval i ON i.provider_id = %(provider)b AND i.register_id = w.register_id AND i.quality <> 'measured'
  AND i.end_at > w.a AND i.start_at < w.b
GROUP BY w.k, i.quality ORDER BY w.k, i.quality
"""


@dataclass(frozen=True)
class Stretch:
    """A feed over the part of a request in which it counts, with what was found there."""

    feed: Feed
    period: Period
    found: Found


def gather(session: Session, provider_id: UUID, stretches: Sequence[Stretch]) -> list[PointEvidence]:
    """The evidence of each stretch, in the order given, in its request's unit."""
    if not stretches:
        return []
    parameters = {
        "ks": list(range(len(stretches))),
        "registers": [s.feed.register_id for s in stretches],
        "a": [s.period.start for s in stretches],
        "b": [s.period.end for s in stretches],
        "provider": provider_id,
    }
    outermost = {row[0]: row[1:] for row in run(session, OUTERMOST, parameters).all()}
    breaks: dict[int, list[Break]] = defaultdict(list)
    for k, cause, evidence in run(session, BREAKS, parameters):
        breaks[k].append(_break(cause, evidence, stretches[k].feed))
    doubtful: dict[int, dict[str, int]] = defaultdict(dict)
    for k, quality, count in run(session, DOUBTFUL, parameters):
        doubtful[k][quality] = count
    return [_point(s, outermost[k], tuple(breaks[k]), doubtful[k]) for k, s in enumerate(stretches)]


def _point(
    stretch: Stretch, ends: Sequence[Any], breaks: tuple[Break, ...], doubtful: Mapping[str, int]
) -> PointEvidence:
    feed = stretch.feed
    first_at, first_value, first_serial, last_at, last_value, last_serial = ends
    sound = max(0, stretch.found.intervals - sum(doubtful.values()))
    counts = ({Quality.MEASURED.value: sound} if sound else {}) | dict(doubtful)
    return PointEvidence(
        point=encode("point", feed.point_id),
        path=feed.path,
        register=feed.register,
        span=stretch.period,
        quality=stretch.found.shares.scaled(feed.scale),
        intervals=tuple(counts.items()),
        first=_reading(first_at, first_value, feed.unit, first_serial),
        last=_reading(last_at, last_value, feed.unit, last_serial),
        breaks=breaks,
        estimate=stretch.found.estimate.scaled(feed.scale) if stretch.found.estimate else None,
    )


def _reading(at: datetime | None, value: Decimal | None, unit: str, serial: str | None) -> RegisterReading | None:
    return None if at is None or value is None else RegisterReading(at, value, unit, serial)


def _break(cause: str, evidence: Mapping[str, Any], feed: Feed) -> Break:
    sides = [
        RegisterReading(parse_instant(side["at"]), Decimal(side["value"]), feed.unit, side["serial"])
        for side in (evidence["before"], evidence["after"])
    ]
    naive = EXACT.multiply(EXACT.subtract(sides[1].value, sides[0].value), feed.scale)
    return Break(cause, sides[0], sides[1], naive, EXACT.multiply(Decimal(evidence["estimated"]), feed.scale))
