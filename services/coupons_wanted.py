"""Which coupons an order or a subscription is to have: the one whose code was given, and promotions without a code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from billing.coupons import ACCOUNT, Coupon
from billing.items import PriceTerms
from core.errors import FieldError
from core.ids import new_id
from models.accounts import Account
from models.coupons import Coupon as CouponRow
from models.coupons import CouponCode, CouponRedemption
from services import contract_prices, coupon_codes, coupons_redeemed
from services.context import Context
from services.sets import among

POINTER = "/coupon"


@dataclass(frozen=True)
class Wanted:
    """A coupon that a subscription is to have. `code_id` is None for a promotion without a code."""

    coupon_id: UUID
    code_id: UUID | None
    once_per: str
    exclusive: bool
    terms: Coupon


@dataclass(frozen=True)
class Buyer:
    """Whom a coupon is for, and what.

    Args:
        prices: of what is ordered, or of what stands on the subscription.
        subscription_id: None for an order.
        others: of each coupon that the subscription has and that is not used up, whether it is exclusive.
    """

    account: Account
    currency: str
    prices: Sequence[PriceTerms]
    subscription_id: UUID | None = None
    others: Sequence[bool] = ()

    @property
    def plans(self) -> set[UUID | None]:
        """The plans whose prices they are."""
        return {price.plan_id for price in self.prices}


def of_order(
    ctx: Context, code: str | None, account: Account, versions: Iterable[UUID], currency: str, errors: list[FieldError]
) -> tuple[Wanted, ...]:
    """The coupons that an order would have, in the order in which they are taken off.

    Args:
        code: as it was given, or None. What is wrong with it is added to `errors`, with the codes of `of_code`.
        versions: of the plans that are ordered.
    """
    offered = ctx.session.execute(_coupons(ctx).where(*_automatic(ctx))).all()
    if code is None and not offered:
        return ()
    found = contract_prices.version_prices(ctx, set(versions), currency)
    buyer = Buyer(account, currency, [price for prices in found.values() for price in prices.values()])
    chosen = []
    if code is not None and (given := of_code(ctx, code, buyer, errors)) is not None:
        chosen.append(given)
    known = {each.coupon_id for each in chosen}
    for row in _not_redeemed(ctx, offered, account):
        if row.coupon_id in known or _obstacle(ctx, row, None, buyer) is not None:
            continue
        if (row.exclusive and chosen) or any(each.exclusive for each in chosen):
            continue
        chosen.append(_wanted(row, None, currency))
    return tuple(sorted(chosen, key=lambda each: (each.terms.order, each.terms.redemption_id)))


def of_code(ctx: Context, code: str, buyer: Buyer, errors: list[FieldError]) -> Wanted | None:
    """The coupon that a code gives, or None, and why not is added to `errors`.

    Codes: `coupon_unknown`, `coupon_archived`, `coupon_not_yet_valid`, `coupon_expired`, `coupon_limit_reached`,
    `coupon_not_for_account`, `coupon_currency_differs`, `coupon_not_for_plan`, `coupon_not_for_product`,
    `coupon_already_redeemed`, `coupon_not_combinable`.
    """
    given = coupon_codes.by_code(ctx, code)
    if given is None:
        errors.append(FieldError(POINTER, "coupon_unknown", "There is no such coupon."))
        return None
    (row,) = _rows(ctx, [given.coupon_id])
    obstacle = _obstacle(ctx, row, given, buyer)
    obstacle = obstacle or once(ctx, row.coupon_id, row.once_per, buyer.account.id, buyer.subscription_id)
    if obstacle is None and buyer.others and (row.exclusive or any(buyer.others)):
        obstacle = "coupon_not_combinable", "This coupon and one that is there are not taken off together."
    if obstacle is not None:
        errors.append(FieldError(POINTER, *obstacle))
        return None
    return _wanted(row, given.id, buyer.currency)


def _wanted(row: Any, code_id: UUID | None, currency: str) -> Wanted:
    return Wanted(row.coupon_id, code_id, row.once_per, row.exclusive, _terms(row, currency))


def _terms(row: Any, currency: str) -> Coupon:
    blank = Coupon(new_id(), row.coupon_id, row.name, row.percent, None, row.spans)
    return replace(
        blank,
        amount=int(row.amounts[currency]) if row.amounts is not None else None,
        plans=frozenset(row.plans) if row.plans is not None else None,
        products=frozenset(row.products) if row.products is not None else None,
        order=row.stacking_order,
    )


def _coupons(ctx: Context) -> Any:
    return (
        select(
            *coupons_redeemed.terms(),
            CouponRow.exclusive,
            CouponRow.once_per,
            CouponRow.redeemable_from,
            CouponRow.redeemable_until,
            CouponRow.redemptions_most,
            CouponRow.redeemed,
            CouponRow.archived_at,
        )
        .where(CouponRow.provider_id == ctx.provider.id)
        .order_by(CouponRow.stacking_order, CouponRow.id)
    )


def _rows(ctx: Context, coupons: Collection[UUID]) -> Sequence[Any]:
    rows: Sequence[Any] = ctx.session.execute(_coupons(ctx).where(among(CouponRow.id, coupons))).all()
    return rows


def _automatic(ctx: Context) -> Sequence[ColumnElement[bool] | InstrumentedAttribute[bool]]:
    """The condition that a coupon is given to whoever orders now."""
    return (
        CouponRow.automatic,
        CouponRow.archived_at.is_(None),
        or_(CouponRow.redeemable_from.is_(None), CouponRow.redeemable_from <= ctx.now),
        or_(CouponRow.redeemable_until.is_(None), CouponRow.redeemable_until > ctx.now),
    )


def _not_redeemed(ctx: Context, rows: Sequence[Any], account: Account) -> list[Any]:
    """Those of some coupons that an account may have: once, where that is once for an account."""
    once = [row.coupon_id for row in rows if row.once_per == ACCOUNT]
    redemption = CouponRedemption
    held = set(
        ctx.session.scalars(
            select(redemption.coupon_id).where(
                redemption.provider_id == ctx.provider.id,
                redemption.account_id == account.id,
                redemption.counts,
                among(redemption.coupon_id, once),
            )
        )
        if once
        else ()
    )
    return [row for row in rows if row.coupon_id not in held]


def once(
    ctx: Context, coupon_id: UUID, once_per: str, account_id: UUID, subscription_id: UUID | None
) -> tuple[str, str] | None:
    """Why a coupon cannot be had again: the account has it already, or this subscription. None where it can."""
    redemption = CouponRedemption
    held = select(redemption.id).where(
        redemption.provider_id == ctx.provider.id,
        redemption.coupon_id == coupon_id,
        redemption.counts,
        or_(
            redemption.account_id == account_id if once_per == ACCOUNT else false(),
            redemption.subscription_id == subscription_id if subscription_id is not None else false(),
        ),
    )
    if ctx.session.scalar(held.limit(1)) is None:
        return None
    return "coupon_already_redeemed", f"This {once_per} has had this coupon."


def _obstacle(ctx: Context, row: Any, code: CouponCode | None, buyer: Buyer) -> tuple[str, str] | None:
    """Why a coupon cannot be had: what is wrong now, or with what is ordered."""
    if row.archived_at is not None or (code is not None and code.disabled_at is not None):
        return "coupon_archived", "This coupon is not given any more."
    if row.redeemable_from is not None and row.redeemable_from > ctx.now:
        return "coupon_not_yet_valid", "This coupon is not given yet."
    both = (row,) if code is None else (row, code)
    if any(each.redeemable_until is not None and each.redeemable_until <= ctx.now for each in both):
        return "coupon_expired", "This coupon has expired."
    if any(each.redemptions_most is not None and each.redeemed >= each.redemptions_most for each in both):
        return "coupon_limit_reached", "This coupon was redeemed as often as it may be."
    if code is not None and code.account_id is not None and code.account_id not in buyer.account.path:
        return "coupon_not_for_account", "This code is for another account."
    if row.amounts is not None and buyer.currency not in row.amounts:
        return "coupon_currency_differs", f"This coupon takes off nothing in {buyer.currency}."
    return _unfit(_terms(row, buyer.currency), buyer)


def _unfit(terms: Coupon, buyer: Buyer) -> tuple[str, str] | None:
    if any(terms.concerns(price) for price in buyer.prices):
        return None
    if terms.plans is not None and buyer.plans.isdisjoint(terms.plans):
        return "coupon_not_for_plan", "This coupon is for other plans."
    return "coupon_not_for_product", "This coupon takes nothing off what is ordered here."
