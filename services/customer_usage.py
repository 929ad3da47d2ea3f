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
from billing.items import USAGE, AgreedTerm, Item, MeterTerms, PriceTerms
from billing.metering.aggregations.protocol import Aggregation
from billing.metering.quality import Shares
from billing.metering.slots import SlotRequest, Usage
from billing.periods import Interval
from billing.terms import Term, TermRow, fold
from core.decimals import EXACT
from core.errors import Refused
from core.money import Money
from core.period import Period, utc
from models.accounts import Account
from models.catalog import Meter, Plan, PlanVersion, Price
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import contract_items
from services.context import Context, visible
from services.sets import among
from stores.usage import slots_many

# A page shows so many metered charges, those of the newest subscriptions; a master account may have thousands.
SHOWN_MAX = 100


@dataclass(frozen=True)
class Metered:
    """A usage charge that runs now."""

    item: Item
    name: str
    plan_name: str
    account_name: str
    reference: str | None

    @property
    def price(self) -> PriceTerms:
        """The price in force."""
        return self.item.terms[-1].price

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
class SoFar:
    """A usage charge's running span: what was used until now and what that comes to, net.

    A change of price within the span cuts it; the parts are rated each by its price, as they will be billed.
    `amount` is None where a price has no amount for the quantity yet.
    """

    metered: Metered
    span: Period
    quantity: Decimal
    amount: Money | None


def metered(ctx: Context) -> Sequence[Metered]:
    """The usage charges in force that the caller may see, of the newest subscriptions first; two queries, and one for
    each price that was changed within a running span.
    """
    rows = ctx.session.execute(_running(ctx)).all()
    timelines = _timelines(ctx, [row[0].id for row in rows])
    return [_metered(ctx, row, timelines[row[0].id]) for row in rows]


def so_far(ctx: Context, charges: Sequence[Metered]) -> Sequence[SoFar]:
    """What each charge's running span comes to until now, in a fixed number of queries."""
    spans = [charge.item.cadence(charge.price).span_at(ctx.now) for charge in charges]
    parts = [_parts(ctx, charge, span) for charge, span in zip(charges, spans, strict=True)]
    wanted = [request for each in parts for _, _, request in each]
    used = slots_many(ctx.session, ctx.provider.id, wanted, now=ctx.now, evidence=False) if wanted else {}
    return [
        _so_far(charge, span, [(term, stretch, used[request]) for term, stretch, request in each])
        for charge, span, each in zip(charges, spans, parts, strict=True)
    ]


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


def _parts(ctx: Context, charge: Metered, span: Period) -> list[tuple[AgreedTerm, Period, SlotRequest]]:
    """The stretches of a running span, each under one term, and what asks for their usage until now."""
    parts = []
    for term in charge.item.terms:
        start, end = max(span.start, term.start), min(term.end or span.end, span.end)
        if start < min(end, ctx.now):
            request = rating.slot_request(charge.item, term.price, Period(start, end), until=min(end, ctx.now))
            assert request is not None  # usage is counted
            parts.append((term, Period(start, end), request))
    return parts


def _so_far(charge: Metered, span: Period, parts: Sequence[tuple[AgreedTerm, Period, Usage]]) -> SoFar:
    amount, quantity = Money(0, charge.price.currency), Decimal(0)
    for term, stretch, usage in parts:
        try:
            rated = rating.rate_usage(charge.item, term.price, stretch, usage, term.discount)
        except Refused:
            return SoFar(charge, span, quantity, None)
        quantity = EXACT.add(quantity, rated.quantity)
        amount += rated.amount
    return SoFar(charge, span, quantity, amount)


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
        select(SubscriptionItem, Subscription, Price, Meter, PlanVersion.number, Plan.name, Account.name, in_force)
        .select_from(SubscriptionItem)
        .join(in_force, ~in_force.c.ended)
        .join(Subscription, same(Subscription, SubscriptionItem.subscription_id))
        .join(Price, same(Price, in_force.c.price_id))
        .join(Meter, same(Meter, Price.meter_id))
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


def _timelines(ctx: Context, items: Sequence[UUID]) -> dict[UUID, tuple[Term, ...]]:
    """What was agreed until now, by item."""
    term = SubscriptionItemTerm
    rows = ctx.session.execute(
        select(term.id, term.item_id, term.from_at, term.price_id, term.quantity, term.ended, term.recorded_at).where(
            term.provider_id == ctx.provider.id, among(term.item_id, items), term.from_at <= ctx.now
        )
    )
    timelines: defaultdict[UUID, list[TermRow]] = defaultdict(list)
    for row in rows:
        known = TermRow(utc(row.from_at), row.price_id, row.quantity, row.ended, row.recorded_at, row.id.hex)
        timelines[row.item_id].append(known)
    return {item: fold(timeline) for item, timeline in timelines.items()}


def _metered(ctx: Context, row: Any, timeline: tuple[Term, ...]) -> Metered:
    item, subscription, price, meter, number, plan_name, account_name, *_ = row
    in_force = PriceTerms(
        price_id=price.id,
        version_id=price.plan_version_id,
        version=number,
        charge_code=price.charge_code,
        kind=price.kind,
        interval=Interval(price.interval_unit, price.interval_count),
        timing=price.timing,
        proration=price.proration,
        currency=subscription.currency,
        spec=price.currencies[subscription.currency],
        meter=MeterTerms(meter.id, meter.code, meter.unit, meter.aggregation, meter.parameters),
    )
    seen = Item(
        item_id=item.id,
        subscription_id=subscription.id,
        charge_code=item.charge_code,
        anchor=subscription.anchor,
        anchored_at=utc(subscription.start_at),
        time_zone=subscription.time_zone,
        terms=(AgreedTerm(timeline[-1].start, None, in_force, timeline[-1].quantity),),
    )
    running = seen.cadence(in_force).span_at(ctx.now)
    earlier = tuple(
        AgreedTerm(
            term.start, term.end, contract_items.price_terms(ctx, term.price_id, subscription.currency), term.quantity
        )
        for term in timeline[:-1]
        if term.end is not None and term.end > running.start
    )
    metered_before = tuple(term for term in earlier if term.price.kind == USAGE)
    return Metered(
        replace(seen, terms=metered_before + seen.terms), price.name, plan_name, account_name, subscription.external_id
    )
