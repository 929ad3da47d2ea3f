"""What a change of contract does when its instant has come: to what is billed, to the status, to provisioning."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import update

from billing.beginnings import bill_from, converted
from billing.changes import Change, Contract, apply
from billing.items import PriceTerms
from billing.parts_change import discounts, ended, given
from billing.states.subscription import CANCEL, END_TRIAL, PAUSE, PENDING, SUBSCRIPTION, UNPAUSE
from core.errors import Conflict
from core.ids import new_id
from core.period import utc
from models.subscriptions import ScheduledChange, Subscription
from services import change_parts, contract_prices, contracts, provisioning, subscription_steps, subscriptions
from services.change_bodies import Agreed, body_of
from services.change_dates import align_at
from services.context import Context


def check_status(subscription: Subscription, agreed: Agreed) -> None:
    """See that a subscription may change like this as it stands.

    Raises:
        Conflict: `subscription_not_started`. IllegalTransition: its status has no such step.
    """
    if agreed.of_prices:
        return
    if subscription.status == PENDING and agreed.cancel is None:
        raise Conflict("subscription_not_started", "This subscription has not started; only its order may change.")
    action = _action(agreed)
    if action is not None:
        SUBSCRIPTION.apply(subscription.status, action)


def _action(agreed: Agreed) -> str | None:
    if agreed.cancel is not None:
        return CANCEL
    if agreed.pause is not None:
        return PAUSE
    if agreed.resume:
        return UNPAUSE
    return END_TRIAL if agreed.convert else None


def changed(ctx: Context, subscription: Subscription, contract: Contract, agreed: Agreed, at: datetime) -> Contract:
    """The contract as a change makes it: for what is stored, and for a preview."""
    change = _change(ctx, subscription, contract, agreed, at)
    after = apply(contracts.with_items(contract, change.prices), change, at)
    if not agreed.convert:
        return after
    beside = contracts.agreed(subscription)
    begun = bill_from(at, subscription.time_zone, beside)
    minimum = contracts.minimum(beside.minimum, begun) if beside.minimum is not None else None
    return replace(after, breaks=converted(contract.breaks, at, begun), minimum=minimum)


def _change(ctx: Context, subscription: Subscription, contract: Contract, agreed: Agreed, at: datetime) -> Change:
    prices: dict[str, PriceTerms] = {}
    if agreed.parts.new:
        offered = contract_prices.version_prices(
            ctx, [part.version_id for part in agreed.parts.new], subscription.currency
        )
        prices = {code: price for priced in offered.values() for code, price in priced.items()}
    return Change(
        cancel=agreed.cancel,
        pause=agreed.pause,
        resume=agreed.resume,
        convert=agreed.convert,
        align_at=align_at(subscription, agreed),
        quantities=given(contract.items, agreed.parts, agreed.quantities, at),
        prices=prices,
        discounts=discounts(contract.items, agreed.parts, at),
        ends=tuple(ended(contract.items, agreed.parts)),
    )


def perform(ctx: Context, subscription: Subscription, row: ScheduledChange, agreed: Agreed) -> None:
    """Do what a change says, from its instant on. The caller holds the subscription's row.

    Raises:
        As `check_status`.
    """
    check_status(subscription, agreed)
    at = utc(row.effective_at)
    if agreed.cancel is not None:
        provisioning.end(ctx, subscription, at, how=agreed.cancel)
        withdraw_others(ctx, subscription, row)
    elif agreed.pause is not None:
        _pause(ctx, subscription, agreed, at)
    elif agreed.resume:
        _resume(ctx, subscription, agreed, at)
    elif agreed.convert:
        convert(ctx, subscription, at)
    else:
        _change_terms(ctx, subscription, agreed, at)
    row.status = "done"
    ctx.session.flush()


def _store(ctx: Context, subscription: Subscription, agreed: Agreed, at: datetime) -> None:
    before = contracts.load(ctx, subscription)
    contracts.store(ctx, subscription, before, changed(ctx, subscription, before, agreed, at), at)


def _change_terms(ctx: Context, subscription: Subscription, agreed: Agreed, at: datetime) -> None:
    """Other prices, quantities or spans. What is not provisioned yet is asked for anew, as it is wanted now."""
    if subscription.status == PENDING:
        subscriptions.change_order(ctx, subscription, agreed.parts, agreed.quantities)
    else:
        _store(ctx, subscription, agreed, at)
    change_parts.write(ctx, subscription, agreed.parts, at)
    subscription_steps.tell(ctx, subscription, "subscription.changed")
    if agreed.align_on is None:  # a provisioning system has nothing to do with dates
        provisioning.request(ctx, subscription, "provision" if subscription.status == PENDING else "change")


def _pause(ctx: Context, subscription: Subscription, agreed: Agreed, at: datetime) -> None:
    """Bill nothing and have the service off, until it is resumed; by itself where an end was agreed upon."""
    _store(ctx, subscription, agreed, at)
    subscription.status = SUBSCRIPTION.apply(subscription.status, PAUSE)
    ctx.session.flush()
    subscription_steps.tell(ctx, subscription, "subscription.paused")
    provisioning.request(ctx, subscription, "suspend", "pause")
    until = agreed.pause.until if agreed.pause is not None else None
    if until is None:
        return
    resuming = Agreed(resume=True)
    row = schedule(ctx, subscription, resuming, until)
    if until <= ctx.now:
        perform(ctx, subscription, row, resuming)


def _resume(ctx: Context, subscription: Subscription, agreed: Agreed, at: datetime) -> None:
    """Bill again and have the service on again; an end of the pause that was still to come is none any more."""
    _store(ctx, subscription, agreed, at)
    subscription.status = SUBSCRIPTION.apply(subscription.status, UNPAUSE)
    to_come = (*_scheduled(ctx, subscription), ScheduledChange.effective_at > ctx.now)
    ctx.session.execute(
        update(ScheduledChange)
        .where(*to_come, ScheduledChange.body.has_key("resume"))
        .values(status="withdrawn", detail="The pause has ended.")
    )
    ctx.session.flush()
    subscription_steps.tell(ctx, subscription, "subscription.unpaused")
    provisioning.request(ctx, subscription, "resume", "pause")


def convert(ctx: Context, subscription: Subscription, at: datetime) -> None:
    """End a trial by hand: billing begins here, with the terms that run from there."""
    _store(ctx, subscription, Agreed(convert=True), at)
    begun = bill_from(at, subscription.time_zone, contracts.agreed(subscription))
    contracts.take_beginning(subscription, replace(begun, trial_ends_at=at))
    subscription.status = SUBSCRIPTION.apply(subscription.status, END_TRIAL)
    ctx.session.flush()
    subscription_steps.tell(ctx, subscription, "subscription.activated")


def schedule(ctx: Context, subscription: Subscription, agreed: Agreed, at: datetime) -> ScheduledChange:
    """Put a change down."""
    row = ScheduledChange(
        provider_id=ctx.provider.id,
        id=new_id(),
        subscription_id=subscription.id,
        effective_at=at,
        body=body_of(agreed),
        status="scheduled",
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    return row


def withdraw_others(ctx: Context, subscription: Subscription, done: ScheduledChange | None = None) -> None:
    """Of a subscription that has ended, nothing changes any more."""
    others = (ScheduledChange.id != done.id,) if done is not None else ()
    ctx.session.execute(
        update(ScheduledChange)
        .where(*_scheduled(ctx, subscription), *others)
        .values(status="withdrawn", detail="The subscription has ended.")
    )


def _scheduled(ctx: Context, subscription: Subscription) -> tuple[Any, ...]:
    return (
        ScheduledChange.provider_id == ctx.provider.id,
        ScheduledChange.subscription_id == subscription.id,
        ScheduledChange.status == "scheduled",
    )
