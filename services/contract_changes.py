"""Changes of running contracts: at once, in the past, or scheduled for an instant, listed and withdrawn until then."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.states.subscription import END_TRIAL, PENDING, SUBSCRIPTION
from core.errors import Conflict, NotFound, Refused
from core.ids import encode
from core.period import rfc3339
from models.subscriptions import ScheduledChange, Subscription
from services import change_effects, change_parts, outbox, subscriptions
from services.change_bodies import Agreed, ChangeView, agreed_of, shown
from services.change_dates import effective_at, put_off
from services.change_wishes import Wanted
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, in_order

ENDED = ("cancelled", "expired")


def make(ctx: Context, subscription_id: UUID, wanted: Wanted, effective: str | datetime) -> ChangeView:
    """Change a contract now or from an instant in the past, or schedule the change.

    Args:
        effective: `now`, `period_end` (of what is changed, the span that ends last), or an instant.

    Raises:
        NotFound, Conflict: `subscription_ended`, and those of `change_effects.check_status`.
        Invalid: those of `change_parts.agree` and of `change_dates.effective_at`.
    """
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    agreed = agree(ctx, subscription, wanted)
    at = when(ctx, subscription, agreed, effective)
    row = change_effects.schedule(ctx, subscription, agreed, at)
    if at <= ctx.now:
        change_effects.perform(ctx, subscription, row, agreed)
    else:
        _tell(ctx, subscription, row, "subscription.change_scheduled")
    return shown(row)


def when(ctx: Context, subscription: Subscription, agreed: Agreed, effective: str | datetime) -> datetime:
    """When a change takes effect, if it may: what is to be done by now must be possible now, and there must be a trial
    to end.

    Raises:
        As `make`.
    """
    at = effective_at(ctx, subscription, agreed, effective)
    begins_with_trial = subscription.status == PENDING and subscription.trial is not None
    if at <= ctx.now:
        change_effects.check_status(subscription, agreed)
    elif agreed.convert and not begins_with_trial:  # what is in no trial now will never be in one
        SUBSCRIPTION.apply(subscription.status, END_TRIAL)
    return at


def agree(ctx: Context, subscription: Subscription, wanted: Wanted) -> Agreed:
    """See that a change fits its subscription.

    Raises:
        As `make`.
    """
    if subscription.status in ENDED:
        raise Conflict("subscription_ended", f"This subscription is {subscription.status}.")
    parts = change_parts.agree(ctx, subscription, wanted)
    return Agreed(wanted.cancel, wanted.quantities, parts, wanted.pause, wanted.resume, wanted.convert, wanted.align_on)


def apply_scheduled(ctx: Context, change_id: UUID) -> None:
    """Do a change whose instant has come. What cannot be done any more is kept with its reason and tried no more."""
    subscription_id = by_id(ctx, ScheduledChange, "change", change_id).subscription_id
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    row = by_id(ctx, ScheduledChange, "change", change_id, lock=True)
    if row.status != "scheduled" or row.effective_at > ctx.now:
        return
    agreed = agreed_of(ctx, row.body)
    if put_off(subscription, row, agreed):
        ctx.session.flush()
        _tell(ctx, subscription, row, "subscription.change_scheduled")
        return
    obstacle = _obstacle(ctx, subscription, agreed)
    if obstacle is None:
        change_effects.perform(ctx, subscription, row, agreed)
        return
    row.status, row.detail = "failed", obstacle
    ctx.session.flush()
    _tell(ctx, subscription, row, "subscription.change_failed")


def _obstacle(ctx: Context, subscription: Subscription, agreed: Agreed) -> str | None:
    """Why a change cannot be made any more, or None."""
    if subscription.status in ENDED:
        return f"This subscription is {subscription.status}."
    try:
        change_effects.check_status(subscription, agreed)
    except Refused as refused:
        return refused.detail
    return change_parts.obstacle(ctx, subscription, agreed.parts, agreed.quantities)


def list_scheduled(
    ctx: Context, subscription_id: UUID, window: Window, status: str | None = "scheduled"
) -> Slice[ChangeView]:
    """The changes of a subscription, the next one first; by default those that are still to come."""
    subscriptions.find(ctx, subscription_id)
    statement = select(ScheduledChange).where(
        ScheduledChange.provider_id == ctx.provider.id, ScheduledChange.subscription_id == subscription_id
    )
    if status is not None:
        statement = statement.where(ScheduledChange.status == status)
    found = in_order(ctx, statement, (ScheduledChange.effective_at, ScheduledChange.id), window)
    return found.map(shown)


def withdraw(ctx: Context, subscription_id: UUID, change_id: UUID) -> None:
    """Take a scheduled change back.

    Raises:
        NotFound, Conflict: `change_not_scheduled`.
    """
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    row = of_subscription(ctx, subscription_id, change_id, lock=True)
    if row.status != "scheduled":
        raise Conflict("change_not_scheduled", f"This change is {row.status}.")
    row.status = "withdrawn"
    ctx.session.flush()
    _tell(ctx, subscription, row, "subscription.change_withdrawn")


def get(ctx: Context, subscription_id: UUID, change_id: UUID) -> ChangeView:
    """One change of a subscription."""
    subscriptions.find(ctx, subscription_id)
    return shown(of_subscription(ctx, subscription_id, change_id))


def of_subscription(ctx: Context, subscription_id: UUID, change_id: UUID, *, lock: bool = False) -> ScheduledChange:
    """The row of a change, if it is this subscription's."""
    row = by_id(ctx, ScheduledChange, "change", change_id, lock=lock)
    if row.subscription_id != subscription_id:
        raise NotFound("change", encode("change", change_id))
    return row


def facts(row: ScheduledChange) -> dict[str, Any]:
    """What events tell of a change."""
    return {
        "id": encode("change", row.id),
        "subscription": encode("subscription", row.subscription_id),
        "effective_at": rfc3339(row.effective_at),
        "status": row.status,
        **row.body,
        "detail": row.detail,
    }


def _tell(ctx: Context, subscription: Subscription, row: ScheduledChange, event_type: str) -> None:
    outbox.emit(
        ctx,
        event_type,
        "subscription",
        subscription.id,
        facts(row),
        account_id=subscription.account_id,
    )
