"""`per_unit`: every unit at the same price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import QUANTITY, Metered, Needs
from billing.pricing_model import DECIMAL_STRING, BadExample, Example, Part, PricingModel
from core.decimals import EXACT


@dataclass(frozen=True)
class PerUnit:
    """A price in major units for each unit."""

    unit_price: Decimal
    needs: Needs = QUANTITY

    def rate(self, metered: Metered) -> list[Part]:
        """One part: the quantity times the price."""
        exact = EXACT.multiply(metered.total, self.unit_price)
        return [Part(exact=exact, quantity=metered.total, unit_price=self.unit_price)]


def parse(members: Members) -> PerUnit:
    """Read `unit_price`."""
    return PerUnit(members.decimal("unit_price"))


PLUGIN = PricingModel(
    name="per_unit",
    summary="Every unit costs the same.",
    members={"unit_price": {**DECIMAL_STRING, "description": "The price of one unit, in the major unit."}},
    required=["unit_price"],
    parse=parse,
    examples=[
        Example(
            why="kWh at 25 cents",
            price={"model": "per_unit", "unit_price": "0.25"},
            quantity="116.06",
            exact="29.015",
            parts=[{"quantity": "116.06", "unit_price": "0.25", "exact": "29.015"}],
        ),
        Example(
            why="a price far below a cent is not rounded per unit",
            price={"model": "per_unit", "unit_price": "0.000000000001"},
            quantity="1000000000000",
            exact="1",
            parts=[{"quantity": "1000000000000", "unit_price": "0.000000000001", "exact": "1"}],
        ),
        Example(
            why="nothing costs nothing",
            price={"model": "per_unit", "unit_price": "0.25"},
            quantity="0",
            exact="0",
            parts=[{"quantity": "0", "unit_price": "0.25", "exact": "0"}],
        ),
    ],
    refusals=[
        BadExample("no price", {"model": "per_unit"}, "member_required", "/unit_price"),
        BadExample("a number", {"model": "per_unit", "unit_price": 1}, "decimal_string_expected", "/unit_price"),
        BadExample("an exponent", {"model": "per_unit", "unit_price": "1E-2"}, "decimal_malformed", "/unit_price"),
        BadExample(
            "thirteen places",
            {"model": "per_unit", "unit_price": "0.0000000000001"},
            "decimal_out_of_range",
            "/unit_price",
        ),
    ],
)
