"""What coupons take off: charges in, the same charges with their reductions out, before tax and before drawdowns.

Charges are looked at in the order in which they fall due, corrections first, what waits for its usage last. Per cent
are taken off each charge. An amount is one for all charges of a span: it is used up in that order, and what is due
together shares it by largest remainder. What a coupon takes off is never more than is left of a charge.

A correction (a credit, an adjustment) is what was billed after its reductions, less what is billed now after the same
reductions: the same per cent, of an amount the part that the span keeps. What is given back may be used again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from uuid import UUID

from billing.adjustments import ADJUSTMENT
from billing.coupons import Coupon, Redeemed, Reduction, Taken, part_of_span, rounded
from billing.drawdown import waits_for_usage
from billing.items import USAGE, Claim, Item, PriceTerms
from billing.proposal import ProposedCharge
from core.money import split_minor
from core.period import Period


def reduced(
    items: Iterable[Item], charges: Sequence[ProposedCharge], redeemed: Mapping[UUID, Redeemed]
) -> tuple[ProposedCharge, ...]:
    """The charges with what coupons take off them, in the same order.

    Args:
        items: those of the charges, with the claims that they held before.
        charges: all that is proposed, drawdowns not yet among them.
        redeemed: by subscription; none for a subscription without coupons.
    """
    if not redeemed:
        return tuple(charges)
    concerned = [(i, charge) for i, charge in enumerate(charges) if charge.subscription_id in redeemed]
    books = _books([item for item in items if item.subscription_id in redeemed], redeemed)
    found: dict[int, ProposedCharge] = {}
    for (subscription, due), group in groupby(sorted(concerned, key=_order), key=_together):
        together = list(group)
        book = books[subscription]
        if due[1] == _CORRECTION:
            made = [book.correct(charge) for _, charge in together]
        else:
            made = book.reduce([charge for _, charge in together])
        found |= {i: charge for (i, _), charge in zip(together, made, strict=True)}
    kept = (found.get(i, charge) for i, charge in enumerate(charges))
    return tuple(charge for charge in kept if charge.amount or charge.kind != ADJUSTMENT)


def still_taken(item: Item, claim: Claim, amount: int, redeemed: Redeemed) -> tuple[Reduction, ...]:
    """What coupons take off a billed span when all of it comes to an amount (minor units): as an adjustment would."""
    book = _Book(redeemed.coupons, redeemed.taken)
    return tuple(reduction for reduction, _ in book.still_taken(item, claim, claim.span, amount))


_CORRECTION, _AT_ONCE, _WAITS = range(3)
_Due = tuple[datetime, int]


def _together(entry: tuple[int, ProposedCharge]) -> tuple[UUID, _Due]:
    """Of which subscription a charge is, and with what it falls due."""
    _, charge = entry
    if charge.claim_id is not None:
        return charge.subscription_id, (charge.due_at, _CORRECTION)
    waits = charge.kind == USAGE or waits_for_usage(charge)
    return charge.subscription_id, (charge.due_at, _WAITS if waits else _AT_ONCE)


def _order(entry: tuple[int, ProposedCharge]) -> tuple[UUID, _Due, datetime, str, UUID]:
    subscription, due = _together(entry)
    _, charge = entry
    return subscription, due, charge.span.start, charge.charge_code, charge.item_id


def _books(items: Iterable[Item], redeemed: Mapping[UUID, Redeemed]) -> dict[UUID, _Book]:
    books = {subscription: _Book(its.coupons, its.taken) for subscription, its in redeemed.items()}
    for item in items:
        book = books[item.subscription_id]
        book.items[item.item_id] = item
        book.claims |= {claim.claim_id: claim for claim in item.claims}
    return books


@dataclass
class _Book:
    """The coupons of one subscription, and how much of each amount is used, by redemption and span."""

    coupons: Sequence[Coupon]
    taken: Mapping[UUID, Sequence[Taken]]
    items: dict[UUID, Item] = field(default_factory=dict)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    used: defaultdict[tuple[UUID, int], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        for taken in (one for its in self.taken.values() for one in its):
            self.used[taken.redemption_id, taken.span] += taken.amount

    def rest(self, coupon: Coupon, span: int) -> int:
        """What is left of an amount for a span."""
        assert coupon.amount is not None  # the caller has asked
        return max(0, coupon.amount - self.used[coupon.redemption_id, span])

    def reduce(self, charges: Sequence[ProposedCharge]) -> list[ProposedCharge]:
        """Charges that fall due together, with what is taken off them."""
        stretches = [_Stretch.of(charge, self.items[charge.item_id]) for charge in charges]
        for coupon in self.coupons:
            by_span: defaultdict[int, list[_Stretch]] = defaultdict(list)
            for stretch in stretches:
                number = coupon.span_number(stretch.item, stretch.price, stretch.charge.span.start)
                if number is not None:
                    by_span[number].append(stretch)
            for number, some in by_span.items():
                for stretch, amount in zip(some, self._amounts(coupon, number, some), strict=True):
                    stretch.take(coupon, number, amount)
                    self.used[coupon.redemption_id, number] += amount
        return [stretch.reduced() for stretch in stretches]

    def _amounts(self, coupon: Coupon, span: int, stretches: Sequence[_Stretch]) -> list[int]:
        """What a coupon takes off charges of a span that fall due together."""
        if coupon.percent is not None:
            return [coupon.percent_of(stretch.left, stretch.charge.currency) for stretch in stretches]
        weights = [max(stretch.left, 0) if stretch.part else 0 for stretch in stretches]
        whole = sum((w / s.part for w, s in zip(weights, stretches, strict=True) if w), Fraction(0))
        if not whole:
            return [0] * len(stretches)
        most = min(self.rest(coupon, span), sum(weights), coupon.most_of(sum(weights) / whole))
        return split_minor(most, weights)

    def correct(self, charge: ProposedCharge) -> ProposedCharge:
        """A correction of a claim, with what the reductions of the claim come to now."""
        assert charge.claim_id is not None  # a correction is one of a claim
        if not self.taken.get(charge.claim_id):
            return charge
        claim = self.claims[charge.claim_id]
        left = int(charge.inputs["used_amount"])
        now = self.still_taken(self.items[charge.item_id], claim, _keeps(charge, claim), left)
        difference = []
        for reduction, before in now:
            of_amount, amount = reduction.of_amount - before.of_amount, reduction.amount - before.amount
            difference.append(replace(reduction, of_amount=of_amount, amount=amount))
            self.used[before.redemption_id, before.span] += amount
            left -= reduction.amount
        return _corrected(charge, claim, left, [reduction for reduction, _ in now], difference)

    def still_taken(self, item: Item, claim: Claim, keeps: Period | None, left: int) -> list[tuple[Reduction, Taken]]:
        """What the reductions of a claim come to when it comes to another amount, and what they were before."""
        held = {taken.redemption_id: taken for taken in self.taken.get(claim.claim_id, ())}
        found = []
        for coupon in self.coupons:
            before = held.get(coupon.redemption_id)
            if before is not None:
                amount = self._again(coupon, before, left, item, claim, keeps)
                found.append((_reduction(coupon, before.span, left, amount), before))
                left -= amount
        return found

    def _again(self, coupon: Coupon, before: Taken, left: int, item: Item, claim: Claim, keeps: Period | None) -> int:
        """What a coupon takes off what a claim comes to now; `left` is that, less what coupons before it take."""
        if coupon.percent is not None:
            return coupon.percent_of(left, claim.price.currency)
        if keeps is None or left <= 0:
            return 0
        part, whole = (part_of_span(item, claim.price, span) for span in (keeps, claim.span))
        held = before.amount + self.rest(coupon, before.span)
        return min(left, coupon.most_of(part), rounded(held * part / whole) if whole else held)


@dataclass
class _Stretch:
    """A charge that is being reduced: what is left of it, and which part of its span it is for."""

    charge: ProposedCharge
    item: Item
    price: PriceTerms
    part: Fraction
    left: int
    reductions: list[Reduction] = field(default_factory=list)

    @classmethod
    def of(cls, charge: ProposedCharge, item: Item) -> _Stretch:
        price = next(term.price for term in item.terms if term.price.price_id == charge.price_id)
        return cls(charge, item, price, part_of_span(item, price, charge.span), charge.amount)

    def take(self, coupon: Coupon, span: int, amount: int) -> None:
        self.reductions.append(_reduction(coupon, span, self.left, amount))
        self.left -= amount

    def reduced(self) -> ProposedCharge:
        return self.charge._replace(amount=self.left, reductions=tuple(self.reductions))


def _reduction(coupon: Coupon, span: int, of_amount: int, amount: int) -> Reduction:
    return Reduction(coupon.redemption_id, coupon.coupon_id, coupon.name, coupon.percent, span, of_amount, amount)


def _keeps(charge: ProposedCharge, claim: Claim) -> Period | None:
    """What a claim is for after a correction: an adjustment leaves it as it is, a credit gives the end of it back."""
    if charge.kind == ADJUSTMENT:
        return claim.span
    return Period(claim.span.start, charge.span.start) if charge.span.start > claim.span.start else None


def _corrected(
    charge: ProposedCharge, claim: Claim, comes_to: int, now: Sequence[Reduction], difference: Sequence[Reduction]
) -> ProposedCharge:
    used = charge.inputs["used"]
    if used is not None:
        used = {**used, "reductions": [reduction.as_json() for reduction in now]}
    inputs = {**charge.inputs, "used": used, "billed_amount": claim.net_amount, "used_amount": comes_to}
    return charge._replace(amount=comes_to - claim.net_amount, reductions=tuple(difference), inputs=inputs)
