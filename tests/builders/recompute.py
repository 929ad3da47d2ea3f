"""A charge worked out again from what it keeps: neither the catalogue nor readings are asked.

What is stored of a charge is enough to come to its amount, to the cent, for as long as it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.metered import Index, Metered, Piece, plain
from billing.metering.meters import parse_aggregation
from billing.price import Price, parse_price
from billing.proration import WHOLE, Share
from billing.rating import discounted, line_amount
from core.decimals import exact_sum
from core.money import Money
from core.period import Period, parse_instant


def recompute(inputs: Mapping[str, Any]) -> Money:
    """The amount that a charge's inputs come to.

    Of a drawdown it is what was drawn before, less what is drawn to date; of a credit or an adjustment the part that
    was used, rated again, after what coupons take off, less what had been billed before.
    """
    currency = str(inputs["price"]["currency"])
    if "drawdown" in inputs:
        told = inputs["drawdown"]
        reached = min(max(told["used_amount"], 0), max(told["committed_amount"], 0))
        return Money(int(told["drawn_before_amount"]) - reached, currency)
    if "claim" in inputs:
        used = recompute(inputs["used"]) if inputs["used"] is not None else Money(0, currency)
        off = sum(reduction["amount"] for reduction in (inputs["used"] or {}).get("reductions", ()))
        return used - Money(off, currency) - Money(int(inputs["billed_amount"]), currency)
    price = parse_price(inputs["price"]["spec"])
    part = Share(inputs["share"]["numerator"], inputs["share"]["denominator"])
    usage = inputs.get("usage")
    paid = part if usage is None or _is_level(usage["meter"]) else WHOLE
    total = _total(price, inputs, WHOLE if paid is part else part)
    return line_amount(paid.of(discounted(total, Decimal(inputs["discount"]))), currency)


def _is_level(meter: Mapping[str, Any]) -> bool:
    own = {name: value for name, value in meter.items() if name not in ("id", "code", "unit", "aggregation")}
    return parse_aggregation(meter["aggregation"], own, meter["unit"]).level


def _total(price: Price, inputs: Mapping[str, Any], share: Share) -> Decimal:
    """Rate again what was kept. Of single events, and of a mean over a whole span, only the parts are."""
    if price.needs.events or any("mean" in part for part in inputs["parts"]):
        return exact_sum(Decimal(part["exact"]) for part in inputs["parts"])
    return price.rate(_metered(price, inputs, share)).total


def _metered(price: Price, inputs: Mapping[str, Any], share: Share) -> Metered:
    usage = inputs.get("usage")
    if usage is None or price.needs.plain:
        return plain(Decimal(inputs["quantity"]), share=share)
    span = inputs["span"]
    indexes = {price.needs.index: _recorded(inputs)} if price.needs.index else {}
    return Metered(
        tuple(_piece(piece) for piece in usage["pieces"]),
        usage["time_zone"],
        Period(parse_instant(span["start"]), parse_instant(span["end"])),
        share,
        indexes,
    )


def _piece(stored: Mapping[str, Any]) -> Piece:
    period = stored.get("period")
    return Piece(
        Decimal(stored["quantity"]),
        Period(parse_instant(period["start"]), parse_instant(period["end"])) if period else None,
        stored.get("properties"),
        stored.get("count", 0),
    )


@dataclass(frozen=True)
class _Recorded:
    """The values of an index as a charge keeps them, by the start of what was used in each slot."""

    values: Mapping[datetime, tuple[Decimal, bool]]
    known_until: datetime | None = None

    def edges(self, span: Period) -> tuple[datetime, ...]:
        return tuple(start for start in self.values if span.start < start < span.end)

    def price_at(self, instant: datetime, time_zone: str) -> tuple[Decimal, bool]:
        return self.values[instant]


def _recorded(inputs: Mapping[str, Any]) -> Index:
    found: dict[datetime, tuple[Decimal, bool]] = {}
    for part in inputs["parts"]:
        for run in part.get("runs", ()):
            start, end = parse_instant(run["start"]), parse_instant(run["end"])
            step = (end - start) / len(run["values"])
            for i, value in enumerate(run["values"]):
                found[start + i * step] = Decimal(value), bool(part.get("estimated"))
    return _Recorded(found)
