"""Making drafts final: number, date, due date, parties as they are now, the books, the event. Short, and in order.

The number is taken under the lock of its series in the transaction that stamps it, so a series has no gap; drafts of a
run are stamped in the order of (bill date, payer).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm.attributes import set_committed_value

from billing.bill_dates import due_at
from billing.periods import local_date
from billing.postings import invoice_finalized
from billing.states import INVOICE
from billing.states.invoice import FINALIZE, SETTLE
from billing.tax import read_subtotal
from core.money import Money
from exports.invoice_pdf import PLUGIN as PDF
from models.accounts import Account
from models.billing import Invoice
from models.payments import PaymentMethod
from models.providers import Seller
from services import document_checks, invoicing_numbers, ledger, lookups, outbox
from services.context import Context
from services.documents import parties_of
from services.invoicing_snapshots import buyer_snapshot, payment_instructions, seller_snapshot
from services.invoicing_view import invoice_json
from services.ledger import Posting
from services.outbox import Emission
from services.sets import among, change_rows

PDF_JOB = "invoice_pdfs"


def finalize(ctx: Context, invoice_id: UUID) -> Invoice:
    """Make one draft final.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
        IllegalTransition: it is no draft.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id, lock=True)
    INVOICE.apply(invoice.status, FINALIZE)
    finalize_all(ctx, [invoice])
    return invoice


def finalize_all(ctx: Context, drafts: Sequence[Invoice]) -> None:
    """Make drafts final in their order, in a fixed number of statements. The caller holds their rows."""
    if not drafts:
        return
    parties = parties_of(ctx, drafts)
    document_checks.check_invoices(ctx, drafts, parties)
    cards = _cards(ctx, {draft.account_id for draft in drafts})
    issued = {draft.id: local_date(ctx.now, parties[draft.id][0].time_zone) for draft in drafts}
    prefixes = {(d.seller_id, issued[d.id].year): parties[d.id][1].number_prefix for d in drafts}
    series = invoicing_numbers.series(ctx, invoicing_numbers.INVOICES, prefixes)
    snapshots = {seller.id: seller_snapshot(ctx, seller) for _, seller in parties.values()}
    rows = []
    for draft in drafts:
        account, seller = parties[draft.id]
        numbered = invoicing_numbers.numbered(series[draft.seller_id, issued[draft.id].year])
        row = _final(ctx, draft, account, seller, issued[draft.id]) | numbered
        row["seller_snapshot"] = snapshots[seller.id]
        row["payment_instructions"] = payment_instructions(seller, cards.get(draft.account_id), row["number"])
        rows.append(row)
    ctx.session.flush()  # the series, before what they number
    _change(ctx, drafts, rows)
    ledger.post_all(ctx, [Posting("invoice.finalized", draft.id, _legs(draft)) for draft in drafts])
    outbox.emit_all(ctx, [_told("invoice.finalized", draft) for draft in drafts])
    _settle_empty(ctx, [draft for draft in drafts if draft.total_amount == 0])
    ctx.wake(PDF_JOB)


def _change(ctx: Context, invoices: Sequence[Invoice], rows: Sequence[dict[str, Any]]) -> None:
    """Write changes of invoices in one statement; the objects show them too."""
    change_rows(ctx, Invoice, rows)
    for invoice, row in zip(invoices, rows, strict=True):
        for name, value in row.items():
            set_committed_value(invoice, name, value)


def _cards(ctx: Context, accounts: Collection[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """What may be shown of the card that will be charged, by account."""
    rows = ctx.session.execute(
        select(PaymentMethod.account_id, PaymentMethod.summary).where(
            PaymentMethod.provider_id == ctx.provider.id,
            among(PaymentMethod.account_id, accounts),
            PaymentMethod.is_default,
            PaymentMethod.status == "active",
            PaymentMethod.kind == "card",
        )
    )
    return dict(rows.all())


def _final(ctx: Context, draft: Invoice, account: Account, seller: Seller, issued_on: date) -> dict[str, Any]:
    return {
        "provider_id": draft.provider_id,
        "id": draft.id,
        "status": INVOICE.apply(draft.status, FINALIZE),
        "finalized_at": ctx.now,
        "issued_on": issued_on,
        "due_at": due_at(issued_on, seller.payment_terms_days, account.time_zone),
        "buyer_snapshot": buyer_snapshot(account),
        "purchase_order": draft.purchase_order or account.purchase_order,
        "template_version": PDF.version,
    }


def _legs(draft: Invoice) -> Any:
    net, rounding = Money(draft.net_amount, draft.currency), Money(draft.rounding_amount, draft.currency)
    taxes = [read_subtotal(stored, draft.currency) for stored in draft.taxes]
    return invoice_finalized(draft.seller_id, draft.account_id, net, taxes, rounding)


def _settle_empty(ctx: Context, invoices: Sequence[Invoice]) -> None:
    """Nothing is owed on a total of zero: it is paid as soon as it is final."""
    rows = [
        {
            "provider_id": invoice.provider_id,
            "id": invoice.id,
            "status": INVOICE.apply(invoice.status, SETTLE),
            "paid_at": ctx.now,
        }
        for invoice in invoices
    ]
    _change(ctx, invoices, rows)
    outbox.emit_all(ctx, [_told("invoice.paid", invoice) for invoice in invoices])


def _told(event_type: str, invoice: Invoice) -> Emission:
    return Emission(event_type, "invoice", invoice.id, invoice_json(invoice), invoice.account_id)
