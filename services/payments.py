"""Payments: money that came in, what it settles, and what is left of it as the customer's credit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.postings import credit_used, payment_received, recovered
from billing.states.invoice import OPEN, UNCOLLECTIBLE
from core.ids import encode, new_id
from core.money import Money
from core.period import rfc3339
from models.accounts import Account
from models.billing import Invoice
from models.payments import Allocation, Payment
from services import invoicing_settle, ledger, lookups, outbox
from services.context import Context, visible
from services.paging import Slice, Window, newest_first
from services.sets import among


@dataclass(frozen=True)
class Receipt:
    """Money that was received: by an attempt at a gateway, or by hand."""

    account_id: UUID
    seller_id: UUID
    method: str
    amount: Money
    received_on: date
    gateway_account_id: UUID | None = None
    attempt_id: UUID | None = None
    gateway_reference: str | None = None
    reference: str | None = None
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def receive(ctx: Context, receipt: Receipt, invoices: Sequence[Invoice]) -> Payment:
    """Record a payment and let it settle invoices, in their order; what is left over stays the customer's credit.

    Args:
        invoices: of the payer, seller and currency of the receipt; their rows are locked by the caller. Those that
            are not open take nothing.
    """
    payment = Payment(
        provider_id=ctx.provider.id,
        id=new_id(),
        account_id=receipt.account_id,
        seller_id=receipt.seller_id,
        gateway_account_id=receipt.gateway_account_id,
        attempt_id=receipt.attempt_id,
        method=receipt.method,
        amount=receipt.amount.minor,
        currency=receipt.amount.currency,
        reference=receipt.reference,
        gateway_reference=receipt.gateway_reference,
        received_on=receipt.received_on,
        external_id=receipt.external_id,
        meta=dict(receipt.meta),
        created_at=ctx.now,
    )
    ctx.session.add(payment)
    ctx.session.flush()
    left = receipt.amount.minor
    for invoice in invoices:
        allocation = _allocate(ctx, payment, invoice, left)
        left -= allocation.amount if allocation is not None else 0
    used = receipt.amount.minor - left
    currency = receipt.amount.currency
    legs = payment_received(
        receipt.seller_id,
        receipt.account_id,
        receipt.gateway_account_id,
        Money(used, currency),
        Money(left, currency),
    )
    ledger.post(ctx, "payment", payment.id, legs)
    ctx.session.refresh(payment)
    _tell(ctx, "payment.succeeded", payment)
    for invoice in invoices:
        invoicing_settle.settle(ctx, invoice.id)
    return payment


def use_credit(ctx: Context, invoice: Invoice) -> None:
    """Let what the payer has paid too much before settle an invoice, the oldest money first.

    Args:
        invoice: locked by the caller.
    """
    if not _takes(invoice):
        return
    payments = ctx.session.scalars(
        select(Payment)
        .where(
            Payment.provider_id == ctx.provider.id,
            Payment.account_id == invoice.account_id,
            Payment.seller_id == invoice.seller_id,
            Payment.currency == invoice.currency,
            Payment.allocated_amount + Payment.credit_refunded_amount < Payment.amount,
        )
        .order_by(Payment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for payment in payments:
        _use(ctx, payment, invoice)
    if payments:
        invoicing_settle.settle(ctx, invoice.id)


def use_for(ctx: Context, payment: Payment, invoice: Invoice) -> None:
    """Let the credit of one payment settle an invoice, as far as it goes. Both are locked by the caller."""
    _use(ctx, payment, invoice)
    invoicing_settle.settle(ctx, invoice.id)


def _use(ctx: Context, payment: Payment, invoice: Invoice) -> None:
    allocation = _allocate(ctx, payment, invoice, credit(payment))
    if allocation is not None:
        legs = credit_used(invoice.seller_id, invoice.account_id, Money(allocation.amount, invoice.currency))
        ledger.post(ctx, "allocation", allocation.id, legs)
        ctx.session.refresh(payment)
        ctx.session.refresh(invoice)


def credit(payment: Payment) -> int:
    """What is left of a payment, in minor units: not allocated, and not given back."""
    return payment.amount - payment.allocated_amount - payment.credit_refunded_amount


def open_invoices(
    ctx: Context, account_id: UUID, seller_id: UUID, currency: str, first: UUID | None = None
) -> list[Invoice]:
    """What a payer owes a seller in a currency, locked, in the order in which money settles it: `first`, then by due
    date.
    """
    rows = ctx.session.scalars(
        select(Invoice)
        .where(
            Invoice.provider_id == ctx.provider.id,
            Invoice.account_id == account_id,
            Invoice.seller_id == seller_id,
            Invoice.currency == currency,
            Invoice.status.in_((OPEN, UNCOLLECTIBLE)),
        )
        .order_by(Invoice.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    return sorted(rows, key=lambda invoice: (invoice.id != first, invoice.due_at, invoice.number))


def get(ctx: Context, payment_id: UUID) -> Payment:
    """One payment."""
    return lookups.by_id(ctx, Payment, "payment", payment_id, account=Payment.account_id)


def list_payments(
    ctx: Context,
    window: Window,
    *,
    account: str | None = None,
    invoice: str | None = None,
    external_id: str | None = None,
) -> Slice[Payment]:
    """Payments that the caller may see, newest first; of an invoice, those that settle some of it."""
    statement = select(Payment).where(Payment.provider_id == ctx.provider.id, visible(ctx, Payment.account_id))
    if account is not None:
        owner = lookups.by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(Payment.account_id == owner.id)
    if invoice is not None:
        document = lookups.by_reference(
            ctx, Invoice, "invoice", invoice, pointer="?invoice", account=Invoice.account_id
        )
        settling = select(Allocation.payment_id).where(
            Allocation.provider_id == ctx.provider.id, Allocation.invoice_id == document.id
        )
        statement = statement.where(Payment.id.in_(settling))
    if external_id is not None:
        statement = statement.where(Payment.external_id == external_id)
    return newest_first(ctx, statement, Payment.id, window)


def allocations(ctx: Context, payments: Sequence[Payment]) -> dict[UUID, list[Allocation]]:
    """What each of the payments settles, in the order in which it did."""
    found: dict[UUID, list[Allocation]] = {payment.id: [] for payment in payments}
    rows = ctx.session.scalars(
        select(Allocation)
        .where(Allocation.provider_id == ctx.provider.id, among(Allocation.payment_id, found))
        .order_by(Allocation.id)
    )
    for row in rows:
        found[row.payment_id].append(row)
    return found


def page_of_facts(ctx: Context, window: Window, **filters: str | None) -> Slice[dict[str, Any]]:
    """A page of payments with what each settles, as the API shows them; filters as of `list_payments`."""
    found = list_payments(ctx, window, **filters)
    settled = allocations(ctx, found.rows)
    return found.map(lambda payment: facts(payment, settled[payment.id]))


def whole(ctx: Context, payment: Payment) -> dict[str, Any]:
    """One payment with what it settles."""
    return facts(payment, allocations(ctx, [payment])[payment.id])


def facts(payment: Payment, settled: Sequence[Allocation]) -> dict[str, Any]:
    """A payment as the API and the events show it."""
    return {
        "id": encode("payment", payment.id),
        "account": encode("account", payment.account_id),
        "gateway_account": encode("gateway_account", payment.gateway_account_id)
        if payment.gateway_account_id
        else None,
        "method": payment.method,
        "credit_note": encode("credit_note", payment.credit_note_id) if payment.credit_note_id else None,
        "amount": payment.amount,
        "currency": payment.currency,
        "allocated_amount": payment.allocated_amount,
        "refunded_amount": payment.refunded_amount,
        "credit_amount": credit(payment),
        "allocations": [{"invoice": encode("invoice", a.invoice_id), "amount": a.amount} for a in settled],
        "reference": payment.reference,
        "gateway_reference": payment.gateway_reference,
        "received_on": payment.received_on.isoformat(),
        "external_id": payment.external_id,
        "metadata": payment.meta,
        "created_at": rfc3339(payment.created_at),
    }


def _takes(invoice: Invoice) -> bool:
    return invoice.status in (OPEN, UNCOLLECTIBLE) and invoice.total_amount > invoice.settled_amount


def _allocate(ctx: Context, payment: Payment, invoice: Invoice, left: int) -> Allocation | None:
    """Let a payment settle an invoice as far as it goes; both rows are updated by the database.

    What was written off is owed again as far as it is settled.
    """
    part = min(left, invoice.total_amount - invoice.settled_amount) if _takes(invoice) else 0
    if part <= 0:
        return None
    allocation = Allocation(
        provider_id=ctx.provider.id,
        id=new_id(),
        payment_id=payment.id,
        invoice_id=invoice.id,
        amount=part,
        created_at=ctx.now,
    )
    ctx.session.add(allocation)
    ctx.session.flush()
    if invoice.status == UNCOLLECTIBLE:
        legs = recovered(invoice.seller_id, invoice.account_id, Money(part, invoice.currency))
        ledger.post(ctx, "recovery", allocation.id, legs)
    return allocation


def _tell(ctx: Context, event_type: str, payment: Payment) -> None:
    outbox.emit(ctx, event_type, "payment", payment.id, whole(ctx, payment), account_id=payment.account_id)
