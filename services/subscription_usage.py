"""What a subscription used, by hour, day or month, and what it comes to so far: by the functions that bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from billing import rating
from billing.drawdown import Balance, balances
from billing.items import USAGE, Item, PriceTerms
from billing.metering.quality import Shares
from billing.metering.slots import SlotRequest, Usage
from billing.periods import add_months, day_start, local_date
from billing.so_far import SoFar
from core.errors import Invalid
from core.period import Period
from models.subscriptions import Subscription
from services import contract_items, lookups
from services.context import Context
from services.so_far import net_so_far
from stores.usage import slots_many

HOUR = timedelta(hours=1)
SLOTS_MAX = 2000


@dataclass(frozen=True)
class UsedSlot:
    """One hour, local day or local month, cut to what was asked for. `quality` adds up to `quantity`."""

    span: Period
    quantity: Decimal
    quality: Shares


@dataclass(frozen=True)
class UsedItem:
    """A metered charge of the subscription over the whole of what was asked for."""

    charge_code: str
    meter: str
    unit: str
    quantity: Decimal
    quality: Shares
    slots: Sequence[UsedSlot]


@dataclass(frozen=True)
class AmountSoFar:
    """A billing span that overlaps what was asked for, rated up to now. `amount` is None where it has none yet."""

    charge_code: str
    span: Period
    until: datetime
    quantity: Decimal
    amount: int | None


@dataclass(frozen=True)
class SubscriptionUsage:
    """What a subscription used. `amount` is the sum of the amounts so far, in minor units: net, after coupons, before
    drawdowns.
    """

    subscription_id: UUID
    span: Period
    group_by: str
    time_zone: str
    currency: str
    amount: int
    amounts: Sequence[AmountSoFar]
    items: Sequence[UsedItem]
    commitments: Sequence[Balance]


def usage_of(
    ctx: Context, subscription_id: UUID, start: datetime | None, end: datetime | None, group_by: str
) -> SubscriptionUsage:
    """What a subscription used between two instants; by default in the local month that now lies in.

    Raises:
        NotFound: there is no such subscription, or not for this caller.
        Invalid: `span_empty`; `too_many_slots`, beyond 2,000 of them.
    """
    row = lookups.by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id)
    asked = _asked(ctx, row.time_zone, start, end)
    edges = _edges(asked, group_by, row.time_zone)
    contracts = contract_items.load_subscription(ctx, subscription_id)
    items = [item for item in contracts.items if _price(item) is not None]
    shown = {item.item_id: _request(item, edges) for item in items}
    used = slots_many(ctx.session, ctx.provider.id, shown.values(), now=ctx.now, evidence=False)
    amounts = [_amount(each) for each in net_so_far(ctx, [(item, asked) for item in items])]
    return SubscriptionUsage(
        subscription_id=row.id,
        span=asked,
        group_by=group_by,
        time_zone=row.time_zone,
        currency=row.currency,
        amount=sum(a.amount or 0 for a in amounts),
        amounts=amounts,
        items=[_item(item, used[shown[item.item_id]], edges) for item in items],
        commitments=balances(contracts.items, asked),
    )


def _asked(ctx: Context, time_zone: str, start: datetime | None, end: datetime | None) -> Period:
    month = local_date(start or ctx.now, time_zone).replace(day=1)
    start = start or day_start(month, time_zone)
    end = end or day_start(add_months(month, 1), time_zone)
    if end <= start:
        raise Invalid("span_empty", "`to` is after `from`.", "?to")
    return Period(start, end)


def _edges(asked: Period, group_by: str, time_zone: str) -> tuple[datetime, ...]:
    """The instants between slots: whole local days or months, hours counted from the first whole one."""
    edges = [asked.start]
    for edge in _boundaries(asked.start, group_by, time_zone):
        if edge >= asked.end:
            break
        edges.append(edge)
        if len(edges) > SLOTS_MAX:
            raise Invalid("too_many_slots", f"Ask for at most {SLOTS_MAX} slots at a time.", "?to")
    return (*edges, asked.end)


def _boundaries(start: datetime, group_by: str, time_zone: str) -> Iterator[datetime]:
    """The boundaries after an instant, without end."""
    if group_by == "hour":
        edge = start.replace(minute=0, second=0, microsecond=0)
        while True:
            edge += HOUR
            yield edge
    day = local_date(start, time_zone)
    while True:
        day = day + timedelta(days=1) if group_by == "day" else add_months(day.replace(day=1), 1)
        if (edge := day_start(day, time_zone)) > start:
            yield edge


def _price(item: Item) -> PriceTerms | None:
    """The latest price of a metered item; None for an item that is not metered."""
    metered = [term.price for term in item.terms if term.price.kind == USAGE and term.price.meter is not None]
    return metered[-1] if metered else None


def _request(item: Item, edges: tuple[datetime, ...]) -> SlotRequest:
    price = _price(item)
    assert price is not None  # only metered items are asked for
    return rating.shown_request(item, price, edges)


def _amount(each: SoFar) -> AmountSoFar:
    amount = None if each.amount is None else each.amount.minor
    return AmountSoFar(each.item.charge_code, each.span, each.until, each.quantity, amount)


def _item(item: Item, used: Usage, edges: tuple[datetime, ...]) -> UsedItem:
    price = _price(item)
    assert price is not None  # only metered items were asked for
    assert price.meter is not None
    counting = rating.counting(item, price)
    slots = [UsedSlot(s.period, s.quantity, s.quality) for s in counting.stretches(used, edges)]
    (whole,) = counting.stretches(used, (edges[0], edges[-1]))
    unit = counting.aggregation.unit or price.meter.unit
    return UsedItem(item.charge_code, price.meter.code, unit, whole.quantity, whole.quality, slots)
