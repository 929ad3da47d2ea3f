"""The steps by which an amount came about, as every route shows them."""

from __future__ import annotations

from typing import Any

from api.schemas import Schema, fields
from billing.pricing_model import DECIMAL_STRING

_SIGNED = {**DECIMAL_STRING, "pattern": r"^-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,99})?$"}


class Reduction(Schema):
    """What a coupon took off; of a correction the difference that it makes, which may be negative."""

    coupon = fields.TypeID("coupon", required=True)
    name = fields.String(required=True, example="Welcome")
    percent = fields.DecimalString(required=True, allow_none=True, description="null where it is an amount.")
    amount = fields.MinorAmount(required=True)


def parts(**more: Any) -> fields.List:
    """The parts of an amount: their `exact` add up to it."""
    known = dict.fromkeys(("quantity", "unit_price", "flat_price", "amount_price", "exact"), _SIGNED)
    part = fields.Dict(
        metadata={
            "description": "One step: beside these, members of the price's own model, such as the name of a band.",
            "properties": known,
            "additionalProperties": True,
        }
    )
    return fields.List(part, max_items=1_000_000, **more)


def steps(**more: Any) -> fields.List:
    """What became of the quantity before the model saw it: multiplier, rounding, included quantity, commitment."""
    step = fields.Dict(
        metadata={
            "description": "`step` names the member of the price; `quantity` is what was left to be priced.",
            "properties": {"step": {"type": "string"}, "quantity": _SIGNED},
            "additionalProperties": {"type": "string"},
        }
    )
    return fields.List(step, max_items=10, **more)
