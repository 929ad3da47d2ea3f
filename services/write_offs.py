"""Giving up an invoice that nobody expects to be paid. Money that arrives all the same settles it, and is recovered."""

from __future__ import annotations

from uuid import UUID

from billing.postings import written_off
from billing.states import INVOICE
from billing.states.invoice import WRITE_OFF
from core.money import Money
from models.billing import Invoice
from services import ledger, outbox
from services.context import Context
from services.invoicing_release import locked, refuse_while_paying
from services.invoicing_view import invoice_json
from services.payments_manual import operator_only


def write_off(ctx: Context, invoice_id: UUID, reason: str | None = None) -> Invoice:
    """Give up what is still owed of an open invoice: from what payers owe to bad debt.

    Raises:
        NotFound. Forbidden: `operator_only`. IllegalTransition: it is not open.
        Conflict: `payment_in_progress`.
    """
    operator_only(ctx)
    invoice = locked(ctx, Invoice, "invoice", invoice_id)
    after = INVOICE.apply(invoice.status, WRITE_OFF)
    refuse_while_paying(ctx, invoice)
    invoice.status, invoice.written_off_at, invoice.write_off_reason = after, ctx.now, reason
    owed = Money(invoice.total_amount - invoice.settled_amount, invoice.currency)
    ctx.session.flush()
    ledger.post(ctx, "invoice.written_off", invoice.id, written_off(invoice.seller_id, invoice.account_id, owed))
    data = invoice_json(invoice)
    outbox.emit(ctx, "invoice.written_off", "invoice", invoice.id, data, account_id=invoice.account_id)
    return invoice
