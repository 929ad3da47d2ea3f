"""What usage comes to so far: the spans that run, as they would be billed if nothing more were used.

A running span is rated whole, by the functions that bill it when it has ended: what is included is included in full,
a minimum is due in full. So the amount grows into what is billed, and equals it at the end of the span. Where a change
of price, a pause or an end has cut the span, its parts are rated as they will be billed; what is put down for later
does not count yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from billing import rating
from billing.index_spans import index_of
from billing.items import USAGE, ZERO, AgreedTerm, Item, PriceTerms
from billing.metered import Index
from billing.metering.slots import SlotRequest, Usage
from billing.proposal import ProposedCharge, charged
from billing.rating import NO_INDEXES, Rated
from billing.walk import Bill, steps
from core.errors import Refused
from core.money import Money
from core.period import Period

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class SoFar:
    """What a stretch comes to. `amount` is as it is priced, and None where there is none (yet); `rated` tells why.

    `quantity` is in the unit of the price's aggregation; usage counts up to and including `until`.
    """

    item: Item
    price: PriceTerms
    span: Period
    until: datetime
    quantity: Decimal
    amount: Money | None
    discount: Decimal = ZERO
    rated: Rated | None = None

    @property
    def charge(self) -> ProposedCharge | None:
        """The charge that it would be, due at the end of its span; None where there is no amount."""
        if self.rated is None:
            return None
        return charged(self.item, self.price, self.span, self.rated, self.span.end, self.discount)

    @property
    def full(self) -> Period:
        """The whole billing span that the stretch is in."""
        return self.item.cadence(self.price).span_at(self.span.start)


@dataclass(frozen=True)
class Running:
    """A stretch of an item's time that is billed at once, as far as it lies in the past.

    Args:
        span: as it will be billed.
        until: usage counts up to here: now, that included, or the end of the span.
    """

    item: Item
    price: PriceTerms
    discount: Decimal
    span: Period
    until: datetime

    @property
    def known(self) -> Period:
        """The part of the span that lies in the past."""
        return Period(self.span.start, min(self.span.end, self.until + _TICK))

    @property
    def index(self) -> str | None:
        """The code of the index that its price follows, if it follows one."""
        return index_of(self.price)

    def request(self, indexes: Mapping[str, Index] = NO_INDEXES) -> SlotRequest | None:
        """What asks for its usage; None where the price cannot be applied now (its index is gone)."""
        try:
            return rating.slot_request(self.item, self.price, self.span, indexes, until=self.known.end)
        except Refused:
            return None

    def so_far(self, used: Usage | None, indexes: Mapping[str, Index] = NO_INDEXES) -> SoFar:
        """What it comes to.

        Args:
            used: the answer to its request; None where it has none.
        """
        found = self._rated(used, indexes) if used is not None else None
        if found is not None:
            stretch = (self.item, self.price, self.span, self.until)
            return SoFar(*stretch, found.quantity, found.amount, self.discount, found)
        quantity = used.quality.total if used is not None else ZERO
        return SoFar(self.item, self.price, self.span, self.until, quantity, None, self.discount)

    def _rated(self, used: Usage, indexes: Mapping[str, Index]) -> Rated | None:
        try:
            return rating.rate_usage(self.item, self.price, self.span, used, self.discount, indexes)
        except Refused:
            return None  # the price has no amount for what was used


def running(item: Item, asked: Period, now: datetime) -> Iterator[Running]:
    """The stretches of a metered item that overlap a period and have begun, whether they are billed already or not."""
    last = min(asked.end, now + _TICK)
    terms = tuple(_from(item, term, asked.start) for term in item.terms if _overlaps(term, asked.start, last))
    if not terms:
        return
    until = max(item.cadence(term.price).span_at(last - _TICK).end for term in terms)
    for step in steps(replace(item, terms=terms, claims=()), until):
        if isinstance(step, Bill) and step.span.start < last and step.span.end > asked.start:
            yield Running(item, step.price, step.discount, step.span, min(step.span.end, now))


def _overlaps(term: AgreedTerm, start: datetime, end: datetime) -> bool:
    return term.price.kind == USAGE and term.start < end and (term.end is None or term.end > start)


def _from(item: Item, term: AgreedTerm, start: datetime) -> AgreedTerm:
    """The same term without the spans that ended before an instant: a long contract is not walked from its start."""
    if term.start >= start:
        return term
    return replace(term, start=max(term.start, item.cadence(term.price).span_at(start).start))
