"""Charges that are put on a subscription by hand, as they come and go."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.schemas import ExternalIdQuery, Resource, Schema, fields
from api.schemas.coded import Coded
from api.schemas.parsed import Parsed
from billing.plan_prices import read_one_off_price
from billing.price import schema as price_schema
from services.one_off_charges import STATES

AMOUNT_MOST = 10**15


class OneOffChargeNew(Schema):
    """Work or goods to charge for once."""

    product = fields.Reference("product", required=True)
    description = fields.Text(required=True, max_length=200, example="Smart hands: a disk exchanged in rack 12")
    price = Parsed(read_one_off_price, {**price_schema(), "description": "What one or many of it cost; or `amount`."})
    amount = fields.MinorAmount(
        validate=fields.Range(min=0, max=AMOUNT_MOST),
        metadata={"description": "What it costs in all, in the subscription's currency; or `price`."},
    )
    tax_inclusive = fields.Boolean(load_default=False, description="Whether that has its tax in it.")
    quantity = fields.DecimalString(minimum=0, description="1 by default.")
    at = fields.Instant(description="When it was done: it is due from then on. By default now.")
    bill = fields.Enum(
        ["next", "now"],
        load_default="next",
        description="On the payer's next document, or on one at once, with what else is due.",
    )
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()

    @ma.validates_schema
    def priced_once(self, data: dict[str, Any], **kwargs: Any) -> None:
        if ("price" in data) == ("amount" in data):
            raise ma.ValidationError({"_schema": [Coded("price_or_amount", "Give either `price` or `amount`.")]})


class OneOffCharge(Resource):
    """A charge that was put on a subscription."""

    id = fields.TypeID("one_off_charge", required=True)
    subscription = fields.TypeID("subscription", attribute="subscription_id", required=True)
    charge_code = fields.String(required=True, description="By this, its lines and charges are known.")
    product = fields.TypeID("product", attribute="product_id", required=True)
    description = fields.String(required=True)
    price = fields.Dict(required=True, description="The price's JSON.")
    tax_inclusive = fields.Boolean(required=True)
    quantity = fields.DecimalString(required=True)
    at = fields.Instant(required=True)
    currency = fields.Currency(required=True)
    exact = fields.DecimalString(required=True)
    amount = fields.MinorAmount(required=True)
    state = fields.Enum(STATES, required=True)
    withdrawn_at = fields.Instant(required=True, allow_none=True)
    charge = fields.TypeID("charge", attribute="charge_id", required=True, allow_none=True)
    invoice_line = fields.TypeID("invoice_line", attribute="invoice_line_id", required=True, allow_none=True)


class OneOffChargeQuery(ExternalIdQuery):
    """Which charges."""
