"""Refunds: money given back. Taken off its payment first, then asked of the gateway, then known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from billing.postings import money_returned
from billing.states import REFUND
from billing.states.refund import CREATED, FAIL, LOSE, SUCCEED, UNKNOWN
from core.errors import Invalid
from core.ids import encode, new_id
from core.money import Money
from core.period import rfc3339
from models.payments import Allocation, GatewayAccount, Payment, Refund
from payments.port import Access, RefundOutcome, charging, gateway
from services import gateway_accounts, ledger, lookups, outbox
from services.clock import system_now
from services.context import Context, visible
from services.paging import Slice, Window, newest_first
from services.payments import credit
from services.payments_manual import operator_only

JOB = "refunds"
LEASE = timedelta(seconds=30)
PAUSES_S = (1, 5, 30, 120, 600, 3600)


@dataclass(frozen=True)
class NewRefund:
    """A refund to make; `amount` in minor units, None for all that is left."""

    payment: str
    amount: int | None = None
    reason: str | None = None
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RefundTask:
    """What is asked of a gateway for one refund."""

    refund_id: UUID
    gateway: str
    access: Access
    charge: str
    amount: Money
    again: bool


def create(ctx: Context, new: NewRefund) -> Refund:
    """Give back a payment or part of it: of what is left as credit first, then of what it settled.

    What a credit note gave was no payment: only what is left of it as credit can be paid out, by hand.

    Raises:
        Forbidden: `operator_only`.
        Invalid: `payment_unknown`, `refund_exceeds_payment`.
    """
    operator_only(ctx)
    payment = lookups.by_reference(
        ctx, Payment, "payment", new.payment, pointer="/payment", account=Payment.account_id, lock=True
    )
    left = payment.amount - payment.refunded_amount if payment.credit_note_id is None else credit(payment)
    amount = left if new.amount is None else new.amount
    if not 1 <= amount <= left:
        raise Invalid("refund_exceeds_payment", f"At most {left} of this payment can be given back.", "/amount")
    refund = Refund(
        provider_id=ctx.provider.id,
        id=new_id(),
        payment_id=payment.id,
        amount=amount,
        credit_amount=min(amount, credit(payment)),
        currency=payment.currency,
        reason=new.reason,
        status=REFUND.initial,
        external_id=new.external_id,
        meta=dict(new.meta),
        created_at=ctx.now,
    )
    _begin(ctx, payment, refund, payment)
    return refund


def paid_by_methods(ctx: Context, invoice_id: UUID) -> list[tuple[Payment, int]]:
    """What settled an invoice and can go back to where it came from, the newest first; the payments are locked.

    Returns:
        Payments with the amounts of them, minor units above zero. Credit is left out: it came from nowhere.
    """
    settled = (
        select(Allocation.payment_id, func.sum(Allocation.amount).label("amount"))
        .where(Allocation.provider_id == ctx.provider.id, Allocation.invoice_id == invoice_id)
        .group_by(Allocation.payment_id)
        .subquery()
    )
    rows = ctx.session.execute(
        select(Payment, settled.c.amount)
        .join(settled, settled.c.payment_id == Payment.id)
        .where(Payment.provider_id == ctx.provider.id, Payment.credit_note_id.is_(None))
        .order_by(Payment.id)
        .with_for_update(of=Payment)
        .execution_options(populate_existing=True)
    )
    found = [(payment, min(int(amount), payment.amount - payment.refunded_amount)) for payment, amount in rows]
    return [(payment, amount) for payment, amount in reversed(found) if amount > 0]


def give_back(
    ctx: Context, note_id: UUID, given: Payment, paid: Sequence[tuple[Payment, int]], reason: str | None
) -> None:
    """Give what is left of a credit note back by the way its invoice was paid, as far as it was; the rest stays credit.

    A refund that a gateway refuses puts its amount back, and that is the customer's credit then.

    Args:
        given: what the note gave, as credit; locked.
        paid: what may go back by which payment, as of `paid_by_methods`.
    """
    for payment, most in paid:
        amount = min(most, credit(given))
        if amount <= 0:
            return
        refund = Refund(
            provider_id=ctx.provider.id,
            id=new_id(),
            payment_id=payment.id,
            credit_note_id=note_id,
            amount=amount,
            credit_amount=amount,
            currency=payment.currency,
            reason=reason,
            status=REFUND.initial,
            meta={},
            created_at=ctx.now,
        )
        _begin(ctx, payment, refund, given)


def _begin(ctx: Context, payment: Payment, refund: Refund, source: Payment) -> None:
    """Take a refund off its payment, and off the credit it comes out of; ask the gateway, where there is one."""
    ctx.session.add(refund)
    _take(payment, source, refund, 1)
    ctx.session.flush()
    if _automatic(ctx, payment):
        refund.next_at = system_now()
        ctx.wake(JOB, refund.id)
    else:
        _finish(ctx, payment, refund, RefundOutcome("succeeded"))
    ctx.session.flush()


def _take(payment: Payment, source: Payment, refund: Refund, sign: int) -> None:
    """What was given back of a payment, and of the credit that it came out of; with a sign of -1, put back."""
    payment.refunded_amount += sign * refund.amount
    if source is not payment:
        source.refunded_amount += sign * refund.amount
    source.credit_refunded_amount += sign * refund.credit_amount


def claim(ctx: Context, refund_id: UUID, now: datetime) -> RefundTask | None:
    """Take a refund for the length of a lease. `now` is system time. None where there is nothing to do."""
    refund = ctx.session.scalars(
        select(Refund)
        .where(
            Refund.provider_id == ctx.provider.id,
            Refund.id == refund_id,
            Refund.status.in_((CREATED, UNKNOWN)),
            Refund.next_at <= now,
            Refund.lease_until.is_(None) | (Refund.lease_until <= now),
        )
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if refund is None:
        return None
    payment = lookups.by_id(ctx, Payment, "payment", refund.payment_id)
    home = _home(ctx, payment)
    again, refund.tries, refund.lease_until = refund.tries > 0, refund.tries + 1, now + LEASE
    return RefundTask(
        refund_id=refund.id,
        gateway=home.gateway,
        access=gateway_accounts.access(ctx, home),
        charge=payment.gateway_reference or "",
        amount=Money(refund.amount, refund.currency),
        again=again,
    )


def perform(task: RefundTask) -> RefundOutcome:
    """Ask the gateway, outside any transaction. One that was asked for before is looked for first."""
    plugin, name = charging(task.gateway), encode("refund", task.refund_id)
    found = plugin.find_refund(task.access, name, task.charge) if task.again else None
    return found or plugin.refund(task.access, name, task.charge, task.amount)


def record(ctx: Context, refund_id: UUID, outcome: RefundOutcome) -> None:
    """Write down what the gateway said."""
    payment_id = lookups.by_id(ctx, Refund, "refund", refund_id).payment_id
    payment = lookups.by_id(ctx, Payment, "payment", payment_id, lock=True)
    refund = lookups.by_id(ctx, Refund, "refund", refund_id, lock=True)
    if refund.status not in (CREATED, UNKNOWN):
        return
    refund.lease_until = None
    refund.gateway_reference = outcome.reference or refund.gateway_reference
    refund.detail = outcome.message or outcome.code
    if outcome.result in ("succeeded", "failed"):
        _finish(ctx, payment, refund, outcome)
        return
    if refund.status == CREATED:
        refund.status = REFUND.apply(refund.status, LOSE)
    refund.next_at = system_now() + timedelta(seconds=PAUSES_S[min(refund.tries, len(PAUSES_S)) - 1])


def look_again(ctx: Context, gateway_account_id: UUID, reference: str) -> bool:
    """A gateway told of a refund: have it asked about now. False where it is none of ours."""
    statement = (
        select(Refund)
        .join(Payment, (Payment.provider_id == Refund.provider_id) & (Payment.id == Refund.payment_id))
        .where(
            Refund.provider_id == ctx.provider.id,
            Payment.gateway_account_id == gateway_account_id,
            Refund.gateway_reference == reference,
        )
    )
    refund = ctx.session.scalars(statement.with_for_update(of=Refund)).first()
    if refund is None:
        return False
    if refund.status in (CREATED, UNKNOWN):
        refund.next_at = system_now()
        ctx.wake(JOB, refund.id)
    return True


def get(ctx: Context, refund_id: UUID) -> Refund:
    """One refund."""
    refund = lookups.by_id(ctx, Refund, "refund", refund_id)
    lookups.by_id(ctx, Payment, "payment", refund.payment_id, account=Payment.account_id)
    return refund


def list_refunds(
    ctx: Context, window: Window, *, payment: str | None = None, external_id: str | None = None
) -> Slice[Refund]:
    """Refunds that the caller may see, newest first."""
    seen = select(Payment.id).where(Payment.provider_id == ctx.provider.id, visible(ctx, Payment.account_id))
    statement = select(Refund).where(Refund.provider_id == ctx.provider.id, Refund.payment_id.in_(seen))
    if payment is not None:
        owner = lookups.by_reference(ctx, Payment, "payment", payment, pointer="?payment", account=Payment.account_id)
        statement = statement.where(Refund.payment_id == owner.id)
    if external_id is not None:
        statement = statement.where(Refund.external_id == external_id)
    return newest_first(ctx, statement, Refund.id, window)


def facts(refund: Refund) -> dict[str, Any]:
    """A refund as the API and the events show it."""
    return {
        "id": encode("refund", refund.id),
        "payment": encode("payment", refund.payment_id),
        "credit_note": encode("credit_note", refund.credit_note_id) if refund.credit_note_id else None,
        "amount": refund.amount,
        "credit_amount": refund.credit_amount,
        "currency": refund.currency,
        "status": refund.status,
        "reason": refund.reason,
        "detail": refund.detail,
        "gateway_reference": refund.gateway_reference,
        "external_id": refund.external_id,
        "metadata": refund.meta,
        "created_at": rfc3339(refund.created_at),
    }


def _home(ctx: Context, payment: Payment) -> GatewayAccount:
    assert payment.gateway_account_id is not None, "every payment came by a gateway account"
    return gateway_accounts.get(ctx, payment.gateway_account_id)


def _source(ctx: Context, payment: Payment, refund: Refund) -> Payment:
    """Of which payment the credit of a refund is: what its credit note gave, else its own."""
    if refund.credit_note_id is None:
        return payment
    statement = select(Payment).where(
        Payment.provider_id == ctx.provider.id, Payment.credit_note_id == refund.credit_note_id
    )
    return ctx.session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one()


def _automatic(ctx: Context, payment: Payment) -> bool:
    return payment.gateway_account_id is not None and gateway(_home(ctx, payment).gateway).automatic


def _finish(ctx: Context, payment: Payment, refund: Refund, outcome: RefundOutcome) -> None:
    """It happened: into the books. Or it did not: back onto the payment."""
    refund.next_at = None
    if outcome.result == "succeeded":
        refund.status = REFUND.apply(refund.status, SUCCEED)
        legs = money_returned(
            payment.seller_id,
            payment.account_id,
            payment.gateway_account_id,
            Money(refund.credit_amount, refund.currency),
            Money(refund.amount - refund.credit_amount, refund.currency),
        )
        ledger.post(ctx, "refund", refund.id, legs)
    else:
        refund.status = REFUND.apply(refund.status, FAIL)
        _take(payment, _source(ctx, payment, refund), refund, -1)
    ctx.session.flush()
    outbox.emit(ctx, f"refund.{refund.status}", "refund", refund.id, facts(refund), account_id=payment.account_id)
