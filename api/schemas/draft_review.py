"""What a person looks at before a draft becomes final, and drafts made final together."""

from __future__ import annotations

from api.schemas import Schema, fields
from api.schemas.anomalies import Anomaly
from api.schemas.billing_runs import Waiting
from api.schemas.invoices import Invoice, Quality
from services.draft_review import SHOWN_MOST

TOGETHER_MOST = 500


class ReviewedAnomaly(Anomaly):
    """An open doubt about a point that counts for lines of the draft."""

    point = fields.TypeID("point", required=True)
    path = fields.String(required=True)
    suggestion = fields.String(required=True, description="What to do about it.")
    lines = fields.List(fields.TypeID("invoice_line"), required=True, max_items=1_000_000)
    created_at = fields.Instant()


class DoubtfulLine(Schema):
    """A line whose quantity was not simply measured."""

    line = fields.TypeID("invoice_line", required=True)
    position = fields.Integer(required=True, minimum=1)
    charge_code = fields.String(required=True)
    description = fields.String(required=True)
    subscription = fields.TypeID("subscription", required=True)
    subscription_name = fields.String(required=True)
    quantity = fields.DecimalString(required=True)
    unit = fields.String(required=True, allow_none=True)
    amount = fields.MinorAmount(required=True)
    quality = fields.Nested(Quality, required=True, allow_none=True)
    flags = fields.List(fields.String(), required=True, max_items=10, description="Doubts about the quantity.")


class PreviousInvoice(Schema):
    """The last final invoice of the same payer, seller, currency and group."""

    invoice = fields.TypeID("invoice", required=True)
    number = fields.String(required=True)
    bill_on = fields.Date(required=True)
    net_amount = fields.MinorAmount(required=True)
    total_amount = fields.MinorAmount(required=True)
    difference_net_amount = fields.MinorAmount(required=True, description="The draft's, less this one's.")
    difference_total_amount = fields.MinorAmount(required=True)


class ReviewedDifference(Schema):
    """What a charge of a plan comes to here and on the invoice before, net; those that are equal are left out."""

    subscription_name = fields.String(required=True)
    charge_code = fields.String(required=True)
    amount = fields.MinorAmount(required=True)
    previous_amount = fields.MinorAmount(required=True)
    difference_amount = fields.MinorAmount(required=True)


class DraftReview(Schema):
    """What is to be known of a draft before it is made final. Lists are cut off; the counts are of all."""

    invoice = fields.Nested(Invoice, required=True)
    anomalies = fields.List(fields.Nested(ReviewedAnomaly), required=True, max_items=SHOWN_MOST)
    anomaly_count = fields.Integer(required=True, minimum=0)
    doubtful_lines = fields.List(fields.Nested(DoubtfulLine), required=True, max_items=SHOWN_MOST)
    doubtful_line_count = fields.Integer(required=True, minimum=0)
    previous = fields.Nested(PreviousInvoice, required=True, allow_none=True)
    differences = fields.List(fields.Nested(ReviewedDifference), required=True, max_items=SHOWN_MOST)
    waiting = fields.List(fields.Nested(Waiting), required=True, description="What the run could not bill, and why.")


class InvoicesToFinalize(Schema):
    """Which drafts."""

    invoices = fields.List(fields.TypeID("invoice"), required=True, min_items=1, max_items=TOGETHER_MOST)


class NotFinal(Schema):
    """A draft that was not made final."""

    invoice = fields.TypeID("invoice", required=True)
    code = fields.String(required=True, example="illegal_transition")
    detail = fields.String(required=True)


class InvoicesFinalized(Schema):
    """What became of them."""

    finalized = fields.List(fields.Nested(Invoice), required=True, max_items=TOGETHER_MOST)
    refused = fields.List(fields.Nested(NotFinal), required=True, max_items=TOGETHER_MOST)
