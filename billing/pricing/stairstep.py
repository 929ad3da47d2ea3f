"""`stairstep`: one flat price for the whole quantity, that of the tier it ends in."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import Metered, Needs, plain
from billing.pricing_model import BadExample, BadUsage, Example, Part, PricingModel
from billing.proration import Share
from billing.tiers import Tiers, read_tiers, tiers_schema
from core.decimals import format_decimal
from core.errors import Refused


@dataclass(frozen=True)
class Stairstep:
    """Tiers with flat prices alone; the last one may have an end."""

    tiers: Tiers

    @property
    def needs(self) -> Needs:
        """The quantity."""
        return self.tiers.needs

    def rate(self, metered: Metered) -> list[Part]:
        """One part, of the step that the quantity ends on; none for zero, unless that pays for the first.

        Raises:
            Refused: `quantity_beyond_last_step`.
        """
        step = self.tiers.ending(metered)
        if step is not None:
            return [Part(step.flat_price, metered.total, flat_price=step.flat_price)]
        if metered.total.is_zero():
            return []
        raise Refused(
            "quantity_beyond_last_step",
            f"There is no price for {format_decimal(metered.total)}: it lies above the last step.",
        )


def parse(members: Members) -> Stairstep:
    """Read the tiers."""
    return Stairstep(read_tiers(members, None, endless=False))


_STEPS = [{"up_to": "10", "flat_price": "99"}, {"up_to": "50", "flat_price": "299"}]
_PLAIN = {"model": "stairstep", "tiers": _STEPS}
_ENDLESS = {"model": "stairstep", "tiers": [*_STEPS, {"up_to": None, "flat_price": "499"}]}

PLUGIN = PricingModel(
    name="stairstep",
    summary="One flat price for the whole quantity: that of the step it ends on. Above the last step there is none.",
    members=tiers_schema(None),
    required=["tiers"],
    parse=parse,
    examples=[
        Example(
            why="the end of a step belongs to it",
            price=_PLAIN,
            quantity="10",
            exact="99",
            parts=[{"quantity": "10", "flat_price": "99", "exact": "99"}],
        ),
        Example(
            why="a little more is a step up, and the first is not paid beside it",
            price=_PLAIN,
            quantity="10.001",
            exact="299",
            parts=[{"quantity": "10.001", "flat_price": "299", "exact": "299"}],
        ),
        Example(
            why="the last step may have no end",
            price=_ENDLESS,
            quantity="1000000",
            exact="499",
            parts=[{"quantity": "1000000", "flat_price": "499", "exact": "499"}],
        ),
        Example(why="zero stands on no step", price=_PLAIN, quantity="0", exact="0", parts=[]),
        Example(
            why="zero pays for the first step when the price says so",
            price={**_PLAIN, "charge_flat_at_zero": True},
            quantity="0",
            exact="99",
            parts=[{"quantity": "0", "flat_price": "99", "exact": "99"}],
        ),
        Example(
            why="in half of a span the steps are half as long, when the price says so",
            price={**_PLAIN, "prorate_tiers": True},
            quantity=None,
            metered=plain(Decimal("6"), share=Share(1, 2)),
            exact="299",
            parts=[{"quantity": "6", "flat_price": "299", "exact": "299"}],
        ),
    ],
    refusals=[
        BadExample("no tiers", {"model": "stairstep"}, "member_required", "/tiers"),
        BadExample(
            "a price per unit",
            {"model": "stairstep", "tiers": [{"up_to": "10", "unit_price": "1"}]},
            "member_unknown",
            "/tiers/0/unit_price",
        ),
        BadExample(
            "out of order",
            {"model": "stairstep", "tiers": [{"up_to": "10", "flat_price": "1"}, {"up_to": "10", "flat_price": "2"}]},
            "tier_not_rising",
            "/tiers/1/up_to",
        ),
        BadExample(
            "no end before the last",
            {"model": "stairstep", "tiers": [{"up_to": None, "flat_price": "1"}, {"up_to": "9", "flat_price": "2"}]},
            "tier_end_not_last",
            "/tiers/0/up_to",
        ),
    ],
    no_price=[
        BadUsage("a quantity above the last step", _PLAIN, plain(Decimal("50.000001")), "quantity_beyond_last_step"),
        BadUsage(
            "the same in a part of a span, when the steps scale with it",
            {**_PLAIN, "prorate_tiers": True},
            plain(Decimal("26"), share=Share(1, 2)),
            "quantity_beyond_last_step",
        ),
    ],
)
