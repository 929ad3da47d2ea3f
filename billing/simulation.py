"""What-if: what past months would have come to at other prices, by the functions that bill.

Amounts are as prices say: before tax, coupons and credit notes, after what usage draws from committed amounts.

A span counts with the share of its local days that lies in the months. What was billed of it stands for what it costs
now; what is not billed yet is rated. A span that still runs is rated as if it ended with the months.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from billing.drawdown import draws
from billing.index_spans import indexed_spans
from billing.items import RECURRING, Item, PriceTerms
from billing.metered import Index
from billing.metering.slots import SlotRequest, Usage
from billing.proposal import due_spans, propose
from billing.proration import DAY, share
from billing.rating import NO_INDEXES
from billing.simulated_contracts import Case, Obstacle, gives_way
from core.money import Money, round_line
from core.period import Period

# Every step of a contract that is cut to some months lies before this.
_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Compared:
    """What the months come to, in minor units: by charge code, and together. With obstacles nothing is said."""

    current: Mapping[str, int] = field(default_factory=dict)
    simulated: Mapping[str, int] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def current_amount(self) -> int:
        """What it costs now."""
        return sum(self.current.values())

    @property
    def simulated_amount(self) -> int:
        """What it would cost."""
        return sum(self.simulated.values())


def needed(cases: Iterable[Case], indexes: Mapping[str, Index] = NO_INDEXES) -> tuple[SlotRequest, ...]:
    """The usage that `compare` needs, without repetition."""
    return due_spans((item for each in cases for item in each.read), _EVER, indexes)


def indexed(cases: Iterable[Case]) -> Mapping[str, set[Period]]:
    """The spans in which price indexes are asked for, by their codes."""
    return indexed_spans([item for each in cases for item in (*each.current, *each.retried)], _EVER, _EVER)


def compare(each: Case, usage: Mapping[SlotRequest, Usage], indexes: Mapping[str, Index] = NO_INDEXES) -> Compared:
    """What the months cost now, and what they would."""
    if each.obstacles:
        return Compared(obstacles=each.obstacles)
    now = _Side(each, usage, indexes)
    now.take(each.current)
    then = _Side(each, usage, indexes)
    then.entries = [entry for entry in now.entries if not gives_way(entry.price, each.tried, each.part)]
    then.take([item for item in each.retried if item.charge_code not in each.assumed])
    for item in each.retried:
        if item.charge_code in each.assumed:
            then.assume(item, each.assumed[item.charge_code])
    obstacles = (*now.obstacles, *_unknown(each, usage, indexes), *then.obstacles)
    if obstacles:
        return Compared(obstacles=tuple(dict.fromkeys(obstacles)))
    return Compared(now.amounts(), then.amounts())


def _of_quantity(price: PriceTerms) -> PriceTerms:
    """A usage price on a quantity that is agreed: a part of a span costs its share."""
    return replace(price, kind=RECURRING, proration=DAY)


def _unknown(each: Case, usage: Mapping[SlotRequest, Usage], indexes: Mapping[str, Index]) -> Iterator[Obstacle]:
    """Charges for usage of which nothing is known: nobody reported any, and no other charge counted it."""
    for item in each.retried:
        if item.charge_code not in each.unknown:
            continue
        requests = due_spans([item], _EVER, indexes)
        if requests and not any(_used(usage[request]) for request in requests):
            detail = "Nothing tells what was used of this: name the charge that counted it, or assume a quantity."
            yield Obstacle(item.charge_code, "usage_unknown", detail)


def _used(used: Usage) -> bool:
    return bool(used.events) or any(slot.count or slot.sum or slot.level for slot in used.slots)


@dataclass(frozen=True)
class _Entry:
    """A charge of a span, in minor units; `price` is what it is drawn by, or draws from."""

    charge_code: str
    price: PriceTerms
    span: Period
    amount: int


@dataclass
class _Side:
    """What a subscription costs, now or at other prices."""

    case: Case
    usage: Mapping[SlotRequest, Usage]
    indexes: Mapping[str, Index]
    entries: list[_Entry] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)

    def take(self, items: Sequence[Item]) -> None:
        """What was billed on items, before coupons, less what is to be given back; and what is to be billed."""
        proposal = propose(items, self.usage, _EVER, self.indexes)
        prices = {t.price.price_id: t.price for item in items for t in item.terms}
        kept = {shrunk.claim_id: shrunk.keeps for shrunk in proposal.shrunk}
        back: defaultdict[UUID, int] = defaultdict(int)
        for charge in proposal.charges:
            if charge.claim_id is not None:
                back[charge.claim_id] += charge.amount
            else:
                self._add(charge.charge_code, prices[charge.price_id], charge.span, charge.amount)
        for item in items:
            for claim in item.claims:
                span = kept.get(claim.claim_id, claim.span)
                if span is not None:
                    amount = claim.net_amount + claim.reduced + back[claim.claim_id]
                    self._add(item.charge_code, claim.price, span, amount)
        self.obstacles += [Obstacle(p.charge_code, p.code, p.detail) for p in proposal.parked]

    def assume(self, item: Item, quantity: Decimal) -> None:
        """Usage that nobody measured: the same quantity in each whole span."""
        recurring = tuple(replace(t, price=_of_quantity(t.price), quantity=quantity) for t in item.terms)
        self.take([replace(item, terms=recurring)])

    def _add(self, charge_code: str, price: PriceTerms, span: Period, amount: int) -> None:
        within = span.intersect(self.case.period)
        if within is None:
            return
        part = share(DAY, span, within, self.case.time_zone)
        if not part.whole:
            amount = round_line(part.of(Money(amount, self.case.currency).major), self.case.currency).minor
        self.entries.append(_Entry(charge_code, price, span, amount))

    def amounts(self) -> dict[str, int]:
        """By charge code, less what usage draws from committed amounts."""
        found: defaultdict[str, int] = defaultdict(int)
        for entry in self.entries:
            found[entry.charge_code] += entry.amount
            if codes := draws(entry.price):
                used = sum(e.amount for e in self.entries if e.charge_code in codes and e.span.start in entry.span)
                found[entry.charge_code] -= min(max(used, 0), max(entry.amount, 0))
        return dict(found)
