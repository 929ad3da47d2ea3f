"""Bulk: readings, events, intervals, rollups. No foreign keys: their insert joins on the tenant's own points and items.

`reading` and `usage_event` are partitioned by month of `at`. A unique constraint of a partitioned table must hold the
partition key; a reading's identity does (register, at), an event's (source, id) does not and has a table of its own.
`received_at` is the machine's clock: what was known when can be asked of a sandbox too, whose own clock stands still.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Exact, Instant, Quantity, Recorded, Tenant, of_provider

# Rows that are updated often leave room on their page, so that a new version needs no new index entry.
ROOM = {"postgresql_with": {"fillfactor": 70}}


class Reading(Base):
    """A register's value at an instant, in the register's unit. Immutable."""

    __tablename__ = "reading"
    __table_args__ = ({"postgresql_partition_by": "RANGE (at)"},)
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)
    value: Mapped[Quantity]
    evidence: Mapped[dict[str, Any] | None]
    received_at: Mapped[Instant]


class UsageEvent(Base):
    """A quantity reported directly. Immutable. Its key is the order in which it is read; it is unique by its identity
    (`usage_event_identity`).
    """

    __tablename__ = "usage_event"
    __table_args__ = (
        # What came late into a month: few entries at the end of each subscription's in that month's partition.
        Index("ix_usage_event_received", "provider_id", "subscription_id", "received_at"),
        {"postgresql_partition_by": "RANGE (at)"},
    )
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(primary_key=True)
    meter_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    source: Mapped[str]
    event_id: Mapped[str]
    quantity: Mapped[Quantity]
    properties: Mapped[dict[str, Any] | None]
    received_at: Mapped[Instant]


class UsageEventIdentity(Base):
    """(source, id) as a 16-byte digest, claimed in the transaction that stores the event."""

    __tablename__ = "usage_event_identity"
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)


class EventHour(Base):
    """The events of one subscription and meter in one hour (UTC), summed up."""

    __tablename__ = "event_hour"
    __table_args__ = (ROOM,)
    grants: ClassVar[str] = "select, insert, update"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(primary_key=True)
    meter_id: Mapped[UUID] = mapped_column(primary_key=True)
    hour: Mapped[Instant] = mapped_column(primary_key=True)
    quantity: Mapped[Exact]
    count: Mapped[int]
    minimum: Mapped[Quantity]
    maximum: Mapped[Quantity]
    known_at: Mapped[Instant]


class EventDay(Base):
    """The hours of one subscription and meter in one day (UTC), summed up; there is one for each day with hours that
    ended by `summed_usage.until`. `day` is its first instant.
    """

    __tablename__ = "event_day"
    __table_args__ = (ROOM,)
    grants: ClassVar[str] = "select, insert, update"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(primary_key=True)
    meter_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[Instant] = mapped_column(primary_key=True)
    quantity: Mapped[Exact]
    count: Mapped[int] = mapped_column(BigInteger)
    minimum: Mapped[Quantity]
    maximum: Mapped[Quantity]
    known_at: Mapped[Instant]


class Interval(Base):
    """Consumption between two readings of one register; derived from readings, so it may be made anew.

    `start_value` is the register at the start, from which cuts are interpolated. Of an invalid interval `quantity` is
    the estimate that is billed, `metered` what the registers say.
    """

    __tablename__ = "interval"
    __table_args__ = (
        CheckConstraint("end_at > start_at", name="span"),
        CheckConstraint(
            "quality IN ('measured', 'interpolated', 'estimated', 'substituted', 'invalid')", name="quality"
        ),
        CheckConstraint("(quality = 'invalid') = (metered IS NOT NULL)", name="metered"),
        Index(
            "ix_interval_doubtful",
            "provider_id",
            "register_id",
            "end_at",
            postgresql_where=text("quality <> 'measured'"),
        ),
    )
    grants: ClassVar[str] = "select, insert, update, delete"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    start_at: Mapped[Instant] = mapped_column(primary_key=True)
    end_at: Mapped[Instant]
    start_value: Mapped[Quantity]
    quantity: Mapped[Quantity]
    quality: Mapped[str]
    step: Mapped[str]
    metered: Mapped[Quantity | None]
    known_at: Mapped[Instant]


class RegisterHour(Base):
    """The consumption of a register in one hour (UTC), by quality; measured intervals that stick out are interpolated.

    `intervals` counts those that end in the hour.
    """

    __tablename__ = "register_hour"
    __table_args__ = (ROOM,)
    grants: ClassVar[str] = "select, insert, update"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    hour: Mapped[Instant] = mapped_column(primary_key=True)
    measured: Mapped[Exact]
    interpolated: Mapped[Exact]
    estimated: Mapped[Exact]
    substituted: Mapped[Exact]
    invalid: Mapped[Exact]
    intervals: Mapped[int]
    known_at: Mapped[Instant]


class RegisterDay(Base):
    """The hours of a register in one day (UTC), summed up; as of `EventDay`."""

    __tablename__ = "register_day"
    __table_args__ = (ROOM,)
    grants: ClassVar[str] = "select, insert, update"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[Instant] = mapped_column(primary_key=True)
    measured: Mapped[Exact]
    interpolated: Mapped[Exact]
    estimated: Mapped[Exact]
    substituted: Mapped[Exact]
    invalid: Mapped[Exact]
    intervals: Mapped[int]
    known_at: Mapped[Instant]


class SummedUsage(Base):
    """Up to when a provider's usage is summed by the day: the days (UTC) that ended by `until` are the sums of their
    hours, always. `until` is the first instant of a day and only goes forward.
    """

    __tablename__ = "summed_usage"
    __table_args__ = (of_provider(),)
    grants: ClassVar[str] = "select, insert, update"
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "until")

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[Instant]


class ReadingQuarantine(Base, Tenant, Recorded):
    """A reading that was refused but kept aside: a conflict, a suspect unit, an unknown point that may be adopted."""

    __tablename__ = "reading_quarantine"
    __table_args__ = (
        of_provider(),
        CheckConstraint("cause IN ('conflict', 'unknown_point', 'unit_suspect')", name="cause"),
        Index("uq_reading_quarantine_identity", "provider_id", "point", "register", "at", "value", unique=True),
    )
    grants: ClassVar[str] = "select, insert, update, delete"

    cause: Mapped[str]
    point: Mapped[str]
    register: Mapped[str]
    unit: Mapped[str]
    at: Mapped[Instant]
    value: Mapped[Quantity]
    evidence: Mapped[dict[str, Any] | None]
    received_at: Mapped[Instant]
    adopted_at: Mapped[Instant | None]
