"""`graduated`: each tier prices the part of the quantity that falls into it.

Source: the behaviour that Stripe and Lago call "graduated".
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import Metered, Needs, plain
from billing.pricing_model import BadExample, Example, Part, PricingModel
from billing.proration import Share
from billing.tiers import Tier, Tiers, read_tiers, tiers_schema
from core.decimals import EXACT


@dataclass(frozen=True)
class Graduated:
    """Tiers with a price per unit."""

    tiers: Tiers

    @property
    def needs(self) -> Needs:
        """The quantity."""
        return self.tiers.needs

    def rate(self, metered: Metered) -> list[Part]:
        """One part per tier entered, in tier order. The parts' quantities add up to `quantity` exactly.

        A quantity of zero enters no tier, or the first one with `charge_flat_at_zero`.
        """
        return [_part(tier, quantity) for tier, quantity in self.tiers.entered(metered)]


def _part(tier: Tier, quantity: Decimal) -> Part:
    exact = EXACT.add(EXACT.multiply(quantity, tier.price), tier.flat_price)
    return Part(exact, quantity, tier.price, flat_price=tier.flat_price or None)


def parse(members: Members) -> Graduated:
    """Read the tiers."""
    return Graduated(read_tiers(members))


def _tiers(*rows: tuple[str | None, str]) -> list[dict[str, str | None]]:
    return [{"up_to": up_to, "unit_price": unit_price} for up_to, unit_price in rows]


_PLAIN = {"model": "graduated", "tiers": _tiers(("10", "1"), (None, "0.5"))}
_ENTRY = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.3", "flat_price": "5"}, {"up_to": None, "flat_price": "100"}],
}

PLUGIN = PricingModel(
    name="graduated",
    summary="Each tier prices the part of the quantity that falls into it, and its flat price once when it is entered.",
    members=tiers_schema("unit_price"),
    required=["tiers"],
    parse=parse,
    examples=[
        Example(
            why="fifteen units over two tiers",
            price=_PLAIN,
            quantity="15",
            exact="12.5",
            parts=[
                {"quantity": "10", "unit_price": "1", "exact": "10"},
                {"quantity": "5", "unit_price": "0.5", "exact": "2.5"},
            ],
        ),
        Example(
            why="the end of a tier belongs to it",
            price=_PLAIN,
            quantity="10",
            exact="10",
            parts=[{"quantity": "10", "unit_price": "1", "exact": "10"}],
        ),
        Example(
            why="the least part of a unit above a tier's end enters the next",
            price=_PLAIN,
            quantity="10.000001",
            exact="10.0000005",
            parts=[
                {"quantity": "10", "unit_price": "1", "exact": "10"},
                {"quantity": "0.000001", "unit_price": "0.5", "exact": "0.0000005"},
            ],
        ),
        Example(
            why="a flat price is due once, when its tier is entered",
            price=_ENTRY,
            quantity="1001",
            exact="405",
            parts=[
                {"quantity": "1000", "unit_price": "0.3", "flat_price": "5", "exact": "305"},
                {"quantity": "1", "unit_price": "0", "flat_price": "100", "exact": "100"},
            ],
        ),
        Example(why="zero enters no tier", price=_ENTRY, quantity="0", exact="0", parts=[]),
        Example(
            why="zero enters the first tier when the price says so",
            price={**_ENTRY, "charge_flat_at_zero": True},
            quantity="0",
            exact="5",
            parts=[{"quantity": "0", "unit_price": "0.3", "flat_price": "5", "exact": "5"}],
        ),
        Example(
            why="in half of a span a tier still ends where it does",
            price=_PLAIN,
            quantity=None,
            metered=plain(Decimal("15"), share=Share(1, 2)),
            exact="12.5",
            parts=[
                {"quantity": "10", "unit_price": "1", "exact": "10"},
                {"quantity": "5", "unit_price": "0.5", "exact": "2.5"},
            ],
        ),
        Example(
            why="in half of a span a tier ends at half, when the price says so",
            price={**_PLAIN, "prorate_tiers": True},
            quantity=None,
            metered=plain(Decimal("15"), share=Share(1, 2)),
            exact="10",
            parts=[
                {"quantity": "5", "unit_price": "1", "exact": "5"},
                {"quantity": "10", "unit_price": "0.5", "exact": "5"},
            ],
        ),
    ],
    refusals=[
        BadExample("no tiers", {"model": "graduated"}, "member_required", "/tiers"),
        BadExample("an empty list", {"model": "graduated", "tiers": []}, "tiers_expected", "/tiers"),
        BadExample("not a list", {"model": "graduated", "tiers": {"up_to": None}}, "tiers_expected", "/tiers"),
        BadExample("a tier that is no object", {"model": "graduated", "tiers": [None]}, "object_expected", "/tiers/0"),
        BadExample(
            "out of order",
            {"model": "graduated", "tiers": _tiers(("10", "1"), ("5", "1"), (None, "1"))},
            "tier_not_rising",
            "/tiers/1/up_to",
        ),
        BadExample(
            "an empty tier",
            {"model": "graduated", "tiers": _tiers(("10", "1"), ("10.0", "1"), (None, "1"))},
            "tier_not_rising",
            "/tiers/1/up_to",
        ),
        BadExample(
            "no end before the last",
            {"model": "graduated", "tiers": _tiers((None, "1"), (None, "2"))},
            "tier_end_not_last",
            "/tiers/0/up_to",
        ),
        BadExample(
            "an end at the last",
            {"model": "graduated", "tiers": _tiers(("10", "1"), ("20", "1"))},
            "tier_end_missing",
            "/tiers/1/up_to",
        ),
        BadExample(
            "an end at zero",
            {"model": "graduated", "tiers": _tiers(("0", "1"), (None, "1"))},
            "decimal_not_positive",
            "/tiers/0/up_to",
        ),
        BadExample(
            "a number as an end",
            {"model": "graduated", "tiers": [{"up_to": 10, "unit_price": "1"}, {"up_to": None, "unit_price": "1"}]},
            "decimal_string_expected",
            "/tiers/0/up_to",
        ),
        BadExample(
            "a member of another model",
            {"model": "graduated", "tiers": [{"up_to": None, "rate": "3"}]},
            "member_unknown",
            "/tiers/0/rate",
        ),
        BadExample(
            "a negative price",
            {"model": "graduated", "tiers": [{"up_to": None, "unit_price": "-0.1"}]},
            "decimal_negative",
            "/tiers/0/unit_price",
        ),
    ],
)
