"""From a span to an amount: price the quantity, take the part of the span, round once, and keep what it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from billing.counting import Counted, Counting
from billing.items import RECURRING, USAGE, Claim, Item, MeterTerms, PriceTerms
from billing.metered import Index, Metered, Needs, plain
from billing.metering.slots import SlotRequest, Usage
from billing.proration import WHOLE, Share, share
from core.decimals import EXACT, ROUNDING, format_decimal
from core.errors import Refused
from core.ids import encode
from core.money import Money, round_line
from core.period import Period, rfc3339

NO_INDEXES: Mapping[str, Index] = {}
AMOUNT_MOST = 2**63 - 1
ZERO, HUNDRED = Decimal(0), Decimal(100)
_SHOWN = Decimal("0.000000000001")
# What thousands of items have agreed upon alike is rated once; so many are remembered.
AGREED_KEPT = 1_000


class Rated(NamedTuple):
    """An amount with its origin. `inputs` are JSON values that explain it for ever; charges alike share them."""

    quantity: Decimal
    unit: str | None
    exact: Decimal
    amount: Money
    inputs: Mapping[str, Any]


def counting(item: Item, price: PriceTerms, indexes: Mapping[str, Index] = NO_INDEXES) -> Counting:
    """How a usage price counts on an item."""
    assert price.meter is not None  # the catalogue refuses a usage price without a meter
    return Counting(price.price.needs, price.meter.counted, item.usage_zone or item.time_zone, indexes)


def slot_request(
    item: Item,
    price: PriceTerms,
    span: Period,
    indexes: Mapping[str, Index] = NO_INDEXES,
    until: datetime | None = None,
) -> SlotRequest | None:
    """The usage that rating a span needs, or None for a price that counts nothing.

    Args:
        until: ask only for usage before an instant in the span: the amount so far.

    Raises:
        Refused: `index_unknown`.
    """
    if price.kind != USAGE or price.meter is None:
        return None
    counted = counting(item, price, indexes)
    return _request(item, price.meter, counted, counted.edges(span if until is None else Period(span.start, until)))


def shown_request(item: Item, price: PriceTerms, edges: tuple[datetime, ...]) -> SlotRequest:
    """The usage between neighbouring instants, for `Counting.stretches`; `price` is a usage price."""
    assert price.meter is not None  # the catalogue refuses a usage price without a meter
    counted = replace(counting(item, price), needs=Needs())  # no price cuts or groups what is shown
    return _request(item, price.meter, counted, counted.shown_edges(edges))


def _request(item: Item, meter: MeterTerms, counted: Counting, edges: tuple[datetime, ...]) -> SlotRequest:
    return counted.request(
        edges, item_id=item.item_id, subscription_id=item.subscription_id, meter_id=meter.meter_id, unit=meter.unit
    )


def rate_span(
    item: Item,
    price: PriceTerms,
    quantity: Decimal,
    span: Period,
    usage: Mapping[SlotRequest, Usage],
    discount: Decimal = ZERO,
    indexes: Mapping[str, Index] = NO_INDEXES,
) -> Rated:
    """Rate one span, or a part of one.

    Args:
        quantity: agreed; a usage price takes the metered one instead.
        usage: must answer `slot_request(item, price, span, indexes)`.
        discount: per cent taken off the amount.
        indexes: by code, for prices that follow one.

    Raises:
        Refused: the price has no amount for the quantity, such as a negative sum of usage.
    """
    request = slot_request(item, price, span, indexes)
    if request is not None:
        return rate_usage(item, price, span, usage[request], discount, indexes)
    full = item.cadence(price).span_at(span.start) if price.kind == RECURRING else span
    return _rate_agreed(price, quantity, span, full, item.time_zone, discount)


@lru_cache(maxsize=AGREED_KEPT)
def _rate_agreed(
    price: PriceTerms, quantity: Decimal, span: Period, full: Period, time_zone: str, discount: Decimal
) -> Rated:
    """Rate an agreed quantity of a recurring or one-off price."""
    part = share(price.proration, full, span, time_zone) if price.kind == RECURRING else WHOLE
    return _rated(price, plain(quantity), _Stretch(span, full, part), part, discount)


def rate_usage(
    item: Item,
    price: PriceTerms,
    span: Period,
    used: Usage,
    discount: Decimal = ZERO,
    indexes: Mapping[str, Index] = NO_INDEXES,
) -> Rated:
    """Rate the metered usage of a span: also for "how it would look today" and for the amount so far.

    Part of a full span: what is additive is what it is, and included quantity, commitment, minimum and maximum scale
    with the part; a level is paid for the part of the span, as a recurring price is.
    """
    assert price.meter is not None  # the catalogue refuses a usage price without a meter
    full = item.cadence(price).span_at(span.start)
    part = share(price.proration, full, span, item.time_zone)
    level = price.meter.counted.level
    counted = counting(item, price, indexes).metered(used, span, WHOLE if level else part)
    stretch = _Stretch(span, full, part, price.meter.counted.unit or price.meter.unit)
    origin = _origin(price, counted, used)
    return _rated(price, counted.metered, stretch, part if level else WHOLE, discount, origin)


def _origin(price: PriceTerms, counted: Counted, used: Usage) -> dict[str, Any]:
    """Where a metered quantity comes from, as JSON values.

    The pieces that the price told apart are kept with it, so that the amount can be worked out again; of single events
    there may be very many, and the parts say what they came to.
    """
    meter, needs = price.meter, price.price.needs
    assert meter is not None  # the catalogue refuses a usage price without a meter
    pieces = [] if needs.plain or needs.events else [piece.as_json() for piece in counted.metered.pieces]
    known_until = _known_until(needs, counted, used)
    return {
        "usage": {
            "meter": meter.as_json,
            "quality": used.quality.as_json(),
            "flags": list(counted.flags),
            "notes": dict(counted.notes),
            "time_zone": counted.metered.time_zone,
            "pieces": pieces,
            "known_until": rfc3339(known_until) if known_until else None,
            "evidence": used.evidence.as_json(),
        }
    }


def _known_until(needs: Needs, counted: Counted, used: Usage) -> datetime | None:
    """The latest arrival that was taken into account, of usage or of the index that the price follows."""
    index = counted.metered.indexes.get(needs.index) if needs.index is not None else None
    arrivals = (used.known_until, index.known_until if index is not None else None)
    return max((arrival for arrival in arrivals if arrival is not None), default=None)


class _Stretch(NamedTuple):
    """What is rated: a span, the full span it is a part of, how much of it, and the unit of the quantity."""

    span: Period
    full: Period
    part: Share
    unit: str | None = None


def _rated(
    price: PriceTerms,
    metered: Metered,
    stretch: _Stretch,
    paid: Share,
    discount: Decimal,
    more: Mapping[str, Any] | None = None,
) -> Rated:
    """Rate, take off the discount, take the part of the span that is paid, and round once."""
    rating = price.price.rate(metered)
    exact = paid.of(discounted(rating.total, discount))
    inputs = {
        "price": price.as_json,
        "quantity": format_decimal(metered.total),
        "unit": stretch.unit,
        "steps": list(rating.steps),
        "parts": [p.as_json() for p in rating.parts],
        "rated": format_decimal(rating.total),
        "discount": format_decimal(discount),
        "span": span_json(stretch.span),
        "full_span": span_json(stretch.full),
        "share": {
            "method": price.proration,
            "numerator": stretch.part.numerator,
            "denominator": stretch.part.denominator,
        },
        "exact": shown(exact),
        **(more or {}),
    }
    return Rated(metered.total, stretch.unit, exact, line_amount(exact, price.currency), inputs)


def rate_used_part(
    item: Item,
    claim: Claim,
    keeps: Period | None,
    usage: Mapping[SlotRequest, Usage],
    indexes: Mapping[str, Index] = NO_INDEXES,
) -> Rated:
    """What a claim gives back when it keeps only a part: the part rated anew, less all that was billed on the claim.

    The amount is negative; it is a difference of rounded amounts, so that what stays billed is the used part to the
    cent, however often a claim is shrunk. Both are before what coupons take off: that is worked out on the whole
    proposal, by `billing.reductions`.
    """
    used = Money(0, claim.price.currency)
    inputs: dict[str, Any] = {"price": claim.price.as_json, "used": None}
    unit = claim.price.meter.unit if claim.price.meter else None
    if keeps is not None:
        rated = rate_span(item, claim.price, claim.quantity, keeps, usage, claim.discount, indexes)
        used = rated.amount
        inputs["used"] = rated.inputs
    billed = Money(claim.net_amount + claim.reduced, claim.price.currency)
    back = used - billed
    inputs |= {
        "claim": encode("billed_span", claim.claim_id),
        "billed_span": span_json(claim.span),
        "billed_amount": billed.minor,
        "used_amount": used.minor,
    }
    return Rated(claim.quantity, unit, back.major, back, inputs)


def discounted(amount: Decimal, discount: Decimal) -> Decimal:
    """An amount less so many per cent of it."""
    if not discount:
        return amount
    return EXACT.multiply(amount, EXACT.divide(EXACT.subtract(HUNDRED, discount), HUNDRED))


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
    return format_decimal(exact.quantize(_SHOWN, None, ROUNDING))


def span_json(span: Period) -> dict[str, str]:
    """A span as the API shows it."""
    return {"start": rfc3339(span.start), "end": rfc3339(span.end)}
