"""Corrections of prices, as they come and go."""

from __future__ import annotations

from api.schemas import Schema, fields
from billing.plan_prices import PRICES_MOST
from billing.price import schema as price_schema

CURRENCIES = {"type": "object", "minProperties": 1, "additionalProperties": price_schema()}


class CorrectedPrice(Schema):
    """A charge of the version, and what it should have cost."""

    charge_code = fields.Code(required=True, example="energy")
    currencies = fields.Dict(required=True, metadata=CURRENCIES, description="Only those that were wrong.")


class PriceCorrectionsNew(Schema):
    """Prices that were wrong, and why."""

    prices = fields.List(fields.Nested(CorrectedPrice), required=True, max_items=PRICES_MOST)
    reason = fields.Text(required=True, max_length=500, example="A typing error: 0.31 instead of 0.13")


class PriceCorrection(Schema):
    """What holds in place of a price of a version."""

    id = fields.TypeID("price_correction", required=True)
    plan_version = fields.TypeID("plan_version", attribute="plan_version_id", required=True)
    price = fields.TypeID("price", attribute="price_id", required=True)
    charge_code = fields.String(required=True)
    currencies = fields.Raw(required=True, metadata=CURRENCIES)
    reason = fields.String(required=True)
    created_at = fields.Instant(required=True)


class PriceCorrections(Schema):
    """The corrections that were made, in the order in which they were asked for."""

    data = fields.List(fields.Nested(PriceCorrection), required=True, max_items=PRICES_MOST)
