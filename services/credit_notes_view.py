"""Credit notes and their lines as the API and the events show them: one shape, made in one place."""

from __future__ import annotations

from typing import Any

from core.decimals import format_decimal
from core.ids import encode
from core.period import rfc3339
from models.credit_notes import CreditNote, CreditNoteLine


def credit_note_json(note: CreditNote) -> dict[str, Any]:
    """A credit note as JSON values, members and all as `GET /v1/credit-notes/{id}` answers them."""
    return {
        "id": encode("credit_note", note.id),
        "number": note.number,
        "status": note.status,
        "account": encode("account", note.account_id),
        "seller": encode("seller", note.seller_id),
        "invoice": encode("invoice", note.invoice_id) if note.invoice_id else None,
        "billing_run": encode("billing_run", note.run_id) if note.run_id else None,
        "corrects": note.corrects,
        "currency": note.currency,
        "net_amount": note.net_amount,
        "tax_amount": note.tax_amount,
        "rounding_amount": note.rounding_amount,
        "total_amount": note.total_amount,
        "taxes": note.taxes,
        "to": note.destination,
        "reason": note.reason,
        "bill_on": note.bill_on.isoformat(),
        "issued_on": note.issued_on.isoformat() if note.issued_on else None,
        "issued_at": rfc3339(note.issued_at) if note.issued_at else None,
        "purchase_order": note.purchase_order,
        "external_id": note.external_id,
        "metadata": note.meta,
        "created_at": rfc3339(note.created_at),
    }


def line_json(line: CreditNoteLine) -> dict[str, Any]:
    """A line of a credit note as JSON values."""
    return {
        "id": encode("credit_note_line", line.id),
        "position": line.position,
        "invoice_line": encode("invoice_line", line.invoice_line_id) if line.invoice_line_id else None,
        "kind": line.kind,
        "charge_code": line.charge_code,
        "description": line.description,
        "subscription": encode("subscription", line.subscription_id),
        "subscription_name": line.subscription_name,
        "beneficiary": encode("account", line.beneficiary_id),
        "beneficiary_name": line.beneficiary_name,
        "span": {"start": rfc3339(line.start_at), "end": rfc3339(line.end_at)},
        "quantity": None if line.quantity is None else format_decimal(line.quantity),
        "unit": line.unit,
        "unit_price": None if line.unit_price is None else format_decimal(line.unit_price),
        "amount": line.amount,
        "charged_amount": line.charged_amount,
        "tax_inclusive": line.tax_inclusive,
        "tax_category": line.tax_category,
        "tax_rate": format_decimal(line.tax_rate),
        "purchase_order": line.purchase_order,
        "cost_centre": line.cost_centre,
    }
