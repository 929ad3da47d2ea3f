"""What an order or a change would bring, by the function that bills. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.beginnings import Beginning, begin
from billing.changes import Contract
from billing.coupons import Redeemed
from billing.coupons import shown as as_shown
from billing.credited_claims import left_of_credited
from billing.drawdown import drawn
from billing.index_spans import indexed_spans
from billing.items import AgreedTerm, Item
from billing.metering.evidence import Evidence
from billing.metering.slots import Slot, SlotRequest, Usage
from billing.proposal import Parked, Proposal, ProposedCharge, due_spans, propose
from billing.rating import AMOUNT_MOST, shown
from billing.reductions import reduced
from billing.states.subscription import PENDING
from core.errors import Conflict, Invalid
from core.ids import new_id
from core.period import Period
from models.subscriptions import Subscription
from services import (
    contract_changes,
    contract_items,
    contract_prices,
    contracts_ahead,
    coupons_applied,
    subscriptions,
)
from services.change_wishes import Wanted
from services.closing import closed_by, settled
from services.context import Context
from services.indexes import load as load_indexes
from services.savepoints import taken_back
from services.subscriptions import CheckedOrder, Order
from stores.usage import slots_many

AHEAD_MOST = timedelta(days=5 * 365)
LINES_MOST = 10_000


@dataclass(frozen=True)
class PreviewLine:
    """A line that would be billed: `due_at` is when it could first be on an invoice; `amount` has its tax in it where
    the price has.
    """

    charge_code: str
    kind: str
    span: Period
    quantity: Decimal
    unit: str | None
    exact: Decimal
    amount: int
    due_at: datetime
    tax_inclusive: bool = False
    reductions: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Preview:
    """Every line up to `as_of`, in the order in which they fall due, as priced. `waiting` could not be rated."""

    currency: str
    as_of: datetime
    subtotal_amount: int
    lines: Sequence[PreviewLine]
    waiting: Sequence[Parked]


def of_order(ctx: Context, order: Order, as_of: datetime | None) -> Preview:
    """What an order would be billed up to an instant, if nothing is used.

    Args:
        as_of: by default the start. An order that starts when it is provisioned is taken to start now.

    Raises:
        As `subscriptions.check`. Invalid: `as_of_out_of_range`, `preview_too_long`, `amount_out_of_range`.
    """
    checked = subscriptions.check(ctx, order)
    start = order.start_at or ctx.now
    until = _until(ctx, as_of or max(start, ctx.now))
    items = _ordered(ctx, checked, start).billed
    _check_length(items, until)
    indexes = load_indexes(ctx, indexed_spans(items, until, until))
    unused = {request: _nothing(request) for request in due_spans(items, until, indexes)}
    coupons = tuple(each.terms for each in checked.coupons)
    redeemed = {items[0].subscription_id: Redeemed(coupons)} if coupons else {}
    closed = closed_by(ctx, until)
    proposal = propose(items, unused, until, indexes)
    return _preview(items, proposal, redeemed, checked.currency, until, closed)


def of_change(
    ctx: Context, subscription_id: UUID, wanted: Wanted, effective: str | datetime, as_of: datetime | None
) -> Preview:
    """What a running subscription would be billed up to an instant, and given back, with a change.

    Args:
        as_of: by default when the change takes effect, or now where that is past; then usage that ends with the
            change is shown as well, though its last readings may be on their way. What happens until then (what is
            scheduled, the end of a trial) is taken into account; what takes effect later, the change itself too,
            has changed nothing by then.

    Raises:
        As `contract_changes.make`. Conflict: `subscription_not_started`.
        Invalid: `as_of_out_of_range`, `preview_too_long`, `amount_out_of_range`.
    """
    subscription = subscriptions.find(ctx, subscription_id)
    agreed = contract_changes.agree(ctx, subscription, wanted)
    if subscription.status == PENDING:
        raise Conflict("subscription_not_started", "This subscription has not started; preview its order instead.")
    at = contract_changes.when(ctx, subscription, agreed, effective)
    until = _until(ctx, as_of or max(at, ctx.now))
    with taken_back(ctx):
        if at <= until:
            contract_changes.make(ctx, subscription.id, wanted, effective)
        contracts_ahead.let_pass(ctx, Subscription.id == subscription_id, until)
        found = contract_items.load_subscription(ctx, subscription_id)
        closed = until if as_of is None else closed_by(ctx, until)
        return _billed(ctx, found.items, found.redeemed, subscription.currency, until, closed)


def _billed(
    ctx: Context,
    items: Sequence[Item],
    redeemed: Mapping[UUID, Redeemed],
    currency: str,
    until: datetime,
    closed: datetime,
) -> Preview:
    """What a running subscription would be billed up to an instant, from the usage that is known."""
    _check_length(items, until)
    indexes = load_indexes(ctx, indexed_spans(items, until, until))
    needed = due_spans(items, until, indexes)
    used = slots_many(ctx.session, ctx.provider.id, needed, now=ctx.now) if needed else {}
    return _preview(items, propose(items, used, until, indexes), redeemed, currency, until, closed)


def of_coupon(
    ctx: Context, subscription_id: UUID, code: str, starts_at: datetime | None, as_of: datetime | None
) -> Preview:
    """What a running subscription would be billed up to an instant with a coupon, if nothing more is used.

    Args:
        starts_at: as in `coupons_applied.check`.
        as_of: by default now.

    Raises:
        As `coupons_applied.check`. Conflict: `subscription_not_started`.
        Invalid: `as_of_out_of_range`, `preview_too_long`, `amount_out_of_range`.
    """
    subscription = subscriptions.find(ctx, subscription_id)
    applying = coupons_applied.check(ctx, subscription, code, starts_at)
    if subscription.status == PENDING:
        raise Conflict("subscription_not_started", "This subscription has not started; preview its order instead.")
    until = _until(ctx, as_of or ctx.now)
    applied = replace(applying.wanted.terms, starts_at=applying.starts_at)
    with taken_back(ctx):
        contracts_ahead.let_pass(ctx, Subscription.id == subscription_id, until)
        found = contract_items.load_subscription(ctx, subscription_id)
        before = found.redeemed.get(subscription_id, Redeemed(()))
        its = sorted((*before.coupons, applied), key=lambda each: each.order)
        redeemed = {subscription_id: replace(before, coupons=tuple(its))}
        closed = closed_by(ctx, until)
        return _billed(ctx, found.items, redeemed, subscription.currency, until, closed)


def _until(ctx: Context, as_of: datetime) -> datetime:
    if as_of > ctx.now + AHEAD_MOST:
        raise Invalid("as_of_out_of_range", "A preview looks at most five years ahead.", "/as_of")
    return as_of


def _check_length(items: Sequence[Item], until: datetime) -> None:
    """Refuse what would take long to answer: daily prices over years. What was billed already does not count.

    Raises:
        Invalid: `preview_too_long`.
    """
    lines = 0
    for item in items:
        billed_until = max((claim.span.end for claim in item.claims), default=item.anchored_at)
        for term in item.terms:
            ahead = min(term.end or until, until) - max(term.start, billed_until)
            if term.price.interval is not None:
                lines += max(0, ahead.days) // term.price.interval.days_least
    if lines > LINES_MOST:
        raise Invalid("preview_too_long", f"This has more than {LINES_MOST} lines; look less far ahead.", "/as_of")


def _ordered(ctx: Context, checked: CheckedOrder, start: datetime) -> Contract:
    """What an order would be from its start on."""
    begun = begin(start, checked.time_zone, checked.beside)
    return Contract(tuple(_items(ctx, checked, start, begun)), begun.breaks)


def _items(ctx: Context, checked: CheckedOrder, start: datetime, begun: Beginning) -> Iterator[Item]:
    subscription_id = new_id()
    prices = contract_prices.version_prices(ctx, [part.version_id for part in checked.parts], checked.currency)
    for part in checked.parts:
        for code, price in prices[part.version_id].items():
            yield Item(
                item_id=new_id(),
                subscription_id=subscription_id,
                charge_code=code,
                anchor=checked.order.anchor,
                anchored_at=begun.anchored_at,
                time_zone=checked.time_zone,
                terms=(AgreedTerm(start, None, price, part.agreed[code], part.off(price.kind)),),
            )


def _nothing(request: SlotRequest) -> Usage:
    return Usage(tuple(Slot(period) for period in request.periods), Evidence(request.unit))


def _preview(
    items: Sequence[Item],
    proposal: Proposal,
    redeemed: Mapping[UUID, Redeemed],
    currency: str,
    as_of: datetime,
    closed: datetime,
) -> Preview:
    """Lines in the order of their dates, and beside them the spans that billing would park.

    Args:
        closed: usage of spans that end later is left out, as billing leaves it for the next time.
    """
    charges = left_of_credited(items, reduced(items, settled(proposal.charges, closed), redeemed))
    lines = [_line(charge) for charge in (*charges, *drawn(items, charges, as_of))]
    ordered = sorted(lines, key=lambda x: (x.due_at, x.charge_code))
    subtotal = sum(line.amount for line in lines)
    if abs(subtotal) > AMOUNT_MOST:
        raise Invalid("amount_out_of_range", "The sum of the lines is too large; look less far ahead.", "/as_of")
    return Preview(currency, as_of, subtotal, ordered, proposal.parked)


def _line(charge: ProposedCharge) -> PreviewLine:
    return PreviewLine(
        charge_code=charge.charge_code,
        kind=charge.kind,
        span=charge.span,
        quantity=charge.quantity,
        unit=charge.unit,
        exact=Decimal(shown(charge.exact)),
        amount=charge.amount,
        due_at=charge.due_at,
        tax_inclusive=charge.inputs.get("price", {}).get("tax_inclusive", False),
        reductions=as_shown(reduction.as_json() for reduction in charge.reductions),
    )
