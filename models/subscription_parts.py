"""What a subscription has beside its own plan: components of a bundle, add-ons, charges that are due once."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Quantity, Recorded, Resource, Tenant, external, ref, unique


class SubscriptionPart(Base, Tenant, Recorded):
    """A further plan version on a subscription. `from_at` is null until the subscription starts.

    What is in force at an instant is told by the timelines of the items; this row says whose they are.
    """

    __tablename__ = "subscription_part"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        ref("plan_id", "plan"),
        ref("plan_version_id", "plan_version"),
        CheckConstraint("role IN ('component', 'add_on')", name="role"),
        CheckConstraint("discount BETWEEN 0 AND 100", name="discount"),
        Index(
            "uq_subscription_part_plan",
            "provider_id",
            "subscription_id",
            "plan_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index(
            "ix_subscription_part_version",
            "provider_id",
            "plan_version_id",
            postgresql_where=text("removed_at IS NULL"),
        ),
    )
    grants: ClassVar[str] = "select, insert, update (plan_version_id, from_at, removed_at)"

    subscription_id: Mapped[UUID]
    role: Mapped[str]
    position: Mapped[int]
    plan_id: Mapped[UUID]
    plan_version_id: Mapped[UUID]
    discount: Mapped[Quantity] = mapped_column(server_default=text("0"))
    from_at: Mapped[Instant | None]
    removed_at: Mapped[Instant | None]


class OneOffCharge(Base, Tenant, Resource):
    """A charge that somebody put on a running subscription: smart hands, a repair. It has an item and a price of its
    own; whether it is billed is told by the item's charges.
    """

    __tablename__ = "one_off_charge"
    __table_args__ = (
        ref("subscription_id", "subscription"),
        ref("item_id", "subscription_item"),
        ref("price_id", "price"),
        external("one_off_charge"),
        unique("item_id"),
        Index("ix_one_off_charge_subscription", "provider_id", "subscription_id"),
    )
    grants: ClassVar[str] = "select, insert, update (withdrawn_at, metadata, external_id)"

    subscription_id: Mapped[UUID]
    item_id: Mapped[UUID]
    price_id: Mapped[UUID]
    at: Mapped[Instant]
    quantity: Mapped[Quantity]
    withdrawn_at: Mapped[Instant | None]
