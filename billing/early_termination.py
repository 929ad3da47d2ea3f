"""What it costs to end a contract before its minimum term is over: a charge of its own, due once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any
from uuid import UUID

from billing import rating
from billing.contract_terms import MinimumTerm
from billing.items import ADVANCE, ONE_OFF, RECURRING, AgreedTerm, Item, PriceTerms
from billing.metered import plain
from billing.proration import NONE, share
from core.decimals import format_decimal
from core.ids import encode
from core.money import divide_exactly_enough, round_line
from core.period import Period, rfc3339

CHARGE_CODE = "early_termination"
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Minimum:
    """A minimum term as it stands on a subscription, with the ids that its charge would get."""

    terms: MinimumTerm
    started_at: datetime
    ends_at: datetime
    item_id: UUID
    price_id: UUID


def charge_for(before: Sequence[Item], after: Sequence[Item], minimum: Minimum, at: datetime) -> Item | None:
    """The item that charges for an early end, or None where nothing is left to pay.

    Args:
        before: as agreed, open-ended; `after`: the same items, ended.
        at: when the contract ends.

    With a rate it is that part of the recurring charges from the end to the end of the minimum term, each for its
    share of its spans and exact; the sum is rounded once. What is billed beyond the end, because it is not given back
    or not prorated, is no rest.
    """
    known = _booked_as(before)
    if not minimum.started_at < at < minimum.ends_at or known is None:
        return None
    terms = minimum.terms
    exact = terms.amount_price
    origin: dict[str, Any] = {
        "price": encode("price", known.price_id),
        "ended_at": rfc3339(at),
        "minimum_until": rfc3339(minimum.ends_at),
    }
    if terms.rate is not None:
        rest = [each for b, a in zip(before, after, strict=True) for each in _rest(b, a, minimum.ends_at, at)]
        total = sum((each.exact for each in rest), Fraction(0))
        exact = _decimal(total * Fraction(terms.rate) / 100)
        origin |= {
            "rate": format_decimal(terms.rate),
            "rest": [each.as_json() for each in rest],
            "rest_exact": rating.shown(_decimal(total)),
        }
    assert exact is not None  # a minimum term has one of the two
    amount = round_line(exact, known.currency)
    if amount.minor == 0:
        return None
    price = replace(
        known,
        price_id=minimum.price_id,
        version_id=None,
        version=None,
        charge_code=CHARGE_CODE,
        kind=ONE_OFF,
        interval=None,
        timing=ADVANCE,
        proration=NONE,
        spec={"model": "flat", "amount_price": format_decimal(amount.major)},
        meter=None,
        plan_id=None,
        add_on=False,
        origin={**origin, "exact": rating.shown(exact)},
    )
    term = AgreedTerm(at, None, price, Decimal(1))
    return replace(before[0], item_id=minimum.item_id, charge_code=CHARGE_CODE, terms=(term,), claims=())


def _booked_as(items: Sequence[Item]) -> PriceTerms | None:
    """The price under whose product the charge is booked: the first that recurs, or else the first of all."""
    prices = [term.price for item in items for term in item.terms]
    return next((price for price in prices if price.kind == RECURRING), prices[0] if prices else None)


def _rest(before: Item, after: Item, until: datetime, at: datetime) -> Iterator[_Rest]:
    """What an item would have been charged from its end on, by term."""
    end = max((t.end for t in after.terms if t.end is not None), default=at)
    for term in before.terms:
        start = max(term.start, end, at)
        stop = until if term.end is None else min(term.end, until)
        if term.price.kind != RECURRING:
            continue
        if term.price.proration == NONE and term.start < start:  # the span that had begun stays billed whole
            start = next(before.cadence(term.price).spans_from(start - _TICK)).end
        if start >= stop:
            continue
        yield _Rest(before, term, Period(start, stop))


@dataclass(frozen=True)
class _Rest:
    """A stretch of an item that will not be charged as it was agreed."""

    item: Item
    term: AgreedTerm
    span: Period

    @cached_property
    def exact(self) -> Fraction:
        """Its recurring charges, as billing would cut it; a fraction, since shares of spans may not be decimals."""
        full_price = self.term.price.price.rate(plain(self.term.quantity)).total
        off = Fraction(self.term.discount) / 100
        return Fraction(full_price) * (1 - off) * sum(self._shares(), Fraction(0))

    def _shares(self) -> Iterator[Fraction]:
        price = self.term.price
        for full in self.item.cadence(price).spans_from(self.span.start):
            used = full.intersect(self.span)
            if used is None:
                return
            whole = self.item.cadence(price).span_at(full.start)
            part = share(price.proration, whole, used, self.item.time_zone)
            yield Fraction(part.numerator, part.denominator)

    def as_json(self) -> dict[str, Any]:
        return {
            "charge_code": self.item.charge_code,
            "price": encode("price", self.term.price.price_id),
            "quantity": format_decimal(self.term.quantity),
            "span": rating.span_json(self.span),
            "exact": rating.shown(_decimal(self.exact)),
        }


def _decimal(value: Fraction) -> Decimal:
    """At 100 digits, so that a later rounding is right."""
    return divide_exactly_enough(Decimal(value.numerator), Decimal(value.denominator))
