"""Usage that is to be held against limits: noted in the transaction that stores it, so that no limit is missed.

A provider without limits pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select

from core.ids import new_id
from core.period import utc
from models.accounts import Account
from models.places import Assignment, Register
from models.spending import SpendingLimit, SpendingNews
from models.subscriptions import Subscription, SubscriptionItem
from services.context import Context
from services.sets import add_rows, among

JOB = "spending"
TICK = timedelta(microseconds=1)


def note_events(ctx: Context, used: Iterable[tuple[UUID, datetime]]) -> None:
    """Note usage of subscriptions at instants. What was reported ahead of the clock is looked at when it is due, hour
    by hour.
    """
    if not ctx.provider.settings.spending_limits:
        return
    spans: dict[tuple[UUID, datetime | None], tuple[datetime, datetime]] = {}
    for subscription, at in used:
        key = subscription, None if at <= ctx.now else at.replace(minute=0, second=0, microsecond=0)
        first, last = spans.get(key, (at, at))
        spans[key] = min(first, at), max(last, at)
    limited = set(ctx.session.scalars(_limited(ctx, among(Subscription.id, {key[0] for key in spans}))))
    rows = [(sub, first, max(ctx.now, last)) for (sub, _), (first, last) in spans.items() if sub in limited]
    _add(ctx, rows)


def note_registers(ctx: Context, since: Mapping[UUID, datetime]) -> None:
    """Note that what registers counted from an instant on has changed, for whatever subscriptions they count."""
    if not ctx.provider.settings.spending_limits or not since:
        return
    earliest = min(since.values())
    here = and_(Assignment.provider_id == ctx.provider.id, func.upper(Assignment.span) > earliest)
    fed = (
        select(SubscriptionItem.subscription_id, Register.id)
        .select_from(Register)
        .join(Assignment, and_(here, Assignment.point_id == Register.point_id))
        .join(SubscriptionItem, _same(ctx, SubscriptionItem, Assignment.item_id))
        .where(Register.provider_id == ctx.provider.id, among(Register.id, since))
    )
    firsts: dict[UUID, datetime] = {}
    for subscription, register in ctx.session.execute(fed):
        firsts[subscription] = min(firsts.get(subscription, since[register]), since[register])
    limited = ctx.session.scalars(_limited(ctx, among(Subscription.id, firsts)))
    _add(ctx, [(subscription, firsts[subscription], ctx.now) for subscription in limited])


def note_all(ctx: Context, since: datetime) -> None:
    """Note that prices have changed from an instant on, for every subscription that has a limit."""
    if ctx.provider.settings.spending_limits:
        _add(ctx, [(subscription, since, ctx.now) for subscription in ctx.session.scalars(_limited(ctx))])


def note_limit(ctx: Context, limit: SpendingLimit) -> None:
    """Note a new limit's subscriptions. Usage that is being stored at this moment may not know of it, so it is looked
    at again a minute later.
    """
    below = literal(limit.account_id, SpendingLimit.account_id.type) == func.any(Account.path)
    here = below if limit.subscription_id is None else Subscription.id == limit.subscription_id
    wanted = list(ctx.session.scalars(_limited(ctx, here)))
    looks = (ctx.now, ctx.now + timedelta(minutes=1))
    _add(ctx, [(subscription, ctx.now, at) for subscription in wanted for at in looks])


def note_ends(ctx: Context, ends: Mapping[UUID, datetime]) -> None:
    """Note that subscriptions are to be looked at again when their spans have ended and been billed, if that is not
    noted yet: a level lasts into the next span, a minimum is due there, and what was not read is estimated, though
    nothing is reported.
    """
    rows = ctx.session.execute(
        select(SpendingNews.subscription_id, SpendingNews.from_at).where(
            SpendingNews.provider_id == ctx.provider.id,
            among(SpendingNews.subscription_id, ends),
            SpendingNews.look_at > ctx.now,
        )
    )
    noted = {(row.subscription_id, utc(row.from_at)) for row in rows}
    closed = timedelta(minutes=ctx.provider.settings.close_after_minutes)
    lasts = [(subscription, end, end - TICK) for subscription, end in ends.items()]
    _add(ctx, [(sub, last, end + closed) for sub, end, last in lasts if (sub, last) not in noted])


def _limited(ctx: Context, *wanted: ColumnElement[bool]) -> Select[UUID]:
    """Subscriptions that a limit is on: their own, or that of an account above."""
    limit = (
        select(SpendingLimit.id)
        .where(
            SpendingLimit.provider_id == ctx.provider.id,
            SpendingLimit.removed_at.is_(None),
            or_(
                SpendingLimit.subscription_id == Subscription.id,
                and_(
                    SpendingLimit.subscription_id.is_(None),
                    SpendingLimit.account_id == func.any(Account.path),
                ),
            ),
        )
        .exists()
    )
    return (
        select(Subscription.id)
        .join(Account, _same(ctx, Account, Subscription.account_id))
        .where(Subscription.provider_id == ctx.provider.id, limit, *wanted)
    )


def _same(ctx: Context, table: Any, column: Any) -> ColumnElement[bool]:
    return and_(table.provider_id == ctx.provider.id, table.id == column)


def _add(ctx: Context, rows: Collection[tuple[UUID, datetime, datetime]]) -> None:
    if not rows:
        return
    columns = ("subscription_id", "from_at", "look_at")
    values = [dict(zip(columns, row, strict=True)) for row in rows]
    add_rows(ctx, SpendingNews, [{"provider_id": ctx.provider.id, "id": new_id(), **value} for value in values])
    ctx.wake(JOB)
