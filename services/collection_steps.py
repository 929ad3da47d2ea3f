"""The steps of an attempt: claim it, ask its gateway outside any transaction, record what the gateway said.

Whoever claims an attempt finds in `next_step` what to do, and a claim for confirming leaves `ask` behind before it is
committed. So whoever comes after a crash asks what became of the charge before anything is confirmed again; and a
confirmation that is repeated after all is one that the gateway accepts once only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from billing.periods import local_date
from billing.states import ATTEMPT
from billing.states.attempt import (
    ASK_CUSTOMER,
    CREATED,
    FAIL,
    LOSE,
    REQUIRES_ACTION,
    SUBMIT,
    SUBMITTED,
    SUCCEED,
    UNKNOWN,
)
from billing.states.invoice import OPEN
from core.ids import encode
from core.money import Money
from models.billing import Invoice
from models.payments import PaymentAttempt
from payments.port import Access, ChargeRequest, Outcome, Result, charging
from services import collection, gateway_accounts, lookups, outbox, payments
from services.clock import system_now
from services.context import Context
from services.payments import Receipt

# Longer than a gateway's time-out: while a lease holds, its holder may still be waiting for the answer.
LEASE = timedelta(seconds=30)
# Pauses after unknown results: the first question is asked at once.
PAUSES_S = (0, 1, 5, 15, 60, 300, 1800, 3600)
# An intent that cannot be confirmed so many times is cancelled, which makes sure that it never charges.
TRIES_MAX = 20
# Gateways keep the answer of an idempotency key for a day at least; later the intent is looked for instead.
KEY_LIFE = timedelta(hours=23)


@dataclass(frozen=True)
class Task:
    """What is asked of a gateway for one attempt."""

    attempt_id: UUID
    gateway: str
    access: Access
    step: str
    request: ChargeRequest
    reference: str | None
    recorded_at: datetime
    tries: int


def claim(ctx: Context, attempt_id: UUID, now: datetime) -> Task | None:
    """Take an attempt for the length of a lease. `now` is system time. None where there is nothing to do."""
    attempt = ctx.session.scalars(
        select(PaymentAttempt)
        .where(
            PaymentAttempt.provider_id == ctx.provider.id,
            PaymentAttempt.id == attempt_id,
            PaymentAttempt.next_at <= now,
            PaymentAttempt.lease_until.is_(None) | (PaymentAttempt.lease_until <= now),
        )
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if attempt is None:
        return None
    invoice = lookups.by_id(ctx, Invoice, "invoice", attempt.invoice_id)
    if attempt.next_step in ("announce", "confirm") and not _still_owed(invoice, attempt):
        if attempt.intent_reference is None:
            _fail(ctx, attempt, Outcome(Result.FAILED, code="no_longer_due", message="Nothing is owed any more."))
            return None
        attempt.next_step = "cancel"
    task = _task(ctx, attempt, invoice)
    attempt.tries, attempt.lease_until = attempt.tries + 1, now + LEASE
    if attempt.next_step == "confirm":
        attempt.next_step = "ask"
    return task


def perform(task: Task) -> Outcome:
    """Ask the gateway, outside any transaction."""
    plugin = charging(task.gateway)
    if task.step == "announce" or task.reference is None:
        return _announce(task)
    if task.step == "confirm":
        return plugin.confirm(task.access, task.reference)
    if task.step == "cancel":
        return plugin.cancel(task.access, task.reference)
    return plugin.retrieve(task.access, task.reference)


def record(ctx: Context, attempt_id: UUID, outcome: Outcome) -> bool:
    """Write down what the gateway said; recording the same twice changes nothing.

    Returns:
        Whether there is more to do at once.
    """
    invoice_id = lookups.by_id(ctx, PaymentAttempt, "payment_attempt", attempt_id).invoice_id
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, lock=True)
    attempt = lookups.by_id(ctx, PaymentAttempt, "payment_attempt", attempt_id, lock=True)
    if attempt.status not in collection.RUNNING:
        return False
    attempt.lease_until = None
    attempt.intent_reference = attempt.intent_reference or outcome.reference
    if attempt.status == CREATED and outcome.result is not Result.UNKNOWN:
        attempt.status = ATTEMPT.apply(attempt.status, SUBMIT)
    if outcome.result is Result.SUCCEEDED:
        _succeed(ctx, attempt, invoice, outcome)
    elif outcome.result is Result.FAILED:
        _fail(ctx, attempt, outcome)
    elif outcome.result is Result.REQUIRES_ACTION:
        _wait_for_customer(ctx, attempt, outcome)
    else:
        _go_on(attempt, outcome)
    ctx.session.flush()
    return attempt.next_at is not None and attempt.next_at <= system_now()


def _still_owed(invoice: Invoice, attempt: PaymentAttempt) -> bool:
    return invoice.status == OPEN and invoice.total_amount - invoice.settled_amount >= attempt.amount


def _task(ctx: Context, attempt: PaymentAttempt, invoice: Invoice) -> Task:
    home, method, _ = collection.home_of(ctx, attempt)
    request = ChargeRequest(
        attempt=encode("payment_attempt", attempt.id),
        amount=Money(attempt.amount, attempt.currency),
        customer=method.customer_reference,
        payment_method=method.reference,
        description=f"Invoice {invoice.number}",
    )
    return Task(
        attempt_id=attempt.id,
        gateway=home.gateway,
        access=gateway_accounts.access(ctx, home),
        step=attempt.next_step,
        request=request,
        reference=attempt.intent_reference,
        recorded_at=attempt.recorded_at,
        tries=attempt.tries,
    )


def _announce(task: Task) -> Outcome:
    """Create the intent under the attempt's key; once the key may be forgotten, look for the intent first."""
    plugin = charging(task.gateway)
    if system_now() - task.recorded_at > KEY_LIFE:
        found = plugin.find(task.access, task.request, task.recorded_at)
        if found is not None:
            return found
    return plugin.create_intent(task.access, task.request)


