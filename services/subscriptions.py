"""Subscriptions: an account's contract on a plan version, from the order to its end.

What an order or a change asks of provisioning systems is added a floor above, in `services.provisioning`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from billing.changes import default_quantity
from billing.items import USAGE, ZERO
from billing.offers import Part, wrong_quantities
from billing.states.subscription import CANCEL, PENDING, RESUME, START, SUBSCRIPTION, SUSPEND
from core.decimals import format_decimal
from core.errors import FieldError, Invalid
from core.ids import new_id
from models.accounts import Account
from models.catalog import Plan, Price
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import outbox, parts_wanted, subscription_parts
from services.context import Context, visible
from services.lookups import by_id, by_reference
from services.paging import Slice, Window, newest_first
from services.parts_wanted import AddOn, Standing
from services.plans import VersionView
from services.subscription_views import SubscriptionView, facts, view, views

YEAR = timedelta(days=365)
START_LEAST, START_MOST = 5 * YEAR, 10 * YEAR
AT, PROVISIONED = "at", "provisioned"


@dataclass(frozen=True)
class Order:
    """An order as it comes in; `account` and `plan` are references.

    Args:
        start_at: when it starts; None starts it when the service is provisioned.
        currency: None takes the account's.
        quantities: by charge code, of the plan and what it contains; what is not named is 1.
    """

    account: str
    plan: str
    start_at: datetime | None
    anchor: str = "calendar"
    currency: str | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    add_ons: Sequence[AddOn] = ()
    reference: str | None = None
    purchase_order: str | None = None
    cost_centre: str | None = None
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckedOrder:
    """An order whose references exist and whose members fit together. Of `parts` the first is the plan's own."""

    order: Order
    account: Account
    parts: Sequence[Part]
    currency: str
    time_zone: str

    @property
    def quantities(self) -> Mapping[str, Decimal]:
        """What is ordered of every charge."""
        return {code: quantity for part in self.parts for code, quantity in part.agreed.items()}


def check(ctx: Context, order: Order) -> CheckedOrder:
    """Find what an order names, and see that it can be billed.

    Raises:
        UnknownReference: `account_unknown`, `plan_unknown`.
        Invalid: `plan_not_offered`, `plan_is_add_on`, `currency_not_offered`, `charge_code_collision`,
            `charge_code_unknown`, `quantity_negative`, `quantity_not_allowed`, `start_out_of_range`, and those of
            `parts_wanted.added`.
    """
    account = by_reference(ctx, Account, "account", order.account, pointer="/account", account=Account.id)
    plan = by_reference(ctx, Plan, "plan", order.plan, pointer="/plan")
    offered = parts_wanted.offered(ctx, plan)
    currency = order.currency or account.currency
    errors = wrong_quantities([c for part in offered for c in part.charges], order.quantities, "/quantities")
    if order.start_at is not None and not ctx.now - START_LEAST <= order.start_at <= ctx.now + START_MOST:
        detail = "A start lies within five years back and ten years on."
        errors.append(FieldError("/start/at", "start_out_of_range", detail))
    standing = Standing({part.plan_id for part in offered})
    added = parts_wanted.added(ctx, order.add_ons, standing, "/add_ons", errors)
    given = (replace(part, quantities={**part.quantities, **order.quantities}) for part in offered)
    parts = (*given, *added)
    parts_wanted.check_together(parts, currency, errors)
    if errors:
        raise Invalid.collect(errors)
    return CheckedOrder(order, account, parts, currency, payer_zone(ctx, account))


def check_quantities(kinds: Mapping[str, str], quantities: Mapping[str, Decimal]) -> None:
    """See that quantities are for charges that have one; everything wrong is told at once."""
    errors = []
    for code, quantity in quantities.items():
        pointer = f"/quantities/{code.replace('~', '~0').replace('/', '~1')}"
        if code not in kinds:
            known = ", ".join(kinds)
            errors.append(FieldError(pointer, "charge_code_unknown", f"This plan has the charge codes {known}."))
        elif kinds[code] == USAGE:
            errors.append(FieldError(pointer, "quantity_not_allowed", "Usage is metered; it has no ordered quantity."))
        elif quantity < 0:
            errors.append(FieldError(pointer, "quantity_negative", "A quantity is zero or more."))
    if errors:
        raise Invalid.collect(errors)


def payer_zone(ctx: Context, account: Account) -> str:
    """The time zone of the account's payer."""
    return ctx.session.scalars(
        select(Account.time_zone).where(Account.provider_id == ctx.provider.id, Account.id == account.payer_id)
    ).one()


