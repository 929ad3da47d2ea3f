"""Where power flows: sites, points (places that survive hardware), devices that hang there, what a point counts for."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Quantity, Recorded, Resource, Tenant, external, of_provider, ref, unique


class Site(Base, Tenant, Resource):
    """A data centre."""

    __tablename__ = "site"
    __table_args__ = (of_provider(), unique("code"), external("site"))

    code: Mapped[str]
    name: Mapped[str]
    time_zone: Mapped[str]


class Point(Base, Tenant, Resource):
    """A metered place, named by its path within the site."""

    __tablename__ = "point"
    __table_args__ = (
        ref("site_id", "site"),
        unique("site_id", "path"),
        external("point"),
        Index("ix_point_path", "provider_id", "path"),
    )

    site_id: Mapped[UUID]
    path: Mapped[str]
    kind: Mapped[str]
    rating: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class Device(Base, Tenant, Resource):
    """What hangs at a point, as its evidence told: one row per serial and stay."""

    __tablename__ = "device"
    __table_args__ = (
        ref("point_id", "point"),
        external("device"),
        Index("ix_device_point", "provider_id", "point_id", "from_at"),
        CheckConstraint("to_at IS NULL OR to_at >= from_at", name="to_at"),
    )

    point_id: Mapped[UUID]
    serial: Mapped[str | None]
    model: Mapped[str | None]
    from_at: Mapped[Instant]
    to_at: Mapped[Instant | None]


class Assignment(Base, Tenant, Resource):
    """Point P counts for subscription item S over a span; never two at once (I6)."""

    __tablename__ = "assignment"
    __table_args__ = (
        ref("point_id", "point"),
        ref("item_id", "subscription_item"),
        external("assignment"),
        ExcludeConstraint(
            (text("uuidrange(point_id, point_id, '[]')"), "&&"),
            ("span", "&&"),
            using="gist",
            name="ex_assignment_point_span",
        ),
        CheckConstraint("NOT isempty(span) AND lower_inc(span) AND NOT upper_inc(span)", name="span"),
        Index("ix_assignment_item", "provider_id", "item_id"),
    )

    point_id: Mapped[UUID]
    item_id: Mapped[UUID]
    span: Mapped[Range[Any]] = mapped_column(TSTZRANGE)
    # When it was made or its span was last changed, by the machine's clock: a trigger writes it.
    changed_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))


class Register(Base, Tenant, Recorded):
    """A cumulative counter (or a gauge) at a point, in the smallest unit of its dimension.

    The row is the lock of its metering, and the columns from `reading_at` on are the head: what must be known of the
    latest reading to understand the next (`billing.metering.readings.Head`).
    """

    __tablename__ = "register"
    __table_args__ = (
        ref("point_id", "point"),
        unique("point_id", "name"),
        CheckConstraint("kind IN ('counter', 'gauge')", name="kind"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    point_id: Mapped[UUID]
    name: Mapped[str]
    unit: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="counter")
    reading_at: Mapped[Instant | None]
    value: Mapped[Quantity | None]
    boots: Mapped[int | None] = mapped_column(BigInteger)
    uptime_s: Mapped[Quantity | None]
    serial: Mapped[str | None]
    reset_at: Mapped[Instant | None]
    rate_quantity: Mapped[Quantity | None]
    rate_seconds: Mapped[Quantity | None]
    # When intervals were last made anew, by the machine's clock, and the earliest from which they ever were.
    replayed_at: Mapped[Instant | None]
    replayed_from: Mapped[Instant | None]


class Epoch(Base, Recorded):
    """A stretch of a register in which differences of readings mean consumption, until the next one starts.

    `value` is the register at the start; `serial` and `reset_at` what readings of the epoch told, first at `serial_at`
    and `reset_seen_at`; `evidence` the readings on both sides of the break that began it.
    """

    __tablename__ = "epoch"
    __table_args__ = (ref("register_id", "register"),)
    grants: ClassVar[str] = "select, insert, update, delete"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    start_at: Mapped[Instant] = mapped_column(primary_key=True)
    value: Mapped[Quantity]
    cause: Mapped[str]
    serial: Mapped[str | None]
    serial_at: Mapped[Instant | None]
    reset_at: Mapped[Instant | None]
    reset_seen_at: Mapped[Instant | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class Anomaly(Base, Tenant, Recorded):
    """A doubt about readings, with evidence and a suggested mend."""

    __tablename__ = "anomaly"
    __table_args__ = (
        ref("point_id", "point"),
        CheckConstraint("status IN ('open', 'acknowledged', 'resolved', 'dismissed')", name="status"),
        Index("uq_anomaly_identity", "provider_id", "point_id", "register", "kind", "at", unique=True),
    )

    point_id: Mapped[UUID]
    register: Mapped[str]
    kind: Mapped[str]
    at: Mapped[Instant]
    evidence: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    status: Mapped[str] = mapped_column(server_default="open")
    created_at: Mapped[Instant]
