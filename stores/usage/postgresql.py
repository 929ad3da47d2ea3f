"""Usage in the house's own database: monthly partitions, hours rolled up as rows come in.

The statements are in the modules beside this one, by what they are about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.intervals import Epoch
from billing.metering.late import Window
from billing.metering.slots import SlotRequest, Usage
from core.period import Period
from stores.usage import _answers, _arrivals, _days, _events, _readings, _references, _rewrite
from stores.usage.port import EventColumns, References, RegisterState, Rewrite, StoredReading, UsageStore


class PostgresqlUsage:
    """The tables reading, usage_event, usage_event_identity, interval, epoch, register_hour, event_hour, register_day,
    event_day, summed_usage.
    """

    name = "postgresql"

    def make_room(self, session: Session, provider_id: UUID, now: datetime) -> None:
        """Of a new provider, which has no usage yet: from when on its days are summed."""
        _days.make_room(session, provider_id, now)

    def references(
        self,
        session: Session,
        provider_id: UUID,
        subscriptions: Collection[str],
        meters: Collection[str],
        instants: Sequence[datetime],
        roots: frozenset[UUID] | None,
    ) -> References:
        """Subscriptions and meters by what callers wrote; events at these instants can be appended afterwards."""
        return _references.of_events(session, provider_id, subscriptions, meters, instants, roots)

    def points(self, session: Session, provider_id: UUID, references: Collection[str]) -> dict[str, set[UUID]]:
        """Points by what callers wrote."""
        return _references.of_points(session, provider_id, references)

    def append_events(
        self,
        session: Session,
        provider_id: UUID,
        rows: EventColumns,
        received_at: datetime,
        summed_until: datetime | None,
    ) -> set[bytes]:
        """Store the events whose identity is new, with their hours. Returns the digests that were known already."""
        return _events.append(session, provider_id, rows, received_at, summed_until)

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

    def standing_still(
        self, session: Session, provider_id: UUID, asked: Mapping[UUID, tuple[datetime, datetime]]
    ) -> dict[UUID, tuple[datetime, Decimal]]:
        """The registers that show the same value as they did, in one epoch: since when, and the least power told."""
        return _readings.standing_still(session, provider_id, asked)

    def rewrite(self, session: Session, provider_id: UUID, rewrites: Sequence[Rewrite], known_at: datetime) -> None:
        """Put intervals, epochs, hours and heads in place."""
        _rewrite.rewrite(session, provider_id, rewrites, known_at)

    def sum_day(self, session: Session, provider_id: UUID, ended: datetime) -> int | None:
        """Sum the next day, if it had ended by an instant: how many rows it came to."""
        return _days.sum_day(session, provider_id, ended)

    def pass_empty_days(self, session: Session, provider_id: UUID, ended: datetime) -> None:
        """Pass over the days without usage that had ended by an instant."""
        _days.pass_empty_days(session, provider_id, ended)

    def any_usage(
        self,
        session: Session,
        provider_id: UUID,
        subscriptions: Collection[UUID],
        span: Period,
        meters: Collection[UUID],
        levels: Collection[UUID],
    ) -> bool:
        """Whether any of these subscriptions used anything in a span: events of these meters, or registers."""
        return _answers.any_usage(session, provider_id, subscriptions, span, meters, levels)

    def slots_many(
        self, session: Session, provider_id: UUID, requests: Iterable[SlotRequest], *, now: datetime, evidence: bool
    ) -> dict[SlotRequest, Usage]:
        """The usage of many items at once, in a fixed number of queries for each shape of request."""
        wanted = list(dict.fromkeys(requests))
        return _answers.answer(session, provider_id, wanted, now, evidence) if wanted else {}

    def arrived(self, session: Session, provider_id: UUID, looked: Mapping[SlotRequest, datetime]) -> set[SlotRequest]:
        """Of some requests, each with when it was last answered, those whose answer may be another now."""
        return _arrivals.arrived(session, provider_id, looked)


PLUGIN: UsageStore = PostgresqlUsage()
