"""Invoices, their lines and explanations, as they go out."""

from __future__ import annotations

from api.schemas import ExternalIdQuery, Resource, Schema, fields, rated
from api.schemas.rated import Reduction
from billing.metering.tail import Basis
from billing.states import INVOICE
from billing.tax.decision import CATEGORIES

BASES = tuple(basis.value for basis in Basis)
KINDS = ("recurring", "one_off", "usage", "credit", "adjustment", "drawdown")


class InvoiceQuery(ExternalIdQuery):
    """Which invoices."""

    account = fields.Reference("account")
    status = fields.Enum(INVOICE.states)
    number = fields.String(min_length=1, max_length=100)
    billing_run = fields.TypeID("billing_run")
    awaiting_approval = fields.Flag(description="Drafts that a person has to make final or discard; or all others.")


class InvoiceTax(Schema):
    """The tax of one category and rate, computed once on the sum of its lines."""

    category = fields.Enum(
        CATEGORIES,
        required=True,
        description="UNCL 5305: S standard, Z zero, E exempt, AE reverse charge, G export, O outside the scope,"
        " K supply within the European Union.",
    )
    rate = fields.DecimalString(required=True, description="Per cent.", example="21")
    name = fields.String(required=True, example="VAT")
    jurisdiction = fields.String(description="Who takes it, where several take one each on the same amount.")
    reason = fields.String(description="The VATEX code of why none is due.", example="VATEX-EU-AE")
    note = fields.String(description="The legal ground, as the document states it.")
    net_amount = fields.MinorAmount(required=True)
    tax_amount = fields.MinorAmount(required=True)


class CostCentre(Schema):
    """What the lines of a cost centre come to, net."""

    cost_centre = fields.String(required=True, allow_none=True, description="null for lines that have none.")
    net_amount = fields.MinorAmount(required=True)


class Invoice(Resource):
    """What a payer owes. All but the state of its payment is fixed once it is final."""

    id = fields.TypeID("invoice", required=True)
    number = fields.String(required=True, allow_none=True, description="null until it is final.")
    status = fields.Enum(INVOICE.states, required=True)
    account = fields.TypeID("account", required=True, description="The payer.")
    seller = fields.TypeID("seller", required=True)
    billing_run = fields.TypeID("billing_run", allow_none=True)
    currency = fields.Currency(required=True)
    net_amount = fields.MinorAmount(required=True)
    tax_amount = fields.MinorAmount(required=True)
    rounding_amount = fields.MinorAmount(required=True)
    total_amount = fields.MinorAmount(required=True)
    settled_amount = fields.MinorAmount(required=True)
    due_amount = fields.MinorAmount(required=True)
    credited_amount = fields.MinorAmount(required=True, description="What credit notes gave back of it.")
    creditable_amount = fields.MinorAmount(
        required=True,
        description="What credit notes may still give back. In lists and events at most: what later documents gave"
        " back of its lines is looked at where one invoice is asked for.",
    )
    taxes = fields.List(fields.Nested(InvoiceTax), required=True)
    bill_on = fields.Date(required=True, description="The bill date, in the payer's zone.")
    issued_on = fields.Date(required=True, allow_none=True, description="In the payer's zone.")
    due_at = fields.Instant(required=True, allow_none=True, description="Overdue from here on, if not paid.")
    finalized_at = fields.Instant(allow_none=True)
    paid_at = fields.Instant(allow_none=True)
    voided_at = fields.Instant(allow_none=True)
    written_off_at = fields.Instant(allow_none=True)
    write_off_reason = fields.String(allow_none=True)
    cost_centres = fields.List(
        fields.Nested(CostCentre), required=True, description="Sums by cost centre; empty where no line has one."
    )
    purchase_order = fields.String(
        allow_none=True,
        description="The order number that it is billed under: its group's, else the payer's when it became final.",
    )
    grouping = fields.String(
        required=True,
        description='What shares this document, where the payer splits: a subscription, an order number; else "".',
    )
    awaiting_approval = fields.Boolean(
        required=True, description="Whether it is a draft that a person has to make final or discard."
    )
    metadata = fields.Metadata(attribute="metadata")


class Quality(Schema):
    """How a quantity was come by. The first four add up to it; what was refused as invalid is beside it."""

    measured = fields.DecimalString(required=True)
    interpolated = fields.DecimalString(required=True)
    estimated = fields.DecimalString(required=True)
    substituted = fields.DecimalString(required=True)
    invalid = fields.DecimalString(required=True)
    price_estimated = fields.DecimalString(
        description="How much of it was priced by an estimate of a price index; absent where nothing was."
    )


