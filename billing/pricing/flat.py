"""`flat`: one amount per span, whatever the quantity."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import NOTHING, Metered, Needs
from billing.pricing_model import DECIMAL_STRING, BadExample, Example, Part, PricingModel


@dataclass(frozen=True)
class Flat:
    """An amount in major units."""

    amount_price: Decimal
    needs: Needs = NOTHING

    def rate(self, metered: Metered) -> list[Part]:
        """The amount, once."""
        return [Part(exact=self.amount_price, amount_price=self.amount_price)]


def parse(members: Members) -> Flat:
    """Read `amount_price`."""
    return Flat(members.decimal("amount_price"))


PLUGIN = PricingModel(
    name="flat",
    summary="One amount per span; the quantity is ignored.",
    members={"amount_price": {**DECIMAL_STRING, "description": "The amount, in the major unit.", "examples": ["450"]}},
    required=["amount_price"],
    parse=parse,
    examples=[
        Example(
            why="a rack at 450 a month",
            price={"model": "flat", "amount_price": "450"},
            quantity="1",
            exact="450",
            parts=[{"amount_price": "450", "exact": "450"}],
        ),
        Example(
            why="the quantity is ignored",
            price={"model": "flat", "amount_price": "450"},
            quantity="7",
            exact="450",
            parts=[{"amount_price": "450", "exact": "450"}],
        ),
        Example(
            why="a free item",
            price={"model": "flat", "amount_price": "0"},
            quantity="0",
            exact="0",
            parts=[{"amount_price": "0", "exact": "0"}],
        ),
    ],
    refusals=[
        BadExample("no amount", {"model": "flat"}, "member_required", "/amount_price"),
        BadExample("a number", {"model": "flat", "amount_price": 450}, "decimal_string_expected", "/amount_price"),
        BadExample("a negative amount", {"model": "flat", "amount_price": "-1"}, "decimal_negative", "/amount_price"),
        BadExample(
            "another model's member",
            {"model": "flat", "amount_price": "1", "unit_price": "1"},
            "member_unknown",
            "/unit_price",
        ),
    ],
)