def create(ctx: Context, order: Order) -> Subscription:
    """Store an order. It is pending until it starts; one that starts by now is started at once.

    Raises:
        As `check`. Conflict: `external_id_taken`, from the database.
    """
    checked = check(ctx, order)
    subscription = Subscription(
        provider_id=ctx.provider.id,
        id=new_id(),
        account_id=checked.account.id,
        plan_id=checked.parts[0].plan_id,
        plan_version_id=checked.parts[0].version_id,
        quantities={code: format_decimal(quantity) for code, quantity in checked.quantities.items()},
        status=SUBSCRIPTION.initial,
        currency=checked.currency,
        time_zone=checked.time_zone,
        anchor=order.anchor,
        start_on=PROVISIONED if order.start_at is None else AT,
        start_at=order.start_at,
        reference=order.reference,
        purchase_order=order.purchase_order,
        cost_centre=order.cost_centre,
        external_id=order.external_id,
        meta=dict(order.meta),
        created_at=ctx.now,
    )
    ctx.session.add(subscription)
    ctx.session.flush()
    subscription_parts.add(ctx, subscription.id, checked.parts, None)
    _add_items(ctx, subscription, subscription_parts.codes(checked.parts))
    tell(ctx, subscription, "subscription.created")
    if order.start_at is not None and order.start_at <= ctx.now:
        start(ctx, subscription, order.start_at)
    return subscription


def _add_items(ctx: Context, subscription: Subscription, charge_codes: Iterable[str]) -> None:
    """Give a subscription an item for each of these charges that it has none for."""
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "subscription_id": subscription.id,
            "charge_code": code,
        }
        for code in charge_codes
    ]
    ctx.session.execute(upsert(SubscriptionItem).on_conflict_do_nothing(), rows)


def start(ctx: Context, subscription: Subscription, at: datetime) -> None:
    """Start what was ordered: from `at` on it is billed. The zone of its spans is the payer's now, for good.

    Raises:
        IllegalTransition: it is not pending.
    """
    subscription.status = SUBSCRIPTION.apply(subscription.status, START)
    subscription.start_at = at
    account = by_id(ctx, Account, "account", subscription.account_id)
    subscription.time_zone = payer_zone(ctx, account)
    add_terms(ctx, _ordered(ctx, subscription), at)
    subscription_parts.begin(ctx, subscription.id, at)
    ctx.session.flush()
    tell(ctx, subscription, "subscription.activated")


def _ordered(ctx: Context, subscription: Subscription) -> dict[UUID, Agreement]:
    """What was ordered, by item."""
    found = subscription_parts.versions(ctx, [subscription.id])
    rows = ctx.session.execute(
        select(SubscriptionItem.id, Price.id, SubscriptionItem.charge_code, found.c.discount)
        .select_from(SubscriptionItem)
        .join(found, found.c.subscription_id == SubscriptionItem.subscription_id)
        .join(
            Price,
            (Price.provider_id == SubscriptionItem.provider_id)
            & (Price.charge_code == SubscriptionItem.charge_code)
            & (Price.plan_version_id == found.c.plan_version_id),
        )
        .where(SubscriptionItem.provider_id == ctx.provider.id)
    )
    return {
        item: Agreement(price, Decimal(subscription.quantities[code]), discount) for item, price, code, discount in rows
    }


def start_due(ctx: Context, subscription_id: UUID) -> None:
    """Start a subscription whose date has come; one that is not pending any more is left alone."""
    subscription = by_id(ctx, Subscription, "subscription", subscription_id, lock=True)
    due = subscription.start_at
    if subscription.status == PENDING and due is not None and due <= ctx.now:
        start(ctx, subscription, due)


@dataclass(frozen=True)
class Agreement:
    """What an item has from an instant on: a price, a quantity, and the per cent that is taken off."""

    price_id: UUID
    quantity: Decimal
    discount: Decimal = ZERO


def add_terms(ctx: Context, agreed: Mapping[UUID, Agreement], at: datetime, *, ended: bool = False) -> None:
    """Add rows to timelines: from `at` on, each item has this, or is ended."""
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "item_id": item_id,
            "from_at": at,
            "price_id": term.price_id,
            "quantity": term.quantity,
            "discount": term.discount,
            "ended": ended,
        }
        for item_id, term in agreed.items()
    ]
    if rows:
        ctx.session.execute(insert(SubscriptionItemTerm), rows)


def cancel(ctx: Context, subscription: Subscription, at: datetime) -> None:
    """End a subscription: from `at` on nothing is billed; what was billed beyond it is given back.

    Raises:
        IllegalTransition: it has ended already.
    """
    pending = subscription.status == PENDING
    subscription.status = SUBSCRIPTION.apply(subscription.status, CANCEL)
    subscription.ended_at = at
    if not pending:
        agreed = {item.id: Agreement(item.price_id, ZERO) for item in view(ctx, subscription).items}
        add_terms(ctx, agreed, at, ended=True)
    ctx.session.flush()
    tell(ctx, subscription, "subscription.cancelled")


