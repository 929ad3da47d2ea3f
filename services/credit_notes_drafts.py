"""Credit notes that a billing run makes, where a payer's charges come to less than nothing.

Such a document is the mirror of the invoice that the charges would have made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from billing.states import CREDIT_NOTE
from core.ids import encode, new_id
from models.billing import Charge, Invoice, InvoiceLine
from models.credit_notes import CreditNote, CreditNoteLine
from services import outbox
from services.context import Context
from services.credit_notes_issue import told
from services.sets import add_rows, among

TURNED = ("net_amount", "tax_amount", "rounding_amount", "total_amount")
KEPT = "provider_id meta created_at seller_id account_id run_id currency grouping_key bill_on finalizes".split()
# What a credit note's line has of an invoice's.
SHARED = (
    "provider_id position kind charge_code subscription_id subscription_name subscription_reference beneficiary_id"
    " beneficiary_name description start_at end_at unit unit_price tax_inclusive tax_category tax_rate tax_details"
    " purchase_order cost_centre"
).split()


def mirror(
    head: Mapping[str, Any], lines: Mapping[UUID, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[UUID, dict[str, Any]]]:
    """A draft of an invoice below zero as a draft of a credit note: rows. Lines are by charge."""
    note = {name: head[name] for name in KEPT} | {name: -head[name] for name in TURNED}
    note |= {
        "id": new_id(),
        "status": CREDIT_NOTE.initial,
        "destination": "credit",
        "purchase_order": head["purchase_order"],
        "taxes": [tax | {"net_amount": -tax["net_amount"], "tax_amount": -tax["tax_amount"]} for tax in head["taxes"]],
        "corrects": [],
    }
    mirrored = {
        charge: {name: line[name] for name in SHARED}
        | {
            "id": new_id(),
            "credit_note_id": note["id"],
            "invoice_line_id": None,
            "quantity": line["quantity"],
            "amount": -line["amount"],
            "charged_amount": -line["charged_amount"],
        }
        for charge, line in lines.items()
    }
    return note, mirrored


def store(ctx: Context, notes: Sequence[dict[str, Any]], lines: Mapping[UUID, dict[str, Any]]) -> None:
    """Store drafts with their lines, and tell of them. `lines` are by charge; each note names what it corrects."""
    if not notes:
        return
    corrects = _corrected(ctx, lines)
    for note in notes:
        note["corrects"] = corrects[note["id"]]
    add_rows(ctx, CreditNote, notes)
    add_rows(ctx, CreditNoteLine, list(lines.values()))
    outbox.emit_all(ctx, [told("credit_note.created", CreditNote(**note)) for note in notes])


def _corrected(ctx: Context, lines: Mapping[UUID, Mapping[str, Any]]) -> Mapping[UUID, list[dict[str, Any]]]:
    """The invoices that each note's charges correct, the oldest first (EN 16931 BG-3)."""
    corrections = select(Charge.id, Charge.adjusts_id).where(
        Charge.provider_id == ctx.provider.id, among(Charge.id, lines), Charge.adjusts_id.is_not(None)
    )
    originals = {row.id: row.adjusts_id for row in ctx.session.execute(corrections)}
    invoices = _invoices_of(ctx, set(originals.values()))
    found: defaultdict[UUID, dict[str, Any]] = defaultdict(dict)
    for charge, original in originals.items():
        if original in invoices:
            invoice = invoices[original]
            found[lines[charge]["credit_note_id"]][invoice.number] = reference(invoice)
    return defaultdict(list, {note: [named[number] for number in sorted(named)] for note, named in found.items()})


def _invoices_of(ctx: Context, charges: Collection[UUID]) -> dict[UUID, Any]:
    """The final invoice that each charge is on."""
    rows = ctx.session.execute(
        select(Charge.id.label("charge_id"), Invoice.id, Invoice.number, Invoice.issued_on)
        .join(
            InvoiceLine, and_(InvoiceLine.provider_id == Charge.provider_id, InvoiceLine.id == Charge.invoice_line_id)
        )
        .join(Invoice, and_(Invoice.provider_id == InvoiceLine.provider_id, Invoice.id == InvoiceLine.invoice_id))
        .where(Charge.provider_id == ctx.provider.id, among(Charge.id, charges), Invoice.number.is_not(None))
    )
    return {row.charge_id: row for row in rows}


def reference(invoice: Any) -> dict[str, Any]:
    """An invoice as what corrects it names it (EN 16931 BT-25, BT-26)."""
    return {
        "invoice": encode("invoice", invoice.id),
        "number": invoice.number,
        "issued_on": invoice.issued_on.isoformat(),
    }
