"""Collection: an open invoice and a payment method become an attempt, and an attempt a payment.

An attempt is committed before its gateway hears of it. Then, each in a transaction of its own and by whoever comes: the
intent is announced and its id committed, the intent is confirmed, the result is recorded (`services.collection_steps`).
What is not known is asked about, never charged anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from billing.states import ATTEMPT
from billing.states.attempt import CREATED, FAILED, REQUIRES_ACTION, SUBMITTED, UNKNOWN
from billing.states.invoice import OPEN
from core.errors import Conflict, Invalid
from core.ids import encode, new_id
from core.period import rfc3339
from models.accounts import Account
from models.billing import Invoice
from models.payments import GatewayAccount, PaymentAttempt, PaymentMethod
from services import lookups, payment_methods, payments
from services.clock import system_now
from services.context import Context
from services.paging import Slice, Window, newest_first

JOB = "attempts"
IN_FLIGHT = (CREATED, SUBMITTED, UNKNOWN)
RUNNING = (*IN_FLIGHT, REQUIRES_ACTION)


@dataclass(frozen=True)
class Prospect:
    """What dunning asks about an invoice: whether another try may succeed, and whether one is under way."""

    chargeable: bool
    in_flight: bool


def collect(ctx: Context, invoice_id: UUID, trigger: str) -> PaymentAttempt | None:
    """Settle an invoice by the payer's credit, then try its default payment method for the rest.

    Args:
        trigger: what asked for it: `finalized`, `dunning`, `request`, `new_method`.

    Returns:
        The attempt that was made; None where nothing is owed, nothing can be charged, or one is under way.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, lock=True)
    payments.use_credit(ctx, invoice)
    owed = invoice.total_amount - invoice.settled_amount
    if invoice.status != OPEN or owed <= 0:
        return None
    method = payment_methods.default_for(ctx, invoice.account_id, invoice.seller_id)
    if method is None:
        return None
    attempt_id = _insert(ctx, invoice, method, owed, trigger)
    if attempt_id is None:
        _replace(ctx, invoice, trigger)
        return None
    ctx.wake(JOB, attempt_id)
    return lookups.by_id(ctx, PaymentAttempt, "payment_attempt", attempt_id)


def collect_on_request(ctx: Context, invoice_id: UUID) -> PaymentAttempt:
    """Try to collect an invoice now, because somebody asks for it.

    Raises:
        NotFound. Conflict: `invoice_not_open`, `attempt_under_way`. Invalid: `payment_method_missing`.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    if invoice.status != OPEN:
        raise Conflict("invoice_not_open", f"This invoice is {invoice.status}.")
    attempt = collect(ctx, invoice_id, "request")
    if attempt is not None:
        return attempt
    running = _running(ctx, invoice_id)
    if running is not None:
        raise Conflict("attempt_under_way", "An attempt to collect this invoice is under way.")
    if invoice.status != OPEN:
        raise Conflict("invoice_not_open", "The payer's credit has settled this invoice.")
    raise Invalid("payment_method_missing", "The payer has no payment method that can be charged.")


def collect_for_account(ctx: Context, account_id: UUID) -> None:
    """The account has another default payment method: try what is open by it."""
    unpaid = ctx.session.scalars(
        select(Invoice.id)
        .where(
            Invoice.provider_id == ctx.provider.id,
            Invoice.account_id == account_id,
            Invoice.status == OPEN,
        )
        .order_by(Invoice.id)
    ).all()
    for invoice_id in unpaid:
        collect(ctx, invoice_id, "new_method")


def prospect(ctx: Context, invoice: Invoice) -> Prospect:
    """Whether trying again makes sense: the default method was not refused for good, and nothing is under way."""
    method = payment_methods.default_for(ctx, invoice.account_id, invoice.seller_id)
    attempts = ctx.session.scalars(_of_invoice(ctx, invoice.id).order_by(PaymentAttempt.id.desc())).all()
    in_flight = any(attempt.status in IN_FLIGHT for attempt in attempts)
    if method is None:
        return Prospect(False, in_flight)
    last = next((attempt for attempt in attempts if attempt.payment_method_id == method.id), None)
    hopeless = last is not None and (
        last.status == REQUIRES_ACTION or (last.status == FAILED and last.retryable is False)
    )
    return Prospect(not hopeless, in_flight)


def has_other_method(ctx: Context, attempt: PaymentAttempt) -> bool:
    """Whether the payer's default method has become another than the one that was tried."""
    invoice = lookups.by_id(ctx, Invoice, "invoice", attempt.invoice_id)
    method = payment_methods.default_for(ctx, invoice.account_id, invoice.seller_id)
    return method is not None and method.id != attempt.payment_method_id


