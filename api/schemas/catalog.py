"""Products, meters and plans, as they come and go."""

from __future__ import annotations

from typing import Any

from api.schemas import ExternalIdQuery, Resource, Schema, fields
from api.schemas.parsed import Parsed
from billing.items import KINDS, TIMINGS
from billing.periods import COUNT_MOST, UNITS
from billing.plan_prices import PRICES_MOST, read_prices
from billing.price import schema as price_schema
from billing.proration import METHODS
from core.money import CURRENCIES
from services.catalog import aggregations

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,79}$"
FLAT = {"model": "flat", "amount_price": "450"}
TIERED = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.3"}, {"up_to": None, "unit_price": "0.25"}],
}
PRICES_EXAMPLE = [
    {
        "charge_code": "rack",
        "name": "Rack, 42 units",
        "product": "colocation",
        "kind": "recurring",
        "interval": {"unit": "month", "count": 1},
        "timing": "advance",
        "proration": "day",
        "currencies": {"EUR": FLAT},
    },
    {"charge_code": "energy", "product": "power", "kind": "usage", "meter": "energy", "currencies": {"EUR": TIERED}},
]


def _plan_price() -> dict[str, Any]:
    """The JSON schema of one price of a list."""
    return {
        "type": "object",
        "required": ["charge_code", "product", "kind", "currencies"],
        "additionalProperties": False,
        "properties": {
            "charge_code": {
                "type": "string",
                "pattern": CODE_PATTERN,
                "description": "Names the charge, and stays the same over versions.",
            },
            "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "description": "For the invoice; the charge code by default.",
            },
            "product": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Id, external id or code."},
            "kind": {"type": "string", "enum": list(KINDS)},
            "interval": {
                "type": "object",
                "description": "How long a span is; a month by default. Not for a one-off.",
                "required": ["unit"],
                "additionalProperties": False,
                "properties": {
                    "unit": {"type": "string", "enum": list(UNITS)},
                    "count": {"type": "integer", "minimum": 1, "maximum": COUNT_MOST, "default": 1},
                },
            },
            "timing": {
                "type": "string",
                "enum": list(TIMINGS),
                "description": "Usage is billed in arrears; the rest in advance unless this says otherwise.",
            },
            "proration": {"type": "string", "enum": list(METHODS), "default": "day"},
            "meter": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "description": "Id, external id or code: what a usage price counts.",
            },
            "currencies": {
                "type": "object",
                "description": "Currency to price; all prices of a version cover the same currencies.",
                "minProperties": 1,
                "propertyNames": {"enum": sorted(CURRENCIES)},
                "additionalProperties": price_schema(),
            },
        },
    }


class ProductNew(Schema):
    """A product to make."""

    code = fields.Code(required=True, example="colocation")
    name = fields.Text(required=True, example="Colocation")
    tax_class = fields.Code(allow_none=True, example="standard")
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class ProductPatch(Schema):
    """What to change; members that are not given stay."""

    name = fields.Text()
    tax_class = fields.Code(allow_none=True)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Product(Resource):
    """What a charge is for, on the invoice and in the books."""

    id = fields.TypeID("product", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    tax_class = fields.String(allow_none=True)


class MeterNew(Schema):
    """A meter to make."""

    code = fields.Code(required=True, example="energy")
    name = fields.Text(required=True, example="Energy")
    unit = fields.Text(required=True, max_length=20, example="kWh", description="Registers are converted to it.")
    aggregation = fields.Text(
        required=True,
        max_length=60,
        example="sum",
        description=f"How usage becomes a quantity: {', '.join(aggregations())}.",
    )
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class MeterPatch(Schema):
    """What to change; what a meter counts stays."""

    name = fields.Text()
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Meter(Resource):
    """What is counted for billing."""

    id = fields.TypeID("meter", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    unit = fields.String(required=True)
    aggregation = fields.String(required=True)


class PlanVersionNew(Schema):
    """A price list to offer from an instant on."""

    effective_at = fields.Instant(description="From when it is offered; by default now.")
    prices = Parsed(
        read_prices,
        {"type": "array", "minItems": 1, "maxItems": PRICES_MOST, "items": _plan_price(), "examples": [PRICES_EXAMPLE]},
        required=True,
    )


class PlanNew(Schema):
    """A plan to make, with its first version."""

    code = fields.Code(required=True, example="colo-rack")
    name = fields.Text(required=True, example="Colocation rack")
    version = fields.Nested(PlanVersionNew, required=True)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class PlanPatch(Schema):
    """What to change; prices change by a further version."""

    name = fields.Text()
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Interval(Schema):
    """A length of time in the calendar."""

    unit = fields.Enum(UNITS, required=True)
    count = fields.Integer(required=True)


class PlanPrice(Schema):
    """One charge of a version."""

    id = fields.TypeID("price", required=True)
    charge_code = fields.String(required=True)
    name = fields.String(required=True)
    product = fields.TypeID("product", attribute="product_id", required=True)
    kind = fields.Enum(KINDS, required=True)
    interval = fields.Nested(Interval, allow_none=True)
    timing = fields.Enum(TIMINGS, required=True)
    proration = fields.Enum(METHODS, required=True)
    meter = fields.TypeID("meter", attribute="meter_id", allow_none=True)
    currencies = fields.Raw(
        required=True, metadata={"type": "object", "minProperties": 1, "additionalProperties": price_schema()}
    )


class PlanVersion(Schema):
    """One immutable price list of a plan."""

    id = fields.TypeID("plan_version", required=True)
    plan = fields.TypeID("plan", attribute="plan_id", required=True)
    number = fields.Integer(required=True)
    effective_at = fields.Instant(required=True)
    created_at = fields.Instant(required=True)
    prices = fields.List(fields.Nested(PlanPrice), required=True)


class Plan(Resource):
    """A named offer, with its newest version."""

    id = fields.TypeID("plan", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.Nested(PlanVersion, required=True)


class CatalogQuery(ExternalIdQuery):
    """Which ones."""
