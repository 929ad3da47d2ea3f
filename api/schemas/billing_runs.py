"""Billing runs, as they come and go."""

from __future__ import annotations

from api.schemas import ListQuery, Schema, fields
from api.schemas.credit_notes import CreditNote, CreditNoteLine
from api.schemas.invoices import Invoice, InvoiceLine

STATUSES = ("running", "done")
PAYER_STATUSES = ("pending", "done", "parked")


class BillingRunNew(Schema):
    """What to bill now."""

    as_of = fields.Instant(description="Bill everything due up to here; now by default. A dry run may look ahead.")
    accounts = fields.List(
        fields.Reference("account"), min_items=1, description="Only the payers of these accounts; by default all."
    )
    dry_run = fields.Boolean(load_default=False, description="Show what would be billed, and store nothing.")
    finalize = fields.Boolean(
        description="Whether the drafts become final by themselves; by default as the provider has set it."
    )


class BillingRunQuery(ListQuery):
    """Which runs."""

    status = fields.Enum(STATUSES)


class BillingRunPayersQuery(ListQuery):
    """Which payers of a run."""

    status = fields.Enum(PAYER_STATUSES)


class Waiting(Schema):
    """A span that could not be rated. The next run looks again."""

    code = fields.String(required=True, example="quantity_negative")
    detail = fields.String(required=True)
    subscription = fields.TypeID("subscription")
    charge_code = fields.String()
    span = fields.Span()


class BillingRunPayer(Schema):
    """What became of one payer."""

    account = fields.TypeID("account", attribute="payer_id", required=True)
    bill_on = fields.Date(required=True)
    status = fields.Enum(PAYER_STATUSES, required=True)
    reason = fields.String(required=True, allow_none=True, description="Why it is parked.")
    detail = fields.String(allow_none=True)
    waiting = fields.List(fields.Nested(Waiting), required=True, max_items=1_000_000)


class DryInvoiceLine(InvoiceLine):
    """A line of an invoice that would be made: it has no id."""

    id = fields.TypeID("invoice_line")


class DryInvoice(Invoice):
    """An invoice that would be made, with its lines."""

    id = fields.TypeID("invoice")
    lines = fields.List(fields.Nested(DryInvoiceLine), required=True, max_items=1_000_000)


class DryCreditNoteLine(CreditNoteLine):
    """A line of a credit note that would be made: it has no id."""

    id = fields.TypeID("credit_note_line")


class DryCreditNote(CreditNote):
    """A credit note that would be made, with its lines."""

    id = fields.TypeID("credit_note")
    lines = fields.List(fields.Nested(DryCreditNoteLine), required=True, max_items=1_000_000)


class BillingRun(Schema):
    """One pass of billing. A dry run has no id, and shows its documents and payers at once."""

    id = fields.TypeID("billing_run")
    as_of = fields.Instant(required=True)
    trigger = fields.Enum(("bill_date", "request"), required=True)
    status = fields.Enum(STATUSES, required=True)
    dry_run = fields.Boolean(required=True)
    pending_count = fields.Integer(required=True, minimum=0)
    billed_count = fields.Integer(required=True, minimum=0)
    parked_count = fields.Integer(required=True, minimum=0)
    awaiting_approval_count = fields.Integer(
        minimum=0, description="Drafts that a person has to make final or discard."
    )
    created_at = fields.Instant()
    finished_at = fields.Instant(allow_none=True)
    invoices = fields.List(fields.Nested(DryInvoice), max_items=1_000_000)
    credit_notes = fields.List(
        fields.Nested(DryCreditNote), max_items=1_000_000, description="Where charges come to less than nothing."
    )
    payers = fields.List(fields.Nested(BillingRunPayer), max_items=1_000_000)
