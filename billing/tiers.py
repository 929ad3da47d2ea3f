"""Tiers: consecutive stretches of a quantity, each with its own price. What the tiered models share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.members import ZERO, Members
from billing.metered import Metered, Needs
from billing.pricing_model import DECIMAL_STRING
from billing.proration import scaled_quantity
from core.decimals import EXACT

TIERS_MOST = 100
_WORDS = {"unit_price": "Per unit that falls into the tier; 0 when absent.", "rate": "Per cent; 0 when absent."}


@dataclass(frozen=True)
class Tier:
    """One tier: from the end of the one before, exclusive, to `up_to`, inclusive; None has no end.

    `price` is what the model multiplies with: per unit, or per cent.
    """

    up_to: Decimal | None
    price: Decimal
    flat_price: Decimal


@dataclass(frozen=True)
class Tiers:
    """Tiers in rising order, and how they are read.

    Args:
        charge_flat_at_zero: a quantity of zero enters the first tier.
        prorated: the bounds scale with the share of the span, as included quantities do.
    """

    rows: tuple[Tier, ...]
    charge_flat_at_zero: bool = False
    prorated: bool = False

    @property
    def needs(self) -> Needs:
        """The quantity, and which part of a span it is of where that matters."""
        return Needs(prorated=self.prorated)

    def entered(self, metered: Metered) -> Iterator[tuple[Tier, Decimal]]:
        """The tiers that a quantity enters, in their order, each with the part of it that falls into it.

        The parts add up to the quantity exactly. What lies beyond an end of the last tier is left out.
        """
        quantity, floor = metered.total, ZERO
        if quantity.is_zero():
            yield from [(self.rows[0], ZERO)] if self.charge_flat_at_zero else []
            return
        for tier in self.rows:
            end = self._end(tier, metered)
            ceiling = quantity if end is None else min(quantity, end)
            if ceiling > floor:  # a bound may shrink onto the one below
                yield tier, EXACT.subtract(ceiling, floor)
            if ceiling == quantity:
                return
            floor = ceiling

    def ending(self, metered: Metered) -> Tier | None:
        """The tier in which a quantity ends; None for zero (but see `charge_flat_at_zero`) and beyond the last end."""
        if metered.total.is_zero():
            return self.rows[0] if self.charge_flat_at_zero else None
        for tier in self.rows:
            end = self._end(tier, metered)
            if end is None or metered.total <= end:
                return tier
        return None

    def _end(self, tier: Tier, metered: Metered) -> Decimal | None:
        if tier.up_to is None or not self.prorated:
            return tier.up_to
        return scaled_quantity(tier.up_to, metered.share)


def tiers_schema(price: str | None) -> dict[str, Any]:
    """The JSON schema of the members that `read_tiers` reads."""
    priced = {} if price is None else {price: {**DECIMAL_STRING, "description": _WORDS[price]}}
    tier = {
        "type": "object",
        "properties": {
            "up_to": {
                **DECIMAL_STRING,
                "type": ["string", "null"],
                "description": "The upper end of the tier, inclusive; null means no end and stands last.",
            },
            **priced,
            "flat_price": {**DECIMAL_STRING, "description": "Once, when the tier is entered; 0 when absent."},
        },
        "required": ["up_to"],
        "additionalProperties": False,
    }
    return {
        "tiers": {
            "type": "array",
            "description": "In rising order. `up_to` is the inclusive upper end of a tier, null in the last.",
            "items": tier,
            "minItems": 1,
            "maxItems": TIERS_MOST,
        },
        "charge_flat_at_zero": {
            "type": "boolean",
            "default": False,
            "description": "Whether a quantity of zero enters the first tier.",
        },
        "prorate_tiers": {
            "type": "boolean",
            "default": False,
            "description": "Whether the ends of tiers scale with the part of the span in which usage is billed.",
        },
    }


def read_tiers(members: Members, price: str | None = "unit_price", *, endless: bool = True) -> Tiers:
    """Read `tiers`, `charge_flat_at_zero` and `prorate_tiers`.

    Args:
        price: the member of a tier that the model multiplies with; None for tiers with nothing but flat prices.
        endless: the last tier must have no end, so that every quantity has a price.

    Codes: `tiers_expected` (no list, empty, or too long), `tier_not_rising`, `tier_end_missing` (the last one has an
    end), `tier_end_not_last` (another one has none), and those of the members.
    """
    rows = tuple(_read_rows(members, price, endless))
    return Tiers(
        rows,
        charge_flat_at_zero=members.boolean("charge_flat_at_zero", default=False),
        prorated=members.boolean("prorate_tiers", default=False),
    )


def _read_rows(members: Members, price: str | None, endless: bool) -> Iterator[Tier]:
    value = members.required("tiers")
    if value is None:
        return
    if not isinstance(value, list) or not 0 < len(value) <= TIERS_MOST:
        members.refuse("tiers", "tiers_expected", f"This is a list of 1 to {TIERS_MOST} tiers.")
        return
    below: Decimal | None = ZERO
    for i, entry in enumerate(value):
        tier = Members(entry, f"{members.at('tiers')}/{i}", members.errors)
        if not isinstance(entry, Mapping):
            continue
        below = _read_end(tier, last=i == len(value) - 1, below=below, endless=endless)
        multiplied = ZERO if price is None else tier.decimal(price, ZERO)
        yield Tier(below, multiplied, tier.decimal("flat_price", ZERO))
        tier.close()


def _read_end(tier: Members, *, last: bool, below: Decimal | None, endless: bool) -> Decimal | None:
    """The end of a tier; `below` is the end of the tier before (None where that one was wrong)."""
    if not tier.has("up_to"):
        tier.raw("up_to")
        if not last:
            tier.refuse("up_to", "tier_end_not_last", "Only the last tier has no end.")
        return None
    wrong_before = len(tier.errors)
    up_to = tier.decimal("up_to", sign="positive")
    if len(tier.errors) > wrong_before:
        return None
    if below is not None and up_to <= below:
        tier.refuse("up_to", "tier_not_rising", "Each tier ends above the one before.")
    if last and endless:
        tier.refuse("up_to", "tier_end_missing", "The last tier ends with null, so that every quantity has a price.")
    return up_to
