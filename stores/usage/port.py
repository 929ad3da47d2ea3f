"""What every backend for usage does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.intervals import Epoch, Interval
from billing.metering.late import Window
from billing.metering.readings import Head
from billing.metering.slots import SlotRequest, Usage
from core.period import Period


@dataclass
class EventColumns:
    """Events to store, column by column: what a set costs least in. All lists have one entry per event.

    `digests` identify an event (source and id), 16 bytes each; none is there twice. `subscriptions` and `meters` point
    into `subscription_ids` and `meter_ids`, counted from 1. `properties` are JSON.
    """

    subscription_ids: list[UUID]
    meter_ids: list[UUID]
    digests: list[bytes]
    sources: list[str]
    ids: list[str]
    subscriptions: list[int]
    meters: list[int]
    at: list[datetime]
    quantities: list[str]
    properties: list[str | None]


@dataclass(frozen=True)
class References:
    """Subscriptions and meters by what callers wrote; `summed_until` is what appending events needs to know."""

    subscriptions: Mapping[str, UUID]
    meters: Mapping[str, UUID]
    summed_until: datetime | None


@dataclass(frozen=True)
class RegisterState:
    """A register that is locked for metering."""

    id: UUID
    point_id: UUID
    name: str
    unit: str
    kind: str
    head: Head | None
    rating: Mapping[str, Any]


@dataclass(frozen=True)
class StoredReading:
    """A reading and the register it belongs to; `evidence` is what the device said beside it, as JSON values."""

    register_id: UUID
    at: datetime
    value: Decimal
    evidence: Mapping[str, Any] | None


@dataclass
class Rewrite:
    """What replaying a stretch of one register replaces.

    Args:
        after: start of the stretch: intervals that start here or later go, epochs that start later go.
        until: its end; None when it runs to the end.
        appends: nothing is stored after `after` yet, so nothing goes.
    """

    register_id: UUID
    intervals: list[Interval]
    epochs: list[Epoch]
    evidence: Mapping[datetime, Mapping[str, Any]]
    after: datetime | None
    until: datetime | None
    appends: bool
    head: Head | None = None


class UsageStore(Protocol):
    """A backend. `session` is the transaction of the caller; what is written is there once that commits."""

    @property
    def name(self) -> str: ...

    def make_room(self, session: Session, provider_id: UUID, now: datetime) -> None:
        """Make room for the usage of a new provider, which has none yet."""
        ...

    def references(
        self,
        session: Session,
        provider_id: UUID,
        subscriptions: Collection[str],
        meters: Collection[str],
        instants: Sequence[datetime],
        roots: frozenset[UUID] | None,
    ) -> References:
        """Subscriptions and meters by what callers wrote; `roots` of account subtrees bound what a caller may see.

        Events at these instants can be appended afterwards.
        """
        ...

    def points(self, session: Session, provider_id: UUID, references: Collection[str]) -> dict[str, set[UUID]]:
        """Points by what callers wrote; several where a path is ambiguous."""
        ...

    def append_events(
        self,
        session: Session,
        provider_id: UUID,
        rows: EventColumns,
        received_at: datetime,
        summed_until: datetime | None,
    ) -> set[bytes]:
        """Store the events whose identity is new, with their hours. Returns the digests that were known already.

        Args:
            summed_until: of the references that were looked up for these events, in the same transaction.
        """
        ...

    def same_events(self, session: Session, provider_id: UUID, rows: EventColumns) -> set[bytes]:
        """Of events that were known, the digests that are stored with the same content."""
        ...

    def lock_registers(
        self, session: Session, provider_id: UUID, wanted: Collection[tuple[UUID, str, str, str]]
    ) -> dict[tuple[UUID, str], RegisterState]:
        """The registers (point, name, unit, kind), made where they are missing and locked until the end."""
        ...

    def append_readings(
        self, session: Session, provider_id: UUID, rows: Sequence[StoredReading], received_at: datetime
    ) -> set[tuple[UUID, datetime]]:
        """Store readings whose (register, at) is new, and return those. Their registers are locked."""
        ...

    def values_at(
        self, session: Session, provider_id: UUID, keys: Collection[tuple[UUID, datetime]]
    ) -> dict[tuple[UUID, datetime], Decimal]:
        """What is stored at these (register, at)."""
        ...

    def epochs_at(self, session: Session, provider_id: UUID, keys: Mapping[UUID, datetime]) -> dict[UUID, Epoch]:
        """The epoch that each register is in at an instant."""
        ...

    def windows(
        self,
        session: Session,
        provider_id: UUID,
        stretches: Mapping[UUID, tuple[datetime, datetime | None]],
        units: Mapping[UUID, str],
    ) -> dict[UUID, Window]:
        """What replays of late readings need, by register: see `billing.metering.late`.

        Args:
            stretches: by register the earliest late reading and the latest, or None to run to the end.
            units: of those registers.
        """
        ...

    def standing_still(
        self, session: Session, provider_id: UUID, asked: Mapping[UUID, tuple[datetime, datetime]]
    ) -> dict[UUID, tuple[datetime, Decimal]]:
        """The registers that show the same value as they did, within one epoch.

        Args:
            asked: by register an instant to look back to, and its latest reading.

        Returns:
            Since which reading, and the least power in watts that the readings since then told (more than nothing).
        """
        ...

    def rewrite(self, session: Session, provider_id: UUID, rewrites: Sequence[Rewrite], known_at: datetime) -> None:
        """Put intervals, epochs and hours in place, and the registers' heads."""
        ...

    def sum_day(self, session: Session, provider_id: UUID, ended: datetime) -> int | None:
        """Sum up the next day that is not summed yet, if it had ended by an instant. It changes no answer: it makes
        long spans cheaper to answer.

        Returns:
            How many sums were made; None where there was nothing to do, or somebody else is at it.
        """
        ...

    def pass_empty_days(self, session: Session, provider_id: UUID, ended: datetime) -> None:
        """Pass over days without usage at once, up to the last that had ended by an instant."""
        ...

    def any_usage(
        self,
        session: Session,
        provider_id: UUID,
        subscriptions: Collection[UUID],
        span: Period,
        meters: Collection[UUID],
        levels: Collection[UUID],
    ) -> bool:
        """Whether any of these subscriptions used anything in a span: events of these meters, or registers.

        Args:
            levels: those of the meters whose last event before the span still counts in it.
        """
        ...

    def slots_many(
        self, session: Session, provider_id: UUID, requests: Iterable[SlotRequest], *, now: datetime, evidence: bool
    ) -> dict[SlotRequest, Usage]:
        """The usage of many items at once, in a fixed number of queries. Every request has an answer.

        Args:
            now: of requests that end before, what no reading tells is estimated (`billing.metering.tail`): it did not
                come in time. Of those that run on, only what is known is told.
        """
        ...

    def arrived(self, session: Session, provider_id: UUID, looked: Mapping[SlotRequest, datetime]) -> set[SlotRequest]:
        """Of some requests, each with when it was last answered (system time), those whose answer may be another now:
        late events and readings, intervals made anew, assignments and registers that are new or changed.
        """
        ...
