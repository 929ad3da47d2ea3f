"""Changes of running contracts: at once, or scheduled for an instant, listed and withdrawn until then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from billing.changes import NOW, PERIOD_END, period_end
from billing.items import RECURRING
from billing.periods import Interval
from billing.states.subscription import PENDING
from core.decimals import format_decimal
from core.errors import Conflict, Invalid, NotFound, Refused
from core.ids import decode, encode, new_id
from core.period import rfc3339, utc
from models.catalog import Plan, Price
from models.subscriptions import ScheduledChange, Subscription
from services import outbox, plans, provisioning, subscriptions
from services.context import Context
from services.lookups import by_id, by_reference
from services.paging import Slice, Window, in_order
from services.plans import VersionView
from services.sets import among
from services.subscription_views import view

AHEAD_MOST = timedelta(days=3650)
ENDED = ("cancelled", "expired")


@dataclass(frozen=True)
class Wanted:
    """A change as it comes in: an end, or another plan (a reference), or other quantities, or the last two."""

    cancel: bool = False
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    plan: str | None = None


@dataclass(frozen=True)
class Agreed:
    """A change that fits its subscription. `version` is what the plan offered when the change was agreed upon."""

    cancel: bool
    quantities: Mapping[str, Decimal]
    version: VersionView | None


@dataclass(frozen=True)
class ChangeView:
    """A change as it is shown: `status` is scheduled, done, withdrawn or failed (then `detail` says why)."""

    id: UUID
    subscription_id: UUID
    effective_at: datetime
    status: str
    cancel: bool
    quantities: Mapping[str, Decimal]
    plan_version_id: UUID | None
    detail: str | None
    created_at: datetime


def make(ctx: Context, subscription_id: UUID, wanted: Wanted, effective: str | datetime) -> ChangeView:
    """Change a contract now, or schedule the change.

    Args:
        effective: `now`, `period_end` (of what is changed, the span that ends last), or an instant from now on.

    Raises:
        NotFound, Conflict: `subscription_ended`, `subscription_not_started` (it has no period yet).
        Invalid: `effective_in_past`, `effective_out_of_range`, `plan_unknown`, `plan_not_offered`,
            `currency_not_offered`, and those of quantities.
    """
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    agreed = agree(ctx, subscription, wanted)
    at = effective_at(ctx, subscription, agreed, effective)
    row = ScheduledChange(
        provider_id=ctx.provider.id,
        id=new_id(),
        subscription_id=subscription.id,
        effective_at=at,
        body=_body(agreed),
        status="scheduled",
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    if at <= ctx.now:
        _perform(ctx, subscription, row, agreed)
    else:
        _tell(ctx, subscription, row, "subscription.change_scheduled")
    return shown(row)


def agree(ctx: Context, subscription: Subscription, wanted: Wanted) -> Agreed:
    """See that a change fits its subscription.

    Raises:
        As `make`.
    """
    if subscription.status in ENDED:
        raise Conflict("subscription_ended", f"This subscription is {subscription.status}.")
    version = None
    if wanted.plan is not None:
        plan = by_reference(ctx, Plan, "plan", wanted.plan, pointer="/plan")
        version = plans.versions_at(ctx, [plan.id], ctx.now).get(plan.id)
        if version is None:
            raise Invalid("plan_not_offered", "No version of this plan is offered yet.", "/plan")
        if subscription.currency not in version.currencies:
            known = ", ".join(sorted(version.currencies))
            raise Invalid("currency_not_offered", f"This plan is offered in {known}.", "/plan")
    subscriptions.check_quantities(_kinds(ctx, subscription, version), wanted.quantities)
    return Agreed(wanted.cancel, wanted.quantities, version)


def _kinds(ctx: Context, subscription: Subscription, version: VersionView | None) -> dict[str, str]:
    """The kind of each charge that may have a quantity after a change."""
    charges = version.prices if version is not None else view(ctx, subscription).items
    return {charge.charge_code: charge.kind for charge in charges}


def effective_at(ctx: Context, subscription: Subscription, agreed: Agreed, effective: str | datetime) -> datetime:
    """When a change takes effect, if it may.

    Raises:
        As `make`.
    """
    if effective == NOW:
        return ctx.now
    if effective == PERIOD_END:
        return _period_end(ctx, subscription, agreed)
    assert isinstance(effective, datetime)  # the schema knows no other word
    if effective < ctx.now:
        raise Invalid("effective_in_past", "A change takes effect now or later.", "/effective/at")
    if effective > ctx.now + AHEAD_MOST:
        raise Invalid("effective_out_of_range", "A change takes effect within ten years.", "/effective/at")
    return effective


def _period_end(ctx: Context, subscription: Subscription, agreed: Agreed) -> datetime:
    if subscription.status == PENDING or subscription.start_at is None:
        raise Conflict("subscription_not_started", "This subscription has not started, so it has no period yet.")
    whole = agreed.cancel or agreed.version is not None
    touched = [
        item
        for item in view(ctx, subscription).items
        if not item.ended and (whole or item.charge_code in agreed.quantities)
    ]
    rows = ctx.session.execute(
        select(Price.kind, Price.interval_unit, Price.interval_count).where(
            Price.provider_id == ctx.provider.id, among(Price.id, {item.price_id for item in touched})
        )
    ).all()
    recurring = [row for row in rows if row.kind == RECURRING] or [row for row in rows if row.interval_unit]
    intervals = {Interval(row.interval_unit, row.interval_count) for row in recurring}
    started = utc(subscription.start_at)
    end = period_end(intervals, subscription.anchor, started, subscription.time_zone, ctx.now)
    return end if end is not None else ctx.now


def _perform(ctx: Context, subscription: Subscription, row: ScheduledChange, agreed: Agreed) -> None:
    """Do what a change says, from its instant on."""
    if agreed.cancel:
        provisioning.end(ctx, subscription, row.effective_at)
        _withdraw_others(ctx, subscription, row)
    else:
        if agreed.version is not None:
            subscriptions.change_plan(ctx, subscription, agreed.version, agreed.quantities, row.effective_at)
        else:
            subscriptions.change_quantities(ctx, subscription, agreed.quantities, row.effective_at)
        # What is not provisioned yet is asked for anew, with what is wanted now.
        kind = "provision" if subscription.status == PENDING else "change"
        provisioning.request(ctx, subscription, kind)
    row.status = "done"
    ctx.session.flush()


def _withdraw_others(ctx: Context, subscription: Subscription, done: ScheduledChange) -> None:
    ctx.session.execute(
        update(ScheduledChange)
        .where(
            ScheduledChange.provider_id == ctx.provider.id,
            ScheduledChange.subscription_id == subscription.id,
            ScheduledChange.status == "scheduled",
            ScheduledChange.id != done.id,
        )
        .values(status="withdrawn", detail="The subscription has ended.")
    )


def apply_scheduled(ctx: Context, change_id: UUID) -> None:
    """Do a change whose instant has come. What cannot be done any more is kept with its reason and tried no more."""
    subscription_id = by_id(ctx, ScheduledChange, "change", change_id).subscription_id
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    row = by_id(ctx, ScheduledChange, "change", change_id, lock=True)
    if row.status != "scheduled" or row.effective_at > ctx.now:
        return
    agreed = _stored(ctx, row.body)
    obstacle = _obstacle(ctx, subscription, agreed)
    if obstacle is None:
        _perform(ctx, subscription, row, agreed)
        return
    row.status, row.detail = "failed", obstacle
    ctx.session.flush()
    _tell(ctx, subscription, row, "subscription.change_failed")


def _obstacle(ctx: Context, subscription: Subscription, agreed: Agreed) -> str | None:
    """Why a change cannot be made any more, or None."""
    if subscription.status in ENDED:
        return f"This subscription is {subscription.status}."
    try:
        subscriptions.check_quantities(_kinds(ctx, subscription, agreed.version), agreed.quantities)
    except Refused as refused:
        return refused.detail
    return None


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


def scheduled(ctx: Context, subscription_id: UUID, until: datetime) -> list[tuple[datetime, Agreed]]:
    """What is to come up to an instant, in order."""
    rows = ctx.session.scalars(
        select(ScheduledChange)
        .where(
            ScheduledChange.provider_id == ctx.provider.id,
            ScheduledChange.subscription_id == subscription_id,
            ScheduledChange.status == "scheduled",
            ScheduledChange.effective_at <= until,
        )
        .order_by(ScheduledChange.effective_at, ScheduledChange.id)
    )
    return [(utc(row.effective_at), _stored(ctx, row.body)) for row in rows]


def _body(agreed: Agreed) -> dict[str, Any]:
    if agreed.cancel:
        return {"cancel": True}
    body: dict[str, Any] = {
        "quantities": {code: format_decimal(quantity) for code, quantity in agreed.quantities.items()}
    }
    if agreed.version is not None:
        body["plan_version"] = encode("plan_version", agreed.version.id)
    return body


def _parsed(body: Mapping[str, Any]) -> tuple[bool, dict[str, Decimal], UUID | None]:
    """A stored body: whether it ends, quantities, and the id of a plan version."""
    quantities = {code: Decimal(quantity) for code, quantity in body.get("quantities", {}).items()}
    version = body.get("plan_version")
    return bool(body.get("cancel")), quantities, decode("plan_version", version) if version else None


def _stored(ctx: Context, body: Mapping[str, Any]) -> Agreed:
    cancel, quantities, version_id = _parsed(body)
    return Agreed(cancel, quantities, plans.version(ctx, version_id) if version_id else None)


def shown(row: ScheduledChange) -> ChangeView:
    """A row as it is shown."""
    cancel, quantities, version_id = _parsed(row.body)
    return ChangeView(
        row.id,
        row.subscription_id,
        row.effective_at,
        row.status,
        cancel,
        quantities,
        version_id,
        row.detail,
        row.created_at,
    )


def _tell(ctx: Context, subscription: Subscription, row: ScheduledChange, event_type: str) -> None:
    data = {
        "id": encode("change", row.id),
        "subscription": encode("subscription", subscription.id),
        "effective_at": rfc3339(row.effective_at),
        "status": row.status,
        **row.body,
        "detail": row.detail,
    }
    outbox.emit(
        ctx,
        event_type,
        "subscription",
        subscription.id,
        data,
        account_id=subscription.account_id,
    )
