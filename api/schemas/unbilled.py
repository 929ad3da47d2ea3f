"""What is not billed yet, and what a bill would be, as it goes out."""

from __future__ import annotations

from api.schemas import Schema, fields
from api.schemas.billing_runs import DryCreditNote, DryInvoice, Waiting
from api.schemas.invoices import InvoiceLine

LESS_THAN_NOTHING = "Where charges come to less than nothing."


class UnbilledQuery(Schema):
    """Which currency."""

    currency = fields.Currency(metadata={"description": "By default the payer's."})


class ProFormaQuery(Schema):
    """Up to when to bill."""

    as_of = fields.Instant(description="By default the payer's next bill date.")


class ProFormaPdfQuery(ProFormaQuery):
    """Which document of the bill."""

    document = fields.QueryInteger(load_default=1, minimum=1, maximum=100_000)


class UsageSoFar(InvoiceLine):
    """A line of usage whose span still runs, as it would be if nothing more were used."""

    id = fields.TypeID("invoice_line")
    position = fields.Integer(minimum=1)
    currency = fields.Currency(required=True)
    until = fields.Instant(required=True, description="Usage counts up to here.")


class UnbilledSums(Schema):
    """What is not billed in one currency."""

    currency = fields.Currency(required=True)
    due_net_amount = fields.MinorAmount(required=True, description="What a billing run would bill now.")
    due_tax_amount = fields.MinorAmount(required=True)
    due_total_amount = fields.MinorAmount(required=True)
    usage_net_amount = fields.MinorAmount(required=True, description="What running usage comes to so far.")
    usage_tax_amount = fields.MinorAmount(required=True)
    usage_total_amount = fields.MinorAmount(required=True)
    net_amount = fields.MinorAmount(required=True, description="Both together, without tax.")


class Unbilled(Schema):
    """What a payer has not been billed yet: what is due now, and running usage."""

    account = fields.TypeID("account", required=True)
    as_of = fields.Instant(required=True)
    sums = fields.List(fields.Nested(UnbilledSums), required=True)
    documents = fields.List(
        fields.Nested(DryInvoice),
        required=True,
        max_items=1_000_000,
        description="The invoices that a billing run would make now.",
    )
    credit_notes = fields.List(
        fields.Nested(DryCreditNote), required=True, max_items=1_000_000, description=LESS_THAN_NOTHING
    )
    usage = fields.List(
        fields.Nested(UsageSoFar), required=True, max_items=1_000_000, description="Spans of usage that still run."
    )
    waiting = fields.List(
        fields.Nested(Waiting), required=True, max_items=1_000_000, description="What could not be billed now, and why."
    )


class ProForma(Schema):
    """What a bill would be. Nothing of it is stored, numbered or owed."""

    account = fields.TypeID("account", required=True)
    as_of = fields.Instant(required=True)
    documents = fields.List(fields.Nested(DryInvoice), required=True, max_items=1_000_000)
    credit_notes = fields.List(
        fields.Nested(DryCreditNote), required=True, max_items=1_000_000, description=LESS_THAN_NOTHING
    )
    waiting = fields.List(
        fields.Nested(Waiting), required=True, max_items=1_000_000, description="What could not be billed, and why."
    )
