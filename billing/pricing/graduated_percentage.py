"""`graduated_percentage`: tiers over a metered amount; each part of it pays its tier's rate."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import Metered, Needs, plain
from billing.pricing_model import BadExample, Example, Part, PricingModel
from billing.proration import Share
from billing.tiers import Tier, Tiers, read_tiers, tiers_schema
from core.decimals import EXACT, format_decimal


@dataclass(frozen=True)
class GraduatedPercentage:
    """Tiers with a rate in per cent."""

    tiers: Tiers

    @property
    def needs(self) -> Needs:
        """The quantity."""
        return self.tiers.needs

    def rate(self, metered: Metered) -> list[Part]:
        """One part per tier entered, in tier order. The parts' quantities add up to the metered amount exactly."""
        return [_part(tier, amount) for tier, amount in self.tiers.entered(metered)]


def _part(tier: Tier, amount: Decimal) -> Part:
    share = EXACT.multiply(amount, tier.price).scaleb(-2, context=EXACT)
    return Part(
        EXACT.add(share, tier.flat_price),
        amount,
        flat_price=tier.flat_price or None,
        more={"rate": format_decimal(tier.price)},
    )


def parse(members: Members) -> GraduatedPercentage:
    """Read the tiers."""
    return GraduatedPercentage(read_tiers(members, "rate"))


_PLAIN = {
    "model": "graduated_percentage",
    "tiers": [{"up_to": "1000", "rate": "3"}, {"up_to": None, "rate": "2", "flat_price": "1"}],
}

PLUGIN = PricingModel(
    name="graduated_percentage",
    summary="Each tier takes its per cent of the part of the amount that falls into it, and its flat price once.",
    members=tiers_schema("rate"),
    required=["tiers"],
    parse=parse,
    examples=[
        Example(
            why="one and a half thousand: 3 % of the first thousand, 2 % of the rest and its flat price",
            price=_PLAIN,
            quantity="1500",
            exact="41",
            parts=[
                {"quantity": "1000", "rate": "3", "exact": "30"},
                {"quantity": "500", "rate": "2", "flat_price": "1", "exact": "11"},
            ],
        ),
        Example(
            why="the end of a tier belongs to it",
            price=_PLAIN,
            quantity="1000",
            exact="30",
            parts=[{"quantity": "1000", "rate": "3", "exact": "30"}],
        ),
        Example(
            why="the least amount above it enters the next and pays its flat price",
            price=_PLAIN,
            quantity="1000.01",
            exact="31.0002",
            parts=[
                {"quantity": "1000", "rate": "3", "exact": "30"},
                {"quantity": "0.01", "rate": "2", "flat_price": "1", "exact": "1.0002"},
            ],
        ),
        Example(why="zero enters no tier", price=_PLAIN, quantity="0", exact="0", parts=[]),
        Example(
            why="zero enters the first tier when the price says so",
            price={
                "model": "graduated_percentage",
                "tiers": [{"up_to": None, "rate": "3", "flat_price": "2.5"}],
                "charge_flat_at_zero": True,
            },
            quantity="0",
            exact="2.5",
            parts=[{"quantity": "0", "rate": "3", "flat_price": "2.5", "exact": "2.5"}],
        ),
        Example(
            why="in half of a span a tier ends at half, when the price says so",
            price={**_PLAIN, "prorate_tiers": True},
            quantity=None,
            metered=plain(Decimal("600"), share=Share(1, 2)),
            exact="18",
            parts=[
                {"quantity": "500", "rate": "3", "exact": "15"},
                {"quantity": "100", "rate": "2", "flat_price": "1", "exact": "3"},
            ],
        ),
    ],
    refusals=[
        BadExample("no tiers", {"model": "graduated_percentage"}, "member_required", "/tiers"),
        BadExample(
            "a price per unit",
            {"model": "graduated_percentage", "tiers": [{"up_to": None, "unit_price": "3"}]},
            "member_unknown",
            "/tiers/0/unit_price",
        ),
        BadExample(
            "an end at the last",
            {"model": "graduated_percentage", "tiers": [{"up_to": "1000", "rate": "3"}]},
            "tier_end_missing",
            "/tiers/0/up_to",
        ),
        BadExample(
            "out of order",
            {
                "model": "graduated_percentage",
                "tiers": [{"up_to": "9", "rate": "3"}, {"up_to": "8", "rate": "2"}, {"up_to": None, "rate": "1"}],
            },
            "tier_not_rising",
            "/tiers/1/up_to",
        ),
        BadExample(
            "a negative rate",
            {"model": "graduated_percentage", "tiers": [{"up_to": None, "rate": "-3"}]},
            "decimal_negative",
            "/tiers/0/rate",
        ),
    ],
)
