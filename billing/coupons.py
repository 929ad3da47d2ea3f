"""Coupons on a subscription, as the engine sees them: what they take off, from which of its spans, for how many.

Which span a charge is in is counted from where the coupon starts on the subscription, by whole spans of the charge's
own price from the true anchor: so it does not matter when one bills, nor into how many parts a change has cut a span.
Spans that are not billed, such as those of a pause, are counted like others. What is charged once is counted by months.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from billing.anchors import Chain
from billing.items import Item, PriceTerms
from billing.periods import Cadence, Interval
from billing.proration import share
from core.decimals import EXACT, format_decimal
from core.ids import encode
from core.money import Money, round_line
from core.period import Period

ACCOUNT, SUBSCRIPTION = "account", "subscription"
ONCE_PER = (ACCOUNT, SUBSCRIPTION)
HUNDRED = Decimal(100)
_MONTH = Interval("month")


@dataclass(frozen=True)
class Coupon:
    """A coupon that a subscription has.

    Args:
        percent: of what is left of a charge by the coupons before it; None where it is an amount.
        amount: in minor units, for the k-th spans of all charges together; None where it is per cent.
        spans: how many spans of each charge are reduced; None for all.
        starts_at: spans that begin then or later are reduced; None from where billing begins.
        ends_at: it was withdrawn then: spans that begin then or later are not reduced any more.
        plans, products: whose charges are reduced; None for all.
        order: the coupons of a subscription are taken off in this order, those of the same as they were redeemed.
    """

    redemption_id: UUID
    coupon_id: UUID
    name: str
    percent: Decimal | None
    amount: int | None
    spans: int | None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    plans: Collection[UUID] | None = None
    products: Collection[UUID] | None = None
    order: int = 0

    def concerns(self, price: PriceTerms) -> bool:
        """Whether charges of a price are reduced.

        What was put on one subscription alone has its own price, agreed by hand. An amount that is committed is money
        laid by, not yet something delivered: the usage that is drawn from it is reduced.
        """
        if price.version_id is None or price.price.needs.draws:
            return False
        chosen = self.plans is None or price.plan_id in self.plans
        return chosen and (self.products is None or price.product_id in self.products)

    def span_number(self, item: Item, price: PriceTerms, start: datetime) -> int | None:
        """Which span of a price an instant is in, counted from 1 where the coupon starts; None where it takes nothing
        off, as before its start, after its end, or of a price that it does not concern.
        """
        if not self.concerns(price):
            return None
        spans = _cadence(item, price)
        full = next(spans.spans_from(start))
        begins, first = max(full.start, item.anchored_at), max(self.starts_at or item.anchored_at, item.anchored_at)
        if begins < first or (self.ends_at is not None and begins >= self.ends_at):
            return None
        number = _count(spans, item, first, start)
        return number if self.spans is None or number <= self.spans else None

    def runs_out_at(self, item: Item, price: PriceTerms) -> datetime | None:
        """When its last span of a price ends; None for one that never ends."""
        if self.spans is None:
            return self.ends_at
        first = max(self.starts_at or item.anchored_at, item.anchored_at)
        left = self.spans
        for full in _cadence(item, price).spans_from(first):
            left -= max(full.start, item.anchored_at) >= first
            if left == 0:
                return full.end if self.ends_at is None else min(full.end, max(self.ends_at, full.start))
        return None  # spans have no end

    def percent_of(self, amount: int, currency: str) -> int:
        """The part of an amount (minor units) that per cent take off, rounded once; nothing of a negative one."""
        assert self.percent is not None  # the caller has asked
        exact = EXACT.divide(EXACT.multiply(Money(max(amount, 0), currency).major, self.percent), HUNDRED)
        return round_line(exact, currency).minor

    def most_of(self, fraction: Fraction) -> int:
        """How much of its amount a part of a span may take, in minor units."""
        assert self.amount is not None  # the caller has asked
        return rounded(self.amount * fraction)


def _cadence(item: Item, price: PriceTerms) -> Cadence | Chain:
    return item.cadence(price if price.interval is not None else replace(price, interval=_MONTH))


def _count(spans: Cadence | Chain, item: Item, first: datetime, start: datetime) -> int:
    """How many spans there are from the first that begins at an instant or later, to the one that contains another."""
    if isinstance(spans, Cadence):
        index = spans.index_at(first)
        beginning = spans.span(index)
        late = beginning is not None and max(beginning.start, item.anchored_at) < first
        return int(spans.index_at(start) - index) + (0 if late else 1)
    number = 0
    for full in spans.spans_from(first):
        number += max(full.start, item.anchored_at) >= first
        if start < full.end:
            break
    return number


def part_of_span(item: Item, price: PriceTerms, span: Period) -> Fraction:
    """How much of its whole span a part is, by the proration of its price.

    The first span of a subscription is whole from where billing begins: a welcome is not smaller for a customer who
    comes in the middle of a month.
    """
    if price.interval is None:
        return Fraction(1)
    full = item.cadence(price).span_at(span.start)
    whole = Period(max(full.start, item.anchored_at), full.end)
    used = share(price.proration, full, span, item.time_zone)
    of = share(price.proration, full, whole, item.time_zone)
    if of.numerator <= 0 or used.numerator >= of.numerator * Fraction(used.denominator, of.denominator):
        return Fraction(1)
    return Fraction(used.numerator, used.denominator) / Fraction(of.numerator, of.denominator)


def rounded(amount: Fraction) -> int:
    """Whole minor units of an amount that is zero or more, half away from zero."""
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


@dataclass(frozen=True)
class Reduction:
    """What a coupon takes off a charge; of a correction the difference that it makes, which may be negative.

    Args:
        span: its number, counted from the coupon's start.
        of_amount: what it was taken off: the charge, less what coupons before it took. Minor units, as `amount`.
    """

    redemption_id: UUID
    coupon_id: UUID
    name: str
    percent: Decimal | None
    span: int
    of_amount: int
    amount: int

    def as_json(self) -> dict[str, Any]:
        """As a charge keeps it and the API shows it."""
        return {
            "redemption": encode("coupon_redemption", self.redemption_id),
            "coupon": encode("coupon", self.coupon_id),
            "name": self.name,
            "percent": format_decimal(self.percent) if self.percent is not None else None,
            "span": self.span,
            "of_amount": self.of_amount,
            "amount": self.amount,
        }


@dataclass(frozen=True)
class Taken:
    """What a coupon took off the charges of one claim, corrections included; minor units."""

    redemption_id: UUID
    span: int
    of_amount: int
    amount: int


@dataclass(frozen=True)
class Redeemed:
    """The coupons of a subscription in the order in which they are taken off, and what they took off before, by claim.

    `taken` has an entry for each coupon that concerns a claim, also where it took off nothing: what arrives late is
    reduced as what was there in time.
    """

    coupons: tuple[Coupon, ...]
    taken: Mapping[UUID, tuple[Taken, ...]] = field(default_factory=dict)


def shown(reductions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a line shows of the reductions of its charge: those that took something off."""
    return [
        {name: each[name] for name in ("coupon", "name", "percent", "amount")} for each in reductions if each["amount"]
    ]
