"""What registers counted in runs of slots, and which of the slots they counted throughout.

Whole hours come from the rollups. For shorter slots intervals are cut in the database, by the arithmetic of
`billing.metering.cuts`: the unwrapped register at the cut, quantised once, half away from zero; exact, since numbers
here are. A contract test compares the two.
"""

# ruff: noqa: S608 (statements are put together from constants and the shape of a request; values are parameters)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.evidence import Estimate
from billing.metering.quality import ZERO, Shares, summed
from billing.metering.slots import Part, SlotRequest
from core.decimals import EXACT, exact_sum
from core.period import Period
from stores.statements import run, weighed
from stores.usage._runs import Run, is_fine, runs_of
from stores.usage._slots import Feed, Found

TICK = timedelta(microseconds=1)
# So many slots may come back from one statement.
SLOTS_MOST = 200_000


def _cut(origin: str, quantity: str, at: str) -> str:
    """SQL: what a register had reached at an instant within an interval; see `cuts.part`."""
    whole = "(extract(epoch FROM i.end_at - i.start_at) * 1000000)"
    share = f"(({origin} * {whole} + {quantity} * extract(epoch FROM {at} - i.start_at) * 1000000) * 1000000)"
    rounded = f"sign({share}) * div(2 * abs({share}) + {whole}, 2 * {whole}) * 0.000001"
    return f"""CASE WHEN {at} = i.start_at THEN {origin} WHEN {at} = i.end_at THEN {origin} + {quantity}
               ELSE {rounded} END"""


WANTED = """
unnest(%(ks)b::int4[], %(registers)b::uuid[], %(starts)b::timestamptz[], %(steps)b::int8[],
       %(a)b::timestamptz[], %(b)b::timestamptz[]) AS w (k, register_id, start, step, a, b)
"""
# What no slot needs is NULL, which costs nothing to send.
INTERVALS = f"""
SELECT p.k, p.n, sum(p.quantity),
       sum(p.quantity) FILTER (WHERE p.quality = 'interpolated' OR p.quality = 'measured' AND p.cut),
       sum(p.quantity) FILTER (WHERE p.quality IN ('estimated', 'invalid')),
       sum(p.quantity) FILTER (WHERE p.quality = 'substituted'),
       sum(p.metered), count(*) FILTER (WHERE p.begins), max(p.known_at),
       (sum(p.length) FILTER (WHERE p.quality NOT IN ('estimated', 'invalid')) * 1000000)::int8
FROM (
  SELECT w.k, s.n, i.quality, i.known_at, (x.a, x.b) <> (i.start_at, i.end_at) AS cut,
         x.a IN (i.start_at, w.a) AS begins,
         extract(epoch FROM x.b - x.a) AS length,
         {_cut("i.start_value", "i.quantity", "x.b")} - {_cut("i.start_value", "i.quantity", "x.a")} AS quantity,
         {_cut("0", "i.metered", "x.b")} - {_cut("0", "i.metered", "x.a")} AS metered
  FROM {WANTED}
  CROSS JOIN LATERAL (
    (SELECT * FROM interval i WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id AND i.start_at <= w.a
     ORDER BY i.start_at DESC LIMIT 1)
    UNION ALL
    SELECT * FROM interval i WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id
      AND i.start_at > w.a AND i.start_at < w.b) i
  CROSS JOIN LATERAL generate_series(
    (extract(epoch FROM greatest(i.start_at, w.a) - w.start) * 1000000)::int8 / w.step,
    ((extract(epoch FROM least(i.end_at, w.b) - w.start) * 1000000)::int8 - 1) / w.step) AS s (n)
  CROSS JOIN LATERAL (
    SELECT w.start + s.n * w.step * interval '1 microsecond' AS a,
           w.start + (s.n + 1) * w.step * interval '1 microsecond' AS b) slot
  CROSS JOIN LATERAL (
    SELECT greatest(i.start_at, slot.a, w.a) AS a, least(i.end_at, slot.b, w.b) AS b) x
  WHERE i.end_at > w.a
) p GROUP BY p.k, p.n
"""
HOURS = f"""
SELECT w.k, (extract(epoch FROM h.hour - w.start) / 3600)::int8,
       h.measured + h.interpolated + h.estimated + h.substituted, nullif(h.interpolated, 0), nullif(h.estimated, 0),
       nullif(h.substituted, 0), nullif(h.invalid, 0), h.intervals::int8, h.known_at, NULL::int8
FROM {WANTED}
JOIN register_hour h ON h.provider_id = %(provider)b AND h.register_id = w.register_id
  AND h.hour >= w.a AND h.hour < w.b
"""