def look_again(ctx: Context, gateway_account_id: UUID, reference: str | None, attempt_id: UUID | None) -> str | None:
    """A gateway told of a charge: have it asked about now.

    Returns:
        The attempt's status before, or None where it is no attempt of ours.
    """
    known = PaymentAttempt.intent_reference == reference
    statement = select(PaymentAttempt).where(
        PaymentAttempt.provider_id == ctx.provider.id,
        PaymentAttempt.gateway_account_id == gateway_account_id,
        known if attempt_id is None else known | (PaymentAttempt.id == attempt_id),
    )
    attempt = ctx.session.scalars(statement.with_for_update()).first()
    if attempt is None:
        return None
    if attempt.status in RUNNING and attempt.intent_reference is not None:
        if attempt.next_step == "confirm" and attempt.status != CREATED:
            attempt.next_step = "ask"
        attempt.next_at = system_now()
        ctx.wake(JOB, attempt.id)
    return attempt.status


def list_attempts(ctx: Context, window: Window, invoice_id: UUID) -> Slice[PaymentAttempt]:
    """The attempts to collect an invoice that the caller may see, newest first."""
    lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    return newest_first(ctx, _of_invoice(ctx, invoice_id), PaymentAttempt.id, window)


def facts(attempt: PaymentAttempt) -> dict[str, Any]:
    """An attempt as the API and the events show it."""
    return {
        "id": encode("payment_attempt", attempt.id),
        "invoice": encode("invoice", attempt.invoice_id),
        "account": encode("account", attempt.account_id),
        "payment_method": encode("payment_method", attempt.payment_method_id),
        "gateway_account": encode("gateway_account", attempt.gateway_account_id),
        "amount": attempt.amount,
        "currency": attempt.currency,
        "status": attempt.status,
        "trigger": attempt.trigger,
        "gateway_reference": attempt.intent_reference,
        "failure_code": attempt.failure_code,
        "decline_code": attempt.decline_code,
        "detail": attempt.detail,
        "created_at": rfc3339(attempt.created_at),
        "finished_at": rfc3339(attempt.finished_at) if attempt.finished_at else None,
    }


def _insert(ctx: Context, invoice: Invoice, method: PaymentMethod, owed: int, trigger: str) -> UUID | None:
    """A new attempt; None where one runs already: the database lets one run per invoice."""
    statement = upsert(PaymentAttempt).values(
        provider_id=ctx.provider.id,
        id=new_id(),
        invoice_id=invoice.id,
        account_id=invoice.account_id,
        payment_method_id=method.id,
        gateway_account_id=method.gateway_account_id,
        amount=owed,
        currency=invoice.currency,
        status=ATTEMPT.initial,
        trigger=trigger,
        created_at=ctx.now,
        next_at=system_now(),
    )
    inserted = statement.on_conflict_do_nothing().returning(PaymentAttempt.id)
    return ctx.session.execute(inserted).scalar_one_or_none()


def _replace(ctx: Context, invoice: Invoice, trigger: str) -> None:
    """One that waits for the customer gives way: it is cancelled at the gateway, and then another is made."""
    running = _running(ctx, invoice.id)
    if running is not None and running.status == REQUIRES_ACTION:
        running.next_step, running.next_at, running.then = "cancel", system_now(), trigger
        ctx.session.flush()
        ctx.wake(JOB, running.id)


def _running(ctx: Context, invoice_id: UUID) -> PaymentAttempt | None:
    statement = _of_invoice(ctx, invoice_id).where(PaymentAttempt.status.in_(RUNNING))
    return ctx.session.scalars(statement.with_for_update()).one_or_none()


def _of_invoice(ctx: Context, invoice_id: UUID) -> Any:
    return select(PaymentAttempt).where(
        PaymentAttempt.provider_id == ctx.provider.id, PaymentAttempt.invoice_id == invoice_id
    )


def home_of(ctx: Context, attempt: PaymentAttempt) -> tuple[GatewayAccount, PaymentMethod, Account]:
    """Where an attempt is made, with what, and for whom."""
    provider = ctx.provider.id
    return (
        ctx.session.get_one(GatewayAccount, (provider, attempt.gateway_account_id)),
        ctx.session.get_one(PaymentMethod, (provider, attempt.payment_method_id)),
        ctx.session.get_one(Account, (provider, attempt.account_id)),
    )
