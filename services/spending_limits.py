"""Limits on spending: what is agreed, for one subscription or for all below an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, distinct_on

from billing.items import USAGE
from core.errors import Invalid, NotFound
from core.ids import new_id
from core.period import Period, utc
from models.accounts import Account
from models.catalog import Price
from models.providers import Provider
from models.spending import SpendingCrossing, SpendingLimit
from models.subscriptions import Subscription, SubscriptionItem
from services import spending_news
from services.context import Context, visible
from services.lookups import by_id
from services.paging import Slice, Window, newest_first
from services.sets import among


@dataclass(frozen=True)
class Reached:
    """When a limit was reached, in which span, and what had been spent by then."""

    span: Period
    at: datetime
    amount: int | None
    quantity: Decimal | None


@dataclass(frozen=True)
class LimitView:
    """A limit, and when it was last reached."""

    id: UUID
    account_id: UUID
    subscription_id: UUID | None
    charge_code: str | None
    kind: str
    amount: int | None
    currency: str | None
    quantity: Decimal | None
    reached: Reached | None
    external_id: str | None
    created_at: datetime
    meta: Mapping[str, Any] = field(default_factory=dict)


def on_subscription(ctx: Context, subscription_id: UUID, values: Mapping[str, Any]) -> LimitView:
    """Limit what a subscription spends in a billing span.

    Args:
        values: `kind`, `amount` (minor units, with an optional `currency`) or `quantity`; optional `charge_code`,
            `external_id`, `meta`.

    Raises:
        Invalid: `limit_expected`, `charge_code_required`, `charge_code_unknown`, `currency_differs`.
    """
    row = by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id)
    _check(values, row.currency)
    known = select(SubscriptionItem.id).where(
        SubscriptionItem.provider_id == ctx.provider.id, SubscriptionItem.subscription_id == row.id
    )
    _check_code(ctx, values, SubscriptionItem.charge_code, known)
    return _add(ctx, values, row.currency, account_id=row.account_id, subscription_id=row.id)


def on_account(ctx: Context, account_id: UUID, values: Mapping[str, Any]) -> LimitView:
    """Limit what all subscriptions of an account and of those below it spend in a month.

    Raises:
        As `on_subscription`.
    """
    row = by_id(ctx, Account, "account", account_id, account=Account.id)
    _check(values, row.currency)
    known = select(Price.id).where(Price.provider_id == ctx.provider.id, Price.kind == USAGE)
    _check_code(ctx, values, Price.charge_code, known)
    return _add(ctx, values, row.currency, account_id=row.id, subscription_id=None)


def _check(values: Mapping[str, Any], currency: str) -> None:
    amount, quantity = values.get("amount"), values.get("quantity")
    if (amount is None) == (quantity is None):
        raise Invalid("limit_expected", "Give an amount or a quantity.", "/amount")
    if quantity is not None and values.get("charge_code") is None:
        raise Invalid("charge_code_required", "A quantity is that of one charge: say which.", "/charge_code")
    if values.get("currency") not in (None, currency):
        raise Invalid("currency_differs", f"What is spent here is in {currency}.", "/currency")


def _check_code(ctx: Context, values: Mapping[str, Any], column: Any, known: Any) -> None:
    code = values.get("charge_code")
    if code is not None and ctx.session.execute(known.where(column == code).limit(1)).first() is None:
        raise Invalid("charge_code_unknown", f"There is no charge {code} of usage here.", "/charge_code")


def _add(
    ctx: Context, values: Mapping[str, Any], currency: str, *, account_id: UUID, subscription_id: UUID | None
) -> LimitView:
    amount = values.get("amount")
    row = SpendingLimit(
        provider_id=ctx.provider.id,
        id=new_id(),
        account_id=account_id,
        subscription_id=subscription_id,
        charge_code=values.get("charge_code"),
        kind=values["kind"],
        amount=amount,
        currency=currency if amount is not None else None,
        quantity=values.get("quantity"),
        external_id=values.get("external_id"),
        meta=values.get("meta", {}),
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    if not ctx.provider.settings.spending_limits:
        told = literal({"spending_limits": True}, JSONB)
        ctx.session.execute(
            update(Provider).where(Provider.id == ctx.provider.id).values(settings=Provider.settings.op("||")(told))
        )
    spending_news.note_limit(ctx, row)
    return views(ctx, [row])[0]


def get(ctx: Context, limit_id: UUID) -> LimitView:
    """One limit that holds."""
    return views(ctx, [_held(ctx, limit_id)])[0]


def _held(ctx: Context, limit_id: UUID, *, lock: bool = False) -> SpendingLimit:
    row = by_id(ctx, SpendingLimit, "spending_limit", limit_id, account=SpendingLimit.account_id, lock=lock)
    if row.removed_at is not None:
        raise NotFound("spending_limit", limit_id)
    return row


def change(ctx: Context, limit_id: UUID, values: Mapping[str, Any]) -> LimitView:
    """Change a limit's external id or metadata; another limit is made anew."""
    row = _held(ctx, limit_id, lock=True)
    for name, value in values.items():
        setattr(row, name, value)
    ctx.session.flush()
    return views(ctx, [row])[0]


def remove(ctx: Context, limit_id: UUID) -> None:
    """Let a limit go; what it was reached by stays known."""
    _held(ctx, limit_id, lock=True).removed_at = ctx.now
    ctx.session.flush()


def list_of_subscription(ctx: Context, subscription_id: UUID, window: Window) -> Slice[LimitView]:
    """The limits of a subscription, newest first."""
    by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id)
    return _listed(ctx, SpendingLimit.subscription_id == subscription_id, window)


def list_of_account(ctx: Context, account_id: UUID, window: Window) -> Slice[LimitView]:
    """The limits of an account as a whole, newest first."""
    by_id(ctx, Account, "account", account_id, account=Account.id)
    of_all = and_(SpendingLimit.account_id == account_id, SpendingLimit.subscription_id.is_(None))
    return _listed(ctx, of_all, window)


def _listed(ctx: Context, wanted: Any, window: Window) -> Slice[LimitView]:
    statement = select(SpendingLimit).where(
        SpendingLimit.provider_id == ctx.provider.id,
        SpendingLimit.removed_at.is_(None),
        visible(ctx, SpendingLimit.account_id),
        wanted,
    )
    found = newest_first(ctx, statement, SpendingLimit.id, window)
    shown = {view.id: view for view in views(ctx, found.rows)}
    return found.map(lambda row: shown[row.id])


def views(ctx: Context, rows: Any) -> list[LimitView]:
    """Limits as they are shown, in one query."""
    latest = ctx.session.scalars(
        select(SpendingCrossing)
        .where(SpendingCrossing.provider_id == ctx.provider.id, among(SpendingCrossing.limit_id, [r.id for r in rows]))
        .ext(distinct_on(SpendingCrossing.limit_id))
        .order_by(SpendingCrossing.limit_id, SpendingCrossing.start_at.desc())
    )
    reached = {row.limit_id: row for row in latest}
    return [view(row, reached.get(row.id)) for row in rows]


def view(row: SpendingLimit, crossing: SpendingCrossing | None) -> LimitView:
    """A limit with one of the times it was reached."""
    reached = None
    if crossing is not None:
        span = Period(utc(crossing.start_at), utc(crossing.end_at))
        reached = Reached(span, utc(crossing.reached_at), crossing.amount, crossing.quantity)
    return LimitView(
        row.id,
        row.account_id,
        row.subscription_id,
        row.charge_code,
        row.kind,
        row.amount,
        row.currency,
        row.quantity,
        reached,
        row.external_id,
        row.created_at,
        row.meta or {},
    )
