"""Quantities by charge code, as orders, changes and bundles give them."""

from __future__ import annotations

from typing import Any

from billing.changes import QUANTITIES_MOST
from billing.pricing_model import DECIMAL_STRING

QUANTITIES: dict[str, Any] = {
    "type": "object",
    "description": "By charge code; what is not named is 1. Usage has none.",
    "maxProperties": QUANTITIES_MOST,
    "additionalProperties": DECIMAL_STRING,
    "examples": [{"rack": "3"}],
}
