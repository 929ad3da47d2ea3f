"""Past in, proposal out: what is to be billed up to an instant, beside what was billed before.

The same functions serve the billing run, the preview and the dry run:

    requests = due_spans(items, as_of)      # which usage is needed; loaded in one set by the caller
    proposal = propose(items, usage, as_of) # usage: request -> what was used

Storing a proposal (shrink first, then claim, then add the charges) and proposing again gives nothing. Billing often or
rarely, on any days, comes to the same amounts per span (domain rules 5 to 7, invariant I1).

Late usage in a closed span (domain rule 8) is not proposed here; `billing.adjustments` rates billed spans anew for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from billing import rating
from billing.coupons import Reduction
from billing.items import ZERO, Claim, Item, PriceTerms
from billing.metered import Index
from billing.metering.slots import SlotRequest, Usage
from billing.rating import NO_INDEXES, Rated
from billing.walk import Bill, Shrink, steps
from core.errors import Refused
from core.period import Period

CREDIT = "credit"


class ProposedCharge(NamedTuple):
    """A charge to add. A tuple, since thousands are made: a frozen dataclass takes three times as long to make.

    Args:
        kind: `recurring`, `one_off`, `usage`, `credit` (gives back the unused part of an earlier charge), or one of
            `billing.adjustments` and `billing.drawdown`.
        span: what it is for, and what it claims; for a credit the part given back.
        quantity: in `unit`; a meter's unit for usage, else None.
        exact: in major units, unrounded (up to 100 digits; tables keep 12 places).
        amount: `exact` rounded once, less `reductions`, in minor units of `currency`; a credit's is negative.
        inputs: all it was computed from, as JSON values: price, tiers entered, share of the span, usage by quality
            and point, `known_until`.
        due_at: when it may be billed: the start of a span in advance, the end of one in arrears.
        claim_id: the earlier claim that a credit belongs to; None makes a new claim of `span`.
        discount: per cent that was taken off.
        draws_on: the span of the commitment that a drawdown takes from; its claim is `claim_id`, or one made now.
        taxed_as: the claim as whose original charge a drawdown is taxed; None where that is proposed now too.
        reductions: what coupons take off, by `billing.reductions`.
    """

    item_id: UUID
    subscription_id: UUID
    charge_code: str
    kind: str
    price_id: UUID
    span: Period
    quantity: Decimal
    unit: str | None
    exact: Decimal
    amount: int
    currency: str
    inputs: Mapping[str, Any]
    due_at: datetime
    claim_id: UUID | None = None
    discount: Decimal = ZERO
    draws_on: Period | None = None
    taxed_as: UUID | None = None
    reductions: tuple[Reduction, ...] = ()


@dataclass(frozen=True)
class ShrunkClaim:
    """A held claim that keeps only the start of its span, or nothing (`keeps` is None: it is released)."""

    claim_id: UUID
    keeps: Period | None


@dataclass(frozen=True)
class Parked:
    """A span that cannot be rated now: it stays unclaimed, the others go on, and the next run tries again."""

    item_id: UUID
    subscription_id: UUID
    charge_code: str
    span: Period
    code: str
    detail: str


@dataclass(frozen=True)
class Proposal:
    """What to do, in this order: shrink claims, make new ones, add charges."""

    shrunk: tuple[ShrunkClaim, ...] = ()
    charges: tuple[ProposedCharge, ...] = ()
    parked: tuple[Parked, ...] = ()


def due_spans(
    items: Iterable[Item], as_of: datetime, indexes: Mapping[str, Index] = NO_INDEXES
) -> tuple[SlotRequest, ...]:
    """The usage that `propose` needs for the same arguments, without repetition."""
    requests = (_request(item, step, indexes) for item in items for step in steps(item, as_of))
    return tuple(dict.fromkeys(request for request in requests if request is not None))


def _request(item: Item, step: Bill | Shrink, indexes: Mapping[str, Index]) -> SlotRequest | None:
    price, span = (step.price, step.span) if isinstance(step, Bill) else (step.claim.price, step.keeps)
    if span is None:
        return None
    try:
        return rating.slot_request(item, price, span, indexes)
    except Refused:
        return None  # `propose` parks the span with the reason


def charged(
    item: Item, price: PriceTerms, span: Period, rated: Rated, due_at: datetime, discount: Decimal
) -> ProposedCharge:
    """What a span was rated at, as a charge."""
    return ProposedCharge(
        item_id=item.item_id,
        subscription_id=item.subscription_id,
        charge_code=item.charge_code,
        kind=price.kind,
        price_id=price.price_id,
        span=span,
        quantity=rated.quantity,
        unit=rated.unit,
        exact=rated.exact,
        amount=rated.amount.minor,
        currency=price.currency,
        inputs=rated.inputs,
        due_at=due_at,
        discount=discount,
    )


def propose(
    items: Iterable[Item],
    usage: Mapping[SlotRequest, Usage],
    as_of: datetime,
    indexes: Mapping[str, Index] = NO_INDEXES,
) -> Proposal:
    """What is to be billed and given back, up to and including an instant.

    Args:
        items: with their timelines and the claims they hold.
        usage: the answer to each request of `due_spans`.
        as_of: everything due at this instant or earlier is proposed.
        indexes: by code, for prices that follow one.
    """
    draft = _Draft(usage, indexes)
    for item in items:
        draft.take_all(item, steps(item, as_of))
    return Proposal(tuple(draft.shrunk), tuple(draft.charges), tuple(draft.parked))


@dataclass
class _Draft:
    usage: Mapping[SlotRequest, Usage]
    indexes: Mapping[str, Index]
    shrunk: list[ShrunkClaim] = field(default_factory=list)
    charges: list[ProposedCharge] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)

    def take_all(self, item: Item, todo: Iterable[Bill | Shrink]) -> None:
        """Turn the steps of one item into charges; what cannot be rated is parked, and what needs its span waits."""
        blocked: list[Period] = []
        for step in todo:
            span = step.span if isinstance(step, Bill) else step.claim.span
            if any(span.intersect(other) for other in blocked):
                continue
            try:
                self._take(item, step)
            except Refused as refused:
                blocked.append(span)
                self.parked.append(
                    Parked(item.item_id, item.subscription_id, item.charge_code, span, refused.code, refused.detail)
                )

    def _take(self, item: Item, step: Bill | Shrink) -> None:
        if isinstance(step, Bill):
            self.charges.append(self._bill(item, step))
        else:
            self._give_back(item, step)

    def _bill(self, item: Item, step: Bill) -> ProposedCharge:
        rated = rating.rate_span(item, step.price, step.quantity, step.span, self.usage, step.discount, self.indexes)
        return charged(item, step.price, step.span, rated, step.due_at, step.discount)

    def _give_back(self, item: Item, step: Shrink) -> None:
        claim = step.claim
        credit = self._credit(item, claim, step)
        self.shrunk.append(ShrunkClaim(claim.claim_id, step.keeps))
        if credit is not None:
            self.charges.append(credit)

    def _credit(self, item: Item, claim: Claim, step: Shrink) -> ProposedCharge | None:
        """What was billed, less the used part rated anew; None when there is nothing to give back."""
        given = rating.rate_used_part(item, claim, step.keeps, self.usage, self.indexes)
        if given.amount.minor == 0:
            return None
        return ProposedCharge(
            item_id=item.item_id,
            subscription_id=item.subscription_id,
            charge_code=item.charge_code,
            kind=CREDIT,
            price_id=claim.price.price_id,
            span=step.gives_back,
            quantity=claim.quantity,
            unit=given.unit,
            exact=given.exact,
            amount=given.amount.minor,
            currency=claim.price.currency,
            inputs=given.inputs,
            due_at=step.gives_back.start,
            claim_id=claim.claim_id,
            discount=claim.discount,
        )
