"""Bulk: readings, events, intervals, rollups. No foreign keys: their insert joins on the tenant's own points and items.

`reading` and `usage_event` are partitioned by month of `at`. A unique constraint of a partitioned table must hold
the partition key;
a reading's identity does (point, register, at), an event's (source, id) does not and has a table of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Quantity, Recorded, Tenant, of_provider


class Reading(Base, Recorded):
    """A register's value at an instant. Immutable."""

    __tablename__ = "reading"
    __table_args__ = ({"postgresql_partition_by": "RANGE (at)"},)
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)
    value: Mapped[Quantity]
    evidence: Mapped[dict[str, Any] | None]
    received_at: Mapped[Instant]


class UsageEvent(Base, Recorded):
    """A quantity reported directly. Immutable."""

    __tablename__ = "usage_event"
    __table_args__ = (
        Index("ix_usage_event_item", "provider_id", "item_id", "meter_id", "at"),
        {"postgresql_partition_by": "RANGE (at)"},
    )
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)
    source: Mapped[str]
    event_id: Mapped[str]
    item_id: Mapped[UUID]
    meter_id: Mapped[UUID]
    quantity: Mapped[Quantity]
    properties: Mapped[dict[str, Any] | None]
    received_at: Mapped[Instant]


class UsageEventIdentity(Base):
    """(source, id) as a 16-byte digest, claimed in the transaction that stores the event; `content` tells a repeat
    from a reuse.
    """

    __tablename__ = "usage_event_identity"
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Interval(Base):
    """Consumption between two readings of one register, cut at hours; derived from readings, so it may be made anew."""

    __tablename__ = "interval"
    __table_args__ = (
        CheckConstraint("end_at > start_at", name="span"),
        CheckConstraint(
            "quality IN ('measured', 'interpolated', 'estimated', 'substituted', 'invalid')", name="quality"
        ),
    )
    grants: ClassVar[str] = "select, insert, update, delete"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    start_at: Mapped[Instant] = mapped_column(primary_key=True)
    end_at: Mapped[Instant]
    epoch_id: Mapped[UUID | None]
    quantity: Mapped[Quantity]
    quality: Mapped[str]
    invalid_quantity: Mapped[Quantity | None]
    known_at: Mapped[Instant]


class HourRollup(Base):
    """The sums of an hour: of a register (subject: the register), or of events (subject: the item; meter: what was
    counted).
    """

    __tablename__ = "hour_rollup"
    grants: ClassVar[str] = "select, insert, update, delete"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    meter_id: Mapped[UUID] = mapped_column(primary_key=True)
    hour: Mapped[Instant] = mapped_column(primary_key=True)
    quantity: Mapped[Quantity]
    count: Mapped[int]
    minimum: Mapped[Quantity | None]
    maximum: Mapped[Quantity | None]
    measured: Mapped[Quantity] = mapped_column(server_default=text("0"))
    interpolated: Mapped[Quantity] = mapped_column(server_default=text("0"))
    estimated: Mapped[Quantity] = mapped_column(server_default=text("0"))
    substituted: Mapped[Quantity] = mapped_column(server_default=text("0"))
    known_at: Mapped[Instant]


class ReadingQuarantine(Base, Tenant, Recorded):
    """A reading that was refused but kept aside: a conflict, or an unknown point that may be adopted."""

    __tablename__ = "reading_quarantine"
    __table_args__ = (
        of_provider(),
        CheckConstraint("cause IN ('conflict', 'unknown_point')", name="cause"),
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
