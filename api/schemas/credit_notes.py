"""Credit notes and write-offs, as they come in and go out."""

from __future__ import annotations

from api.schemas import ExternalIdQuery, Resource, Schema, fields
from api.schemas.invoices import KINDS, InvoiceTax
from api.schemas.payments import AMOUNT_MAX, Sent
from billing.states import CREDIT_NOTE

DESTINATIONS = ("credit", "payment_method")
LINES_MAX = 10_000


class CreditNoteLineNew(Schema):
    """What is given back of a line: a net amount, a quantity, or with neither all that is left of it."""

    line = fields.TypeID("invoice_line", required=True)
    amount = fields.MinorAmount(
        minimum=-AMOUNT_MAX,
        maximum=AMOUNT_MAX,
        description="Net, as on the line: positive of one that charged, negative of one that took something off.",
    )
    quantity = fields.DecimalString(positive=True, description="Of the line's; its part of the line's net amount.")


class CreditNoteNew(Sent):
    """What is credited of an invoice: lines, or an amount with its taxes; with neither all that is left of it."""

    lines = fields.List(fields.Nested(CreditNoteLineNew), min_items=1, max_items=LINES_MAX)
    amount = fields.MinorAmount(
        minimum=1, maximum=AMOUNT_MAX, description="With its taxes; spread over what is left of the lines."
    )
    currency = fields.Currency(description="The invoice's; refused when it is another.")
    to = fields.Enum(
        DESTINATIONS,
        load_default="credit",
        description="Where what the invoice did not owe goes: the payer's credit, or back by the way it was paid.",
    )
    reason = fields.Text(max_length=500, description="Printed on the credit note.")
    dry_run = fields.Boolean(load_default=False, description="Show what it would come to, and store nothing.")


class WriteOffNew(Schema):
    """Why an invoice is given up."""

    reason = fields.Text(max_length=500)


class CreditNoteQuery(ExternalIdQuery):
    """Which credit notes."""

    account = fields.Reference("account")
    invoice = fields.Reference("invoice")
    billing_run = fields.TypeID("billing_run")
    status = fields.Enum(CREDIT_NOTE.states)
    number = fields.String(min_length=1, max_length=100)


class CorrectedInvoice(Schema):
    """An invoice that a credit note corrects."""

    invoice = fields.TypeID("invoice", required=True)
    number = fields.String(required=True)
    issued_on = fields.Date(required=True)


class CreditNote(Resource):
    """What a payer gets back of invoices. Its amounts mirror theirs: positive ones are given. Fixed once issued."""

    id = fields.TypeID("credit_note", required=True)
    number = fields.String(required=True, allow_none=True, description="null until it is issued.")
    status = fields.Enum(CREDIT_NOTE.states, required=True)
    account = fields.TypeID("account", required=True, description="The payer.")
    seller = fields.TypeID("seller", required=True)
    invoice = fields.TypeID(
        "invoice", required=True, allow_none=True, description="null for one that a billing run made."
    )
    billing_run = fields.TypeID("billing_run", required=True, allow_none=True)
    corrects = fields.List(
        fields.Nested(CorrectedInvoice), required=True, max_items=1_000_000, description="EN 16931 BG-3."
    )
    currency = fields.Currency(required=True)
    net_amount = fields.MinorAmount(required=True)
    tax_amount = fields.MinorAmount(required=True)
    rounding_amount = fields.MinorAmount(required=True)
    total_amount = fields.MinorAmount(required=True)
    taxes = fields.List(fields.Nested(InvoiceTax), required=True)
    to = fields.Enum(DESTINATIONS, required=True)
    reason = fields.String(required=True, allow_none=True)
    bill_on = fields.Date(required=True)
    issued_on = fields.Date(required=True, allow_none=True, description="In the payer's zone.")
    issued_at = fields.Instant(required=True, allow_none=True)
    purchase_order = fields.String(allow_none=True)
    metadata = fields.Metadata(attribute="metadata")


class CreditNoteLine(Schema):
    """A line of a credit note, net of tax: a part of an invoice's line, or the mirror of a charge."""

    id = fields.TypeID("credit_note_line", required=True)
    position = fields.Integer(required=True, minimum=1)
    invoice_line = fields.TypeID("invoice_line", required=True, allow_none=True)
    kind = fields.Enum(KINDS, required=True)
    charge_code = fields.String(required=True, example="power")
    description = fields.String(required=True)
    subscription = fields.TypeID("subscription", required=True)
    subscription_name = fields.String(required=True)
    beneficiary = fields.TypeID("account", required=True)
    beneficiary_name = fields.String(required=True)
    span = fields.Span(required=True)
    quantity = fields.DecimalString(
        required=True, allow_none=True, description="null where only an amount is given back."
    )
    unit = fields.String(required=True, allow_none=True)
    unit_price = fields.DecimalString(required=True, allow_none=True)
    amount = fields.MinorAmount(required=True)
    charged_amount = fields.MinorAmount(required=True, description="With tax, where the price includes it.")
    tax_inclusive = fields.Boolean(required=True)
    tax_category = fields.String(required=True)
    tax_rate = fields.DecimalString(required=True)
    purchase_order = fields.String(allow_none=True)
    cost_centre = fields.String(allow_none=True)


class CreditNoteMade(CreditNote):
    """A credit note; a dry run's has no id, and shows its lines at once."""

    id = fields.TypeID("credit_note")
    lines = fields.List(fields.Nested(CreditNoteLine), max_items=1_000_000)
