"""Answers to requests: what registers and events filled, put together slot by slot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.evidence import Evidence, PointEvidence
from billing.metering.quality import NONE
from billing.metering.reported import with_levels
from billing.metering.slots import Event, Part, SlotRequest, Usage
from core.period import Period
from stores.statements import run as ask
from stores.usage import _event_runs, _event_slots, _evidence, _register_runs, _slots, _tail
from stores.usage._event_runs import Carried
from stores.usage._evidence import Stretch
from stores.usage._filled import Slots
from stores.usage._register_runs import Strip
from stores.usage._runs import Run, is_fine, runs_of
from stores.usage._slots import Feed, Found, Piece, latest

ANY = """
SELECT EXISTS (
  SELECT FROM event_hour h
  WHERE h.provider_id = %(provider)b AND h.subscription_id = ANY(%(subscriptions)b::uuid[])
    AND h.meter_id = ANY(%(meters)b::uuid[]) AND h.hour < %(end)b
    AND (h.hour >= %(start)b OR h.meter_id = ANY(%(levels)b::uuid[]))
) OR EXISTS (
  SELECT FROM subscription_item i
  JOIN assignment a ON a.provider_id = i.provider_id AND a.item_id = i.id
    AND a.span && tstzrange(%(start)b, %(end)b)
  JOIN register r ON r.provider_id = a.provider_id AND r.point_id = a.point_id
  JOIN register_hour h ON h.provider_id = r.provider_id AND h.register_id = r.id
    AND h.hour >= %(start)b AND h.hour < %(end)b
  WHERE i.provider_id = %(provider)b AND i.subscription_id = ANY(%(subscriptions)b::uuid[])
)
"""


@dataclass
class Answer:
    """A request's usage while it is being put together."""

    slots: Slots
    known_until: datetime | None = None
    points: list[PointEvidence] = field(default_factory=list)
    events: Sequence[Event] = ()


def any_usage(
    session: Session,
    provider_id: UUID,
    subscriptions: Collection[UUID],
    span: Period,
    meters: Collection[UUID],
    levels: Collection[UUID],
) -> bool:
    """Whether any of these subscriptions used anything in a span."""
    parameters = {
        "provider": provider_id,
        "subscriptions": list(subscriptions),
        "meters": list(meters),
        "levels": list(levels),
        "start": span.start,
        "end": span.end,
    }
    return bool(ask(session, ANY, parameters).scalar_one())


def answer(
    session: Session, provider_id: UUID, wanted: Sequence[SlotRequest], now: datetime, evidence: bool
) -> dict[SlotRequest, Usage]:
    """The usage of each request, in a fixed number of queries for each shape of request."""
    answers = {request: Answer(Slots(request)) for request in wanted}
    _fill_events(session, provider_id, answers)
    _fill_registers(session, provider_id, answers, now, evidence)
    before = _event_runs.carried(session, provider_id, [r for r in wanted if r.carried])
    return {request: _usage(request, answers[request], before.get(request)) for request in wanted}


def _usage(request: SlotRequest, filled: Answer, before: Carried | None) -> Usage:
    slots = filled.slots
    evidence = Evidence(request.unit, tuple(filled.points), slots.event_count, slots.event_quantity)
    known = latest(filled.known_until, before.known_at if before else None)
    told = with_levels(slots, before.levels if before else {}) if request.carried else slots.told()
    return Usage(told, evidence, known, tuple(filled.events), slots.quality)


def _fill_events(session: Session, provider_id: UUID, answers: Mapping[SlotRequest, Answer]) -> None:
    singly, hours, runs = [], [], []
    for request, filled in answers.items():
        for run in runs_of(request.edges):
            if _from_events(request, run):
                runs.append((request, run))
            elif is_fine(request, run):
                hours.append((request, run))
            else:
                singly += [(request, filled.slots.at(n)) for n in range(run.first, run.first + run.count)]
    slots = {request: filled.slots for request, filled in answers.items()}
    for known in (
        _event_slots.fill(session, provider_id, singly),
        _event_runs.fill_hours(session, provider_id, hours, slots),
        _event_runs.fill_runs(session, provider_id, runs, slots),
    ):
        for request, arrived in known.items():
            answers[request].known_until = latest(answers[request].known_until, arrived)
    for each in slots.values():
        each.count_events()
    for request, found in _event_runs.events(session, provider_id, [r for r in answers if r.events]).items():
        answers[request].events = found


