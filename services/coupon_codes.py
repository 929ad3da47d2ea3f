"""Codes that give a coupon: each with a limit and an end of its own, or for one account alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from core.errors import Conflict, FieldError, Invalid, NotFound
from core.ids import new_id
from models.accounts import Account
from models.coupons import Coupon, CouponCode
from services.context import Context
from services.coupons import check_limit
from services.lookups import by_id, by_reference
from services.paging import Slice, Window, newest_first


def create(ctx: Context, coupon_id: UUID, values: Mapping[str, Any]) -> CouponCode:
    """Give a coupon a further code.

    Args:
        values: `code`; optional `account` (a reference), `redemptions_most`, `redeemable_until`, `external_id`, `meta`.

    Raises:
        NotFound. Invalid: `account_unknown`.
        Conflict: `coupon_archived`; `code_taken`, by any coupon, in upper or lower case.
    """
    coupon = by_id(ctx, Coupon, "coupon", coupon_id, lock=True)
    if coupon.archived_at is not None:
        raise Conflict("coupon_archived", "This coupon is archived: nobody can redeem it.")
    values = dict(values)
    account = values.pop("account", None)
    if account is not None:
        account = by_reference(ctx, Account, "account", account, pointer="/account", account=Account.id).id
    if by_code(ctx, values["code"]) is not None:
        raise Conflict("code_taken", "There is this code already.", "/code")
    values["meta"] = values.get("meta", {})
    row = CouponCode(
        provider_id=ctx.provider.id,
        id=new_id(),
        coupon_id=coupon.id,
        account_id=account,
        created_at=ctx.now,
        **values,
    )
    ctx.session.add(row)
    ctx.session.flush()
    ctx.session.refresh(row)
    return row


def by_code(ctx: Context, code: str) -> CouponCode | None:
    """The row of a code, in upper or lower case."""
    return ctx.session.scalar(
        select(CouponCode).where(
            CouponCode.provider_id == ctx.provider.id, func.upper(CouponCode.code) == func.upper(code)
        )
    )


def list_codes(ctx: Context, coupon_id: UUID, window: Window, external_id: str | None = None) -> Slice[CouponCode]:
    """The codes of a coupon, newest first.

    Raises:
        NotFound.
    """
    by_id(ctx, Coupon, "coupon", coupon_id)
    statement = select(CouponCode).where(CouponCode.provider_id == ctx.provider.id, CouponCode.coupon_id == coupon_id)
    if external_id is not None:
        statement = statement.where(CouponCode.external_id == external_id)
    return newest_first(ctx, statement, CouponCode.id, window)


def get(ctx: Context, coupon_id: UUID, code_id: UUID, *, lock: bool = False) -> CouponCode:
    """One code of a coupon."""
    row = by_id(ctx, CouponCode, "coupon_code", code_id, lock=lock)
    if row.coupon_id != coupon_id:
        raise NotFound("coupon_code", code_id)
    return row


def change(ctx: Context, coupon_id: UUID, code_id: UUID, values: Mapping[str, Any]) -> CouponCode:
    """Change a code's limit, end, external id or metadata.

    Raises:
        NotFound. Invalid: `limit_below_redeemed`.
    """
    row = get(ctx, coupon_id, code_id, lock=True)
    errors: list[FieldError] = []
    check_limit(values, row.redeemed, errors)
    if errors:
        raise Invalid.collect(errors)
    for name, value in values.items():
        setattr(row, name, value)
    ctx.session.flush()
    return row


def disable(ctx: Context, coupon_id: UUID, code_id: UUID) -> None:
    """Let nobody use a code any more. Who has its coupon keeps it; the code is not given again."""
    row = get(ctx, coupon_id, code_id, lock=True)
    row.disabled_at = row.disabled_at or ctx.now
    ctx.session.flush()
