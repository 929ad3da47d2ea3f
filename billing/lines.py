"""What a document's line shows of the charge it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from billing.metering.quality import Quality, Shares
from core.decimals import EXACT, ROUNDING

HUNDRED = Decimal(100)
_UNSURE = (Quality.ESTIMATED, Quality.SUBSTITUTED, Quality.INTERPOLATED)


def unit_price(inputs: Mapping[str, Any]) -> Decimal | None:
    """The price of one unit in major units, where one price made the whole amount, else None.

    Args:
        inputs: those of a charge, as `rating` made them. A credit has no parts.
    """
    parts = inputs.get("parts", [])
    if len(parts) != 1 or "unit_price" not in parts[0]:
        return None
    return Decimal(parts[0]["unit_price"])


def quality(inputs: Mapping[str, Any]) -> dict[str, str] | None:
    """How much of the quantity was measured, interpolated, estimated, substituted; None where nothing is metered."""
    usage = inputs.get("usage")
    return dict(usage["quality"]) if usage else None


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
    return ", ".join(f"{_per_cent(part, whole)} {word}" for word, part in parts if part > 0)


def _per_cent(part: Decimal, whole: Decimal) -> str:
    share = ROUNDING.divide(EXACT.multiply(part, HUNDRED), whole)
    return "under 1 %" if share < 1 else f"{int(share)} %"
