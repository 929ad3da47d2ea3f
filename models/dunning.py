"""What happens when an invoice is not paid."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Recorded, Tenant, ref


class DunningCase(Base, Tenant, Recorded):
    """One unpaid invoice on its way through a policy. `policy` is the policy as it was when the case opened;
    `next_at` is business time.
    """

    __tablename__ = "dunning_case"
    __table_args__ = (
        ref("invoice_id", "invoice"),
        ref("account_id", "account"),
        CheckConstraint("status IN ('open', 'paused', 'recovered', 'exhausted')", name="status"),
        UniqueConstraint("provider_id", "invoice_id"),
        Index("ix_dunning_case_due", "next_at", postgresql_where=text("status = 'open'")),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "invoice_id", "status", "next_at")

    invoice_id: Mapped[UUID]
    account_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default="open")
    policy: Mapped[dict[str, Any]]
    opened_at: Mapped[Instant]
    next_at: Mapped[Instant | None]
    closed_at: Mapped[Instant | None]


class DunningStepDone(Base, Recorded):
    """A step is taken once per case."""

    __tablename__ = "dunning_step_done"
    __table_args__ = (ref("case_id", "dunning_case"),)
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str]
    done_at: Mapped[Instant]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
