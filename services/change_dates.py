"""When a change of contract takes effect, and how far back it may."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from billing.changes import NOW, PERIOD_END, period_end
from billing.contract_terms import RunningTerm
from billing.parts_change import ended
from billing.periods import day_start
from billing.states.credit_note import ISSUED
from billing.states.subscription import PENDING, TRIALING
from core.errors import Conflict, Invalid
from core.period import rfc3339, utc
from models.accounts import Account
from models.billing import Charge, Invoice, InvoiceLine
from models.credit_notes import CreditNote, CreditNoteLine
from models.subscriptions import ScheduledChange, Subscription, SubscriptionItem
from services import contracts
from services.change_bodies import Agreed
from services.context import Context
from services.lookups import by_id

AHEAD_MOST = timedelta(days=3650)
AT = "/effective/at"


def effective_at(ctx: Context, subscription: Subscription, agreed: Agreed, effective: str | datetime) -> datetime:
    """When a change takes effect, if it may.

    An end within a fixed term is put off to the end of the term, unless it is an early one.

    Raises:
        Conflict: `subscription_not_started` (it has no period yet).
        Invalid: `effective_in_past`, `effective_out_of_range`, `change_before_start`, `cancellation_before_start`,
            `change_before_finalized`, `align_not_ahead`, `until_not_after`, `convert_after_trial`.
    """
    at = _asked(ctx, subscription, agreed, effective)
    running = running_term(subscription)
    if agreed.cancel is not None and not agreed.cancel.early and running and subscription.status != TRIALING:
        at = running.cancelled_at(at, ctx.now)
    if at < ctx.now:
        _check_past(ctx, subscription, agreed, at)
    _check_members(ctx, subscription, agreed, at)
    return at


def _asked(ctx: Context, subscription: Subscription, agreed: Agreed, effective: str | datetime) -> datetime:
    if effective == NOW:
        return ctx.now
    if effective == PERIOD_END:
        return _period_end(ctx, subscription, agreed)
    assert isinstance(effective, datetime)  # the schema knows no other word
    if effective > ctx.now + AHEAD_MOST:
        raise Invalid("effective_out_of_range", "A change takes effect within ten years.", AT)
    start = subscription.start_at
    if agreed.cancel is not None and start is not None and effective < utc(start):
        raise Invalid("cancellation_before_start", f"This subscription starts at {rfc3339(start)}.", AT)
    return effective


def put_off(subscription: Subscription, row: ScheduledChange, agreed: Agreed) -> bool:
    """Move an end that was scheduled before its fixed term had begun to the end of the term; whether it moves."""
    running = running_term(subscription)
    if agreed.cancel is None or agreed.cancel.early or running is None or subscription.status == TRIALING:
        return False
    asked = utc(row.effective_at)
    row.effective_at = running.cancelled_at(asked, utc(row.created_at))
    return row.effective_at > asked


def align_at(subscription: Subscription, agreed: Agreed) -> datetime | None:
    """From where spans are counted anew: the first instant of the day in the zone of the subscription."""
    return day_start(agreed.align_on, subscription.time_zone) if agreed.align_on is not None else None


def running_term(subscription: Subscription) -> RunningTerm | None:
    """The fixed term that a subscription is in, or that has run out and left a notice to keep."""
    term = contracts.agreed(subscription).term
    if term is None or subscription.term_started_at is None or subscription.term_ends_at is None:
        return None
    return RunningTerm(term, utc(subscription.term_started_at), utc(subscription.term_ends_at), subscription.time_zone)


def _check_members(ctx: Context, subscription: Subscription, agreed: Agreed, at: datetime) -> None:
    aligned = align_at(subscription, agreed)
    if aligned is not None and aligned <= max(at, ctx.now):
        detail = "Spans are counted anew from a day to come, not before the change takes effect."
        raise Invalid("align_not_ahead", detail, "/align/on")
    until = agreed.pause.until if agreed.pause is not None else None
    if until is not None and until <= at:
        raise Invalid("until_not_after", "A pause ends after it begins.", "/pause/until")
    trial_ends_at = subscription.trial_ends_at if subscription.status == TRIALING else None
    if agreed.convert and trial_ends_at is not None and at > utc(trial_ends_at):
        raise Invalid("convert_after_trial", f"The trial ends at {rfc3339(trial_ends_at)} by itself.", AT)


def _check_past(ctx: Context, subscription: Subscription, agreed: Agreed, at: datetime) -> None:
    """See that a change in the past leaves what was settled alone.

    It may go back to the bill date of the payer's latest final invoice with this subscription, or else to its start.
    """
    start = subscription.start_at
    if subscription.status == PENDING or start is None:
        raise Invalid("effective_in_past", "What has not started changes now or later.", AT)
    if at < utc(start):
        code = "cancellation_before_start" if agreed.cancel is not None else "change_before_start"
        raise Invalid(code, f"This subscription started at {rfc3339(start)}.", AT)
    settled = settled_until(ctx, subscription)
    if settled is not None and at < settled:
        detail = f"What lies before {rfc3339(settled)} is on a final invoice; change it from then on."
        raise Invalid("change_before_finalized", detail, AT)


def settled_until(ctx: Context, subscription: Subscription) -> datetime | None:
    """The bill date, at the payer's midnight, of the latest final document that a subscription is on; None for none."""
    invoiced = (
        _billed(ctx, subscription, func.max(Invoice.bill_on))
        .join(InvoiceLine, (InvoiceLine.provider_id == Charge.provider_id) & (InvoiceLine.id == Charge.invoice_line_id))
        .join(Invoice, (Invoice.provider_id == InvoiceLine.provider_id) & (Invoice.id == InvoiceLine.invoice_id))
        .where(Invoice.finalized_at.is_not(None), Invoice.status != "void")
    )
    line, note = CreditNoteLine, CreditNote
    credited = (
        _billed(ctx, subscription, func.max(note.bill_on))
        .join(line, (line.provider_id == Charge.provider_id) & (line.id == Charge.credit_note_line_id))
        .join(note, (note.provider_id == line.provider_id) & (note.id == line.credit_note_id))
        .where(note.status == ISSUED)
    )
    found = [day for statement in (invoiced, credited) if (day := ctx.session.scalar(statement)) is not None]
    if not found:
        return None
    latest = max(found)
    account = by_id(ctx, Account, "account", subscription.account_id)
    payer = by_id(ctx, Account, "account", account.payer_id)
    return day_start(latest, payer.time_zone)


