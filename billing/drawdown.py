"""Committed amounts that usage draws down: a contract of 100,000 over twelve months, burned by energy and traffic.

Usage is charged as ever. Beside it stand charges of the kind `drawdown`, which take off what is drawn: all usage that
begins in the span of the commitment, as far as the amount reaches. They are worked out from sums, what is drawn to date
less what was drawn before, so that late usage, corrections and documents taken back draw more or give back, never more
than there was, and repeating adds nothing.

Paid in advance, what is drawn is taken off the usage, taxed as it is; the unused rest expires with the span. Billed in
arrears, the amount is due at the end of the span and everything drawn is taken off it: what is left is the shortfall.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.items import ADVANCE, ARREARS, RECURRING, Claim, Item, PriceTerms
from billing.proposal import ProposedCharge
from billing.rating import shown, span_json
from core.ids import encode
from core.money import Money
from core.period import Period

DRAWDOWN = "drawdown"


def draws(price: PriceTerms) -> Sequence[str]:
    """The charge codes whose usage a price is drawn down by; none for any other price."""
    codes: Sequence[str] = price.spec.get("draws") or ()
    return codes


@dataclass(frozen=True)
class Balance:
    """What billed usage has drawn from one span of a committed amount, and what is left, in minor units."""

    charge_code: str
    span: Period
    committed_amount: int
    drawn_amount: int

    @property
    def left_amount(self) -> int:
        """What usage may still draw before the span ends."""
        return self.committed_amount - self.drawn_amount


def balances(items: Iterable[Item], asked: Period) -> list[Balance]:
    """The commitments that were billed and whose spans overlap a period."""
    return [
        Balance(item.charge_code, claim.span, claim.net_amount, claim.drawn)
        for item in items
        for claim in sorted(item.claims, key=lambda claim: claim.span.start)
        if draws(claim.price) and claim.span.intersect(asked)
    ]


def waits_for_usage(charge: ProposedCharge) -> bool:
    """Whether a charge depends on the usage of its whole span: a commitment that is due at its end."""
    if charge.kind != RECURRING:
        return False
    price = charge.inputs["price"]
    return price["timing"] == ARREARS and "draws" in price["spec"]


def drawn(items: Iterable[Item], charges: Sequence[ProposedCharge], as_of: datetime) -> tuple[ProposedCharge, ...]:
    """The charges that draw from commitments, after others that are proposed.

    Args:
        items: all of their subscriptions, with the claims that they held before.
        charges: everything else that is proposed for them, corrections included.
        as_of: when a drawdown is due that belongs to no charge of now.
    """
    items = tuple(items)
    contracts = {item.subscription_id: _Contract([], []) for item in items if _commits(item)}
    if not contracts:
        return ()
    for item in items:
        if item.subscription_id in contracts:
            contracts[item.subscription_id].items.append(item)
    for charge in charges:
        if charge.subscription_id in contracts:
            contracts[charge.subscription_id].charges.append(charge)
    return tuple(
        charge
        for contract in contracts.values()
        for commitment in contract.commitments()
        for charge in contract.drawn(commitment, as_of)
    )


def _commits(item: Item) -> bool:
    return any(draws(term.price) for term in item.terms) or any(draws(claim.price) for claim in item.claims)


@dataclass(frozen=True)
class _Commitment:
    """One span of a committed amount.

    Args:
        amount: in minor units, what was given back of it taken off.
        drawn: of it so far.
        claim_id: None where the span is only proposed now.
        due_at: of the charge that is proposed now, else None.
    """

    item: Item
    price: PriceTerms
    span: Period
    amount: int
    drawn: int
    claim_id: UUID | None
    due_at: datetime | None

    def reached(self, used: int) -> int:
        """How much of it is drawn by so much usage."""
        return min(max(used, 0), max(self.amount, 0))


@dataclass(frozen=True)
class _Contract:
    """A subscription: its items, and what is proposed for them."""

    items: list[Item]
    charges: list[ProposedCharge]

    def commitments(self) -> Iterator[_Commitment]:
        """Every span of a committed amount that is billed, or is now."""
        given_back: defaultdict[UUID | None, int] = defaultdict(int)
        for charge in self.charges:
            given_back[charge.claim_id] += charge.amount
        for item in self.items:
            for claim in item.claims:
                if draws(claim.price):
                    amount = claim.net_amount + given_back[claim.claim_id]
                    yield _Commitment(item, claim.price, claim.span, amount, claim.drawn, claim.claim_id, None)
            prices = {term.price.price_id: term.price for term in item.terms}
            for charge in self.charges:
                price = prices.get(charge.price_id)
                if charge.claim_id is None and charge.item_id == item.item_id and price is not None and draws(price):
                    yield _Commitment(item, price, charge.span, charge.amount, 0, None, charge.due_at)

    def drawn(self, commitment: _Commitment, as_of: datetime) -> Iterator[ProposedCharge]:
        """What is drawn now: beside each charge of usage, or in one sum off an amount that is due at the end."""
        claims, charges = self._claims(commitment), self._drawing(commitment)
        used, taken = sum(claim.net_amount for claim in claims), commitment.drawn
        if commitment.price.timing == ADVANCE:
            for charge in charges:
                used += charge.amount
                if commitment.reached(used) != taken:
                    yield _draw(commitment, charge, used, taken)
                    taken = commitment.reached(used)
        else:
            used += sum(charge.amount for charge in charges)
        if commitment.reached(used) != taken:
            yield self._rest(commitment, claims, used, taken, as_of)

    def _rest(
        self, commitment: _Commitment, claims: Sequence[Claim], used: int, taken: int, as_of: datetime
    ) -> ProposedCharge:
        """A drawdown that no charge of now causes; of what was paid in advance it is taxed as the latest usage."""
        price, taxed_as = commitment.price, commitment.claim_id
        if price.timing == ADVANCE and claims:
            last = max(claims, key=lambda claim: claim.span.start)
            price, taxed_as = last.price, last.claim_id
        due_at = commitment.due_at if commitment.due_at is not None else as_of
        inputs = _inputs(commitment, used, taken)
        return _charge(commitment, inputs, commitment.span, price.price_id, due_at, taxed_as)

    def _claims(self, commitment: _Commitment) -> list[Claim]:
        """The billed spans of usage that draw from a commitment."""
        codes = draws(commitment.price)
        return [
            claim
            for item in self.items
            if item.charge_code in codes
            for claim in item.claims
            if claim.span.start in commitment.span
        ]

    def _drawing(self, commitment: _Commitment) -> list[ProposedCharge]:
        """The proposed charges of usage that draw from it, in the order in which they fall due."""
        codes = draws(commitment.price)
        starts = {claim.claim_id: claim.span.start for item in self.items for claim in item.claims}
        found = []
        for charge in self.charges:
            start = charge.span.start if charge.claim_id is None else starts[charge.claim_id]
            if charge.charge_code in codes and start in commitment.span:
                found.append(charge)
        return sorted(found, key=lambda charge: (charge.due_at, charge.span.start))


def _draw(commitment: _Commitment, of: ProposedCharge, used: int, taken: int) -> ProposedCharge:
    inputs = _inputs(commitment, used, taken)
    inputs["drawdown"]["of"] = {
        "charge_code": of.charge_code,
        "kind": of.kind,
        "span": span_json(of.span),
        "amount": of.amount,
    }
    return _charge(commitment, inputs, of.span, of.price_id, of.due_at, of.claim_id)


def _inputs(commitment: _Commitment, used: int, taken: int) -> dict[str, Any]:
    drawn_now = commitment.reached(used)
    claim_id = commitment.claim_id
    return {
        "price": commitment.price.as_json,
        "drawdown": {
            "claim": encode("billed_span", claim_id) if claim_id is not None else None,
            "span": span_json(commitment.span),
            "committed_amount": commitment.amount,
            "used_amount": used,
            "drawn_before_amount": taken,
            "drawn_amount": drawn_now,
            "left_amount": max(commitment.amount, 0) - drawn_now,
            "of": None,
        },
    }


def _charge(
    commitment: _Commitment,
    inputs: dict[str, Any],
    span: Period,
    price_id: UUID,
    due_at: datetime,
    taxed_as: UUID | None,
) -> ProposedCharge:
    told = inputs["drawdown"]
    amount = told["drawn_before_amount"] - told["drawn_amount"]
    exact = Money(amount, commitment.price.currency).major
    return ProposedCharge(
        item_id=commitment.item.item_id,
        subscription_id=commitment.item.subscription_id,
        charge_code=commitment.item.charge_code,
        kind=DRAWDOWN,
        price_id=price_id,
        span=span,
        quantity=Decimal(1),
        unit=None,
        exact=exact,
        amount=amount,
        currency=commitment.price.currency,
        inputs={**inputs, "exact": shown(exact), "span": span_json(span)},
        due_at=due_at,
        claim_id=commitment.claim_id,
        draws_on=commitment.span,
        taxed_as=taxed_as,
    )
