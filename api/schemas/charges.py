"""Charges, as they go out."""

from __future__ import annotations

from api.schemas import ListQuery, Schema, fields
from api.schemas.invoices import KINDS
from api.schemas.rated import Reduction
from services.charges import STATES


class ChargeQuery(ListQuery):
    """Which charges."""

    account = fields.Reference("account", description="Who pays.")
    subscription = fields.Reference("subscription")
    state = fields.Enum(STATES)


class Charge(Schema):
    """The atom of billing: an amount for a charge code and a span. It waits until it is collected onto an invoice."""

    id = fields.TypeID("charge", required=True)
    kind = fields.Enum(KINDS, required=True)
    state = fields.Enum(STATES, required=True)
    charge_code = fields.String(required=True)
    description = fields.String(required=True)
    subscription = fields.TypeID("subscription", required=True)
    payer = fields.TypeID("account", required=True)
    beneficiary = fields.TypeID("account", required=True)
    price = fields.TypeID("price", required=True)
    invoice_line = fields.TypeID("invoice_line", required=True, allow_none=True)
    credit_note_line = fields.TypeID(
        "credit_note_line", required=True, allow_none=True, description="Where it is on a credit note, turned around."
    )
    adjusts = fields.TypeID("charge", required=True, allow_none=True, description="The charge that this one corrects.")
    span = fields.Span(required=True)
    due_at = fields.Instant(required=True, description="From when on it is collected.")
    quantity = fields.DecimalString(required=True)
    unit = fields.String(required=True, allow_none=True)
    exact = fields.DecimalString(required=True)
    amount = fields.MinorAmount(required=True)
    reductions = fields.List(
        fields.Nested(Reduction), required=True, metadata={"description": "What coupons took off `amount`."}
    )
    currency = fields.Currency(required=True)
    known_until = fields.Instant(required=True, description="The latest arrival that it takes into account.")
    created_at = fields.Instant(required=True)
