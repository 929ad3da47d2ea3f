"""Limits on what usage comes to: in which span they are reached, and by how much.

A limit of a subscription looks at a billing span at a time: where its charges have spans of several lengths, at the
longest, with all that begins in it. A limit of an account looks at a month in the account's zone, with all billing
spans of all its subscriptions that begin in it. Reached means at the limit or above.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.items import Item
from billing.periods import add_months, day_start, local_date
from billing.so_far import SoFar
from core.decimals import exact_sum
from core.money import Money
from core.period import Period


@dataclass(frozen=True)
class Limit:
    """What may be spent: an amount in a currency, or a quantity of one charge.

    Args:
        charge_code: the only charge that counts; None for all.
        time_zone: of the account's months; None for a limit of a subscription, which goes by billing spans.
    """

    amount: Money | None
    quantity: Decimal | None
    charge_code: str | None
    time_zone: str | None


@dataclass(frozen=True)
class Sum:
    """What was spent in a span: the amount in the limit's currency, the quantity of the limit's charge."""

    span: Period
    amount: int
    quantity: Decimal


def reached(limit: Limit, spent: Iterable[SoFar], begin: datetime) -> list[Sum]:
    """The spans from an instant on in which a limit is reached, in order of time."""
    counted = [each for each in spent if limit.charge_code in (None, each.item.charge_code)]
    return [total for total in _sums(limit, counted) if total.span.start >= begin and _is_reached(limit, total)]


def looked_at_from(limit: Limit, items: Iterable[Item], since: datetime) -> datetime:
    """From when on all must be known that counts for a limit in the spans that usage since an instant belongs to."""
    starts = [
        item.cadence(term.price).span_at(max(since, term.start)).start
        for item in items
        for term in item.terms
        if term.price.interval is not None and (term.end is None or term.end > since)
    ]
    begin = min([since, *starts])
    return begin if limit.time_zone is None else _month(begin, limit.time_zone).start


def _is_reached(limit: Limit, total: Sum) -> bool:
    if limit.amount is not None:
        return total.amount >= limit.amount.minor
    return limit.quantity is not None and total.quantity >= limit.quantity


def _sums(limit: Limit, spent: Sequence[SoFar]) -> list[Sum]:
    span_of = _spans(limit, spent)
    by_span: defaultdict[Period, list[SoFar]] = defaultdict(list)
    for each in spent:
        by_span[span_of(each)].append(each)
    return [_sum(limit, span, by_span[span]) for span in sorted(by_span, key=lambda s: s.start)]


def _spans(limit: Limit, spent: Sequence[SoFar]) -> Callable[[SoFar], Period]:
    """In which of a limit's spans something was spent."""
    zone = limit.time_zone
    if zone is not None:
        return lambda each: _month(each.full.start, zone)
    longest = max((each.price.interval.days_least for each in spent if each.price.interval), default=0)
    whole = {each.full for each in spent if each.price.interval and each.price.interval.days_least == longest}
    return lambda each: next((span for span in whole if each.full.start in span), each.full)


def _month(instant: datetime, time_zone: str) -> Period:
    first = local_date(instant, time_zone).replace(day=1)
    return Period(day_start(first, time_zone), day_start(add_months(first, 1), time_zone))


def _sum(limit: Limit, span: Period, spent: Sequence[SoFar]) -> Sum:
    amounts = [each.amount for each in spent if each.amount is not None]
    amount = sum(some.minor for some in amounts if limit.amount is None or some.currency == limit.amount.currency)
    return Sum(span, amount, exact_sum(each.quantity for each in spent))