def _succeed(ctx: Context, attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome) -> None:
    attempt.status = ATTEMPT.apply(attempt.status, SUCCEED)
    _close(ctx, attempt)
    home, method, account = collection.home_of(ctx, attempt)
    receipt = Receipt(
        account_id=attempt.account_id,
        seller_id=invoice.seller_id,
        method=method.kind,
        amount=outcome.amount or Money(attempt.amount, attempt.currency),
        received_on=local_date(ctx.now, account.time_zone),
        gateway_account_id=home.id,
        attempt_id=attempt.id,
        gateway_reference=attempt.intent_reference,
        reference=invoice.number,
    )
    ctx.session.flush()
    payments.receive(ctx, receipt, [invoice])


def _fail(ctx: Context, attempt: PaymentAttempt, outcome: Outcome) -> None:
    if attempt.status == CREATED:
        attempt.status = ATTEMPT.apply(attempt.status, SUBMIT)
    attempt.status = ATTEMPT.apply(attempt.status, FAIL)
    _say_why(attempt, outcome)
    _close(ctx, attempt)
    _tell(ctx, "payment.failed", attempt)
    then = attempt.then or ("new_method" if collection.has_other_method(ctx, attempt) else None)
    if then is not None:
        collection.collect(ctx, attempt.invoice_id, then)


def _wait_for_customer(ctx: Context, attempt: PaymentAttempt, outcome: Outcome) -> None:
    """Off session nobody is there to authenticate: the attempt waits for the customer, or gives way to another."""
    _say_why(attempt, outcome)
    if attempt.status == UNKNOWN:
        attempt.next_step, attempt.next_at = "cancel", system_now()
        return
    if attempt.status != REQUIRES_ACTION:
        attempt.status = ATTEMPT.apply(attempt.status, ASK_CUSTOMER)
        _tell(ctx, "payment.requires_action", attempt)
    if attempt.next_step != "cancel":
        attempt.next_step, attempt.next_at = "ask", None


def _go_on(attempt: PaymentAttempt, outcome: Outcome) -> None:
    """The intent stands unconfirmed: confirm it. Or nothing is known: ask again after a pause."""
    if outcome.result is Result.UNCONFIRMED:
        gives_up = attempt.next_step == "cancel" or attempt.tries >= TRIES_MAX
        attempt.next_step = "cancel" if gives_up else "confirm"
        attempt.next_at = system_now()
        return
    _say_why(attempt, outcome)
    if attempt.status == SUBMITTED:
        attempt.status = ATTEMPT.apply(attempt.status, LOSE)
    pause = PAUSES_S[min(max(attempt.tries - 2, 0), len(PAUSES_S) - 1)]
    attempt.next_at = system_now() + timedelta(seconds=pause)


def _say_why(attempt: PaymentAttempt, outcome: Outcome) -> None:
    attempt.failure_code, attempt.decline_code = outcome.code, outcome.decline_code
    attempt.detail, attempt.retryable = outcome.message, outcome.retryable


def _close(ctx: Context, attempt: PaymentAttempt) -> None:
    attempt.next_at, attempt.finished_at = None, ctx.now


def _tell(ctx: Context, event_type: str, attempt: PaymentAttempt) -> None:
    ctx.session.flush()
    data = collection.facts(attempt)
    outbox.emit(ctx, event_type, "payment_attempt", attempt.id, data, account_id=attempt.account_id)
