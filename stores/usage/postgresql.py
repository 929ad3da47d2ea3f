"""Usage in the house's own database: monthly partitions, hours rolled up as rows come in.

The statements are in the modules beside this one, by what they are about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.evidence import Evidence, PointEvidence
from billing.metering.intervals import Epoch
from billing.metering.late import Window
from billing.metering.slots import Slot, SlotRequest, Usage
from core.decimals import EXACT
from core.period import Period
from stores.usage import _events, _evidence, _readings, _references, _rewrite, _slots, _tail
from stores.usage._evidence import Stretch
from stores.usage._slots import Feed, Found, Piece, latest
from stores.usage.port import EventColumns, RegisterState, Rewrite, StoredReading, UsageStore


class PostgresqlUsage:
    """The tables reading, usage_event, usage_event_identity, interval, epoch, register_hour, event_hour."""

    name = "postgresql"

    def references(
        self,
        session: Session,
        provider_id: UUID,
        subscriptions: Collection[str],
        meters: Collection[str],
        instants: Sequence[datetime],
        roots: frozenset[UUID] | None,
    ) -> tuple[dict[str, UUID], dict[str, UUID]]:
        """Subscriptions and meters by what callers wrote; events at these instants can be appended afterwards."""
        return _references.of_events(session, provider_id, subscriptions, meters, instants, roots)

    def points(self, session: Session, provider_id: UUID, references: Collection[str]) -> dict[str, set[UUID]]:
        """Points by what callers wrote."""
        return _references.of_points(session, provider_id, references)

    def append_events(
        self, session: Session, provider_id: UUID, rows: EventColumns, received_at: datetime
    ) -> set[bytes]:
        """Store the events whose identity is new, with their hours. Returns the digests that were known already."""
        return _events.append(session, provider_id, rows, received_at)

    def same_events(self, session: Session, provider_id: UUID, rows: EventColumns) -> set[bytes]:
        """Of events that were known, the digests that are stored with the same content."""
        return _events.same(session, provider_id, rows)

    def lock_registers(
        self, session: Session, provider_id: UUID, wanted: Collection[tuple[UUID, str, str, str]]
    ) -> dict[tuple[UUID, str], RegisterState]:
        """The registers (point, name, unit, kind), made where they are missing and locked until the end."""
        return _readings.lock(session, provider_id, wanted)

    def append_readings(
        self, session: Session, provider_id: UUID, rows: Sequence[StoredReading], received_at: datetime
    ) -> set[tuple[UUID, datetime]]:
        """Store readings whose (register, at) is new, and return those. Their registers are locked."""
        return _readings.append(session, provider_id, rows, received_at)

    def values_at(
        self, session: Session, provider_id: UUID, keys: Collection[tuple[UUID, datetime]]
    ) -> dict[tuple[UUID, datetime], Decimal]:
        """What is stored at these (register, at)."""
        return _readings.values_at(session, provider_id, keys)

    def epochs_at(self, session: Session, provider_id: UUID, keys: Mapping[UUID, datetime]) -> dict[UUID, Epoch]:
        """The epoch that each register is in at an instant."""
        return _readings.epochs_at(session, provider_id, keys)

    def windows(
        self,
        session: Session,
        provider_id: UUID,
        stretches: Mapping[UUID, tuple[datetime, datetime | None]],
        units: Mapping[UUID, str],
    ) -> dict[UUID, Window]:
        """What replays of late readings need, by register."""
        return _readings.windows(session, provider_id, stretches, units)

    def rewrite(self, session: Session, provider_id: UUID, rewrites: Sequence[Rewrite], known_at: datetime) -> None:
        """Put intervals, epochs, hours and heads in place."""
        _rewrite.rewrite(session, provider_id, rewrites, known_at)

    def slots_many(
        self, session: Session, provider_id: UUID, requests: Iterable[SlotRequest], *, now: datetime, evidence: bool
    ) -> dict[SlotRequest, Usage]:
        """The usage of many items at once, in a fixed number of queries. Every request has an answer."""
        wanted = list(dict.fromkeys(requests))
        if not wanted:
            return {}
        pieces = _slots.pieces(_slots.feeds(session, provider_id, wanted))
        measured = _tail.extend(session, provider_id, pieces, _slots.measure(session, provider_id, pieces), now)
        events = _slots.event_slots(session, provider_id, wanted)
        points = _points(session, provider_id, pieces, measured) if evidence else {}
        by_request: dict[SlotRequest, list[tuple[Piece, Found]]] = defaultdict(list)
        for piece, found in zip(pieces, measured, strict=True):
            by_request[piece.request].append((piece, found))
        return {r: _usage(r, by_request[r], events[r], points.get(r, ())) for r in wanted}


def _points(
    session: Session, provider_id: UUID, pieces: Sequence[Piece], measured: Sequence[Found]
) -> dict[SlotRequest, list[PointEvidence]]:
    """Pieces of one feed joined over the request's slots, with their evidence."""
    joined: dict[tuple[SlotRequest, Feed], Stretch] = {}
    for piece, found in zip(pieces, measured, strict=True):
        before = joined.get((piece.request, piece.feed))
        if before is not None:
            found, start = before.found + found, before.period.start
        else:
            start = piece.period.start
        joined[piece.request, piece.feed] = Stretch(piece.feed, Period(start, piece.period.end), found)
    gathered = _evidence.gather(session, provider_id, list(joined.values()))
    points: dict[SlotRequest, list[PointEvidence]] = defaultdict(list)
    for (request, _), point in zip(joined, gathered, strict=True):
        points[request].append(point)
    return points


def _usage(
    request: SlotRequest,
    measured: Sequence[tuple[Piece, Found]],
    events: Sequence[tuple[Slot, datetime | None]],
    points: Sequence[PointEvidence],
) -> Usage:
    slots = [slot for slot, _ in events]
    known = max((arrival for _, arrival in events if arrival is not None), default=None)
    count, quantity = sum(s.count for s in slots), Decimal(0)
    for slot in slots:
        quantity = EXACT.add(quantity, slot.sum)
    for piece, found in measured:
        slots[piece.slot] = _with(slots[piece.slot], piece.feed, found)
        known = latest(known, found.known_at)
    return Usage(tuple(slots), Evidence(request.unit, tuple(points), count, quantity), known)


def _with(slot: Slot, feed: Feed, found: Found) -> Slot:
    shares = found.shares.scaled(feed.scale)
    return replace(slot, sum=EXACT.add(slot.sum, shares.total), quality=slot.quality + shares)


PLUGIN: UsageStore = PostgresqlUsage()
