"""The steps of a subscription's life: it starts, is switched off and on, ends. Each is told.

What a step asks of provisioning systems is added a floor above, in `services.provisioning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import insert, select

from billing.beginnings import begin
from billing.breaks import reason_at
from billing.changes import Cancel, Change, Contract, apply
from billing.items import USAGE, ZERO
from billing.states.subscription import CANCEL, EXPIRE, PENDING, RESUME, START, START_TRIAL, SUBSCRIPTION, SUSPEND
from core.ids import new_id
from models.accounts import Account
from models.catalog import Price
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import contracts, outbox, subscription_parts
from services.context import Context
from services.lookups import by_id
from services.subscription_views import facts, view


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


def payer_zone(ctx: Context, account: Account) -> str:
    """The time zone of the account's payer."""
    return ctx.session.scalars(
        select(Account.time_zone).where(Account.provider_id == ctx.provider.id, Account.id == account.payer_id)
    ).one()


def lock_payer(ctx: Context, subscription: Subscription) -> None:
    """Whoever bills holds the payer's row: nothing of this subscription is billed until the end of the transaction."""
    payer = select(Account.payer_id).where(
        Account.provider_id == ctx.provider.id, Account.id == subscription.account_id
    )
    ctx.session.execute(
        select(Account.id)
        .where(Account.provider_id == ctx.provider.id, Account.id == payer.scalar_subquery())
        .with_for_update(key_share=True)
    )


def start(ctx: Context, subscription: Subscription, at: datetime) -> None:
    """Start what was ordered: from `at` on it is billed, or from the end of its trial. The zone of its spans is the
    payer's now, for good.

    Raises:
        IllegalTransition: it is not pending.
    """
    account = by_id(ctx, Account, "account", subscription.account_id)
    subscription.time_zone = payer_zone(ctx, account)
    begun = begin(at, subscription.time_zone, contracts.agreed(subscription))
    tried = begun.trial_ends_at is not None and (begun.trial_ends_at > ctx.now or reason_at(begun.breaks, ctx.now))
    subscription.status = SUBSCRIPTION.apply(subscription.status, START_TRIAL if tried else START)
    subscription.start_at = at
    contracts.take_beginning(subscription, begun if tried else replace(begun, trial_next_at=None))
    add_terms(ctx, _ordered(ctx, subscription), at)
    contracts.add_breaks(ctx, subscription.id, begun.breaks, at)
    subscription_parts.stand_from(ctx, subscription.id, at)
    ctx.session.flush()
    tell(ctx, subscription, "subscription.trial_started" if tried else "subscription.activated")


def _ordered(ctx: Context, subscription: Subscription) -> dict[UUID, Agreement]:
    """What was ordered, by item."""
    found = subscription_parts.versions(ctx, [subscription.id])
    rows = ctx.session.execute(
        select(SubscriptionItem.id, Price.id, SubscriptionItem.charge_code, Price.kind, found.c.discount)
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
        item: Agreement(price, Decimal(subscription.quantities[code]), ZERO if kind == USAGE else discount)
        for item, price, code, kind, discount in rows
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


def cancel(ctx: Context, subscription: Subscription, at: datetime, how: Cancel | None = None) -> None:
    """End a subscription: from `at` on nothing is billed. What was billed beyond it is given back, unless `how` says
    otherwise; what an early end costs is charged.

    Raises:
        IllegalTransition: it has ended already.
    """
    status = SUBSCRIPTION.apply(subscription.status, CANCEL)
    if subscription.status != PENDING:
        _finish(ctx, subscription, contracts.load(ctx, subscription), at, how or Cancel())
    _over(ctx, subscription, at, status, "subscription.cancelled")


def expire(ctx: Context, subscription: Subscription, at: datetime) -> None:
    """A fixed term has run out, and the contract with it. Nobody ends it early, so that costs nothing.

    Raises:
        IllegalTransition: it has ended already.
    """
    status = SUBSCRIPTION.apply(subscription.status, EXPIRE)
    before = contracts.load(ctx, subscription)
    _finish(ctx, subscription, replace(before, minimum=None), at, Cancel())
    _over(ctx, subscription, at, status, "subscription.expired")


def _finish(ctx: Context, subscription: Subscription, before: Contract, at: datetime, how: Cancel) -> None:
    contracts.store(ctx, subscription, before, apply(before, Change(cancel=how), at), at)


def _over(ctx: Context, subscription: Subscription, at: datetime, status: str, event_type: str) -> None:
    subscription.status, subscription.ended_at = status, at
    ctx.session.flush()
    tell(ctx, subscription, event_type)


def set_suspended(ctx: Context, subscription: Subscription, *, suspended: bool) -> bool:
    """Note that the service is off, or on again; False where that makes no difference to it."""
    action = SUSPEND if suspended else RESUME
    if not SUBSCRIPTION.allows(subscription.status, action):
        return False
    subscription.status = SUBSCRIPTION.apply(subscription.status, action)
    ctx.session.flush()
    return True
