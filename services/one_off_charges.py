"""Charges that somebody puts on a running subscription: smart hands, a repair, a delivery.

Each is an item of its own with a price of its own, so it is claimed, billed, explained and taken back like any other
charge. It goes onto the payer's next document, or onto one that is made at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from billing import rating
from billing.items import ADVANCE, ONE_OFF, Item, PriceTerms
from billing.plan_prices import price_as_stored
from billing.proration import NONE
from billing.states.subscription import PENDING
from core.decimals import format_decimal
from core.errors import Conflict, Invalid, NotFound, Refused
from core.ids import encode, new_id
from core.money import Money
from core.period import Period, rfc3339, utc
from models.billing import BilledSpan, Charge
from models.catalog import Price, Product
from models.subscription_parts import OneOffCharge
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import charges, outbox, runs_on_request, subscriptions
from services.context import Context
from services.lookups import by_id, by_reference
from services.paging import Slice, Window, newest_first
from services.sets import among
from services.subscription_steps import lock_payer

AHEAD_MOST = timedelta(days=3650)
WITHDRAWN = "withdrawn"
STATES = (charges.WAITING, charges.BILLED, WITHDRAWN)
ENDED = ("cancelled", "expired")


@dataclass(frozen=True)
class NewCharge:
    """A charge as it comes in; `product` is a reference.

    Args:
        price: as JSON, or None with `amount`, in minor units of the subscription's currency.
        at: when it was done; now by default.
        at_once: make a document with it now, and with what else is due for its payer.
        tax_inclusive: whether the price has its tax in it.
    """

    product: str
    description: str
    price: Mapping[str, Any] | None = None
    amount: int | None = None
    quantity: Decimal = Decimal(1)
    at: datetime | None = None
    at_once: bool = False
    tax_inclusive: bool = False
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OneOffView:
    """A charge as it is shown. `charge_id` and `invoice_line_id` are null until it is billed."""

    id: UUID
    external_id: str | None
    meta: Mapping[str, Any]
    created_at: datetime
    subscription_id: UUID
    charge_code: str
    product_id: UUID
    description: str
    price: Mapping[str, Any]
    tax_inclusive: bool
    quantity: Decimal
    at: datetime
    currency: str
    exact: Decimal
    amount: int
    state: str
    withdrawn_at: datetime | None
    charge_id: UUID | None
    invoice_line_id: UUID | None


def create(ctx: Context, subscription_id: UUID, new: NewCharge) -> OneOffView:
    """Put a charge on a running subscription.

    Raises:
        NotFound. Conflict: `subscription_ended`, `subscription_not_started`; `external_id_taken`, from the database.
        UnknownReference: `product_unknown`.
        Invalid: `at_before_start`, `at_out_of_range`, `at_in_future` (of what is billed at once), and what refuses the
            quantity, such as `quantity_beyond_last_step`.
    """
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    at = _when(ctx, subscription, new)
    product = by_reference(ctx, Product, "product", new.product, pointer="/product")
    charge_id = new_id()
    price = _price(subscription, charge_id, new)
    _rated(price, new.quantity, at)
    item_id = _store_item(ctx, subscription, product, price, new, at)
    row = OneOffCharge(
        provider_id=ctx.provider.id,
        id=charge_id,
        subscription_id=subscription.id,
        item_id=item_id,
        price_id=price.price_id,
        at=at,
        quantity=new.quantity,
        external_id=new.external_id,
        meta=dict(new.meta),
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    _tell(ctx, subscription, row, "subscription.charge_added")
    if new.at_once:
        runs_on_request.create(ctx, accounts=[encode("account", subscription.account_id)])
    return _views(ctx, [row])[0]


def _when(ctx: Context, subscription: Subscription, new: NewCharge) -> datetime:
    if subscription.status in ENDED:
        raise Conflict("subscription_ended", f"This subscription is {subscription.status}.")
    if subscription.status == PENDING or subscription.start_at is None:
        raise Conflict("subscription_not_started", "This subscription has not started.")
    at = new.at or ctx.now
    if at < utc(subscription.start_at):
        detail = f"This subscription started at {rfc3339(subscription.start_at)}."
        raise Invalid("at_before_start", detail, "/at")
    if at > ctx.now + AHEAD_MOST:
        raise Invalid("at_out_of_range", "A charge is due within ten years.", "/at")
    if new.at_once and at > ctx.now:
        raise Invalid("at_in_future", "What is due later is not billed at once.", "/at")
    return at


def _price(subscription: Subscription, charge_id: UUID, new: NewCharge) -> PriceTerms:
    spec = new.price
    if spec is None:
        assert new.amount is not None  # the schema wants one of the two
        amount = Money(new.amount, subscription.currency).major
        spec = {"model": "flat", "amount_price": format_decimal(amount)}
    return PriceTerms(
        price_id=new_id(),
        version_id=None,
        version=None,
        charge_code=encode("one_off_charge", charge_id),
        kind=ONE_OFF,
        interval=None,
        timing=ADVANCE,
        proration=NONE,
        currency=subscription.currency,
        spec=price_as_stored(spec),
        tax_inclusive=new.tax_inclusive,
    )


def _rated(price: PriceTerms, quantity: Decimal, at: datetime) -> rating.Rated:
    """What a charge comes to, by the function that bills it.

    Raises:
        Invalid: the code of what refuses the quantity.
    """
    day = Period(at, at + timedelta(days=1))
    item = Item(new_id(), new_id(), price.charge_code, "calendar", at, "UTC", ())
    try:
        return rating.rate_span(item, price, quantity, day, {})
    except Refused as refused:
        raise Invalid(refused.code, refused.detail, "/quantity") from refused


def _store_item(
    ctx: Context, subscription: Subscription, product: Product, price: PriceTerms, new: NewCharge, at: datetime
) -> UUID:
    """The item that a charge is: its price, and the one term that makes it due."""
    own, item_id = {"provider_id": ctx.provider.id}, new_id()
    ctx.session.execute(
        insert(Price).values(
            **own,
            id=price.price_id,
            charge_code=price.charge_code,
            name=new.description,
            position=0,
            product_id=product.id,
            kind=price.kind,
            timing=price.timing,
            proration=price.proration,
            tax_inclusive=price.tax_inclusive,
            currencies={price.currency: dict(price.spec)},
        )
    )
    ctx.session.execute(
        insert(SubscriptionItem).values(
            **own, id=item_id, subscription_id=subscription.id, charge_code=price.charge_code
        )
    )
    _add_term(ctx, item_id, price.price_id, at, new.quantity)
    return item_id


def _add_term(
    ctx: Context, item_id: UUID, price_id: UUID, at: datetime, quantity: Decimal, *, ended: bool = False
) -> None:
    ctx.session.execute(
        insert(SubscriptionItemTerm).values(
            provider_id=ctx.provider.id,
            id=new_id(),
            item_id=item_id,
            from_at=at,
            price_id=price_id,
            quantity=quantity,
            ended=ended,
        )
    )


def withdraw(ctx: Context, subscription_id: UUID, charge_id: UUID) -> OneOffView:
    """Take a charge off again, while it is on no document. Withdrawn already: nothing happens.

    Raises:
        NotFound. Conflict: `charge_on_document`.
    """
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    lock_payer(ctx, subscription)
    row = _of_subscription(ctx, subscription_id, charge_id, lock=True)
    if row.withdrawn_at is None:
        _release(ctx, row)
        _add_term(ctx, row.item_id, row.price_id, row.at, Decimal(0), ended=True)
        row.withdrawn_at = ctx.now
        ctx.session.flush()
        _tell(ctx, subscription, row, "subscription.charge_withdrawn")
    return _views(ctx, [row])[0]


def _release(ctx: Context, row: OneOffCharge) -> None:
    """Give up what was billed of a charge and waits for a document.

    Raises:
        Conflict: `charge_on_document`.
    """
    for charge in _charges(ctx, [row.item_id]).values():
        if charge.invoice_line_id is not None or charge.credit_note_line_id is not None:
            raise Conflict("charge_on_document", "This charge is on a document: discard or void that, or credit it.")
        charge.released_at = ctx.now
        ctx.session.flush()
        ctx.session.execute(
            update(BilledSpan)
            .where(BilledSpan.provider_id == ctx.provider.id, BilledSpan.id == charge.claim_id)
            .values(status="released"),
            execution_options={"synchronize_session": False},
        )


def get(ctx: Context, subscription_id: UUID, charge_id: UUID) -> OneOffView:
    """One charge of a subscription."""
    subscriptions.find(ctx, subscription_id)
    return _views(ctx, [_of_subscription(ctx, subscription_id, charge_id)])[0]


def list_charges(
    ctx: Context, subscription_id: UUID, window: Window, external_id: str | None = None
) -> Slice[OneOffView]:
    """The charges that were put on a subscription, newest first."""
    subscriptions.find(ctx, subscription_id)
    statement = select(OneOffCharge).where(
        OneOffCharge.provider_id == ctx.provider.id, OneOffCharge.subscription_id == subscription_id
    )
    if external_id is not None:
        statement = statement.where(OneOffCharge.external_id == external_id)
    found = newest_first(ctx, statement, OneOffCharge.id, window)
    shown = {each.id: each for each in _views(ctx, found.rows)}
    return found.map(lambda row: shown[row.id])


def _of_subscription(ctx: Context, subscription_id: UUID, charge_id: UUID, *, lock: bool = False) -> OneOffCharge:
    row = by_id(ctx, OneOffCharge, "one_off_charge", charge_id, lock=lock)
    if row.subscription_id != subscription_id:
        raise NotFound("one_off_charge", encode("one_off_charge", charge_id))
    return row


def _charges(ctx: Context, items: Sequence[UUID]) -> dict[UUID, Charge]:
    """What was billed of items and not taken back, by item; of one that is due once there is one at most."""
    rows = ctx.session.scalars(
        select(Charge).where(
            Charge.provider_id == ctx.provider.id, among(Charge.item_id, items), Charge.released_at.is_(None)
        )
    )
    return {row.item_id: row for row in rows}


def _views(ctx: Context, rows: Sequence[OneOffCharge]) -> list[OneOffView]:
    """Charges as they are shown, in three queries however many."""
    prices = {
        price.id: price
        for price in ctx.session.scalars(
            select(Price).where(Price.provider_id == ctx.provider.id, among(Price.id, [row.price_id for row in rows]))
        )
    }
    ends = dict(
        ctx.session.execute(
            select(Subscription.id, Subscription.ended_at).where(
                Subscription.provider_id == ctx.provider.id,
                among(Subscription.id, {row.subscription_id for row in rows}),
            )
        ).all()
    )
    billed = _charges(ctx, [row.item_id for row in rows])
    return [_view(row, prices[row.price_id], billed.get(row.item_id), ends[row.subscription_id]) for row in rows]


def _view(row: OneOffCharge, price: Price, charge: Charge | None, ended_at: datetime | None) -> OneOffView:
    ((currency, spec),) = price.currencies.items()
    terms = PriceTerms(
        price.id, None, None, price.charge_code, price.kind, None, price.timing, price.proration, currency, spec
    )
    rated = _rated(terms, row.quantity, row.at)
    state = charges.state(charge) if charge is not None else charges.WAITING
    if row.withdrawn_at is not None or (charge is None and ended_at is not None and ended_at <= row.at):
        state = WITHDRAWN
    return OneOffView(
        id=row.id,
        external_id=row.external_id,
        meta=row.meta or {},
        created_at=row.created_at,
        subscription_id=row.subscription_id,
        charge_code=price.charge_code,
        product_id=price.product_id,
        description=price.name,
        price=spec,
        tax_inclusive=price.tax_inclusive,
        quantity=row.quantity,
        at=row.at,
        currency=currency,
        exact=rated.exact,
        amount=rated.amount.minor,
        state=state,
        withdrawn_at=row.withdrawn_at,
        charge_id=charge.id if charge is not None else None,
        invoice_line_id=charge.invoice_line_id if charge is not None else None,
    )


def _tell(ctx: Context, subscription: Subscription, row: OneOffCharge, event_type: str) -> None:
    shown = _views(ctx, [row])[0]
    data = {
        "id": encode("one_off_charge", shown.id),
        "subscription": encode("subscription", subscription.id),
        "charge_code": shown.charge_code,
        "product": encode("product", shown.product_id),
        "description": shown.description,
        "quantity": format_decimal(shown.quantity),
        "at": rfc3339(shown.at),
        "amount": shown.amount,
        "currency": shown.currency,
        "state": shown.state,
    }
    outbox.emit(ctx, event_type, "subscription", subscription.id, data, account_id=subscription.account_id)
