"""Coupons, their codes, and coupons on subscriptions, as they come and go."""

from __future__ import annotations

from typing import Any

from api.schemas import Resource, Schema, fields
from api.schemas.parsed import Parsed
from billing.coupon_terms import SPANS_MOST, read_amounts, read_duration
from billing.coupons import ACCOUNT, ONCE_PER
from core.money import CURRENCIES
from services.coupons_applied import STATUSES

REFERENCES_MOST = 100
REDEMPTIONS_MOST = 2_000_000_000
CODE = r"\A[A-Za-z0-9][A-Za-z0-9_-]{2,63}\Z"
DURATION: dict[str, Any] = {
    "description": "How many spans of each charge are reduced, counted from the coupon's start on a subscription.",
    "oneOf": [
        {"type": "string", "enum": ["once", "forever"]},
        {
            "type": "object",
            "required": ["spans"],
            "additionalProperties": False,
            "properties": {"spans": {"type": "integer", "minimum": 1, "maximum": SPANS_MOST}},
        },
    ],
    "examples": [{"spans": 3}, "once"],
}
AMOUNTS: dict[str, Any] = {
    "type": "object",
    "description": "What is taken off all charges of a span together, in minor units by currency.",
    "minProperties": 1,
    "propertyNames": {"enum": sorted(CURRENCIES)},
    "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 10**15},
    "examples": [{"EUR": 5000}],
}


class _Window(Schema):
    """How often, and until when."""

    redemptions_most = fields.Integer(
        minimum=1, maximum=REDEMPTIONS_MOST, allow_none=True, description="How often it may be redeemed; null for ever."
    )
    redeemable_until = fields.Instant(allow_none=True, description="From then on nobody can redeem it.")
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class CouponPatch(_Window):
    """What to change of a coupon; what it takes off stays. Who has it keeps it."""

    name = fields.String(min_length=1, max_length=200)
    redeemable_from = fields.Instant(allow_none=True, description="Nobody can redeem it before.")


class CouponNew(_Window):
    """A coupon: per cent or an amount, for some spans, of some products and plans."""

    name = fields.String(required=True, min_length=1, max_length=200, description="As it stands on invoices.")
    percent = fields.DecimalString(
        allow_none=True, positive=True, maximum=100, description="Per cent, more than 0 and at most 100."
    )
    amounts = Parsed(read_amounts, {**AMOUNTS, "type": ["object", "null"]}, allow_none=True)
    duration = Parsed(read_duration, DURATION, required=True, attribute="spans")
    products = fields.List(
        fields.Reference("product"),
        max_items=REFERENCES_MOST,
        allow_none=True,
        metadata={"description": "Whose charges are reduced, by id, external id or code; all by default."},
    )
    plans = fields.List(
        fields.Reference("plan"),
        max_items=REFERENCES_MOST,
        allow_none=True,
        metadata={"description": "Whose charges are reduced, add-ons and what a bundle contains named by themselves."},
    )
    stacking_order = fields.Integer(
        minimum=0, maximum=10_000, load_default=100, description="Lower is taken off first, of the full charge."
    )
    exclusive = fields.Boolean(load_default=False, description="true: never together with another coupon.")
    once_per = fields.Enum(ONCE_PER, load_default=ACCOUNT, description="Who may have it once.")
    automatic = fields.Boolean(
        load_default=False, description="true: a promotion, had by each order that it fits, without a code."
    )
    redeemable_from = fields.Instant(allow_none=True, description="Nobody can redeem it before.")


class Coupon(Resource):
    """A coupon."""

    id = fields.TypeID("coupon", required=True)
    name = fields.String(required=True)
    percent = fields.DecimalString(required=True, allow_none=True)
    amounts = fields.Raw(required=True, allow_none=True, metadata={**AMOUNTS, "type": ["object", "null"]})
    duration = fields.Raw(required=True, metadata=DURATION)
    products = fields.List(fields.TypeID("product"), required=True, allow_none=True)
    plans = fields.List(fields.TypeID("plan"), required=True, allow_none=True)
    stacking_order = fields.Integer(required=True)
    exclusive = fields.Boolean(required=True)
    once_per = fields.Enum(ONCE_PER, required=True)
    automatic = fields.Boolean(required=True)
    redeemable_from = fields.Instant(required=True, allow_none=True)
    redeemable_until = fields.Instant(required=True, allow_none=True)
    redemptions_most = fields.Integer(required=True, allow_none=True)
    redeemed = fields.Integer(required=True, description="How often it was redeemed.")
    archived_at = fields.Instant(required=True, allow_none=True)


class CouponCodePatch(_Window):
    """What to change of a code."""


class CouponCodeNew(_Window):
    """A further code of a coupon. Upper and lower case are the same."""

    code = fields.String(
        required=True,
        validate=fields.Regexp(CODE),
        example="WELCOME-26",
        description="3 to 64 letters, digits, - and _.",
    )
    account = fields.Reference(
        "account", metadata={"description": "Only this account, and those below it, may use the code."}
    )


class CouponCode(Resource):
    """A code that gives a coupon."""

    id = fields.TypeID("coupon_code", required=True)
    coupon = fields.TypeID("coupon", attribute="coupon_id", required=True)
    code = fields.String(required=True)
    account = fields.TypeID("account", attribute="account_id", required=True, allow_none=True)
    redeemable_until = fields.Instant(required=True, allow_none=True)
    redemptions_most = fields.Integer(required=True, allow_none=True)
    redeemed = fields.Integer(required=True)
    disabled_at = fields.Instant(required=True, allow_none=True)


class RedemptionNew(Schema):
    """A coupon for a running subscription."""

    coupon = fields.String(required=True, min_length=1, max_length=64, example="WELCOME-26", description="Its code.")
    from_ = fields.Instant(
        data_key="from",
        attribute="starts_at",
        allow_none=True,
        description="Spans that begin then or later are reduced. By default now; or where billing begins, as long as"
        " nothing is billed.",
    )


class RedemptionPreviewNew(RedemptionNew):
    """A coupon, and up to when to look."""

    as_of = fields.Instant(description="Everything billed up to here; by default now.")


class Redemption(Schema):
    """A coupon on a subscription."""

    id = fields.TypeID("coupon_redemption", required=True)
    subscription = fields.TypeID("subscription", attribute="subscription_id", required=True)
    coupon = fields.TypeID("coupon", attribute="coupon_id", required=True)
    name = fields.String(required=True)
    code = fields.String(required=True, allow_none=True, description="Null for a promotion without a code.")
    percent = fields.DecimalString(required=True, allow_none=True)
    amount = fields.MinorAmount(required=True, allow_none=True, description="For each span.")
    currency = fields.Currency(required=True)
    duration = fields.Raw(required=True, metadata=DURATION)
    status = fields.Enum(STATUSES, required=True)
    starts_at = fields.Instant(required=True, allow_none=True, description="Null before the subscription's start.")
    runs_out_at = fields.Instant(
        required=True,
        allow_none=True,
        description="The end of the last span that is reduced; null where there is none.",
    )
    spans_left = fields.Integer(
        required=True, allow_none=True, description="How many spans are not billed with it yet; null for ever."
    )
    taken_amount = fields.MinorAmount(required=True, description="What it has taken off so far.")
    withdrawn_at = fields.Instant(required=True, allow_none=True)
    created_at = fields.Instant(required=True)
