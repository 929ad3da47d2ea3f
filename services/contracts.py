"""A subscription as changes see it: loaded as a value, changed by the engine, stored as further rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from billing.beginnings import Agreed, Beginning
from billing.breaks import Break, reason_at
from billing.changes import Contract, in_force
from billing.contract_terms import FixedTerm, MinimumTerm, Trial
from billing.early_termination import Minimum
from billing.items import Item
from billing.timelines import turns
from core.decimals import format_decimal
from core.errors import Conflict
from core.ids import decode, new_id
from core.period import utc
from models.catalog import Price
from models.subscriptions import (
    Subscription,
    SubscriptionAnchor,
    SubscriptionBreak,
    SubscriptionItem,
    SubscriptionItemTerm,
)
from services import contract_calendars, contract_items
from services.context import Context
from services.sets import add_rows, among


def load(ctx: Context, subscription: Subscription) -> Contract:
    """The contract of a subscription that has started."""
    items = contract_items.load_subscription(ctx, subscription.id, as_agreed=True).items
    breaks = contract_calendars.load(ctx, Subscription.id == subscription.id)[subscription.id].breaks
    return Contract(items, breaks, _minimum(subscription))


def agreed(subscription: Subscription) -> Agreed:
    """What a subscription has beside prices."""
    return Agreed(
        Trial.stored(subscription.trial) if subscription.trial else None,
        FixedTerm.stored(subscription.term) if subscription.term else None,
        MinimumTerm.stored(subscription.minimum_term) if subscription.minimum_term else None,
    )


def minimum(terms: MinimumTerm, begun: Beginning) -> Minimum | None:
    """A minimum term as it stands after a beginning; None while it is open whether billing begins."""
    if begun.minimum_ends_at is None:
        return None
    return Minimum(terms, begun.anchored_at, begun.minimum_ends_at, new_id(), new_id())


def _minimum(subscription: Subscription) -> Minimum | None:
    terms, ends_at = agreed(subscription).minimum, subscription.minimum_ends_at
    if terms is None or ends_at is None:
        return None
    return Minimum(terms, billed_from(subscription), utc(ends_at), new_id(), new_id())


def billed_from(subscription: Subscription) -> datetime:
    """Where billing begins, and from where spans are counted: the start, or the end of a trial.

    Raises:
        Conflict: `subscription_not_started`.
    """
    at = subscription.anchored_at or subscription.start_at
    if at is None:
        raise Conflict("subscription_not_started", "This subscription has not started.")
    return utc(at)


def take_beginning(subscription: Subscription, begun: Beginning) -> None:
    """Note on a subscription how it begins."""
    subscription.anchored_at = begun.anchored_at
    subscription.trial_ends_at = begun.trial_ends_at
    subscription.trial_next_at = begun.trial_next_at
    subscription.term_started_at = begun.term_started_at
    subscription.term_ends_at = begun.term_ends_at
    subscription.term_next_at = begun.term_next_at
    subscription.minimum_ends_at = begun.minimum_ends_at


def with_items(contract: Contract, charge_codes: Iterable[str]) -> Contract:
    """The contract with an item, that has no terms yet, for each charge that it did not have."""
    known = {item.charge_code for item in contract.items}
    first = contract.items[0]
    fresh = (
        replace(first, item_id=new_id(), charge_code=code, terms=(), claims=(), usage_zone=None)
        for code in charge_codes
        if code not in known
    )
    return replace(contract, items=(*contract.items, *fresh))


def store(ctx: Context, subscription: Subscription, before: Contract, after: Contract, at: datetime) -> None:
    """Write down what a contract is from an instant on. The caller holds the subscription's row.

    Rows that were written for later are overruled by further rows, so what was known when can always be asked.
    """
    _add_items(ctx, subscription, after.items)
    _add_prices(ctx, after.items)
    _add_terms(ctx, after.items, at)
    add_breaks(ctx, subscription.id, after.breaks, at)
    anchors = after.items[0].anchors
    if anchors and anchors != before.items[0].anchors:
        _add_anchor(ctx, subscription.id, anchors[-1], at)
    held = {item.charge_code: in_force(item.terms, ctx.now) for item in after.items}
    subscription.quantities = {
        code: format_decimal(term.quantity) for code, term in held.items() if term and term.price.version_id
    } or subscription.quantities
    ctx.session.flush()


def _add_items(ctx: Context, subscription: Subscription, items: Iterable[Item]) -> None:
    rows = [{"id": item.item_id, "subscription_id": subscription.id, "charge_code": item.charge_code} for item in items]
    ctx.session.execute(
        upsert(SubscriptionItem).on_conflict_do_nothing(), [{"provider_id": ctx.provider.id, **row} for row in rows]
    )


def _add_prices(ctx: Context, items: Iterable[Item]) -> None:
    """Prices that were made for this contract alone; what they are booked as their origin names."""
    own = {t.price.price_id: t.price for item in items for t in item.terms if t.price.origin is not None}
    if not own:
        return
    bases = {key: decode("price", str(price.origin["price"])) for key, price in own.items() if price.origin}
    products: dict[UUID, UUID] = dict(
        ctx.session.execute(
            select(Price.id, Price.product_id).where(
                Price.provider_id == ctx.provider.id, among(Price.id, bases.values())
            )
        ).all()
    )
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": key,
            "charge_code": price.charge_code,
            "name": price.charge_code.replace("_", " ").capitalize(),
            "position": 0,
            "product_id": products[bases[key]],
            "kind": price.kind,
            "timing": price.timing,
            "proration": price.proration,
            "currencies": {price.currency: dict(price.spec)},
            "origin": dict(price.origin or {}),
        }
        for key, price in own.items()
    ]
    ctx.session.execute(upsert(Price).on_conflict_do_nothing(), rows)


def _add_terms(ctx: Context, items: Collection[Item], at: datetime) -> None:
    term = SubscriptionItemTerm
    stored = ctx.session.execute(
        select(term.item_id, term.from_at, term.price_id).where(
            term.provider_id == ctx.provider.id, among(term.item_id, [i.item_id for i in items]), term.from_at >= at
        )
    ).all()
    written: dict[UUID, set[datetime]] = {item.item_id: set() for item in items}
    prices = {row.item_id: row.price_id for row in stored}
    for row in stored:
        written[row.item_id].add(utc(row.from_at))
    rows = [row for item in items for row in _term_rows(ctx, item, at, written[item.item_id], prices)]
    add_rows(ctx, SubscriptionItemTerm, rows)


def _term_rows(
    ctx: Context, item: Item, at: datetime, written: Collection[datetime], prices: Mapping[UUID, UUID]
) -> list[dict[str, Any]]:
    def said(instant: datetime) -> tuple[Any, ...] | None:
        held = in_force(item.terms, instant)
        return None if held is None else (held.price.price_id, held.quantity, held.discount)

    turning = [i for t in item.terms for i in (t.start, t.end) if i is not None]
    last = item.terms[-1].price.price_id if item.terms else prices.get(item.item_id)
    return [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "item_id": item.item_id,
            "from_at": instant,
            "price_id": state[0] if state else last,
            "quantity": state[1] if state else 0,
            "discount": state[2] if state else 0,
            "ended": state is None,
        }
        for instant, state in turns(said, at, turning, written)
    ]


def add_breaks(ctx: Context, subscription_id: UUID, breaks: Collection[Break], at: datetime) -> None:
    """Write down when nothing is billed, from an instant on."""
    row = SubscriptionBreak
    written = ctx.session.scalars(
        select(row.from_at).where(
            row.provider_id == ctx.provider.id, row.subscription_id == subscription_id, row.from_at >= at
        )
    ).all()
    turning = [i for each in breaks for i in (each.start, each.end) if i is not None]
    rows = turns(lambda instant: reason_at(breaks, instant), at, turning, {utc(i) for i in written})
    own = {"provider_id": ctx.provider.id, "subscription_id": subscription_id}
    add_rows(ctx, row, [{**own, "id": new_id(), "from_at": instant, "reason": reason} for instant, reason in rows])


def _add_anchor(ctx: Context, subscription_id: UUID, from_at: datetime, agreed_at: datetime) -> None:
    ctx.session.execute(
        insert(SubscriptionAnchor).values(
            provider_id=ctx.provider.id,
            id=new_id(),
            subscription_id=subscription_id,
            from_at=from_at,
            agreed_at=agreed_at,
        )
    )
