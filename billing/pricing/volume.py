"""`volume`: the whole quantity at the price of the tier it ends in.

Source: the behaviour that Stripe and Lago call "volume"; contrast `graduated`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import Metered, Needs, plain
from billing.pricing_model import BadExample, Example, Part, PricingModel
from billing.proration import Share
from billing.tiers import Tiers, read_tiers, tiers_schema
from core.decimals import EXACT


@dataclass(frozen=True)
class Volume:
    """Tiers with a price per unit."""

    tiers: Tiers

    @property
    def needs(self) -> Needs:
        """The quantity."""
        return self.tiers.needs

    def rate(self, metered: Metered) -> list[Part]:
        """One part, of the tier that the quantity ends in; none for zero, unless that pays a flat price."""
        tier = self.tiers.ending(metered)
        if tier is None:
            return []
        exact = EXACT.add(EXACT.multiply(metered.total, tier.price), tier.flat_price)
        return [Part(exact, metered.total, tier.price, flat_price=tier.flat_price or None)]


def parse(members: Members) -> Volume:
    """Read the tiers."""
    return Volume(read_tiers(members))


_PLAIN = {"model": "volume", "tiers": [{"up_to": "1000", "unit_price": "0.3"}, {"up_to": None, "unit_price": "0.25"}]}
_FLAT = {
    "model": "volume",
    "tiers": [{"up_to": "10", "unit_price": "2", "flat_price": "5"}, {"up_to": None, "unit_price": "1"}],
}

PLUGIN = PricingModel(
    name="volume",
    summary="The whole quantity costs the price of the tier it ends in, and that tier's flat price.",
    members=tiers_schema("unit_price"),
    required=["tiers"],
    parse=parse,
    examples=[
        Example(
            why="the end of a tier belongs to it",
            price=_PLAIN,
            quantity="1000",
            exact="300",
            parts=[{"quantity": "1000", "unit_price": "0.3", "exact": "300"}],
        ),
        Example(
            why="one more makes all of them cheaper",
            price=_PLAIN,
            quantity="1001",
            exact="250.25",
            parts=[{"quantity": "1001", "unit_price": "0.25", "exact": "250.25"}],
        ),
        Example(
            why="only the flat price of the tier it ends in is due",
            price=_FLAT,
            quantity="12",
            exact="12",
            parts=[{"quantity": "12", "unit_price": "1", "exact": "12"}],
        ),
        Example(
            why="within the first tier its flat price is due",
            price=_FLAT,
            quantity="4",
            exact="13",
            parts=[{"quantity": "4", "unit_price": "2", "flat_price": "5", "exact": "13"}],
        ),
        Example(why="zero enters no tier", price=_FLAT, quantity="0", exact="0", parts=[]),
        Example(
            why="zero enters the first tier when the price says so",
            price={**_FLAT, "charge_flat_at_zero": True},
            quantity="0",
            exact="5",
            parts=[{"quantity": "0", "unit_price": "2", "flat_price": "5", "exact": "5"}],
        ),
        Example(
            why="ten of thirty days end a tier at a third, when the price says so",
            price={**_PLAIN, "prorate_tiers": True},
            quantity=None,
            metered=plain(Decimal("400"), share=Share(10, 30)),
            exact="100",
            parts=[{"quantity": "400", "unit_price": "0.25", "exact": "100"}],
        ),
    ],
    refusals=[
        BadExample("no tiers", {"model": "volume"}, "member_required", "/tiers"),
        BadExample("an empty list", {"model": "volume", "tiers": []}, "tiers_expected", "/tiers"),
        BadExample(
            "out of order",
            {"model": "volume", "tiers": [{"up_to": "10"}, {"up_to": "9.999"}, {"up_to": None}]},
            "tier_not_rising",
            "/tiers/1/up_to",
        ),
        BadExample(
            "an end at the last",
            {"model": "volume", "tiers": [{"up_to": "10", "unit_price": "1"}]},
            "tier_end_missing",
            "/tiers/0/up_to",
        ),
        BadExample(
            "a gap: a tier without an end before the last",
            {"model": "volume", "tiers": [{"unit_price": "1"}, {"up_to": None}]},
            "tier_end_not_last",
            "/tiers/0/up_to",
        ),
        BadExample(
            "a word instead of true or false",
            {**_PLAIN, "prorate_tiers": "yes"},
            "boolean_expected",
            "/prorate_tiers",
        ),
    ],
)
