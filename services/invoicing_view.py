"""Invoices and their lines as the API and the events show them: one shape, made in one place."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from billing.states import INVOICE
from billing.states.invoice import CREDITABLE
from core.decimals import format_decimal
from core.ids import encode
from core.period import rfc3339
from models.billing import Invoice, InvoiceLine

# What a draft does not have yet.
LATER = dict.fromkeys(
    "number issued_on due_at finalized_at paid_at voided_at written_off_at write_off_reason external_id".split()
)


def draft_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A draft as JSON values, from the row that it is stored as."""
    return invoice_json(SimpleNamespace(**LATER, **row))


def invoice_json(invoice: Invoice | SimpleNamespace) -> dict[str, Any]:
    """An invoice as JSON values, members and all as `GET /v1/invoices/{id}` answers them."""
    return {
        "id": encode("invoice", invoice.id),
        "number": invoice.number,
        "status": invoice.status,
        "account": encode("account", invoice.account_id),
        "seller": encode("seller", invoice.seller_id),
        "billing_run": encode("billing_run", invoice.run_id) if invoice.run_id else None,
        "currency": invoice.currency,
        "net_amount": invoice.net_amount,
        "tax_amount": invoice.tax_amount,
        "rounding_amount": invoice.rounding_amount,
        "total_amount": invoice.total_amount,
        "settled_amount": invoice.settled_amount,
        "due_amount": invoice.total_amount - invoice.settled_amount,
        "credited_amount": invoice.credited_amount,
        "creditable_amount": invoice.total_amount - invoice.credited_amount if invoice.status in CREDITABLE else 0,
        "taxes": invoice.taxes,
        "cost_centres": invoice.cost_centres,
        "bill_on": invoice.bill_on.isoformat(),
        "issued_on": invoice.issued_on.isoformat() if invoice.issued_on else None,
        "due_at": _instant(invoice.due_at),
        "finalized_at": _instant(invoice.finalized_at),
        "paid_at": _instant(invoice.paid_at),
        "voided_at": _instant(invoice.voided_at),
        "written_off_at": _instant(invoice.written_off_at),
        "write_off_reason": invoice.write_off_reason,
        "purchase_order": invoice.purchase_order,
        "grouping": invoice.grouping_key,
        "awaiting_approval": invoice.status == INVOICE.initial and not invoice.finalizes,
        "external_id": invoice.external_id,
        "metadata": invoice.meta,
        "created_at": rfc3339(invoice.created_at),
    }


def line_json(line: InvoiceLine) -> dict[str, Any]:
    """A line as JSON values."""
    return {
        "id": encode("invoice_line", line.id),
        "position": line.position,
        "kind": line.kind,
        "charge_code": line.charge_code,
        "description": line.description,
        "subscription": encode("subscription", line.subscription_id),
        "subscription_name": line.subscription_name,
        "beneficiary": encode("account", line.beneficiary_id),
        "beneficiary_name": line.beneficiary_name,
        "span": {"start": rfc3339(line.start_at), "end": rfc3339(line.end_at)},
        "quantity": format_decimal(line.quantity),
        "unit": line.unit,
        "unit_price": None if line.unit_price is None else format_decimal(line.unit_price),
        "exact": format_decimal(line.exact),
        "amount": line.amount,
        "charged_amount": line.charged_amount,
        "tax_inclusive": line.tax_inclusive,
        "tax_category": line.tax_category,
        "tax_rate": format_decimal(line.tax_rate),
        "reductions": line.reductions,
        "quality": line.quality,
        "purchase_order": line.purchase_order,
        "cost_centre": line.cost_centre,
    }


def _instant(value: Any) -> str | None:
    return rfc3339(value) if value else None
