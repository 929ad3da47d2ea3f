"""Coupons: what they take off, for whom, how often. What a coupon takes off never changes; another one is made anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core.errors import Conflict, FieldError, Invalid
from core.ids import new_id
from models.catalog import Plan, Product
from models.coupons import Coupon, CouponPlan, CouponProduct
from services import plans
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, newest_first
from services.sets import add_rows, among

CHOSEN: Mapping[str, tuple[type[Any], type[Any], str]] = {
    "products": (CouponProduct, Product, "product"),
    "plans": (CouponPlan, Plan, "plan"),
}


@dataclass(frozen=True)
class CouponView:
    """A coupon as it is shown; `products` and `plans` are None for all, `duration` is as the API writes it."""

    id: UUID
    name: str
    percent: Decimal | None
    amounts: Mapping[str, int] | None
    duration: str | Mapping[str, int]
    products: Sequence[UUID] | None
    plans: Sequence[UUID] | None
    stacking_order: int
    exclusive: bool
    once_per: str
    automatic: bool
    redeemable_from: datetime | None
    redeemable_until: datetime | None
    redemptions_most: int | None
    redeemed: int
    archived_at: datetime | None
    external_id: str | None
    meta: Mapping[str, Any]
    created_at: datetime


def create(ctx: Context, values: Mapping[str, Any]) -> CouponView:
    """Make a coupon.

    Args:
        values: `name`; `percent`, or `amounts` (minor units by currency); `spans` (None for all); `products` and
            `plans` (references, None for all); `stacking_order`, `exclusive`, `once_per`, `automatic`,
            `redeemable_from`, `redeemable_until`, `redemptions_most`; optional `external_id`, `meta`.

    Raises:
        Invalid: `reduction_expected`, `percent_out_of_range`, `product_unknown`, `plan_unknown`, `window_empty`.
        Conflict: `external_id_taken`, from the database.
    """
    values = dict(values)
    errors: list[FieldError] = []
    _check_terms(values, errors)
    chosen = {name: _ids(ctx, name, values.pop(name, None), errors) for name in CHOSEN}
    _check_window(values.get("redeemable_from"), values.get("redeemable_until"), errors)
    if errors:
        raise Invalid.collect(errors)
    row = Coupon(provider_id=ctx.provider.id, id=new_id(), created_at=ctx.now, **{"meta": {}, **values})
    ctx.session.add(row)
    ctx.session.flush()
    for name, (table, _, kind) in CHOSEN.items():
        own = {"provider_id": ctx.provider.id, "coupon_id": row.id}
        add_rows(ctx, table, [{**own, "id": new_id(), f"{kind}_id": each} for each in chosen[name] or ()])
    return get(ctx, row.id)


def _check_terms(values: Mapping[str, Any], errors: list[FieldError]) -> None:
    percent, amounts = values.get("percent"), values.get("amounts")
    if (percent is None) == (amounts is None):
        detail = "Give per cent, or an amount for each currency: one of the two."
        errors.append(FieldError("/percent", "reduction_expected", detail))
    if percent is not None and not 0 < percent <= 100:
        errors.append(FieldError("/percent", "percent_out_of_range", "Per cent are more than 0 and at most 100."))


def _check_window(start: datetime | None, end: datetime | None, errors: list[FieldError]) -> None:
    if start is not None and end is not None and end <= start:
        errors.append(FieldError("/redeemable_until", "window_empty", "It ends before it begins."))


def _ids(ctx: Context, name: str, wanted: Sequence[str] | None, errors: list[FieldError]) -> Collection[UUID] | None:
    """What references of a list name; a list that is empty chooses all, as none does."""
    if not wanted:
        return None
    _, model, kind = CHOSEN[name]
    found = plans.ids(ctx, model, kind, set(wanted))
    for i, each in enumerate(wanted):
        if each not in found:
            errors.append(FieldError(f"/{name}/{i}", f"{kind}_unknown", f"There is no {kind} {each}."))
    return set(found.values())


def get(ctx: Context, coupon_id: UUID) -> CouponView:
    """One coupon."""
    return views(ctx, [by_id(ctx, Coupon, "coupon", coupon_id)])[0]


def list_coupons(ctx: Context, window: Window, external_id: str | None = None) -> Slice[CouponView]:
    """Coupons, newest first."""
    statement = select(Coupon).where(Coupon.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(Coupon.external_id == external_id)
    found = newest_first(ctx, statement, Coupon.id, window)
    shown = {each.id: each for each in views(ctx, found.rows)}
    return found.map(lambda row: shown[row.id])


def change(ctx: Context, coupon_id: UUID, values: Mapping[str, Any]) -> CouponView:
    """Change a coupon's name, window, limit, external id or metadata. Who has it keeps it.

    Raises:
        NotFound. Invalid: `limit_below_redeemed`, `window_empty`.
    """
    row = by_id(ctx, Coupon, "coupon", coupon_id, lock=True)
    errors: list[FieldError] = []
    check_limit(values, row.redeemed, errors)
    window = {name: values.get(name, getattr(row, name)) for name in ("redeemable_from", "redeemable_until")}
    _check_window(window["redeemable_from"], window["redeemable_until"], errors)
    if errors:
        raise Invalid.collect(errors)
    for name, value in values.items():
        setattr(row, name, value)
    ctx.session.flush()
    return views(ctx, [row])[0]


def check_limit(values: Mapping[str, Any], redeemed: int, errors: list[FieldError]) -> None:
    """See that a limit is not below what was redeemed."""
    most = values.get("redemptions_most")
    if most is not None and most < redeemed:
        detail = f"It was redeemed {redeemed} times already."
        errors.append(FieldError("/redemptions_most", "limit_below_redeemed", detail))


def archive(ctx: Context, coupon_id: UUID) -> CouponView:
    """Let nobody redeem a coupon any more. Who has it keeps it.

    Raises:
        NotFound. Conflict: `coupon_archived`, when it is already.
    """
    row = by_id(ctx, Coupon, "coupon", coupon_id, lock=True)
    if row.archived_at is not None:
        raise Conflict("coupon_archived", "This coupon is archived.")
    row.archived_at = ctx.now
    ctx.session.flush()
    return views(ctx, [row])[0]


def views(ctx: Context, rows: Sequence[Coupon]) -> list[CouponView]:
    """Coupons as they are shown, in two queries."""
    chosen = {name: _chosen(ctx, name, [row.id for row in rows]) for name in CHOSEN}
    return [_view(row, chosen["products"].get(row.id), chosen["plans"].get(row.id)) for row in rows]


def _chosen(ctx: Context, name: str, coupons: Collection[UUID]) -> dict[UUID, list[UUID]]:
    table, _, kind = CHOSEN[name]
    column = getattr(table, f"{kind}_id")
    found: dict[UUID, list[UUID]] = {}
    for coupon, each in ctx.session.execute(
        select(table.coupon_id, column)
        .where(table.provider_id == ctx.provider.id, among(table.coupon_id, coupons))
        .order_by(table.coupon_id, column)
    ):
        found.setdefault(coupon, []).append(each)
    return found


def duration(spans: int | None) -> str | Mapping[str, int]:
    """How long a coupon lasts, as the API writes it."""
    if spans is None:
        return "forever"
    return "once" if spans == 1 else {"spans": spans}


def _view(row: Coupon, products: Sequence[UUID] | None, its_plans: Sequence[UUID] | None) -> CouponView:
    return CouponView(
        id=row.id,
        name=row.name,
        percent=row.percent,
        amounts=row.amounts,
        duration=duration(row.spans),
        products=products,
        plans=its_plans,
        stacking_order=row.stacking_order,
        exclusive=row.exclusive,
        once_per=row.once_per,
        automatic=row.automatic,
        redeemable_from=row.redeemable_from,
        redeemable_until=row.redeemable_until,
        redemptions_most=row.redemptions_most,
        redeemed=row.redeemed,
        archived_at=row.archived_at,
        external_id=row.external_id,
        meta=row.meta,
        created_at=row.created_at,
    )
