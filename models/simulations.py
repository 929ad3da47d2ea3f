"""What-if: prices tried on the usage of past months, and what a plan offers beside itself."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Recorded, Resource, Tenant, external, of_provider, ref, unique


class Simulation(Base, Tenant, Resource):
    """Prices that are tried: a plan version, or a list of prices that nobody sells yet.

    `chosen` is whose contracts they are tried on, as it was asked for; `assumed` what is assumed of charges that the
    contracts do not have. The months run from the first day of the first to the first day of the last. What comes of
    it is worked out when it is read; here stands how far the sums have come (`place`), and the sums (`found`).
    """

    __tablename__ = "simulation"
    __table_args__ = (
        of_provider(),
        ref("plan_version_id", "plan_version"),
        external("simulation"),
        CheckConstraint("(plan_version_id IS NULL) <> (prices IS NULL)", name="tried"),
        CheckConstraint("first_month <= last_month", name="months"),
        CheckConstraint("status IN ('running', 'done')", name="status"),
        Index("ix_simulation_working", "created_at", postgresql_where=text("status = 'running'")),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "created_at")

    plan_version_id: Mapped[UUID | None]
    prices: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    chosen: Mapped[dict[str, Any]]
    assumed: Mapped[dict[str, Any]]
    first_month: Mapped[date]
    last_month: Mapped[date]
    status: Mapped[str] = mapped_column(server_default="running")
    subscriptions_total: Mapped[int]
    subscriptions_done: Mapped[int] = mapped_column(server_default=text("0"))
    place: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    found: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    finished_at: Mapped[Instant | None]


class PlanOffer(Base, Tenant, Recorded):
    """A plan that is offered to those who have another: in its place (successor), or beside it (companion)."""

    __tablename__ = "plan_offer"
    __table_args__ = (
        ref("plan_id", "plan"),
        ref("offered_plan_id", "plan"),
        unique("plan_id", "offered_plan_id"),
        CheckConstraint("kind IN ('successor', 'companion')", name="kind"),
        CheckConstraint("plan_id <> offered_plan_id", name="other"),
    )
    grants: ClassVar[str] = "select, insert, delete"

    plan_id: Mapped[UUID]
    offered_plan_id: Mapped[UUID]
    kind: Mapped[str]
    position: Mapped[int]
