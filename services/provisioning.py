"""What provisioning systems are asked to do, by event, and what they answer.

A request is known by the id of the event that asked. A subscription has at most one open: a newer one supersedes the
one before, whose answer is still stored but changes nothing. An answer of `failed` leaves the request open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from billing.changes import Cancel
from billing.states.subscription import PENDING
from core.errors import Conflict, Invalid, UnknownReference
from core.ids import decode, encode, looks_like
from core.period import rfc3339
from models.subscriptions import ProvisioningRequest, Subscription
from services import deliveries, lookups, outbox, subscription_steps, subscriptions
from services.context import Context
from services.paging import Slice, Window, newest_first
from services.subscription_views import RequestView, SubscriptionView, facts, view
from services.subscriptions import PROVISIONED, Order

# kind of request -> what its doing is called in the answer
DONE = {
    "provision": "provisioned",
    "suspend": "suspended",
    "resume": "resumed",
    "change": "changed",
    "deprovision": "deprovisioned",
}
# kind of request -> the event that tells of its doing
TOLD = {
    "provision": "subscription.provisioned",
    "suspend": "subscription.suspended",
    "resume": "subscription.resumed",
    "change": "subscription.change_provisioned",
    "deprovision": "subscription.deprovisioned",
}
FAILED = "failed"
# What stays unanswered is sent again daily; after a month it is only shown.
ASK_AGAIN = timedelta(days=1)
ASK_FOR = timedelta(days=30)
STATUSES = (*DONE.values(), FAILED)


@dataclass(frozen=True)
class Answer:
    """What a provisioning system says. `request` is the event's id; None means the open one. `at` is when it was done,
    by default when the answer comes in.
    """

    status: str
    request: str | None = None
    at: datetime | None = None
    reference: str | None = None
    detail: str | None = None


def order(ctx: Context, wanted: Order) -> SubscriptionView:
    """Take an order and ask that it be provisioned.

    Raises:
        As `subscriptions.check`. Conflict: `external_id_taken`, from the database.
    """
    subscription = subscriptions.create(ctx, wanted)
    return request(ctx, subscription, "provision")


def request(ctx: Context, subscription: Subscription, kind: str, reason: str | None = None) -> SubscriptionView:
    """Emit `subscription.<kind>_requested`, superseding what was asked before. Gives the subscription as it is then.

    The caller holds the subscription's row.
    """
    ctx.session.execute(
        update(ProvisioningRequest)
        .where(
            ProvisioningRequest.provider_id == ctx.provider.id,
            ProvisioningRequest.subscription_id == subscription.id,
            ProvisioningRequest.status == "open",
        )
        .values(status="superseded")
    )
    shown = view(ctx, subscription)
    data = {**facts(shown), "reason": reason}
    event_id = outbox.emit(
        ctx,
        f"subscription.{kind}_requested",
        "subscription",
        subscription.id,
        data,
        account_id=subscription.account_id,
    )
    ctx.session.execute(
        insert(ProvisioningRequest).values(
            provider_id=ctx.provider.id,
            id=event_id,
            subscription_id=subscription.id,
            kind=kind,
            status="open",
            asked_at=ctx.now,
            next_at=ctx.now + ASK_AGAIN,
        )
    )
    return replace(shown, request=RequestView(event_id, kind, ctx.now, None))


def ask_again(ctx: Context, request_id: UUID) -> None:
    """Send a request that is still open to the webhook endpoints once more, as the same event with the same id."""
    asked = lookups.by_id(ctx, ProvisioningRequest, "event", request_id, lock=True)
    if asked.status != "open" or asked.next_at is None or asked.next_at > ctx.now:
        return
    deliveries.send_again(ctx, asked.id)
    later = asked.next_at + ASK_AGAIN
    asked.next_at = later if later <= asked.asked_at + ASK_FOR else None
    ctx.session.flush()


def suspend(ctx: Context, subscription_id: UUID, reason: str) -> None:
    """Turn a service off: the first of its reasons to be off calls this. Off already, or never on: nothing happens."""
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    if subscription_steps.set_suspended(ctx, subscription, suspended=True):
        request(ctx, subscription, "suspend", reason)


def resume(ctx: Context, subscription_id: UUID, reason: str | None = None) -> None:
    """Turn a service on again: no reason to be off is left. On already, or ended: nothing happens."""
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    if subscription_steps.set_suspended(ctx, subscription, suspended=False):
        request(ctx, subscription, "resume", reason)


def deprovision(ctx: Context, subscription_id: UUID, reason: str | None = None) -> None:
    """End a subscription now and ask that what was provisioned be taken down. Ended already: nothing happens."""
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    if subscription.ended_at is None:
        end(ctx, subscription, ctx.now, reason)


def end(
    ctx: Context, subscription: Subscription, at: datetime, reason: str | None = None, how: Cancel | None = None
) -> None:
    """Cancel from an instant on, and ask for the taking down.

    Raises:
        IllegalTransition: it has ended already.
    """
    subscription_steps.cancel(ctx, subscription, at, how)
    request(ctx, subscription, "deprovision", reason)


def answer(ctx: Context, subscription_id: UUID, given: Answer) -> SubscriptionView:
    """Take the answer of a provisioning system.

    Raises:
        NotFound: no such subscription for this caller.
        Conflict: `request_not_open`: nothing is asked, or this was answered already.
        UnknownReference: `request_unknown`: not a request of this subscription.
        Invalid: `at_in_future`, `at_before_order`, `status_mismatch`.
    """
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    asked = _asked(ctx, subscription, given.request)
    at = _when(ctx, subscription, given)
    if given.status not in (DONE[asked.kind], FAILED):
        raise Invalid("status_mismatch", f"The answer to this is {DONE[asked.kind]}, or failed.", "/status")
    asked.answered_at = ctx.now
    asked.answer = _stored(given, at)
    if asked.status == "superseded":
        ctx.session.flush()
        return view(ctx, subscription)
    if given.status == FAILED:
        ctx.session.flush()
        _tell(ctx, subscription, "subscription.provisioning_failed", asked)
        return view(ctx, subscription)
    asked.status = "answered"
    ctx.session.flush()
    _take(ctx, subscription, asked, given, at)
    return view(ctx, subscription)


def _take(ctx: Context, subscription: Subscription, asked: ProvisioningRequest, given: Answer, at: datetime) -> None:
    """What follows from a request that was fulfilled."""
    if asked.kind == "provision":
        subscription.reference = given.reference or subscription.reference
        if subscription.status == PENDING and subscription.start_on == PROVISIONED:
            subscription_steps.start(ctx, subscription, at)
    _tell(ctx, subscription, TOLD[asked.kind], asked)


def list_requests(ctx: Context, subscription_id: UUID, window: Window) -> Slice[ProvisioningRequest]:
    """What was asked for a subscription and what was answered, newest first."""
    subscriptions.find(ctx, subscription_id)
    statement = select(ProvisioningRequest).where(
        ProvisioningRequest.provider_id == ctx.provider.id, ProvisioningRequest.subscription_id == subscription_id
    )
    return newest_first(ctx, statement, ProvisioningRequest.id, window)


def _asked(ctx: Context, subscription: Subscription, reference: str | None) -> ProvisioningRequest:
    """The request that an answer is for: an open one, or one that was superseded."""
    rows = ctx.session.scalars(
        select(ProvisioningRequest).where(
            ProvisioningRequest.provider_id == ctx.provider.id,
            ProvisioningRequest.subscription_id == subscription.id,
        )
    ).all()
    open_one = next((row for row in rows if row.status == "open"), None)
    if reference is not None:
        named = decode("event", reference) if looks_like("event", reference) else None
        found = next((row for row in rows if row.id == named), None)
        if found is not None and found.status != "answered":
            return found
        if found is None and open_one is not None:
            raise UnknownReference("request", reference, "/request")
    elif open_one is not None:
        return open_one
    raise Conflict("request_not_open", "Nothing is asked of the provisioning system, or it was answered already.")


def _when(ctx: Context, subscription: Subscription, given: Answer) -> datetime:
    if given.at is None:
        return ctx.now
    if given.at > ctx.now:
        raise Invalid("at_in_future", "This lies in the future.", "/at")
    if given.at < subscription.created_at:
        raise Invalid("at_before_order", "This lies before the order.", "/at")
    return given.at


def _stored(given: Answer, at: datetime) -> dict[str, Any]:
    return {"status": given.status, "at": rfc3339(at), "reference": given.reference, "detail": given.detail}


def _tell(ctx: Context, subscription: Subscription, event_type: str, asked: ProvisioningRequest) -> None:
    data: Mapping[str, Any] = {
        **facts(view(ctx, subscription)),
        "answered": {"request": encode("event", asked.id), "kind": asked.kind, "answer": asked.answer},
    }
    outbox.emit(
        ctx,
        event_type,
        "subscription",
        subscription.id,
        data,
        account_id=subscription.account_id,
    )