class InvoiceLine(Schema):
    """One line, net of tax."""

    id = fields.TypeID("invoice_line", required=True)
    position = fields.Integer(required=True, minimum=1)
    kind = fields.Enum(KINDS, required=True)
    charge_code = fields.String(required=True, example="power")
    description = fields.String(required=True)
    subscription = fields.TypeID("subscription", required=True)
    subscription_name = fields.String(required=True)
    beneficiary = fields.TypeID("account", required=True, description="Who received it.")
    beneficiary_name = fields.String(required=True)
    span = fields.Span(required=True)
    quantity = fields.DecimalString(required=True)
    unit = fields.String(required=True, allow_none=True)
    unit_price = fields.DecimalString(
        required=True, allow_none=True, description="null where not one price made the amount."
    )
    exact = fields.DecimalString(required=True, description="The amount before it was rounded, in the major unit.")
    amount = fields.MinorAmount(required=True)
    charged_amount = fields.MinorAmount(
        required=True, description="As it was priced: with tax where the price includes it, else the same."
    )
    tax_inclusive = fields.Boolean(required=True)
    reductions = fields.List(
        fields.Nested(Reduction), required=True, metadata={"description": "What coupons took off `charged_amount`."}
    )
    tax_category = fields.Enum(CATEGORIES, required=True)
    tax_rate = fields.DecimalString(required=True)
    quality = fields.Nested(Quality, required=True, allow_none=True, description="null where nothing is metered.")
    purchase_order = fields.String(allow_none=True)
    cost_centre = fields.String(allow_none=True)


class ExplainedShare(Schema):
    """Which part of the whole span was charged."""

    method = fields.String(required=True)
    numerator = fields.Integer(required=True)
    denominator = fields.Integer(required=True)


class ExplainedPrice(Schema):
    """The price as it was agreed, whole."""

    id = fields.TypeID("price", required=True)
    version_id = fields.TypeID(
        "plan_version", required=True, allow_none=True, description="null: a price of this subscription alone."
    )
    version = fields.Integer(required=True, allow_none=True)
    charge_code = fields.String(required=True)
    kind = fields.String(required=True)
    interval = fields.Dict(allow_none=True)
    timing = fields.String(required=True)
    proration = fields.String(required=True)
    currency = fields.Currency(required=True)
    spec = fields.Dict(required=True, description="The price's JSON: model, tiers and the rest.")
    tax_inclusive = fields.Boolean(description="true: `amount` and `exact` have their tax in them; else absent.")
    origin = fields.Raw(
        metadata={
            "type": "object",
            "description": "What a price of this subscription alone was computed from; absent where it was not."
            " Of an early termination: the rate and the rest of each recurring charge.",
        }
    )


class ExplainedReading(Schema):
    """One reading as the device gave it."""

    at = fields.Instant(required=True)
    value = fields.DecimalString(required=True)
    unit = fields.String(required=True)
    serial = fields.String(allow_none=True)


class ExplainedBreak(Schema):
    """Where one register ended and the next began."""

    point = fields.TypeID("point")
    cause = fields.String(required=True, example="swap")
    before = fields.Nested(ExplainedReading, required=True)
    after = fields.Nested(ExplainedReading, required=True)
    naive_difference = fields.DecimalString(
        required=True, description="What the difference of the registers would have billed."
    )
    estimated = fields.DecimalString(required=True)


class ExplainedEstimate(Schema):
    """What stands in for readings that had not come."""

    span = fields.Span(required=True, description="From the last reading, or the start of the span, to its end.")
    quantity = fields.DecimalString(required=True)
    bases = fields.List(
        fields.Enum(BASES),
        required=True,
        max_items=len(BASES),
        description="What hours were estimated by: the mean of the same hours of the four weeks before, the mean of all"
        " known hours of those weeks, the last rate. Empty where nothing was known, and nothing is billed.",
    )


class ExplainedPoint(Schema):
    """One register of one point, while it counted for the line."""

    point = fields.TypeID("point", required=True)
    path = fields.String(required=True)
    register = fields.String(required=True)
    span = fields.Span(required=True)
    quantity = fields.DecimalString(required=True)
    quality = fields.Nested(Quality, required=True)
    intervals = fields.Dict(required=True, description="How many intervals of each quality.")
    first = fields.Nested(ExplainedReading, required=True, allow_none=True)
    last = fields.Nested(ExplainedReading, required=True, allow_none=True)
    breaks = fields.List(fields.Nested(ExplainedBreak), required=True, max_items=1_000_000)
    estimate = fields.Nested(ExplainedEstimate, allow_none=True, description="null where no reading was missing.")


class ExplainedUsage(Schema):
    """What a metered quantity was counted from."""

    meter = fields.Dict(required=True)
    quality = fields.Nested(Quality, required=True)
    flags = fields.List(fields.String(), max_items=10, description="Doubts about the quantity.")
    notes = fields.Dict(description="How the quantity came about.")
    known_until = fields.Instant(required=True, allow_none=True, description="The latest arrival that counted.")
    points = fields.List(fields.Nested(ExplainedPoint), required=True, max_items=1_000_000)
    events = fields.Dict(required=True, description="How many usage events there were, and their sum.")
    swaps = fields.List(fields.Nested(ExplainedBreak), required=True, max_items=1_000_000)


