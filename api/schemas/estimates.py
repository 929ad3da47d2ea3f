"""Estimates, as they come and go."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.schemas import Schema, fields, rated
from api.schemas.parsed import Parsed
from billing.estimate_lines import EVENTS_MOST, LINES_MOST, read_lines
from billing.metering.meters import schema as meter_schema
from billing.price import schema as price_schema
from billing.pricing_model import COUNT, DECIMAL_STRING
from billing.proration import METHODS

QUANTITY = {**DECIMAL_STRING, "examples": ["15"]}
# A source may take back what it told of.
SIGNED = {**DECIMAL_STRING, "pattern": r"^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?$", "examples": ["3"]}
EDGE = {
    "type": "string",
    "description": "A day in the zone, or an instant.",
    "examples": ["2026-02-13", "2026-02-13T00:00:00Z"],
}
ZONE = {"type": "string", "description": "IANA name.", "default": "UTC", "examples": ["Europe/Amsterdam"]}


def _object(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


def _line() -> dict[str, Any]:
    """The JSON schema of one line."""
    span = _object(["start", "end"], {"start": EDGE, "end": EDGE})
    event = _object(
        ["at", "quantity"],
        {
            "at": {"type": "string", "format": "date-time"},
            "quantity": SIGNED,
            "id": {"type": "string", "minLength": 1, "maxLength": 200},
            "properties": {"type": "object"},
        },
    )
    proration = _object(
        ["method", "span", "used"],
        {"method": {"type": "string", "enum": list(METHODS)}, "time_zone": ZONE, "span": span, "used": span},
    )
    return _object(
        ["price"],
        {
            "price": price_schema(),
            "quantity": QUANTITY,
            "event_count": {
                **COUNT,
                "description": "In how many events the quantity came; by default one when it is above zero.",
            },
            "properties": {"type": "object", "description": "Of a quantity, for prices that tell cells apart."},
            "events": {"type": "array", "maxItems": EVENTS_MOST, "items": event},
            "meter": meter_schema(),
            "span": span,
            "time_zone": ZONE,
            "proration": proration,
        },
    )


class EstimateNew(Schema):
    """Lines to rate: each has a quantity, or events with a meter; a part of a span by `proration`."""

    currency = fields.Currency(required=True)
    lines = Parsed(
        read_lines, {"type": "array", "minItems": 1, "maxItems": LINES_MOST, "items": _line()}, required=True
    )


class EstimateLine(Schema):
    """A rated line: `amount` is `exact` rounded once."""

    amount = fields.MinorAmount(required=True)
    exact = fields.DecimalString(required=True)
    parts = rated.parts(required=True)
    steps = rated.steps(description="What became of the quantity before it was priced.")
    quantity = fields.DecimalString(description="What the events came to, where there were events.")
    unit = fields.String(description="Of that quantity, where it is not the meter's own.")
    flags = fields.List(fields.String(), max_items=10, description="Doubts about that quantity.")
    notes = fields.Dict(description="How that quantity came about.")

    @ma.post_dump
    def without_absent(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        always = ("amount", "exact", "parts")
        return {name: value for name, value in data.items() if name in always or value not in (None, [], {})}


class Estimate(Schema):
    """What the lines come to; nothing is stored."""

    currency = fields.Currency(required=True)
    subtotal_amount = fields.MinorAmount(required=True)
    lines = fields.List(fields.Nested(EstimateLine), required=True)
