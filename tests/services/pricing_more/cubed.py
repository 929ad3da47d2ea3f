"""`cubed`: a pricing model that somebody adds: the quantity three times over, at a price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.metered import QUANTITY, Metered, Needs
from billing.pricing_model import DECIMAL_STRING, BadExample, Example, Part, PricingModel
from core.decimals import EXACT, format_decimal


@dataclass(frozen=True)
class Cubed:
    """A price in major units."""

    unit_price: Decimal
    needs: Needs = QUANTITY

    def rate(self, metered: Metered) -> list[Part]:
        """One part: the cube of the quantity times the price."""
        cube = EXACT.power(metered.total, 3)
        return [Part(EXACT.multiply(cube, self.unit_price), metered.total, more={"cube": format_decimal(cube)})]


PLUGIN = PricingModel(
    name="cubed",
    summary="The cube of the quantity at a price.",
    members={"unit_price": DECIMAL_STRING},
    required=["unit_price"],
    parse=lambda members: Cubed(members.decimal("unit_price")),
    examples=[
        Example(
            why="two is eight",
            price={"model": "cubed", "unit_price": "0.5"},
            quantity="2",
            exact="4",
            parts=[{"quantity": "2", "cube": "8", "exact": "4"}],
        )
    ],
    refusals=[BadExample("no price", {"model": "cubed"}, "member_required", "/unit_price")],
)
