"""Contracts: subscriptions, their items over time, changes to come, requests to provisioning systems, reasons for
being off.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Quantity, Recorded, Resource, Tenant, external, ref, unique


class Subscription(Base, Tenant, Resource):
    """An account's contract on a plan version. `time_zone` is frozen at the start; `start_at` is null until a
    provisioned start is known. `quantities` is what was ordered, by charge code; from the start on the items'
    timelines tell what is in force.

    `anchored_at` is from where its spans are counted, where that is not its start. `trial`, `term` and `minimum_term`
    are as they were agreed; `…_next_at` is when something is to be done about them: a reminder, then their end.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        ref("account_id", "account"),
        ref("plan_id", "plan"),
        ref("plan_version_id", "plan_version"),
        external("subscription"),
        CheckConstraint(
            "status IN ('pending', 'trialing', 'active', 'suspended', 'paused', 'cancelled', 'expired')", name="status"
        ),
        CheckConstraint("start_on IN ('at', 'provisioned')", name="start_on"),
        CheckConstraint("anchor IN ('calendar', 'anniversary')", name="anchor"),
        CheckConstraint("status IN ('pending', 'cancelled') OR start_at IS NOT NULL", name="started"),
        Index("ix_subscription_account", "provider_id", "account_id"),
        Index(
            "ix_subscription_pending", "start_at", postgresql_where=text("status = 'pending' AND start_at IS NOT NULL")
        ),
        Index("ix_subscription_trial", "trial_next_at", postgresql_where=text("trial_next_at IS NOT NULL")),
        Index("ix_subscription_term", "term_next_at", postgresql_where=text("term_next_at IS NOT NULL")),
    )
    dispatch: ClassVar[tuple[str, ...]] = (
        "provider_id",
        "id",
        "status",
        "start_at",
        "trial_next_at",
        "term_next_at",
    )

    account_id: Mapped[UUID]
    plan_id: Mapped[UUID]
    plan_version_id: Mapped[UUID]
    quantities: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    status: Mapped[str] = mapped_column(server_default="pending")
    currency: Mapped[Currency]
    time_zone: Mapped[str]
    anchor: Mapped[str]
    start_on: Mapped[str]
    start_at: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]
    anchored_at: Mapped[Instant | None]
    trial: Mapped[dict[str, Any] | None]
    trial_ends_at: Mapped[Instant | None]
    trial_next_at: Mapped[Instant | None]
    term: Mapped[dict[str, Any] | None]
    term_started_at: Mapped[Instant | None]
    term_ends_at: Mapped[Instant | None]
    term_next_at: Mapped[Instant | None]
    minimum_term: Mapped[dict[str, Any] | None]
    minimum_ends_at: Mapped[Instant | None]
    reference: Mapped[str | None]
    purchase_order: Mapped[str | None]
    cost_centre: Mapped[str | None]


class SubscriptionItem(Base, Tenant, Recorded):
    """One charge code of a subscription: what is billed, and what a point is assigned to."""

    __tablename__ = "subscription_item"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        unique("subscription_id", "charge_code"),
        unique("id", "charge_code"),
        Index(
            "ix_subscription_item_cost_centre",
            "provider_id",
            "subscription_id",
            postgresql_where=text("cost_centre IS NOT NULL"),
        ),
    )
    grants: ClassVar[str] = "select, insert, update (cost_centre)"

    subscription_id: Mapped[UUID]
    charge_code: Mapped[str]
    cost_centre: Mapped[str | None]


class SubscriptionItemTerm(Base, Tenant, Recorded):
    """A row of an item's timeline: from `from_at` on, this price and quantity, or ended. Append-only.

    `discount` is the per cent that a bundle takes off.

    In force at an instant is the row with the latest `from_at` not after it; of several with one `from_at`, the
    last recorded.
    """

    __tablename__ = "subscription_item_term"
    __table_args__ = (
        ref("item_id", "subscription_item"),
        ref("price_id", "price"),
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint("discount BETWEEN 0 AND 100", name="discount"),
        Index("ix_subscription_item_term_item", "provider_id", "item_id", "from_at"),
    )
    grants: ClassVar[str] = "select, insert"

    item_id: Mapped[UUID]
    from_at: Mapped[Instant]
    price_id: Mapped[UUID]
    quantity: Mapped[Quantity]
    discount: Mapped[Quantity] = mapped_column(server_default=text("0"))
    ended: Mapped[bool] = mapped_column(server_default=text("false"))


