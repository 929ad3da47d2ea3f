"""Issuing credit notes: number, date, parties as they are now, the books, the customer's credit, the event.

What a note gives becomes credit of the payer: a payment of the method `credit_note`, which settles invoices as any
money that was paid too much does. In sets, since a run may make thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm.attributes import set_committed_value

from billing.periods import local_date
from billing.postings import Leg, credit_note_issued
from billing.states import CREDIT_NOTE
from billing.states.credit_note import ISSUE
from billing.tax import read_subtotal
from core.ids import new_id
from core.money import Money
from exports.invoice_pdf import PLUGIN as PDF
from models.accounts import Account
from models.credit_notes import CreditNote
from models.payments import Payment
from services import document_checks, invoicing_numbers, ledger, outbox
from services.context import Context
from services.credit_notes_view import credit_note_json
from services.documents import parties_of
from services.invoicing_snapshots import buyer_snapshot, seller_snapshot
from services.ledger import Posting
from services.outbox import Emission
from services.sets import add_rows, change_rows

METHOD = "credit_note"


def issue_all(ctx: Context, drafts: Sequence[CreditNote]) -> None:
    """Issue drafts in their order, in a fixed number of statements. The caller holds their rows."""
    if not drafts:
        return
    parties = parties_of(ctx, drafts)
    document_checks.check_credit_notes(ctx, drafts, parties)
    issued = {draft.id: local_date(ctx.now, parties[draft.id][0].time_zone) for draft in drafts}
    prefixes = {(d.seller_id, issued[d.id].year): parties[d.id][1].credit_note_prefix for d in drafts}
    series = invoicing_numbers.series(ctx, invoicing_numbers.CREDIT_NOTES, prefixes)
    snapshots = {seller.id: seller_snapshot(ctx, seller) for _, seller in parties.values()}
    rows = []
    for draft in drafts:
        account, seller = parties[draft.id]
        row = _final(ctx, draft, account, issued[draft.id])
        row |= invoicing_numbers.numbered(series[draft.seller_id, issued[draft.id].year])
        rows.append(row | {"seller_snapshot": snapshots[seller.id]})
    ctx.session.flush()  # the series, before what they number
    change_rows(ctx, CreditNote, rows)
    for draft, row in zip(drafts, rows, strict=True):
        for name, value in row.items():
            set_committed_value(draft, name, value)
    add_rows(ctx, Payment, [_payment(ctx, draft, issued[draft.id]) for draft in drafts])
    ledger.post_all(ctx, [Posting("credit_note.issued", draft.id, _legs(draft)) for draft in drafts])
    outbox.emit_all(ctx, [told("credit_note.issued", draft) for draft in drafts])


def told(event_type: str, note: CreditNote) -> Emission:
    """An event about a credit note."""
    return Emission(event_type, "credit_note", note.id, credit_note_json(note), note.account_id)


def _final(ctx: Context, draft: CreditNote, account: Account, issued_on: date) -> dict[str, Any]:
    return {
        "provider_id": draft.provider_id,
        "id": draft.id,
        "status": CREDIT_NOTE.apply(draft.status, ISSUE),
        "issued_at": ctx.now,
        "issued_on": issued_on,
        "buyer_snapshot": buyer_snapshot(account),
        "purchase_order": draft.purchase_order or account.purchase_order,
        "template_version": PDF.version,
    }


def _payment(ctx: Context, note: CreditNote, received_on: date) -> dict[str, Any]:
    return {
        "provider_id": note.provider_id,
        "id": new_id(),
        "account_id": note.account_id,
        "seller_id": note.seller_id,
        "credit_note_id": note.id,
        "method": METHOD,
        "amount": note.total_amount,
        "currency": note.currency,
        "reference": note.number,
        "received_on": received_on,
        "meta": {},
        "created_at": ctx.now,
    }


def _legs(note: CreditNote) -> tuple[Leg, ...]:
    net, rounding = Money(note.net_amount, note.currency), Money(note.rounding_amount, note.currency)
    taxes = [read_subtotal(stored, note.currency) for stored in note.taxes]
    return credit_note_issued(note.seller_id, note.account_id, net, taxes, rounding)