def _billed(ctx: Context, subscription: Subscription, what: Any) -> Select[Any]:
    """Asks something of the charges of a subscription."""
    return (
        select(what)
        .select_from(SubscriptionItem)
        .join(
            Charge,
            (Charge.provider_id == SubscriptionItem.provider_id) & (Charge.item_id == SubscriptionItem.id),
        )
        .where(
            SubscriptionItem.provider_id == ctx.provider.id,
            SubscriptionItem.subscription_id == subscription.id,
        )
    )


def _period_end(ctx: Context, subscription: Subscription, agreed: Agreed) -> datetime:
    """The end of the current span: of what is changed, the one that ends last. A trial is a period of its own."""
    if subscription.status == PENDING:
        raise Conflict("subscription_not_started", "This subscription has not started, so it has no period yet.")
    if subscription.status == TRIALING and subscription.trial_ends_at is not None:
        return utc(subscription.trial_ends_at)
    items = contracts.load(ctx, subscription).items
    if not agreed.of_prices or agreed.parts.whole:
        return period_end(items, ctx.now) or ctx.now
    touched = {*agreed.quantities, *ended(items, agreed.parts)}
    touched |= {charge.charge_code for part in agreed.parts.moves for charge in part.charges}
    return period_end(items, ctx.now, touched) or ctx.now
