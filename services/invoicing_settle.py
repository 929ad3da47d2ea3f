"""Whether an invoice is paid follows from what is allocated to it: asked after each allocation or return of money."""

from __future__ import annotations

from uuid import UUID

from billing.states import INVOICE
from billing.states.invoice import REOPEN, SETTLE
from models.billing import Invoice
from services import lookups, outbox
from services.context import Context
from services.invoicing_view import invoice_json


def settle(ctx: Context, invoice_id: UUID) -> Invoice:
    """Bring an invoice's status in line with its settled amount: wholly settled is paid, paid and no longer is open.

    Emits `invoice.paid` or `invoice.reopened` when the status changed, else nothing.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, lock=True)
    settled = invoice.settled_amount == invoice.total_amount
    if settled and INVOICE.allows(invoice.status, SETTLE):
        invoice.status, invoice.paid_at = INVOICE.apply(invoice.status, SETTLE), ctx.now
        _tell(ctx, "invoice.paid", invoice)
    elif not settled and INVOICE.allows(invoice.status, REOPEN):
        invoice.status, invoice.paid_at = INVOICE.apply(invoice.status, REOPEN), None
        _tell(ctx, "invoice.reopened", invoice)
    return invoice


def _tell(ctx: Context, event_type: str, invoice: Invoice) -> None:
    ctx.session.flush()
    outbox.emit(ctx, event_type, "invoice", invoice.id, invoice_json(invoice), account_id=invoice.account_id)