@dataclass
class Strip:
    """A run as far as one feed counts in it, and what was found there, in the register's unit.

    Args:
        shares: by slot, from the first that it touches; None where nothing is known.
        unknown: the numbers of the request's slots in which the register was not measured throughout the time for
            which it counts; told where coverage is asked for.
        intervals, known_at, estimate: of all slots together.
    """

    request: SlotRequest
    feed: Feed
    run: Run
    period: Period
    shares: list[Shares | None] = field(default_factory=list)
    unknown: set[int] = field(default_factory=set)
    intervals: int = 0
    known_at: datetime | None = None
    estimate: Estimate | None = None

    @cached_property
    def slots(self) -> range:
        """The numbers of the request's slots that it touches."""
        before = (self.period.start - self.run.start) // self.run.step
        until = -((self.run.start - self.period.end) // self.run.step)
        return range(self.run.first + before, self.run.first + until)

    @property
    def covered(self) -> bool:
        """Whether it is asked which slots are known."""
        return Part.COVERAGE in self.request.parts

    @property
    def from_hours(self) -> bool:
        """Whether rollups tell all that is asked: whole hours, whichever of their minutes were known."""
        ends = (self.period.start - self.run.start, self.period.end - self.run.start)
        return self.run.of_hours and not self.covered and not any(end % self.run.step for end in ends)

    def within(self, slot: int) -> Period:
        """The part of a slot in which the register counts."""
        start = self.run.start + (slot - self.run.first) * self.run.step
        return Period(max(start, self.period.start), min(start + self.run.step, self.period.end))

    def at(self, slot: int) -> Shares | None:
        """What was found of a slot that it touches."""
        return self.shares[slot - self.slots.start]

    def put(self, slot: int, found: Found) -> None:
        """Take what is known of a slot now, with an estimate in it."""
        self.shares[slot - self.slots.start] = found.shares
        if found.estimate is not None:
            self.estimate = found.estimate if self.estimate is None else self.estimate + found.estimate

    @cached_property
    def whole(self) -> Found:
        """All slots together, once they are told."""
        added = summed(shares for shares in self.shares if shares is not None)
        return Found(added, self.intervals, self.known_at, self.estimate)


def strips(fed: Mapping[SlotRequest, Iterable[Feed]]) -> list[Strip]:
    """Assignments cut into the runs that are counted as one."""
    return [
        Strip(request, feed, run_, Period(max(feed.start, run_.start), min(feed.end, run_.end)))
        for request, feeds in fed.items()
        for run_ in runs_of(request.edges)
        if is_fine(request, run_)
        for feed in feeds
        if feed.start < run_.end and run_.start < feed.end
    ]


def measure(session: Session, provider_id: UUID, wanted: Sequence[Strip]) -> None:
    """Fill in what was found."""
    for statement, from_hours in ((HOURS, True), (INTERVALS, False)):
        some = [strip for strip in wanted if strip.from_hours == from_hours]
        for few in weighed(some, lambda strip: len(strip.slots), SLOTS_MOST):
            _measure(session, provider_id, statement, few)


def _measure(session: Session, provider_id: UUID, statement: str, wanted: Sequence[Strip]) -> None:
    parameters: dict[str, Any] = {
        "ks": list(range(len(wanted))),
        "registers": [s.feed.register_id for s in wanted],
        "starts": [s.run.start for s in wanted],
        "steps": [s.run.step // TICK for s in wanted],
        "a": [s.period.start for s in wanted],
        "b": [s.period.end for s in wanted],
        "provider": provider_id,
    }
    for strip in wanted:
        strip.shares = [None] * len(strip.slots)
        strip.unknown = set(strip.slots) if strip.covered else set()
    for k, n, quantity, *doubtful, intervals, known_at, length in run(session, statement, parameters).all():
        strip = wanted[k]
        slot = strip.run.first + n
        strip.shares[slot - strip.slots.start] = _shares(quantity, doubtful)
        strip.intervals += intervals
        if strip.known_at is None or known_at > strip.known_at:
            strip.known_at = known_at
        if length is not None and length == _length(strip, slot):
            strip.unknown.discard(slot)


def _length(strip: Strip, slot: int) -> int:
    """Microseconds of a slot in which the register counts; only the outermost may be cut short."""
    if strip.slots.start < slot < strip.slots.stop - 1:
        return strip.run.step // TICK
    period = strip.within(slot)
    return (period.end - period.start) // TICK


def _shares(quantity: Decimal, doubtful: Sequence[Decimal | None]) -> Shares:
    """A total, and what of it is interpolated, estimated, substituted; invalid comes beside it."""
    if not any(doubtful):
        return Shares(quantity)
    interpolated, estimated, substituted, invalid = (each or ZERO for each in doubtful)
    measured = EXACT.subtract(quantity, exact_sum((interpolated, estimated, substituted)))
    return Shares(measured, interpolated, estimated, substituted, invalid)
