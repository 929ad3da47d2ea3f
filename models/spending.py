"""Limits on spending, when they were reached, and what usage is still to be held against them."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped

from models.base import Base, Currency, Instant, Minor, Quantity, Recorded, Resource, Tenant, external, ref, unique


class SpendingLimit(Base, Tenant, Resource):
    """A threshold or a cap on what usage comes to: of one subscription in a billing span, or of all below an account
    in a month.
    """

    __tablename__ = "spending_limit"
    __table_args__ = (
        ref("account_id", "account"),
        ref("subscription_id", "subscription"),
        external("spending_limit"),
        CheckConstraint("kind IN ('threshold', 'cap')", name="kind"),
        CheckConstraint("(amount IS NULL) <> (quantity IS NULL)", name="one_of"),
        CheckConstraint("(amount IS NULL) = (currency IS NULL)", name="currency"),
        CheckConstraint("amount > 0 AND quantity > 0", name="above_zero"),
        CheckConstraint("quantity IS NULL OR charge_code IS NOT NULL", name="charge_code"),
        Index("ix_spending_limit_account", "provider_id", "account_id", postgresql_where=text("removed_at IS NULL")),
        Index(
            "ix_spending_limit_subscription",
            "provider_id",
            "subscription_id",
            postgresql_where=text("removed_at IS NULL"),
        ),
    )
    grants: ClassVar[str] = "select, insert, update (external_id, metadata, removed_at)"

    account_id: Mapped[UUID]
    subscription_id: Mapped[UUID | None]
    charge_code: Mapped[str | None]
    kind: Mapped[str]
    amount: Mapped[Minor | None]
    currency: Mapped[Currency | None]
    quantity: Mapped[Quantity | None]
    removed_at: Mapped[Instant | None]


class SpendingCrossing(Base, Tenant, Recorded):
    """A limit was reached in a span: once, whatever becomes of the usage afterwards."""

    __tablename__ = "spending_crossing"
    __table_args__ = (
        ref("limit_id", "spending_limit"),
        unique("limit_id", "start_at"),
        CheckConstraint("end_at > start_at", name="span"),
    )
    grants: ClassVar[str] = "select, insert"

    limit_id: Mapped[UUID]
    start_at: Mapped[Instant]
    end_at: Mapped[Instant]
    reached_at: Mapped[Instant]
    amount: Mapped[Minor | None]
    quantity: Mapped[Quantity | None]


class SpendingNews(Base, Tenant, Recorded):
    """What a subscription used since `from_at` is to be held against its limits at `look_at` (both business time);
    deleted when that is done.
    """

    __tablename__ = "spending_news"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        Index("ix_spending_news_look_at", "provider_id", "look_at"),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "look_at")
    grants: ClassVar[str] = "select, insert, delete"

    subscription_id: Mapped[UUID]
    from_at: Mapped[Instant]
    look_at: Mapped[Instant]
