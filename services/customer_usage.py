"""What customers used and what it comes to so far, for their own pages: by the functions that bill, storing nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from billing import rating
from billing.counting import Stretch
from billing.items import USAGE, Item, PriceTerms
from billing.metering.aggregations.protocol import Aggregation
from billing.metering.quality import Shares
from billing.so_far import SoFar
from core.decimals import exact_sum
from core.money import Money
from core.period import Period
from models.accounts import Account
from models.catalog import Plan, PlanVersion, Price
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import contract_items
from services.context import Context, visible
from services.so_far import net_so_far
from stores.usage import slots_many

# A page shows so many metered charges, those of the newest subscriptions; a master account may have thousands.
SHOWN_MAX = 100


@dataclass(frozen=True)
class Metered:
    """A usage charge that runs now; `price` is the one in force."""

    item: Item
    price: PriceTerms
    name: str
    plan_name: str
    account_name: str
    reference: str | None

    @property
    def counted(self) -> Aggregation:
        """How it is counted."""
        assert self.price.meter is not None  # usage prices have one, the database says
        return self.price.meter.counted

    @property
    def unit(self) -> str:
        """The unit of its quantity."""
        assert self.price.meter is not None  # usage prices have one, the database says
        return self.counted.unit or self.price.meter.unit


@dataclass(frozen=True)
class RunningSum:
    """A usage charge's running span: what was used until now and what that comes to, net.

    A change of price within the span cuts it; the parts are rated each by its price, as they will be billed.
    `amount` is None where a price has no amount for the quantity yet.
    """

    metered: Metered
    span: Period
    quantity: Decimal
    amount: Money | None


def metered(ctx: Context) -> Sequence[Metered]:
    """The usage charges in force that the caller may see, of the newest subscriptions first, in a fixed number of
    queries.
    """
    rows = ctx.session.execute(_running(ctx)).all()
    contracts = contract_items.load_subscriptions(ctx, {row.subscription_id for row in rows})
    items = {item.item_id: item for item in contracts.items}
    prices = {(item.item_id, term.price.price_id): term.price for item in contracts.items for term in item.terms}
    return [
        Metered(items[row.item_id], price, row.name, row.plan, row.account, row.reference)
        for row in rows
        if (price := prices.get((row.item_id, row.price_id))) is not None
    ]


def running_sums(ctx: Context, charges: Sequence[Metered]) -> Sequence[RunningSum]:
    """What each charge's running span comes to until now, in a fixed number of queries."""
    spans = [charge.item.cadence(charge.price).span_at(ctx.now) for charge in charges]
    found: defaultdict[UUID, list[SoFar]] = defaultdict(list)
    for each in net_so_far(ctx, [(charge.item, span) for charge, span in zip(charges, spans, strict=True)]):
        found[each.item.item_id].append(each)
    return [_sum(charge, span, found[charge.item.item_id]) for charge, span in zip(charges, spans, strict=True)]


def _sum(charge: Metered, span: Period, parts: Sequence[SoFar]) -> RunningSum:
    amounts = [part.amount for part in parts if part.amount is not None]
    amount = sum(amounts, Money(0, charge.price.currency)) if len(amounts) == len(parts) else None
    return RunningSum(charge, span, exact_sum(part.quantity for part in parts), amount)


def stretches(ctx: Context, charge: Metered, edges: Sequence[datetime]) -> tuple[Stretch, Sequence[Stretch]]:
    """A charge's usage over all of some instants, and between neighbouring ones. `edges` rise, two at least."""
    request = rating.shown_request(charge.item, charge.price, tuple(edges))
    used = slots_many(ctx.session, ctx.provider.id, [request], now=ctx.now, evidence=False)[request]
    counting = rating.counting(charge.item, charge.price)
    (whole,), found = counting.stretches(used, (edges[0], edges[-1])), counting.stretches(used, edges)
    if charge.counted.additive:
        return whole, found
    # A level is no sum of what was counted, so what is known of that says nothing of its parts.
    whole, *found = (replace(each, quality=Shares(measured=each.quantity)) for each in (whole, *found))
    return whole, found


def _running(ctx: Context) -> Any:
    """Usage items with the term in force now, and all that shows them."""

    def same(table: Any, column: Any) -> Any:
        return and_(table.provider_id == SubscriptionItem.provider_id, table.id == column)

    term = SubscriptionItemTerm
    in_force = (
        select(term.price_id, term.ended)
        .where(
            term.provider_id == SubscriptionItem.provider_id,
            term.item_id == SubscriptionItem.id,
            term.from_at <= ctx.now,
        )
        .order_by(term.from_at.desc(), term.recorded_at.desc(), term.id.desc())
        .limit(1)
        .lateral("in_force")
    )
    return (
        select(
            SubscriptionItem.id.label("item_id"),
            SubscriptionItem.subscription_id,
            Price.id.label("price_id"),
            Price.name,
            Plan.name.label("plan"),
            Account.name.label("account"),
            Subscription.external_id.label("reference"),
        )
        .select_from(SubscriptionItem)
        .join(in_force, ~in_force.c.ended)
        .join(Subscription, same(Subscription, SubscriptionItem.subscription_id))
        .join(Price, same(Price, in_force.c.price_id))
        .join(PlanVersion, same(PlanVersion, Price.plan_version_id))
        .join(Plan, same(Plan, PlanVersion.plan_id))
        .join(Account, same(Account, Subscription.account_id))
        .where(
            SubscriptionItem.provider_id == ctx.provider.id,
            visible(ctx, Subscription.account_id),
            Price.kind == USAGE,
            Subscription.start_at <= ctx.now,
        )
        .order_by(Subscription.id.desc(), Price.position)
        .limit(SHOWN_MAX)
    )
