"""Coupons: what they take off, the codes that give them, and the subscriptions that have them."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Quantity, Recorded, Resource, Tenant, external, of_provider, ref, unique


class Coupon(Base, Tenant, Resource):
    """What is taken off: per cent, or an amount (minor units) by currency for each span. What it takes off never
    changes; its name, its limit and its window may.

    `spans` is how many spans of each charge are reduced, None for all of them. An `automatic` one needs no code.
    """

    __tablename__ = "coupon"
    __table_args__ = (
        of_provider(),
        external("coupon"),
        CheckConstraint("(percent IS NULL) <> (amounts IS NULL)", name="one_of"),
        CheckConstraint("percent > 0 AND percent <= 100", name="percent"),
        CheckConstraint("spans >= 1", name="spans"),
        CheckConstraint("once_per IN ('account', 'subscription')", name="once_per"),
        CheckConstraint("redeemed >= 0 AND redeemed <= redemptions_most", name="redeemed"),
        CheckConstraint("redeemable_until > redeemable_from", name="window"),
        Index(
            "ix_coupon_automatic",
            "provider_id",
            "id",
            postgresql_where=text("automatic AND archived_at IS NULL"),
        ),
    )
    grants: ClassVar[str] = (
        "select, insert, update (name, redemptions_most, redeemed, redeemable_from, redeemable_until, external_id,"
        " metadata, archived_at)"
    )

    name: Mapped[str]
    percent: Mapped[Quantity | None]
    amounts: Mapped[dict[str, Any] | None]
    spans: Mapped[int | None]
    stacking_order: Mapped[int]
    exclusive: Mapped[bool] = mapped_column(server_default=text("false"))
    once_per: Mapped[str] = mapped_column(server_default="account")
    automatic: Mapped[bool] = mapped_column(server_default=text("false"))
    redeemable_from: Mapped[Instant | None]
    redeemable_until: Mapped[Instant | None]
    redemptions_most: Mapped[int | None]
    redeemed: Mapped[int] = mapped_column(server_default=text("0"))
    archived_at: Mapped[Instant | None]


class CouponProduct(Base, Tenant, Recorded):
    """A product whose charges a coupon reduces. A coupon without any reduces those of all products."""

    __tablename__ = "coupon_product"
    __table_args__ = (ref("coupon_id", "coupon"), ref("product_id", "product"), unique("coupon_id", "product_id"))
    grants: ClassVar[str] = "select, insert"

    coupon_id: Mapped[UUID]
    product_id: Mapped[UUID]


class CouponPlan(Base, Tenant, Recorded):
    """A plan whose charges a coupon reduces. A coupon without any reduces those of all plans."""

    __tablename__ = "coupon_plan"
    __table_args__ = (ref("coupon_id", "coupon"), ref("plan_id", "plan"), unique("coupon_id", "plan_id"))
    grants: ClassVar[str] = "select, insert"

    coupon_id: Mapped[UUID]
    plan_id: Mapped[UUID]


class CouponCode(Base, Tenant, Resource):
    """What a customer writes to have a coupon; upper and lower case are the same. With a limit of its own, an end, and
    an account for which alone (and for those below it) it is.
    """

    __tablename__ = "coupon_code"
    __table_args__ = (
        ref("coupon_id", "coupon"),
        ref("account_id", "account"),
        external("coupon_code"),
        Index("uq_coupon_code_code", "provider_id", text("upper(code)"), unique=True),
        Index("ix_coupon_code_coupon", "provider_id", "coupon_id", "id"),
        CheckConstraint("redeemed >= 0 AND redeemed <= redemptions_most", name="redeemed"),
    )
    grants: ClassVar[str] = (
        "select, insert, update (redemptions_most, redeemed, redeemable_until, external_id, metadata, disabled_at)"
    )

    coupon_id: Mapped[UUID]
    code: Mapped[str]
    account_id: Mapped[UUID | None]
    redemptions_most: Mapped[int | None]
    redeemed: Mapped[int] = mapped_column(server_default=text("0"))
    redeemable_until: Mapped[Instant | None]
    disabled_at: Mapped[Instant | None]


class CouponRedemption(Base, Tenant, Recorded):
    """A subscription has a coupon: for spans that begin at `starts_at` or later (None: from where billing begins), and
    before `withdrawn_at`.

    `counts` tells whether it counts for limits, and against the account's having the coupon again: one that was
    withdrawn before it took anything off does not.
    """

    __tablename__ = "coupon_redemption"
    __table_args__ = (
        ref("coupon_id", "coupon"),
        ref("code_id", "coupon_code"),
        ref("subscription_id", "subscription"),
        ref("account_id", "account"),
        CheckConstraint("once_per IN ('account', 'subscription')", name="once_per"),
        CheckConstraint("counts OR withdrawn_at IS NOT NULL", name="counts"),
        Index(
            "uq_coupon_redemption_account",
            "provider_id",
            "coupon_id",
            "account_id",
            unique=True,
            postgresql_where=text("counts AND once_per = 'account'"),
        ),
        Index(
            "uq_coupon_redemption_subscription",
            "provider_id",
            "coupon_id",
            "subscription_id",
            unique=True,
            postgresql_where=text("counts"),
        ),
        Index("ix_coupon_redemption_subscription", "provider_id", "subscription_id", "id"),
    )
    grants: ClassVar[str] = "select, insert, update (withdrawn_at, counts)"

    coupon_id: Mapped[UUID]
    code_id: Mapped[UUID | None]
    subscription_id: Mapped[UUID]
    account_id: Mapped[UUID]
    once_per: Mapped[str]
    starts_at: Mapped[Instant | None]
    withdrawn_at: Mapped[Instant | None]
    counts: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Instant]
