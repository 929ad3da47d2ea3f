"""What a contract costs a month, before and after a change: by the functions that bill, on what is known now.

Recurring charges count with their whole spans, metered ones with the last span that is closed. A charge of another
interval than a month counts with its share of one: a quarter with a third, a week or day as if every month were a
twelfth of 365 days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from billing import rating
from billing.changes import in_force
from billing.items import ONE_OFF, RECURRING, USAGE, AgreedTerm, Item
from billing.metered import Index
from billing.metering.slots import SlotRequest, Usage
from core.money import divide_exactly_enough, round_line
from core.period import Period

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Monthly:
    """What a contract costs, net, in minor units.

    Args:
        recurring: a month.
        usage: a month, on the usage of the last closed span; None where nothing is metered or no span is closed.
        once: charges that are due once and were not agreed upon before.
    """

    recurring: int
    usage: int | None
    once: int = 0

    @property
    def total(self) -> int:
        """What comes every month."""
        return self.recurring + (self.usage or 0)


def usage_spans(items: Iterable[Item], now: datetime, closed: datetime) -> Iterator[tuple[Item, AgreedTerm, Period]]:
    """The last closed span of everything metered that is in force.

    Args:
        closed: spans that ended by then are closed.
    """
    for item in items:
        term = in_force(item.terms, now)
        if term is not None and term.price.kind == USAGE:
            span = _last_closed(item, term, closed)
            if span is not None:
                yield item, term, span


def _last_closed(item: Item, term: AgreedTerm, closed: datetime) -> Period | None:
    """The last full span that ended by an instant, from the start of the contract on."""
    if closed <= item.anchored_at:
        return None
    cadence = item.cadence(term.price)
    span = cadence.span_at(closed)
    if span.end > closed:
        if span.start <= item.anchored_at:
            return None
        span = cadence.span_at(span.start - _TICK)
    start = max(span.start, item.anchored_at)
    return Period(start, span.end) if start < span.end else None


def requests(items: Iterable[Item], now: datetime, closed: datetime, indexes: Mapping[str, Index]) -> list[SlotRequest]:
    """The usage that `monthly` needs."""
    found = (
        rating.slot_request(item, term.price, span, indexes) for item, term, span in usage_spans(items, now, closed)
    )
    return [request for request in found if request is not None]


def monthly(
    items: Sequence[Item],
    now: datetime,
    closed: datetime,
    usage: Mapping[SlotRequest, Usage],
    indexes: Mapping[str, Index],
    known: Collection[UUID] | None = None,
) -> Monthly:
    """What a contract costs as it is agreed at an instant.

    Args:
        known: the items that a contract had before; of others, charges that are due once count as `once`.

    Raises:
        Refused: a price has no amount for its quantity.
    """
    recurring = once = 0
    for item in items:
        term = in_force(item.terms, now)
        if term is None:
            continue
        if term.price.kind == RECURRING:
            recurring += _whole(item, term, now, indexes)
        elif term.price.kind == ONE_OFF and known is not None and item.item_id not in known:
            once += rating.rate_span(
                item, term.price, term.quantity, Period(now, now + _TICK), {}, term.discount, indexes
            ).amount.minor
    metered = [
        _a_month(rating.rate_span(item, term.price, term.quantity, span, usage, term.discount, indexes).exact, term)
        for item, term, span in usage_spans(items, now, closed)
    ]
    return Monthly(recurring, sum(metered) if metered else None, once)


def _whole(item: Item, term: AgreedTerm, now: datetime, indexes: Mapping[str, Index]) -> int:
    span = item.cadence(term.price).span_at(max(now, item.anchored_at))
    rated = rating.rate_span(item, term.price, term.quantity, span, {}, term.discount, indexes)
    return _a_month(rated.exact, term)


def _a_month(exact: Decimal, term: AgreedTerm) -> int:
    """The share of a month, rounded once."""
    assert term.price.interval is not None  # what recurs or is metered has one
    share = Fraction(exact) / term.price.interval.months
    quotient = divide_exactly_enough(Decimal(share.numerator), Decimal(share.denominator))
    return round_line(quotient, term.price.currency).minor
