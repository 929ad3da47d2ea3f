"""Suspensions: reasons why a service is off. The first one has it switched off, the last one gone has it back on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from core.ids import encode, new_id
from core.period import rfc3339
from models.billing import InvoiceLine
from models.subscriptions import Subscription, Suspension
from services import lookups, provisioning
from services.context import Context, visible
from services.paging import Slice, Window, newest_first
from services.sets import among

DUNNING = "dunning"
RUNS = ("active", "trialing")


def billed_by(ctx: Context, invoice_id: UUID) -> list[UUID]:
    """The subscriptions that an invoice charges for, in the order of ids."""
    lines = select(InvoiceLine.subscription_id).where(
        InvoiceLine.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice_id
    )
    return list(ctx.session.scalars(lines.distinct().order_by(InvoiceLine.subscription_id)))


def of_case(ctx: Context, case_id: UUID) -> list[UUID]:
    """The subscriptions that a dunning case has off, in the order of ids."""
    statement = select(Suspension.subscription_id).where(
        Suspension.provider_id == ctx.provider.id,
        Suspension.dunning_case_id == case_id,
        Suspension.closed_at.is_(None),
    )
    return list(ctx.session.scalars(statement.order_by(Suspension.subscription_id)))


def suspend(ctx: Context, subscriptions: Sequence[UUID], case_id: UUID) -> list[UUID]:
    """Give subscriptions that are on a reason to be off; those that had none are switched off.

    Returns:
        The subscriptions that have the reason now.
    """
    rows = _locked(ctx, subscriptions)
    targets = [row for row in rows if row.status in (*RUNS, "suspended")]
    off = _with_reason(ctx, [row.id for row in targets])
    for row in targets:
        statement = upsert(Suspension).values(
            provider_id=ctx.provider.id,
            id=new_id(),
            subscription_id=row.id,
            reason=DUNNING,
            dunning_case_id=case_id,
            opened_at=ctx.now,
        )
        ctx.session.execute(statement.on_conflict_do_nothing())
        if row.id not in off:
            provisioning.suspend(ctx, row.id, DUNNING)
    return [row.id for row in targets]


def lift(ctx: Context, case_id: UUID) -> list[UUID]:
    """The reasons of a dunning case are gone; what has none left is switched on again.

    Returns:
        The subscriptions that are switched on.
    """
    affected = of_case(ctx, case_id)
    rows = _locked(ctx, affected)
    ctx.session.execute(
        update(Suspension)
        .where(
            Suspension.provider_id == ctx.provider.id,
            Suspension.dunning_case_id == case_id,
            Suspension.closed_at.is_(None),
        )
        .values(closed_at=ctx.now)
    )
    left = _with_reason(ctx, affected)
    free = [row.id for row in rows if row.id not in left and row.status in (*RUNS, "suspended")]
    for subscription_id in free:
        provisioning.resume(ctx, subscription_id, DUNNING)
    return free


def get(ctx: Context, suspension_id: UUID) -> Suspension:
    """One suspension."""
    row = lookups.by_id(ctx, Suspension, "suspension", suspension_id)
    lookups.by_id(ctx, Subscription, "subscription", row.subscription_id, account=Subscription.account_id)
    return row


def list_suspensions(
    ctx: Context, window: Window, *, subscription: str | None = None, open_only: bool = False
) -> Slice[Suspension]:
    """Suspensions of subscriptions that the caller may see, newest first."""
    seen = select(Subscription.id).where(
        Subscription.provider_id == ctx.provider.id, visible(ctx, Subscription.account_id)
    )
    statement = select(Suspension).where(
        Suspension.provider_id == ctx.provider.id, Suspension.subscription_id.in_(seen)
    )
    if subscription is not None:
        row = lookups.by_reference(
            ctx, Subscription, "subscription", subscription, pointer="?subscription", account=Subscription.account_id
        )
        statement = statement.where(Suspension.subscription_id == row.id)
    if open_only:
        statement = statement.where(Suspension.closed_at.is_(None))
    return newest_first(ctx, statement, Suspension.id, window)


def facts(row: Suspension) -> dict[str, Any]:
    """A suspension as the API shows it."""
    return {
        "id": encode("suspension", row.id),
        "subscription": encode("subscription", row.subscription_id),
        "reason": row.reason,
        "dunning_case": encode("dunning_case", row.dunning_case_id) if row.dunning_case_id else None,
        "opened_at": rfc3339(row.opened_at),
        "closed_at": rfc3339(row.closed_at) if row.closed_at else None,
    }


def _locked(ctx: Context, subscriptions: Sequence[UUID]) -> Sequence[Subscription]:
    return ctx.session.scalars(
        select(Subscription)
        .where(Subscription.provider_id == ctx.provider.id, among(Subscription.id, subscriptions))
        .order_by(Subscription.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _with_reason(ctx: Context, subscriptions: Sequence[UUID]) -> set[UUID]:
    """Which of these have a reason to be off."""
    return set(
        ctx.session.scalars(
            select(Suspension.subscription_id).where(
                Suspension.provider_id == ctx.provider.id,
                among(Suspension.subscription_id, subscriptions),
                Suspension.closed_at.is_(None),
            )
        )
    )
