"""What a subscription used, over HTTP."""

from __future__ import annotations

from api.schemas import Schema, fields
from services.subscription_usage import SLOTS_MAX


class SubscriptionUsageQuery(Schema):
    """Which stretch, in which slots."""

    start = fields.Instant(data_key="from", description="The start of the local month that now lies in by default.")
    end = fields.Instant(data_key="to", description="The end of the month of `from` by default.")
    group_by = fields.Enum(["hour", "day", "month"], load_default="day", description="Days and months are local.")


class QualityShares(Schema):
    """The quantity by how sure it is. The first four add up to it; `invalid` is what refused steps read, not billed."""

    measured = fields.DecimalString(required=True)
    interpolated = fields.DecimalString(
        required=True, description="The total is measured, its split over the edge is not."
    )
    estimated = fields.DecimalString(required=True)
    substituted = fields.DecimalString(required=True)
    invalid = fields.DecimalString(required=True)


class UsageSlot(Schema):
    """One slot."""

    span = fields.Span(required=True)
    quantity = fields.DecimalString(required=True)
    quality = fields.Nested(QualityShares, required=True)


class UsageItem(Schema):
    """A metered charge."""

    charge_code = fields.String(required=True)
    meter = fields.String(required=True, description="Its code.")
    unit = fields.String(required=True)
    quantity = fields.DecimalString(required=True)
    quality = fields.Nested(QualityShares, required=True)
    slots = fields.List(fields.Nested(UsageSlot), required=True, max_items=SLOTS_MAX + 1)


class UsageAmount(Schema):
    """A billing span that overlaps what was asked for, rated up to now as it would be billed."""

    charge_code = fields.String(required=True)
    span = fields.Span(required=True)
    until = fields.Instant(required=True)
    quantity = fields.DecimalString(required=True)
    amount = fields.MinorAmount(required=True, allow_none=True)


class Commitment(Schema):
    """What billed usage has drawn from one span of a committed amount."""

    charge_code = fields.String(required=True)
    span = fields.Span(required=True)
    committed_amount = fields.MinorAmount(required=True)
    drawn_amount = fields.MinorAmount(required=True)
    left_amount = fields.MinorAmount(required=True)


class SubscriptionUsage(Schema):
    """What a subscription used, and what it comes to so far: net, the sum over the billing spans that overlap."""

    subscription = fields.TypeID("subscription", attribute="subscription_id", required=True)
    span = fields.Span(required=True)
    group_by = fields.String(required=True)
    time_zone = fields.String(required=True)
    currency = fields.Currency(required=True)
    amount = fields.MinorAmount(required=True)
    amounts = fields.List(fields.Nested(UsageAmount), required=True)
    items = fields.List(fields.Nested(UsageItem), required=True)
    commitments = fields.List(
        fields.Nested(Commitment), required=True, description="Committed amounts in force; `amount` is before them."
    )
