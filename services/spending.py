"""Holding what was used against limits: each limit that is reached is told of once in a span."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select

from billing.items import USAGE, Item
from billing.so_far import SoFar
from billing.spending import Limit, Sum, looked_at_from, reached
from core.decimals import format_decimal
from core.ids import encode, new_id
from core.money import Money
from core.period import Period, rfc3339, utc
from models.accounts import Account
from models.spending import SpendingCrossing, SpendingLimit, SpendingNews
from models.subscriptions import Subscription
from services import contract_items, outbox, spending_news
from services.context import Context
from services.outbox import Emission
from services.sets import add_rows, among
from services.so_far import net_so_far
from services.spending_limits import LimitView, view

NEWS_MAX = 5_000
TICK = timedelta(microseconds=1)
Items = Mapping[UUID, Sequence[Item]]
EVENTS = {"threshold": "usage.threshold_reached", "cap": "usage.cap_reached"}


def look(ctx: Context) -> int:
    """Hold the usage that was noted against its limits, in a fixed number of queries.

    News are deleted in this transaction, and were written in the one that stored the usage: neither a kill nor a
    restart loses one.

    Returns:
        How many limits were reached that had not been before.
    """
    since = _news(ctx)
    if not since:
        return 0
    watched = _watched(ctx, since)
    items = _items(ctx, watched)
    begins = {each.row.id: each.looked_at_from(items) for each in watched}
    spent = _spent(ctx, watched, items, begins)
    spending_news.note_ends(ctx, _ends(spent, since, ctx.now))
    return _tell(ctx, [(each, total) for each in watched for total in each.reached(spent, begins[each.row.id])])


@dataclass(frozen=True)
class _Watched:
    """A limit with the subscriptions it is on, by id, and from when on they are looked at."""

    row: SpendingLimit
    limit: Limit
    subscriptions: frozenset[UUID]
    since: datetime

    def looked_at_from(self, items: Items) -> datetime:
        """The start of the first span that is looked at."""
        mine = (item for subscription in self.subscriptions for item in items.get(subscription, ()))
        return looked_at_from(self.limit, mine, self.since)

    def reached(self, spent: Mapping[UUID, Sequence[SoFar]], begin: datetime) -> list[Sum]:
        """The spans in which it is reached; those that ended before there was a limit are no concern of it."""
        mine = (each for subscription in self.subscriptions for each in spent.get(subscription, ()))
        made = utc(self.row.created_at)
        return [total for total in reached(self.limit, mine, begin) if total.span.end > made]


def _news(ctx: Context) -> dict[UUID, datetime]:
    """What is to be looked at now: subscriptions, each from an instant on. It is taken off the list."""
    taken = (
        select(SpendingNews.id)
        .where(SpendingNews.provider_id == ctx.provider.id, SpendingNews.look_at <= ctx.now)
        .order_by(SpendingNews.look_at, SpendingNews.id)
        .limit(NEWS_MAX)
    )
    rows = ctx.session.execute(
        delete(SpendingNews)
        .where(SpendingNews.provider_id == ctx.provider.id, SpendingNews.id.in_(taken))
        .returning(SpendingNews.subscription_id, SpendingNews.from_at)
        .execution_options(synchronize_session=False)
    )
    found: dict[UUID, datetime] = {}
    for row in rows:
        at = utc(row.from_at)
        found[row.subscription_id] = min(found.get(row.subscription_id, at), at)
    return found


def _watched(ctx: Context, since: Mapping[UUID, datetime]) -> list[_Watched]:
    """The limits that are concerned, locked, with all that counts for them."""
    own = and_(SpendingLimit.subscription_id.is_not(None), SpendingLimit.subscription_id == Subscription.id)
    above = and_(SpendingLimit.subscription_id.is_(None), SpendingLimit.account_id == func.any(Account.path))
    counted = (
        select(SpendingLimit.id.label("limit_id"), Subscription.id.label("subscription_id"))
        .select_from(Subscription)
        .join(Account, and_(Account.provider_id == Subscription.provider_id, Account.id == Subscription.account_id))
        .join(SpendingLimit, and_(SpendingLimit.provider_id == Subscription.provider_id, or_(own, above)))
        .where(Subscription.provider_id == ctx.provider.id, SpendingLimit.removed_at.is_(None))
    )
    concerned = ctx.session.execute(counted.where(among(Subscription.id, since)))
    limits: defaultdict[UUID, list[datetime]] = defaultdict(list)
    for row in concerned:
        limits[row.limit_id].append(since[row.subscription_id])
    members: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for row in ctx.session.execute(counted.where(among(SpendingLimit.id, limits))):
        members[row.limit_id].add(row.subscription_id)
    rows = ctx.session.execute(
        select(SpendingLimit, Account.time_zone)
        .join(Account, and_(Account.provider_id == SpendingLimit.provider_id, Account.id == SpendingLimit.account_id))
        .where(SpendingLimit.provider_id == ctx.provider.id, among(SpendingLimit.id, limits))
        .order_by(SpendingLimit.id)
        .with_for_update(of=SpendingLimit)
    )
    return [_Watched(r, _limit(r, zone), frozenset(members[r.id]), min(limits[r.id])) for r, zone in rows]


def _limit(row: SpendingLimit, time_zone: str) -> Limit:
    return Limit(
        amount=Money(row.amount, row.currency) if row.amount is not None and row.currency is not None else None,
        quantity=row.quantity,
        charge_code=row.charge_code,
        time_zone=time_zone if row.subscription_id is None else None,
    )


def _items(ctx: Context, watched: Iterable[_Watched]) -> Items:
    """The metered items of all subscriptions that limits are on."""
    wanted = {subscription for each in watched for subscription in each.subscriptions}
    found: defaultdict[UUID, list[Item]] = defaultdict(list)
    for item in contract_items.load_subscriptions(ctx, wanted).items:
        if any(term.price.kind == USAGE for term in item.terms):
            found[item.subscription_id].append(item)
    return found


def _spent(
    ctx: Context, watched: Iterable[_Watched], items: Items, begins: Mapping[UUID, datetime]
) -> dict[UUID, list[SoFar]]:
    """What subscriptions come to so far, by subscription, from the first span that any of their limits looks at."""
    first: dict[UUID, datetime] = {}
    for each in watched:
        begin = begins[each.row.id]
        for subscription in each.subscriptions:
            first[subscription] = min(first.get(subscription, begin), begin)
    end = ctx.now + TICK
    asked = [
        (item, Period(begin, end))
        for subscription, begin in first.items()
        for item in items.get(subscription, ())
        if begin < end
    ]
    found: defaultdict[UUID, list[SoFar]] = defaultdict(list)
    for part in net_so_far(ctx, asked):
        found[part.item.subscription_id].append(part)
    return found


def _ends(spent: Mapping[UUID, Sequence[SoFar]], looked_at: Iterable[UUID], now: datetime) -> dict[UUID, datetime]:
    """When the first of the spans ends that run now, by subscription."""
    ends = {sub: [each.full.end for each in spent.get(sub, ()) if each.full.end > now] for sub in looked_at}
    return {subscription: min(some) for subscription, some in ends.items() if some}


def _tell(ctx: Context, found: Sequence[tuple[_Watched, Sum]]) -> int:
    """Write down what was reached for the first time in its span, and tell of it."""
    known = {
        (row.limit_id, utc(row.start_at))
        for row in ctx.session.execute(
            select(SpendingCrossing.limit_id, SpendingCrossing.start_at).where(
                SpendingCrossing.provider_id == ctx.provider.id,
                among(SpendingCrossing.limit_id, {each.row.id for each, _ in found}),
            )
        )
    }
    fresh = [(each.row, _crossing(ctx, each.row, s)) for each, s in found if (each.row.id, s.span.start) not in known]
    add_rows(ctx, SpendingCrossing, [crossing for _, crossing in fresh])
    outbox.emit_all(ctx, [_emission(row, SpendingCrossing(**crossing)) for row, crossing in fresh])
    return len(fresh)


def _crossing(ctx: Context, row: SpendingLimit, total: Sum) -> dict[str, Any]:
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "limit_id": row.id,
        "start_at": total.span.start,
        "end_at": total.span.end,
        "reached_at": ctx.now,
        "amount": total.amount if row.amount is not None else None,
        "quantity": total.quantity if row.quantity is not None else None,
    }


def _emission(row: SpendingLimit, crossing: SpendingCrossing) -> Emission:
    return Emission(EVENTS[row.kind], "spending_limit", row.id, facts(view(row, crossing)), account_id=row.account_id)


def facts(limit: LimitView) -> dict[str, Any]:
    """A limit as the API shows it."""
    at = limit.reached
    return {
        "id": encode("spending_limit", limit.id),
        "account": encode("account", limit.account_id),
        "subscription": encode("subscription", limit.subscription_id) if limit.subscription_id else None,
        "charge_code": limit.charge_code,
        "kind": limit.kind,
        "amount": limit.amount,
        "currency": limit.currency,
        "quantity": format_decimal(limit.quantity) if limit.quantity is not None else None,
        "reached": {
            "span": {"start": rfc3339(at.span.start), "end": rfc3339(at.span.end)},
            "at": rfc3339(at.at),
            "amount": at.amount,
            "quantity": format_decimal(at.quantity) if at.quantity is not None else None,
        }
        if at is not None
        else None,
        "external_id": limit.external_id,
        "metadata": dict(limit.meta),
        "created_at": rfc3339(limit.created_at),
    }
