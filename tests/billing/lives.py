"""A small world for proposal tests: prices, timelines, usage, and a book that does what a proposal says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.items import AgreedTerm, Claim, Item, MeterTerms, PriceTerms
from billing.metering.evidence import Evidence
from billing.metering.quality import Shares
from billing.metering.slots import Slot, SlotRequest, Usage
from billing.periods import Interval
from billing.proposal import Proposal, ProposedCharge, due_spans, propose
from billing.terms import TermRow, fold
from core.ids import new_id
from core.period import Period

ENERGY = MeterTerms(UUID(int=9), "energy", "kWh", "sum")
FLAT = {"model": "flat", "amount_price": "310"}
PER_UNIT = {"model": "per_unit", "unit_price": "31"}
TIERED = {"model": "graduated", "tiers": [{"up_to": "100", "unit_price": "0.3"}, {"up_to": None, "unit_price": "0.1"}]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def price(kind: str = "recurring", spec: dict[str, Any] | None = None, **changes: Any) -> PriceTerms:
    """A monthly price in EUR; usage in arrears over energy, the rest in advance."""
    usage = kind == "usage"
    terms = PriceTerms(
        price_id=new_id(),
        version_id=UUID(int=7),
        version=1,
        charge_code="energy" if usage else "rack",
        kind=kind,
        interval=None if kind == "one_off" else Interval("month"),
        timing="arrears" if usage else "advance",
        proration="day",
        currency="EUR",
        spec=spec or (TIERED if usage else PER_UNIT),
        meter=ENERGY if usage else None,
    )
    return replace(terms, **changes)


def hourly(kwh: str = "1") -> Any:
    """Usage that runs evenly: so many kWh an hour, counted to the millionth at the ends of spans."""

    def used(request: SlotRequest) -> Usage:
        hours = Decimal((request.span.end - request.span.start).total_seconds()) / 3600
        total = (hours * Decimal(kwh)).quantize(Decimal("0.000001"))
        slot = Slot(request.span, sum=total, quality=Shares(measured=total))
        return Usage((slot,), Evidence(request.unit), known_until=request.span.end)

    return used


@dataclass
class Life:
    """One item, its rows, and what was billed on it."""

    start: datetime
    anchor: str = "calendar"
    time_zone: str = "Europe/Amsterdam"
    rows: list[TermRow] = field(default_factory=list)
    prices: dict[UUID, PriceTerms] = field(default_factory=dict)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    charges: list[ProposedCharge] = field(default_factory=list)
    usage: Any = field(default_factory=hourly)
    item_id: UUID = field(default_factory=new_id)

    def agree(
        self, from_at: datetime, terms: PriceTerms, quantity: str = "1", recorded_at: datetime | None = None
    ) -> None:
        self.prices[terms.price_id] = terms
        self._add(from_at, terms.price_id, Decimal(quantity), recorded_at)

    def end(self, from_at: datetime, recorded_at: datetime | None = None) -> None:
        self._add(from_at, None, Decimal(0), recorded_at)

    def _add(self, from_at: datetime, price_id: UUID | None, quantity: Decimal, recorded_at: datetime | None) -> None:
        order = len(self.rows)
        self.rows.append(TermRow(from_at, price_id, quantity, price_id is None, recorded_at or from_at, order))

    def item(self, known_at: datetime | None = None) -> Item:
        terms = (
            AgreedTerm(t.start, t.end, self.prices[t.price_id], t.quantity) for t in fold(self.rows, known_at=known_at)
        )
        return Item(
            item_id=self.item_id,
            subscription_id=UUID(int=5),
            charge_code="code",
            anchor=self.anchor,
            anchored_at=self.start,
            time_zone=self.time_zone,
            terms=tuple(terms),
            claims=tuple(self.claims.values()),
        )

    def propose(self, as_of: datetime, known_at: datetime | None = None) -> Proposal:
        items = [self.item(known_at)]
        return propose(items, {request: self.usage(request) for request in due_spans(items, as_of)}, as_of)

    def bill(self, as_of: datetime, known_at: datetime | None = None) -> Proposal:
        """Propose and store, as a billing run does."""
        proposal = self.propose(as_of, known_at)
        for shrunk in proposal.shrunk:
            claim = self.claims.pop(shrunk.claim_id)
            if shrunk.keeps is not None:
                self.claims[claim.claim_id] = replace(claim, span=shrunk.keeps)
        for charge in proposal.charges:
            self._store(charge)
        return proposal

    def _store(self, charge: ProposedCharge) -> None:
        self.charges.append(charge)
        if charge.claim_id is None:
            assert not any(charge.span.intersect(c.span) for c in self.claims.values()), "billed twice"
            made = new_id()
            price_terms = self.prices[charge.price_id]
            self.claims[made] = Claim(made, charge.span, price_terms, charge.quantity, charge.amount)
        elif charge.claim_id in self.claims:
            claim = self.claims[charge.claim_id]
            self.claims[charge.claim_id] = replace(claim, net_amount=claim.net_amount + charge.amount)

    @property
    def total(self) -> int:
        return sum(charge.amount for charge in self.charges)

    @property
    def billed(self) -> list[Period]:
        return sorted((c.span for c in self.claims.values()), key=lambda s: s.start)


def amounts(charges: Iterable[ProposedCharge], time_zone: str = "Europe/Amsterdam") -> list[tuple[str, str, str, int]]:
    """Charges as (kind, local start, local end, amount), for reading."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(time_zone)
    return [
        (c.kind, f"{c.span.start.astimezone(zone):%m-%d}", f"{c.span.end.astimezone(zone):%m-%d}", c.amount)
        for c in charges
    ]
