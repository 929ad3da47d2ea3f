"""Plans to sell in stories: a rack in advance, energy in arrears, a setup fee."""

from __future__ import annotations

from typing import Any

FLAT = {"model": "flat", "amount_price": "450"}
PER_RACK = {"model": "per_unit", "unit_price": "310"}
TIERED = {
    "model": "graduated",
    "tiers": [{"up_to": "100", "unit_price": "0.3"}, {"up_to": None, "unit_price": "0.25"}],
}


def plan_price(charge_code: str, kind: str = "recurring", price: Any = None, **changes: Any) -> dict[str, Any]:
    """A plan price in EUR of the product `colocation`; usage counts the meter `energy`."""
    usage = {"meter": "energy"} if kind == "usage" else {}
    default = TIERED if kind == "usage" else PER_RACK
    return {
        "charge_code": charge_code,
        "product": "colocation",
        "kind": kind,
        "currencies": {"EUR": price or default},
        **usage,
        **changes,
    }


RACK = plan_price("rack")
ENERGY = plan_price("energy", "usage")
SETUP = plan_price("setup", "one_off", {"model": "flat", "amount_price": "99"})


def make_catalog(client: Any) -> None:
    """The product and the meter that `plan_price` names."""
    client.made("/v1/products", {"code": "colocation", "name": "Colocation"})
    client.made("/v1/meters", {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})


def make_plan(client: Any, *prices: dict[str, Any], code: str = "colo", **version: Any) -> dict[str, Any]:
    """A plan of these prices; the catalogue must be there."""
    made: dict[str, Any] = client.made(
        "/v1/plans", {"code": code, "name": "Colo", "version": {"prices": list(prices), **version}}
    )
    return made
