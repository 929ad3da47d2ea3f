"""Tiers: consecutive stretches of a quantity, each with its own price. What the tiered models share."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.members import ZERO, Members
from billing.pricing_model import DECIMAL_STRING

TIERS_MOST = 100

TIER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "up_to": {
            **DECIMAL_STRING,
            "type": ["string", "null"],
            "description": "The upper end of the tier, inclusive; null means no end and stands last.",
        },
        "unit_price": {**DECIMAL_STRING, "description": "Per unit that falls into the tier; 0 when absent."},
        "flat_price": {**DECIMAL_STRING, "description": "Once, when the tier is entered; 0 when absent."},
    },
    "required": ["up_to"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Tier:
    """One tier: from the end of the one before, exclusive, to `up_to`, inclusive; None has no end."""

    up_to: Decimal | None
    unit_price: Decimal
    flat_price: Decimal


def read_tiers(members: Members) -> tuple[Tier, ...]:
    """Read the member `tiers`, whose last tier has no end.

    Codes: `tiers_expected` (no list, empty, or too long), `tier_not_rising`, `tier_end_missing` (the last one has an
    end), `tier_end_not_last` (another one has none), and those of the members.
    """
    value = members.required("tiers")
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= TIERS_MOST:
        members.refuse("tiers", "tiers_expected", f"This is a list of 1 to {TIERS_MOST} tiers.")
        return ()
    tiers: list[Tier] = []
    for i, entry in enumerate(value):
        tier = Members(entry, f"{members.at('tiers')}/{i}", members.errors)
        if isinstance(entry, dict):
            tiers.append(_read_tier(tier, last=i == len(value) - 1, below=tiers[-1].up_to if tiers else ZERO))
    return tuple(tiers)


def _read_tier(tier: Members, *, last: bool, below: Decimal | None) -> Tier:
    up_to = _read_end(tier, last=last, below=below)
    unit_price, flat_price = tier.decimal("unit_price", ZERO), tier.decimal("flat_price", ZERO)
    tier.close()
    return Tier(up_to, unit_price, flat_price)


def _read_end(tier: Members, *, last: bool, below: Decimal | None) -> Decimal | None:
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
    if last:
        tier.refuse("up_to", "tier_end_missing", "The last tier ends with null, so that every quantity has a price.")
    return up_to