def _from_events(request: SlotRequest, run: Run) -> bool:
    """Whether events have to be looked at one by one: rollups do not tell what is asked."""
    if request.dimensions or request.parts & {Part.DISTINCT, Part.INTEGRAL}:
        return True
    return is_fine(request, run) and (not run.of_hours or bool(request.parts & {Part.FIRST, Part.LAST}))


def _fill_registers(
    session: Session, provider_id: UUID, answers: Mapping[SlotRequest, Answer], now: datetime, evidence: bool
) -> None:
    wanted = [request for request in answers if request.registers]
    if not wanted:
        return
    fed = _slots.feeds(session, provider_id, wanted)
    strips = _register_runs.strips(fed)
    _register_runs.measure(session, provider_id, strips)
    pieces = _slots.pieces(fed)
    found = _extended(session, provider_id, pieces, _slots.measure(session, provider_id, pieces), strips, now)
    for piece, each in zip(pieces, found, strict=True):
        filled = answers[piece.request]
        filled.slots.add(piece.feed, piece.slot, each.shares)
        filled.known_until = latest(filled.known_until, each.known_at)
    for strip in strips:
        filled = answers[strip.request]
        filled.slots.lay(strip)
        filled.known_until = latest(filled.known_until, strip.known_at)
    if evidence:
        for request, points in _points(session, provider_id, pieces, found, strips).items():
            answers[request].points = points


def _extended(
    session: Session,
    provider_id: UUID,
    pieces: Sequence[Piece],
    found: Sequence[Found],
    strips: Sequence[Strip],
    now: datetime,
) -> list[Found]:
    """What was found of pieces, and (in place) of strips, with what is estimated after the last reading.

    Where it is asked which slots are known, nothing is put in the place of those that are not.
    """
    silent = [(strip, slot) for strip in strips if not strip.covered for slot in _after_readings(strip)]
    more = [Piece(strip.request, slot, strip.feed, strip.within(slot)) for strip, slot in silent]
    before = [Found(strip.at(slot) or NONE) for strip, slot in silent]
    extended = _tail.extend(session, provider_id, [*pieces, *more], [*found, *before], now)
    for (strip, slot), each in zip(silent, extended[len(pieces) :], strict=True):
        strip.put(slot, each)
    return extended[: len(pieces)]


def _after_readings(strip: Strip) -> Iterator[int]:
    until = strip.feed.read_until
    return (slot for slot in strip.slots if until is not None and strip.within(slot).end > until)


def _points(
    session: Session,
    provider_id: UUID,
    pieces: Sequence[Piece],
    found: Sequence[Found],
    strips: Sequence[Strip],
) -> dict[SlotRequest, list[PointEvidence]]:
    """Pieces and strips of one feed joined over the request's slots, with their evidence."""
    parts = [(p.request, p.feed, p.period, each) for p, each in zip(pieces, found, strict=True)]
    if strips:
        parts += [(s.request, s.feed, s.period, s.whole) for s in strips]
        parts.sort(key=lambda each: each[2].start)
    joined: dict[tuple[SlotRequest, Feed], Stretch] = {}
    for request, feed, period, each in parts:
        before = joined.get((request, feed))
        if before is None:
            joined[request, feed] = Stretch(feed, period, each)
        else:
            joined[request, feed] = Stretch(feed, Period(before.period.start, period.end), before.found + each)
    points: dict[SlotRequest, list[PointEvidence]] = defaultdict(list)
    for (request, _), point in zip(joined, _evidence.gather(session, provider_id, list(joined.values())), strict=True):
        points[request].append(point)
    return points