class SubscriptionBreak(Base, Tenant, Recorded):
    """A row of a subscription's breaks: from `from_at` on nothing is billed, for this reason, or is again (null).
    Append-only; of several with one `from_at`, the last recorded holds.
    """

    __tablename__ = "subscription_break"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        CheckConstraint("reason IN ('trial', 'pause', 'term')", name="reason"),
        Index("ix_subscription_break_subscription", "provider_id", "subscription_id"),
    )
    grants: ClassVar[str] = "select, insert"

    subscription_id: Mapped[UUID]
    from_at: Mapped[Instant]
    reason: Mapped[str | None]


class SubscriptionAnchor(Base, Tenant, Recorded):
    """Spans are counted anew from `from_at`, a local midnight; agreed at `agreed_at`, replacing those that were to
    come after that. Append-only.
    """

    __tablename__ = "subscription_anchor"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        Index("ix_subscription_anchor_subscription", "provider_id", "subscription_id"),
    )
    grants: ClassVar[str] = "select, insert"

    subscription_id: Mapped[UUID]
    from_at: Mapped[Instant]
    agreed_at: Mapped[Instant]


class ScheduledChange(Base, Tenant, Recorded):
    """A change of contract that takes effect later. `body` is what the caller asked for."""

    __tablename__ = "scheduled_change"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        CheckConstraint("status IN ('scheduled', 'done', 'withdrawn', 'failed')", name="status"),
        Index("ix_scheduled_change_due", "effective_at", postgresql_where=text("status = 'scheduled'")),
        Index("ix_scheduled_change_subscription", "provider_id", "subscription_id"),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "effective_at")

    subscription_id: Mapped[UUID]
    effective_at: Mapped[Instant]
    body: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="scheduled")
    detail: Mapped[str | None]
    created_at: Mapped[Instant]


class ProvisioningRequest(Base, Tenant, Recorded):
    """What a provisioning system was asked to do; its id is that of the event that asked, sent again at `next_at`."""

    __tablename__ = "provisioning_request"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        CheckConstraint("kind IN ('provision', 'suspend', 'resume', 'change', 'deprovision')", name="kind"),
        CheckConstraint("status IN ('open', 'answered', 'superseded')", name="status"),
        Index("ix_provisioning_request_subscription", "provider_id", "subscription_id", "asked_at"),
        Index(
            "uq_provisioning_request_open",
            "provider_id",
            "subscription_id",
            unique=True,
            postgresql_where=text("status = 'open'"),
        ),
        Index("ix_provisioning_request_unanswered", "next_at", postgresql_where=text("status = 'open'")),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "next_at")

    subscription_id: Mapped[UUID]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    asked_at: Mapped[Instant]
    next_at: Mapped[Instant | None]
    answered_at: Mapped[Instant | None]
    answer: Mapped[dict[str, Any] | None]


class Suspension(Base, Tenant, Recorded):
    """A reason why a service is off. Service runs when none is open."""

    __tablename__ = "suspension"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        CheckConstraint("closed_at IS NULL OR closed_at >= opened_at", name="closed_at"),
        Index(
            "uq_suspension_open",
            "provider_id",
            "subscription_id",
            "reason",
            "dunning_case_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        ForeignKeyConstraint(["provider_id", "dunning_case_id"], ["dunning_case.provider_id", "dunning_case.id"]),
    )

    subscription_id: Mapped[UUID]
    reason: Mapped[str]
    dunning_case_id: Mapped[UUID | None]
    opened_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]
