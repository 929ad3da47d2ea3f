"""Collecting agents: their enrolment, what they poll, how far they have come."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Resource, Tenant, external, ref


class Agent(Base, Tenant, Resource):
    """A program at a site. `targets` is what it polls, `target_secrets` their communities by name, encrypted.

    `reached_at` and `passed_over_at` are business time, the other instants the machine's.
    """

    __tablename__ = "agent"
    __table_args__ = (
        ref("site_id", "site"),
        external("agent"),
        Index(
            "uq_agent_enrolment_hash",
            "enrolment_hash",
            unique=True,
            postgresql_where=text("enrolment_hash IS NOT NULL"),
        ),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "enrolment_hash", "enrolment_expires_at")

    site_id: Mapped[UUID]
    name: Mapped[str]
    targets: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    target_secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    interval_s: Mapped[int] = mapped_column(server_default=text("300"))
    config_version: Mapped[int] = mapped_column(server_default=text("1"))
    enrolment_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    enrolment_expires_at: Mapped[Instant | None]
    enrolled_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    version: Mapped[str | None]
    queue_depth: Mapped[int | None]
    clock_offset_ms: Mapped[int | None]
    last_seen_at: Mapped[Instant | None]
    reached_at: Mapped[Instant | None]
    passed_over_at: Mapped[Instant | None]
