"""Products, meters and plans, as they come and go."""

from __future__ import annotations

from typing import Any

from api.schemas import ExternalIdQuery, Resource, Schema, fields
from api.schemas.contract_members import TRIAL, nullable
from api.schemas.parsed import Parsed
from api.schemas.quantities import QUANTITIES
from billing.changes import read_quantities
from billing.contract_terms import read_trial
from billing.items import KINDS, TIMINGS
from billing.offers import BASE_PLANS_MOST, COMPONENTS_MOST, read_own_prices
from billing.offers import KINDS as PLAN_KINDS
from billing.periods import COUNT_MOST, UNITS
from billing.plan_prices import PRICES_MOST
from billing.price import schema as price_schema
from billing.proration import METHODS
from billing.tax.facts import NATURES, SERVICE
from core.money import CURRENCIES
from services.plan_offers import OFFERS_MOST

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
            "tax_inclusive": {
                "type": "boolean",
                "default": False,
                "description": "Whether its amounts have their tax in them.",
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


PLAN_PRICES: dict[str, Any] = {
    "type": "array",
    "maxItems": PRICES_MOST,
    "items": _plan_price(),
    "description": "One or more; of a bundle none will do.",
    "examples": [PRICES_EXAMPLE],
}


TAX_CLASS = (
    "Which rate it takes: `standard` (as null does), `reduced`, `reduced_2`, `super_reduced`, or a code of yours."
)
NATURE = "Decides where it is taxed: goods where they arrive, property (a room, a rack) where it stands."


class ProductNew(Schema):
    """A product to make."""

    code = fields.Code(required=True, example="colocation")
    name = fields.Text(required=True, example="Colocation")
    tax_class = fields.Code(allow_none=True, example="standard", description=TAX_CLASS)
    nature = fields.Enum(NATURES, load_default=SERVICE, description=NATURE)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class ProductPatch(Schema):
    """What to change; members that are not given stay."""

    name = fields.Text()
    tax_class = fields.Code(allow_none=True, description=TAX_CLASS)
    nature = fields.Enum(NATURES, description=NATURE)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Product(Resource):
    """What a charge is for, on the invoice and in the books."""

    id = fields.TypeID("product", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    tax_class = fields.String(allow_none=True)
    nature = fields.Enum(NATURES, required=True)


class ComponentNew(Schema):
    """A plan that a bundle contains; an order takes its current version."""

    plan = fields.Reference("plan", required=True)
    quantities = Parsed(read_quantities, QUANTITIES)
    discount = fields.DecimalString(
        minimum=0,
        maximum=100,
        description="Per cent off this plan's recurring and one-off charges: 100 where the bundle's price covers them."
        " Usage is paid as the plan says.",
    )


class PlanVersionNew(Schema):
    """A price list to offer from an instant on. A bundle's has components, and may do without prices of its own."""

    effective_at = fields.Instant(description="From when it is offered; by default now.")
    prices = Parsed(read_own_prices, PLAN_PRICES)
    components = fields.List(
        fields.Nested(ComponentNew),
        validate=fields.Length(max=COMPONENTS_MOST),
        metadata={"description": "The plans of a bundle, and only of one; each once."},
    )
    trial = Parsed(
        read_trial, {**TRIAL, "description": "With which orders begin that name none. " + TRIAL["description"]}
    )


class QuantityBounds(Schema):
    """How many of an add-on a subscription may have."""

    least = fields.DecimalString(minimum=0, allow_none=True)
    most = fields.DecimalString(minimum=0, allow_none=True)


class _AddOnRules(Schema):
    """Where an add-on may be added."""

    base_plans = fields.List(
        fields.Reference("plan"),
        validate=fields.Length(max=BASE_PLANS_MOST),
        metadata={"description": "Of an add-on: the plans and bundles it goes with; by default all."},
    )
    quantity = fields.Nested(
        QuantityBounds, metadata={"description": "Of an add-on: bounds of the quantities of its recurring charges."}
    )
    group = fields.Code(metadata={"description": "Of an add-on: a subscription has at most one of a group."})


class _Rules(_AddOnRules):
    """The same, and what is offered to those who have a plan."""

    successors = fields.List(
        fields.Reference("plan"),
        validate=fields.Length(max=OFFERS_MOST),
        metadata={"description": "Plans and bundles to take in its place, in this order: upgrades."},
    )
    companions = fields.List(
        fields.Reference("plan"),
        validate=fields.Length(max=OFFERS_MOST),
        metadata={"description": "Plans, bundles and add-ons to take beside it, in this order: cross-sell."},
    )


class PlanNew(_Rules):
    """A plan to make, with its first version."""

    code = fields.Code(required=True, example="colo-rack")
    name = fields.Text(required=True, example="Colocation rack")
    kind = fields.Enum(
        PLAN_KINDS,
        load_default="base",
        description="An add-on is ordered on the subscription of another plan; a bundle sells several plans as one.",
    )
    version = fields.Nested(PlanVersionNew, required=True)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class PlanPatch(_Rules):
    """What to change; prices change by a further version. An add-on's rules hold for orders and changes from now on."""

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
    tax_inclusive = fields.Boolean(required=True)
    currencies = fields.Raw(
        required=True, metadata={"type": "object", "minProperties": 1, "additionalProperties": price_schema()}
    )


class Component(Schema):
    """A plan that a bundle contains."""

    plan = fields.TypeID("plan", attribute="plan_id", required=True)
    quantities = fields.Dict(keys=fields.String(), values=fields.DecimalString(), required=True)
    discount = fields.DecimalString(
        required=True, description="Per cent off this plan's recurring and one-off charges, never off usage."
    )


class PlanVersion(Schema):
    """One immutable price list of a plan."""

    id = fields.TypeID("plan_version", required=True)
    plan = fields.TypeID("plan", attribute="plan_id", required=True)
    number = fields.Integer(required=True)
    effective_at = fields.Instant(required=True)
    created_at = fields.Instant(required=True)
    prices = fields.List(fields.Nested(PlanPrice), required=True)
    components = fields.List(fields.Nested(Component), required=True, metadata={"description": "Of a bundle."})
    trial = fields.Raw(required=True, allow_none=True, metadata=nullable(TRIAL))


class Plan(Resource):
    """A named offer, with its newest version."""

    id = fields.TypeID("plan", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.Enum(PLAN_KINDS, required=True)
    base_plans = fields.List(fields.TypeID("plan"), required=True)
    quantity = fields.Nested(QuantityBounds, attribute="rules.quantity", required=True)
    group = fields.String(attribute="rules.group", required=True, allow_none=True)
    successors = fields.List(fields.TypeID("plan"), required=True)
    companions = fields.List(fields.TypeID("plan"), required=True)
    version = fields.Nested(PlanVersion, required=True)


class CatalogQuery(ExternalIdQuery):
    """Which ones."""
