"""The walk over one item's time: which spans are to be billed, and which claims reach beyond what is agreed.

Pure calendar work; nothing is priced here. Spans come from the cadence, cut where terms begin, change or end; what a
held claim covers is never proposed again (invariant I1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple

from billing.items import ADVANCE, ONE_OFF, RECURRING, USAGE, ZERO, AgreedTerm, Claim, Item, PriceTerms
from billing.periods import day_start, local_date
from billing.proration import NONE
from core.period import Period

_TICK = timedelta(microseconds=1)
_STEPS = "_steps"
_START = attrgetter("start")


class Bill(NamedTuple):
    """Bill this span, on these terms, claiming it anew."""

    price: PriceTerms
    quantity: Decimal
    span: Period
    due_at: datetime
    discount: Decimal = ZERO


@dataclass(frozen=True)
class Shrink:
    """A claim reaches beyond what is agreed: it keeps the start of its span (or nothing) and gives back the rest."""

    claim: Claim
    keeps: Period | None
    gives_back: Period


def steps(item: Item, as_of: datetime) -> tuple[Bill | Shrink, ...]:
    """Everything to do on one item up to and including an instant, shrinking first.

    Kept on the item: first it is asked which usage is needed, then what is proposed, of thousands of items.
    """
    kept: tuple[datetime, tuple[Bill | Shrink, ...]] | None = item.__dict__.get(_STEPS)
    if kept is None or kept[0] != as_of:
        kept = item.__dict__[_STEPS] = (as_of, tuple(_steps(item, as_of)))
    return kept[1]


def _steps(item: Item, as_of: datetime) -> Iterator[Bill | Shrink]:
    terms = _settled(item)
    held = list(item.held)
    for claim in sorted(item.claims, key=lambda c: c.span.start):
        shrink = _shrink(item, claim, terms, as_of)
        if shrink is not None:
            yield shrink
        keeps = claim.span if shrink is None else shrink.keeps
        if keeps is not None:
            held.append(keeps)
    held.sort(key=_START)
    for term in terms:
        for span in _wanted(item, term, held, as_of):
            due_at = span.start if term.price.timing == ADVANCE else span.end
            if due_at <= as_of:
                yield Bill(term.price, term.quantity, span, due_at, term.discount)


def _settled(item: Item) -> tuple[AgreedTerm, ...]:
    """The terms as billing follows them.

    A recurring price that is not prorated holds until the end of the span in which it was changed or ended; what
    comes after it starts there. A one-off holds for the day of its start. A usage price does not know quantities.
    """
    settled: list[AgreedTerm] = []
    free_from = None
    for term in item.terms:
        start = term.start if free_from is None else max(term.start, free_from)
        if term.end is not None and start >= term.end:
            continue
        if start != term.start:
            term = replace(term, start=start)
        if term.price.kind == RECURRING and term.price.proration == NONE and term.end is not None:
            free_from = next(item.cadence(term.price).spans_from(term.end - _TICK)).end
            term = replace(term, end=free_from)
        before = settled[-1] if settled else None
        if before is not None and before.end == term.start and _same(before, term):
            settled[-1] = replace(before, end=term.end)
        else:
            settled.append(term)
    return tuple(settled)


def _same(before: AgreedTerm | Claim, after: AgreedTerm) -> bool:
    """Whether both are billed alike: price, discount and, of anything but usage, the quantity."""
    if before.price.price_id != after.price.price_id or before.discount != after.discount:
        return False
    return before.price.kind == USAGE or before.quantity == after.quantity


def _shrink(item: Item, claim: Claim, terms: Sequence[AgreedTerm], as_of: datetime) -> Shrink | None:
    """The shrinking that a claim needs by now, if any. A one-off that was billed stays billed."""
    if claim.price.kind == ONE_OFF:
        return None
    agreed_until = claim.span.start
    for term in terms:
        if term.start <= agreed_until and (term.end is None or agreed_until < term.end) and _same(claim, term):
            agreed_until = claim.span.end if term.end is None else term.end
    if item.anchors:  # billed ahead, before the spans were counted anew
        agreed_until = min(agreed_until, next(item.cadence(claim.price).spans_from(claim.span.start)).end)
    if agreed_until >= claim.span.end or agreed_until > as_of:
        return None
    keeps = Period(claim.span.start, agreed_until) if agreed_until > claim.span.start else None
    return Shrink(claim, keeps, Period(agreed_until, claim.span.end))


def _wanted(item: Item, term: AgreedTerm, held: Sequence[Period], as_of: datetime) -> Iterator[Period]:
    """The spans of a term that start by an instant and that no claim holds."""
    if term.price.kind == ONE_OFF:
        yield from _one_off(item, term)
        return
    for full in item.cadence(term.price).spans_from(_first_unbilled(term, held)):
        start = max(full.start, term.start)
        if start > as_of or (term.end is not None and start >= term.end):
            return
        end = full.end if term.end is None else min(full.end, term.end)
        yield from _outside(full if (start, end) == (full.start, full.end) else Period(start, end), held)


def _one_off(item: Item, term: AgreedTerm) -> Iterator[Period]:
    """The local day of the start, once in the life of the item, whatever became of its terms later."""
    if item.claims or item.held or term.start != item.terms[0].start:
        return
    tomorrow = local_date(term.start, item.time_zone) + timedelta(days=1)
    yield Period(term.start, day_start(tomorrow, item.time_zone))


def _first_unbilled(term: AgreedTerm, held: Sequence[Period]) -> datetime:
    """Where to begin looking: after the claims that hold the term's start without a gap."""
    instant = term.start
    for span in held:
        if span.start <= instant < span.end:
            instant = span.end
    return instant


def _outside(span: Period, held: Sequence[Period]) -> Iterator[Period]:
    """The pieces of a span that no claim holds; `held` is in order of time, without overlap."""
    start = span.start
    for other in held:
        if other.end <= start or other.start >= span.end:
            continue
        if other.start > start:
            yield Period(start, other.start)
        start = other.end
    if start == span.start:
        yield span
    elif start < span.end:
        yield Period(start, span.end)
