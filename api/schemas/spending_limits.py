"""Limits on spending, as they come and go."""

from __future__ import annotations

from api.schemas import Resource, Schema, fields

KINDS = ("threshold", "cap")


class SpendingLimitNew(Schema):
    """A limit to set: on an amount, or on the quantity of a charge."""

    kind = fields.Enum(
        KINDS, required=True, description="They differ in the event: what follows is up to its receiver."
    )
    charge_code = fields.Code(allow_none=True, example="energy", description="Only this charge counts; all by default.")
    amount = fields.MinorAmount(allow_none=True, minimum=1, description="Net. Either this or `quantity`.")
    currency = fields.Currency(allow_none=True, description="That of the subscription or account, the default.")
    quantity = fields.DecimalString(
        allow_none=True, positive=True, description="Of the charge, in the unit that it is priced in."
    )
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class SpendingLimitPatch(Schema):
    """What to change; another limit is made anew."""

    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class LimitReached(Schema):
    """When a limit was reached, in which span, and what had been spent by then."""

    span = fields.Span(required=True)
    at = fields.Instant(required=True)
    amount = fields.MinorAmount(required=True, allow_none=True)
    quantity = fields.DecimalString(required=True, allow_none=True)


class SpendingLimit(Resource):
    """A threshold or a cap on what usage comes to."""

    id = fields.TypeID("spending_limit", required=True)
    account = fields.TypeID("account", attribute="account_id", required=True)
    subscription = fields.TypeID("subscription", attribute="subscription_id", required=True, allow_none=True)
    charge_code = fields.String(required=True, allow_none=True)
    kind = fields.Enum(KINDS, required=True)
    amount = fields.MinorAmount(required=True, allow_none=True)
    currency = fields.Currency(required=True, allow_none=True)
    quantity = fields.DecimalString(required=True, allow_none=True)
    reached = fields.Nested(
        LimitReached, required=True, allow_none=True, description="The latest span in which it was reached."
    )