class ExplainedDraw(Schema):
    """The charge that something was drawn for."""

    charge_code = fields.String(required=True)
    kind = fields.Enum(KINDS, required=True)
    span = fields.Span(required=True)
    amount = fields.MinorAmount(required=True)


class ExplainedDrawdown(Schema):
    """What usage has drawn from a committed amount, before and after a charge."""

    claim = fields.TypeID("billed_span", required=True, allow_none=True, description="null: claimed by the same run.")
    span = fields.Span(required=True, description="Of the commitment.")
    committed_amount = fields.MinorAmount(required=True)
    used_amount = fields.MinorAmount(required=True, description="All usage so far that draws from it.")
    drawn_before_amount = fields.MinorAmount(required=True)
    drawn_amount = fields.MinorAmount(required=True)
    left_amount = fields.MinorAmount(required=True)
    of = fields.Nested(ExplainedDraw, required=True, allow_none=True, description="null: corrects earlier ones.")


class ExplainedReduction(Reduction):
    """What a coupon took off, and off what. Of a correction the differences that it makes."""

    redemption = fields.TypeID("coupon_redemption", required=True)
    span = fields.Integer(required=True, description="Its number, counted from the coupon's start.")
    of_amount = fields.MinorAmount(required=True, description="What coupons before it had left.")


class ExplainedCredit(Schema):
    """What a credit is the difference of."""

    claim = fields.TypeID("billed_span", required=True)
    billed_span = fields.Span(required=True)
    billed_amount = fields.MinorAmount(required=True, description="After its reductions, earlier credits included.")
    used_amount = fields.MinorAmount(required=True, description="What stays, after its reductions.")
    used_reductions = fields.List(
        fields.Nested(ExplainedReduction),
        required=True,
        metadata={"description": "What coupons take off what stays."},
    )


class ExplainedCorrection(Schema):
    """A later charge that corrects this one."""

    charge = fields.TypeID("charge", required=True)
    kind = fields.Enum(KINDS, required=True)
    amount = fields.MinorAmount(required=True)
    line = fields.TypeID("invoice_line", required=True, allow_none=True, description="null while it waits.")


class Explained(Schema):
    """How an amount comes about. Of a credit: how the part that was used comes about."""

    span = fields.Span(allow_none=True)
    full_span = fields.Span(allow_none=True)
    share = fields.Nested(ExplainedShare, allow_none=True)
    quantity = fields.DecimalString(allow_none=True)
    unit = fields.String(allow_none=True)
    steps = rated.steps()
    parts = rated.parts()
    discount = fields.DecimalString(description="Per cent taken off the amount.")
    rated = fields.DecimalString(allow_none=True, description="Of the whole span, in the major unit.")
    exact = fields.DecimalString(allow_none=True, description="Before rounding, in the major unit.")
    usage = fields.Nested(ExplainedUsage, allow_none=True)


class ExplainedToday(Explained):
    """How the line would look if it were billed now."""

    amount = fields.MinorAmount()
    reductions = fields.List(fields.Nested(ExplainedReduction))
    difference_amount = fields.MinorAmount()
    code = fields.String(description="Why it could not be rated now.")
    detail = fields.String()


class Explanation(Explained):
    """Why a line's amount is what it is."""

    invoice = fields.TypeID("invoice", required=True)
    line = fields.TypeID("invoice_line", required=True)
    charge = fields.TypeID("charge", required=True)
    adjusts = fields.TypeID("charge", allow_none=True, description="The charge that this one corrects.")
    kind = fields.Enum(KINDS, required=True)
    charge_code = fields.String(required=True)
    subscription = fields.TypeID("subscription", required=True)
    beneficiary = fields.TypeID("account", required=True)
    description = fields.String(required=True)
    amount = fields.MinorAmount(required=True, description="`exact`, rounded, less `reductions`.")
    reductions = fields.List(fields.Nested(ExplainedReduction), required=True)
    currency = fields.Currency(required=True)
    known_until = fields.Instant(required=True)
    billed_at = fields.Instant(required=True)
    price = fields.Nested(ExplainedPrice, required=True)
    credit = fields.Nested(ExplainedCredit, required=True, allow_none=True)
    drawdown = fields.Nested(ExplainedDrawdown, required=True, allow_none=True)
    corrections = fields.List(
        fields.Nested(ExplainedCorrection), required=True, description="What later charges gave back or added."
    )
    today = fields.Nested(
        ExplainedToday, required=True, allow_none=True, description="null while it would look the same."
    )
