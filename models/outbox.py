"""What we tell: events written with the change they tell of, webhook endpoints, deliveries; and the audit trail."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Recorded, Resource, Tenant, external, of_provider, ref


class OutboxEvent(Base, Tenant, Recorded):
    """An event. `reacted_at` and `fanned_out_at` (system time) say that our own reactions ran and that deliveries
    were made.
    """

    __tablename__ = "outbox_event"
    __table_args__ = (
        of_provider(),
        UniqueConstraint("provider_id", "object_id", "sequence"),
        Index("ix_outbox_event_unreacted", "provider_id", "id", postgresql_where=text("reacted_at IS NULL")),
        Index("ix_outbox_event_unfanned", "provider_id", "id", postgresql_where=text("fanned_out_at IS NULL")),
        Index("ix_outbox_event_type", "provider_id", "type", "id"),
    )
    dispatch: ClassVar[tuple[str, ...]] = (
        "provider_id",
        "id",
        "reacted_at",
        "fanned_out_at",
        "react_after",
        "object_id",
    )

    type: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[UUID]
    account_id: Mapped[UUID | None]
    sequence: Mapped[int]
    created_at: Mapped[Instant]
    data: Mapped[dict[str, Any]]
    reacted_at: Mapped[Instant | None]
    react_tries: Mapped[int] = mapped_column(server_default=text("0"))
    react_after: Mapped[Instant | None]
    react_error: Mapped[str | None]
    fanned_out_at: Mapped[Instant | None]


class WebhookEndpoint(Base, Tenant, Resource):
    """Where events go. Two secrets may live at once while keys are rotated; both encrypted."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        of_provider(),
        external("webhook_endpoint"),
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
    )
    grants: ClassVar[str] = "select, insert, update, delete"

    url: Mapped[str]
    types: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    description: Mapped[str | None]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[Instant | None]
    status: Mapped[str] = mapped_column(server_default="active")


class Delivery(Base, Tenant, Recorded):
    """An event on its way to an endpoint. Instants are system time."""

    __tablename__ = "delivery"
    __table_args__ = (
        ref("endpoint_id", "webhook_endpoint"),
        ref("event_id", "outbox_event"),
        UniqueConstraint("provider_id", "endpoint_id", "event_id"),
        CheckConstraint("status IN ('pending', 'delivered', 'retrying', 'dead')", name="status"),
        Index("ix_delivery_due", "next_at", postgresql_where=text("status IN ('pending', 'retrying')")),
        Index("ix_delivery_order", "provider_id", "endpoint_id", "object_id", "sequence"),
    )
    dispatch: ClassVar[tuple[str, ...]] = (
        "provider_id",
        "id",
        "status",
        "next_at",
        "lease_until",
        "endpoint_id",
        "object_id",
        "sequence",
    )

    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    object_id: Mapped[UUID]
    sequence: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="pending")
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    first_try_at: Mapped[Instant | None]
    next_at: Mapped[Instant]
    lease_until: Mapped[Instant | None]
    delivered_at: Mapped[Instant | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    log: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))


class Audit(Base):
    """Every state change: who, when, what before, what after (I12). Written by triggers and services, never changed."""

    __tablename__ = "audit"
    __table_args__ = (of_provider(), Index("ix_audit_object", "provider_id", "object_id", "number"))
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[Instant]
    recorded_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    actor: Mapped[str]
    request_id: Mapped[str | None]
    object_kind: Mapped[str]
    object_id: Mapped[UUID]
    action: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
