"""From a span to an amount: price the quantity, take the part of the span, round once, and keep what it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.items import RECURRING, USAGE, Claim, Item, PriceTerms
from billing.metered import Metered, plain
from billing.metering.aggregations.protocol import Aggregation
from billing.metering.slots import SlotRequest, Usage
from billing.proration import WHOLE, Share, share
from core.decimals import ROUNDING, format_decimal
from core.errors import Refused
from core.ids import encode
from core.money import Money, round_line
from core.period import Period, rfc3339
from core.registry import plugins

AGGREGATIONS = "billing.metering.aggregations"
AMOUNT_MOST = 2**63 - 1
_SHOWN = Decimal("0.000000000001")


@dataclass(frozen=True)
class Rated:
    """An amount with its origin. `inputs` are JSON values that explain it for ever."""

    quantity: Decimal
    unit: str | None
    exact: Decimal
    amount: Money
    inputs: Mapping[str, Any]


def aggregation(name: str) -> Aggregation:
    """The aggregation of a name that the catalogue has checked."""
    found: Aggregation = plugins(AGGREGATIONS)[name]
    return found


def slot_request(item: Item, price: PriceTerms, span: Period) -> SlotRequest | None:
    """The usage that rating a span needs, or None for a price that counts nothing."""
    if price.kind != USAGE or price.meter is None:
        return None
    return SlotRequest(
        item_id=item.item_id,
        subscription_id=item.subscription_id,
        meter_id=price.meter.meter_id,
        unit=price.meter.unit,
        edges=(span.start, span.end),
        parts=aggregation(price.meter.aggregation).parts,
    )


def rate_span(
    item: Item, price: PriceTerms, quantity: Decimal, span: Period, usage: Mapping[SlotRequest, Usage]
) -> Rated:
    """Rate one span, or a part of one.

    Args:
        quantity: agreed; a usage price takes the metered one instead.
        usage: must answer `slot_request(item, price, span)`.

    Raises:
        Refused: the price has no amount for the quantity, such as a negative sum of usage.
    """
    request = slot_request(item, price, span)
    if request is not None:
        return rate_usage(price, span, usage[request])
    if price.kind == RECURRING:
        full = item.cadence(price).span_at(span.start)
        return _rated(price, plain(quantity), span, full, share(price.proration, full, span, item.time_zone))
    return _rated(price, plain(quantity), span, span, WHOLE)


def rate_usage(price: PriceTerms, span: Period, used: Usage) -> Rated:
    """Rate metered usage of a span. Also what "how it would look today" is computed by."""
    assert price.meter is not None  # the catalogue refuses a usage price without a meter
    quantity = aggregation(price.meter.aggregation).reduce(used.slots)
    origin = {
        "meter": {
            "id": encode("meter", price.meter.meter_id),
            "code": price.meter.code,
            "aggregation": price.meter.aggregation,
        },
        "quality": used.quality.as_json(),
        "known_until": rfc3339(used.known_until) if used.known_until else None,
        "evidence": used.evidence.as_json(),
    }
    return _rated(price, plain(quantity), span, span, WHOLE, price.meter.unit, {"usage": origin})


def _rated(
    price: PriceTerms,
    metered: Metered,
    span: Period,
    full: Period,
    part: Share,
    unit: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> Rated:
    rating = price.price.rate(metered)
    exact = part.of(rating.total)
    quantity = metered.total
    inputs = {
        "price": price.as_json,
        "quantity": format_decimal(quantity),
        "unit": unit,
        "steps": list(rating.steps),
        "parts": [p.as_json() for p in rating.parts],
        "rated": format_decimal(rating.total),
        "span": span_json(span),
        "full_span": span_json(full),
        "share": {"method": price.proration, "numerator": part.numerator, "denominator": part.denominator},
        "exact": shown(exact),
        **(more or {}),
    }
    return Rated(quantity, unit, exact, line_amount(exact, price.currency), inputs)


def rate_used_part(item: Item, claim: Claim, keeps: Period | None, usage: Mapping[SlotRequest, Usage]) -> Rated:
    """What a claim gives back when it keeps only a part: the part rated anew, less all that was billed on the claim.

    The amount is negative; it is a difference of rounded amounts, so that what stays billed is the used part to the
    cent, however often a claim is shrunk.
    """
    used = Money(0, claim.price.currency)
    inputs: dict[str, Any] = {"price": claim.price.as_json, "used": None}
    unit = claim.price.meter.unit if claim.price.meter else None
    if keeps is not None:
        rated = rate_span(item, claim.price, claim.quantity, keeps, usage)
        used = rated.amount
        inputs["used"] = rated.inputs
    back = used - Money(claim.net_amount, claim.price.currency)
    inputs |= {
        "claim": encode("billed_span", claim.claim_id),
        "billed_span": span_json(claim.span),
        "billed_amount": claim.net_amount,
        "used_amount": used.minor,
    }
    return Rated(claim.quantity, unit, back.major, back, inputs)


def line_amount(exact: Decimal, currency: str) -> Money:
    """The amount of a line: rounded once.

    Raises:
        Refused: `amount_out_of_range`, beyond what a bigint of minor units holds.
    """
    amount = round_line(exact, currency)
    if abs(amount.minor) > AMOUNT_MOST:
        raise Refused("amount_out_of_range", "The amount of this line is too large.")
    return amount


def shown(exact: Decimal) -> str:
    """An exact amount as it is shown and stored: 12 places. What is rounded to the minor unit is never this."""
    return format_decimal(exact.quantize(_SHOWN, context=ROUNDING))


def span_json(span: Period) -> dict[str, str]:
    """A span as the API shows it."""
    return {"start": rfc3339(span.start), "end": rfc3339(span.end)}
