"""What a document's line shows of the charge it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from billing.metering.quality import Quality, Shares
from core.decimals import EXACT, ROUNDING, exact_sum, format_decimal

HUNDRED = Decimal(100)
PLACES = Decimal("0.000000000001")
_UNSURE = (Quality.ESTIMATED, Quality.SUBSTITUTED, Quality.INTERPOLATED)


def unit_price(inputs: Mapping[str, Any]) -> Decimal | None:
    """The price of one unit in major units, less its discount, where one price made the whole amount, else None.

    Args:
        inputs: those of a charge, as `rating` made them. A credit has no parts.
    """
    parts = inputs.get("parts", [])
    if len(parts) != 1 or "unit_price" not in parts[0]:
        return None
    price = Decimal(parts[0]["unit_price"])
    left = EXACT.subtract(HUNDRED, Decimal(inputs.get("discount", "0")))
    return (
        price
        if left == HUNDRED
        else EXACT.divide(EXACT.multiply(price, left), HUNDRED).quantize(PLACES, context=ROUNDING)
    )


def words(name: str, discount: Decimal) -> str:
    """What a line says was delivered: the price's name, and what a bundle takes off it."""
    if discount == HUNDRED:
        return f"{name}, included"
    return f"{name}, less {format_decimal(discount)} %" if discount else name


def quality(inputs: Mapping[str, Any]) -> dict[str, str] | None:
    """How much of the quantity was measured, interpolated, estimated, substituted; None where nothing is metered.

    `price_estimated` is how much of it was priced by an estimate of an index, where any was.
    """
    usage = inputs.get("usage")
    if not usage:
        return None
    guessed = exact_sum(Decimal(part["quantity"]) for part in inputs.get("parts", ()) if part.get("estimated"))
    return {**usage["quality"], **({"price_estimated": format_decimal(guessed)} if guessed else {})}


def quality_note(stored: Mapping[str, str] | None) -> str:
    """What a reader has to know of the quantity: `12 % estimated`. Empty for a measured one.

    Shares are in whole per cent; the smallest one that is not nothing is told as `under 1 %`.
    """
    if stored is None:
        return ""
    shares = Shares.from_json(stored)
    whole = shares.total
    if whole <= 0:
        return ""
    parts = [(kind.value, getattr(shares, kind.value)) for kind in _UNSURE]
    # A multiplier may have made more of the quantity than there was.
    parts.append(("at an estimated price", min(whole, Decimal(stored.get("price_estimated", "0")))))
    return ", ".join(f"{_per_cent(part, whole)} {word}" for word, part in parts if part > 0)


def _per_cent(part: Decimal, whole: Decimal) -> str:
    share = ROUNDING.divide(EXACT.multiply(part, HUNDRED), whole)
    return "under 1 %" if share < 1 else f"{int(share)} %"
