"""A subscription with coupons for tests: several items, and a book that does what a proposal says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.adjustments import adjust, closed_spans
from billing.coupons import Coupon, Redeemed, Taken
from billing.items import Claim
from billing.proposal import ProposedCharge, due_spans, propose
from billing.reductions import reduced
from core.ids import new_id
from tests.billing.lives import Life

SUBSCRIPTION = UUID(int=5)


def coupon(percent: str | None = None, amount: int | None = None, spans: int | None = None, **more: object) -> Coupon:
    """A coupon of so many per cent, or of an amount for each span; for ever unless told otherwise."""
    terms = Coupon(new_id(), new_id(), "Welcome", Decimal(percent) if percent else None, amount, spans)
    return replace(terms, **more)  # type: ignore[arg-type]


@dataclass
class Contract:
    """The items of a subscription, its coupons in the order in which they are taken off, and what was billed."""

    lives: Sequence[Life]
    coupons: Sequence[Coupon]
    charges: list[ProposedCharge] = field(default_factory=list)
    taken: defaultdict[UUID, dict[UUID, Taken]] = field(default_factory=lambda: defaultdict(dict))

    def bill(self, as_of: datetime, known_at: datetime | None = None) -> list[ProposedCharge]:
        """Propose and store everything up to an instant, as a billing run does."""
        items = [life.item(known_at) for life in self.lives]
        by_item = {life.item_id: life for life in self.lives}
        used = {r: by_item[r.item_id].usage(r) for r in due_spans(items, as_of)}
        proposal = propose(items, used, as_of)
        shrunk = {each.claim_id for each in proposal.shrunk}
        billed = closed_spans(items, self.lives[0].start, shrunk)
        late = adjust(billed, {each.request: by_item[each.item.item_id].usage(each.request) for each in billed}, as_of)
        redeemed = Redeemed(tuple(self.coupons), {claim: tuple(its.values()) for claim, its in self.taken.items()})
        made = reduced(items, (*proposal.charges, *late), {SUBSCRIPTION: redeemed})
        for each in proposal.shrunk:
            claims = next(life.claims for life in self.lives if each.claim_id in life.claims)
            claim = claims.pop(each.claim_id)
            if each.keeps is not None:
                claims[claim.claim_id] = replace(claim, span=each.keeps)
        for charge in made:
            self._store(by_item[charge.item_id], charge)
        return list(made)

    def _store(self, life: Life, charge: ProposedCharge) -> None:
        self.charges.append(charge)
        off = sum(reduction.amount for reduction in charge.reductions)
        claim_id = charge.claim_id or new_id()
        if charge.claim_id is None:
            price = life.prices[charge.price_id]
            claim = Claim(claim_id, charge.span, price, charge.quantity, charge.amount, reduced=off)
            life.claims[claim_id] = claim
        elif claim_id in life.claims:
            claim = life.claims[claim_id]
            net, before = claim.net_amount + charge.amount, claim.reduced + off
            life.claims[claim_id] = replace(claim, net_amount=net, reduced=before)
        for r in charge.reductions:
            old = self.taken[claim_id].get(r.redemption_id, Taken(r.redemption_id, r.span, 0, 0))
            of_amount, amount = old.of_amount + r.of_amount, old.amount + r.amount
            self.taken[claim_id][r.redemption_id] = Taken(r.redemption_id, r.span, of_amount, amount)

    @property
    def total(self) -> int:
        return sum(charge.amount for charge in self.charges)

    def used(self, coupon: Coupon) -> dict[int, int]:
        """What a coupon took off, by span."""
        sums: defaultdict[int, int] = defaultdict(int)
        for charge in self.charges:
            for reduction in charge.reductions:
                if reduction.redemption_id == coupon.redemption_id:
                    sums[reduction.span] += reduction.amount
        return dict(sums)
