"""The coupons that subscriptions have, and what they took off so far, as the engine sees them: in sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, and_, cast, func, select, text, true
from sqlalchemy.dialects.postgresql import aggregate_order_by

from billing.coupons import Coupon, Redeemed, Taken
from core.ids import decode
from core.period import utc
from models.accounts import Account
from models.billing import Charge
from models.coupons import Coupon as CouponRow
from models.coupons import CouponPlan, CouponProduct, CouponRedemption
from models.subscriptions import Subscription
from services.context import Context
from services.sets import among


def load(ctx: Context, wanted: ColumnElement[bool]) -> dict[UUID, Redeemed]:
    """The coupons of subscriptions, by subscription; none for those without. One query where nobody has any.

    Args:
        wanted: a condition on subscriptions and their accounts.
    """
    coupons: defaultdict[UUID, list[Coupon]] = defaultdict(list)
    for row in ctx.session.execute(redemptions(ctx).where(wanted, CouponRedemption.counts)):
        coupons[row.subscription_id].append(coupon(row, row.currency))
    if not coupons:
        return {}
    taken = _taken(ctx, coupons)
    return {subscription: Redeemed(tuple(its), taken[subscription]) for subscription, its in coupons.items()}


def coupon(row: Any, currency: str) -> Coupon:
    """A coupon on a subscription, from the columns of `terms` and of its redemption."""
    return Coupon(
        redemption_id=row.redemption_id,
        coupon_id=row.coupon_id,
        name=row.name,
        percent=row.percent,
        amount=int(row.amounts[currency]) if row.amounts is not None else None,
        spans=row.spans,
        starts_at=utc(row.starts_at) if row.starts_at is not None else None,
        ends_at=utc(row.withdrawn_at) if row.withdrawn_at is not None else None,
        plans=frozenset(row.plans) if row.plans is not None else None,
        products=frozenset(row.products) if row.products is not None else None,
        order=row.stacking_order,
    )


def terms() -> tuple[ColumnElement[Any], ...]:
    """The columns of a coupon's terms."""
    return (
        CouponRow.id.label("coupon_id"),
        CouponRow.name.label("name"),
        CouponRow.percent.label("percent"),
        CouponRow.amounts.label("amounts"),
        CouponRow.spans.label("spans"),
        CouponRow.stacking_order.label("stacking_order"),
        _chosen(CouponPlan, CouponPlan.plan_id).label("plans"),
        _chosen(CouponProduct, CouponProduct.product_id).label("products"),
    )


def _chosen(table: Any, column: Any) -> Any:
    """The ids that a coupon is for; null for all."""
    return (
        select(func.array_agg(aggregate_order_by(column, column)))
        .where(table.provider_id == CouponRow.provider_id, table.coupon_id == CouponRow.id)
        .scalar_subquery()
    )


def redemptions(ctx: Context) -> Select[Any]:
    """Redemptions with the terms of their coupons, in the order in which they are taken off."""
    redemption = CouponRedemption
    return (
        select(
            redemption.id.label("redemption_id"),
            redemption.subscription_id,
            redemption.code_id,
            redemption.starts_at,
            redemption.withdrawn_at,
            redemption.created_at,
            CouponRow.exclusive,
            Subscription.currency,
            *terms(),
        )
        .select_from(redemption)
        .join(CouponRow, and_(CouponRow.provider_id == redemption.provider_id, CouponRow.id == redemption.coupon_id))
        .join(
            Subscription,
            and_(Subscription.provider_id == redemption.provider_id, Subscription.id == redemption.subscription_id),
        )
        .join(Account, and_(Account.provider_id == Subscription.provider_id, Account.id == Subscription.account_id))
        .where(redemption.provider_id == ctx.provider.id)
        .order_by(CouponRow.stacking_order, redemption.id)
    )


def _taken(ctx: Context, subscriptions: Collection[UUID]) -> defaultdict[UUID, dict[UUID, tuple[Taken, ...]]]:
    """What coupons took off, by subscription and claim."""
    reduction = func.jsonb_array_elements(Charge.reductions).table_valued("value").lateral("reduction")
    redemption, span = reduction.c.value.op("->>")("redemption"), cast(reduction.c.value.op("->>")("span"), Integer)

    def sum_of(member: str) -> ColumnElement[Any]:
        return func.sum(cast(reduction.c.value.op("->>")(member), BigInteger))

    rows = ctx.session.execute(
        select(
            Charge.subscription_id,
            Charge.claim_id,
            redemption.label("redemption"),
            span.label("span"),
            sum_of("of_amount").label("of_amount"),
            sum_of("amount").label("amount"),
        )
        .select_from(Charge)
        .join(reduction, true())
        .where(
            Charge.provider_id == ctx.provider.id,
            among(Charge.subscription_id, subscriptions),
            text("charge.reductions <> '[]'::jsonb"),
            Charge.released_at.is_(None),
        )
        .group_by(Charge.subscription_id, Charge.claim_id, redemption, span)
        .order_by(Charge.claim_id, redemption)
    )
    found: defaultdict[UUID, dict[UUID, tuple[Taken, ...]]] = defaultdict(dict)
    for row in rows:
        taken = Taken(decode("coupon_redemption", row.redemption), row.span, int(row.of_amount), int(row.amount))
        its = found[row.subscription_id]
        its[row.claim_id] = (*its.get(row.claim_id, ()), taken)
    return found