def change_quantities(
    ctx: Context, subscription: Subscription, quantities: Mapping[str, Decimal], at: datetime
) -> None:
    """Agree on other quantities from an instant on.

    Raises:
        Invalid: `charge_code_unknown`, `quantity_not_allowed`, `quantity_negative`.
    """
    items = {item.charge_code: item for item in view(ctx, subscription).items}
    check_quantities({code: item.kind for code, item in items.items()}, quantities)
    subscription.quantities = {
        **subscription.quantities,
        **{code: format_decimal(quantity) for code, quantity in quantities.items()},
    }
    if subscription.status != PENDING:
        agreed = {
            items[code].id: Agreement(items[code].price_id, quantity, items[code].discount)
            for code, quantity in quantities.items()
        }
        add_terms(ctx, agreed, at)
    ctx.session.flush()
    tell(ctx, subscription, "subscription.changed")


def change_plan(
    ctx: Context, subscription: Subscription, version: VersionView, quantities: Mapping[str, Decimal], at: datetime
) -> None:
    """Move to another plan version from an instant on: charges that it does not have end, new ones begin.

    Args:
        quantities: by charge code; a charge that is not named keeps its quantity, a new one has 1.
    """
    before = {item.charge_code: item for item in view(ctx, subscription).items}
    agreed: dict[str, Agreement] = {}
    for price in version.prices:
        old = before.get(price.charge_code)
        kept = old.quantity if old is not None and old.kind == price.kind else default_quantity(price.kind)
        agreed[price.charge_code] = Agreement(price.id, quantities.get(price.charge_code, kept))
    _add_items(ctx, subscription, agreed)
    if subscription.status != PENDING:
        gone = {i.id: Agreement(i.price_id, ZERO) for code, i in before.items() if code not in agreed and not i.ended}
        add_terms(ctx, gone, at, ended=True)
        items = _item_ids(ctx, subscription)
        add_terms(ctx, {items[code]: term for code, term in agreed.items()}, at)
    subscription.plan_id, subscription.plan_version_id = version.plan_id, version.id
    subscription.quantities = {code: format_decimal(term.quantity) for code, term in agreed.items()}
    ctx.session.flush()
    tell(ctx, subscription, "subscription.changed")


def _item_ids(ctx: Context, subscription: Subscription) -> dict[str, UUID]:
    rows = ctx.session.execute(
        select(SubscriptionItem.charge_code, SubscriptionItem.id).where(
            SubscriptionItem.provider_id == ctx.provider.id, SubscriptionItem.subscription_id == subscription.id
        )
    )
    return dict(rows.all())


def set_suspended(ctx: Context, subscription: Subscription, *, suspended: bool) -> bool:
    """Note that the service is off, or on again; False where that makes no difference to it."""
    action = SUSPEND if suspended else RESUME
    if not SUBSCRIPTION.allows(subscription.status, action):
        return False
    subscription.status = SUBSCRIPTION.apply(subscription.status, action)
    ctx.session.flush()
    return True


def tell(ctx: Context, subscription: Subscription, event_type: str) -> UUID:
    """Emit an event with the subscription as it is now."""
    return outbox.emit(
        ctx,
        event_type,
        "subscription",
        subscription.id,
        facts(view(ctx, subscription)),
        account_id=subscription.account_id,
    )


def find(ctx: Context, subscription_id: UUID, *, lock: bool = False) -> Subscription:
    """The row of a subscription that the caller may see."""
    return by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id, lock=lock)


def get(ctx: Context, subscription_id: UUID) -> SubscriptionView:
    """One subscription."""
    return view(ctx, find(ctx, subscription_id))


def list_subscriptions(
    ctx: Context,
    window: Window,
    *,
    external_id: str | None = None,
    account: str | None = None,
    status: str | None = None,
) -> Slice[SubscriptionView]:
    """Subscriptions that the caller may see, newest first."""
    statement = select(Subscription).where(
        Subscription.provider_id == ctx.provider.id, visible(ctx, Subscription.account_id)
    )
    if account is not None:
        holder = by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(Subscription.account_id == holder.id)
    for column, value in ((Subscription.external_id, external_id), (Subscription.status, status)):
        if value is not None:
            statement = statement.where(column == value)
    found = newest_first(ctx, statement, Subscription.id, window)
    shown = {each.id: each for each in views(ctx, found.rows)}
    return found.map(lambda row: shown[row.id])


def change_notes(ctx: Context, subscription_id: UUID, values: Mapping[str, Any]) -> SubscriptionView:
    """Change what is not agreed upon: reference, purchase order, cost centre, external id, metadata."""
    subscription = find(ctx, subscription_id, lock=True)
    for name, value in values.items():
        setattr(subscription, name, value)
    ctx.session.flush()
    tell(ctx, subscription, "subscription.updated")
    return view(ctx, subscription)
