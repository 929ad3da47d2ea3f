"""Committed amounts: usage draws what it comes to and never more than is left, however often it is billed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.adjustments import adjust, closed_spans
from billing.drawdown import DRAWDOWN, drawn
from billing.items import AgreedTerm, Claim, Item, PriceTerms
from billing.metering.evidence import Evidence
from billing.metering.quality import Shares
from billing.metering.slots import Slot, SlotRequest, Usage
from billing.periods import Interval
from billing.proposal import ProposedCharge, due_spans, propose
from core.ids import new_id
from tests.billing.lives import at, price
from tests.builders.recompute import recompute

START = at("2026-01-01T00:00:00+01:00")
MONTHS = [at(f"2026-{month:02}-01T00:00:00+0{2 if 3 < month < 11 else 1}:00") for month in range(1, 13)]
YEAR_END = at("2027-01-01T00:00:00+01:00")
EURO = {"model": "per_unit", "unit_price": "1"}
FAR = at("2030-01-01T00:00:00+00:00")


def commits(amount: str = "1000", timing: str = "advance") -> PriceTerms:
    """An amount for twelve months, drawn by energy and traffic."""
    spec = {"model": "committed_amount", "amount_price": amount, "draws": ["energy", "traffic"]}
    return price(spec=spec, timing=timing, proration="none", charge_code="commit", interval=Interval("year"))


@dataclass
class Contract:
    """A subscription with a commitment and two meters, what was used, and what was billed."""

    commit: PriceTerms = field(default_factory=commits)
    end: datetime | None = None
    used: list[tuple[str, datetime, Decimal]] = field(default_factory=list)
    claims: dict[str, list[Claim]] = field(default_factory=dict)
    charges: list[ProposedCharge] = field(default_factory=list)

    def __post_init__(self) -> None:
        usage = {code: price("usage", EURO, charge_code=code) for code in ("energy", "traffic", "support")}
        self.prices = {"commit": self.commit, **usage}
        self.ids = {code: new_id() for code in self.prices}

    def use(self, code: str, when: datetime, euros: str) -> None:
        self.used.append((code, when, Decimal(euros)))

    @property
    def items(self) -> list[Item]:
        return [
            Item(
                item_id=self.ids[code],
                subscription_id=UUID(int=5),
                charge_code=code,
                anchor="anniversary",
                anchored_at=START,
                time_zone="Europe/Amsterdam",
                terms=(AgreedTerm(START, self.end, terms, Decimal(1)),),
                claims=tuple(self.claims.get(code, ())),
            )
            for code, terms in self.prices.items()
        ]

    def _usage(self, request: SlotRequest) -> Usage:
        (code,) = [code for code, item_id in self.ids.items() if item_id == request.item_id]
        total = sum((q for c, when, q in self.used if c == code and when in request.span), Decimal(0))
        return Usage((Slot(request.span, sum=total, quality=Shares(measured=total)),), Evidence(request.unit))

    def propose(self, as_of: datetime) -> tuple[ProposedCharge, ...]:
        items = self.items
        charges = propose(items, {r: self._usage(r) for r in due_spans(items, as_of)}, as_of).charges
        closed = closed_spans(items, START)
        charges += adjust(closed, {span.request: self._usage(span.request) for span in closed}, as_of)
        return charges + drawn(items, charges, as_of)

    def bill(self, as_of: datetime) -> tuple[ProposedCharge, ...]:
        """Propose and store, as a billing run does."""
        charges = self.propose(as_of)
        for charge in charges:
            self._store(charge)
        return charges

    def _store(self, charge: ProposedCharge) -> None:
        self.charges.append(charge)
        held = self.claims.setdefault(charge.charge_code, [])
        if charge.claim_id is None and charge.draws_on is None:
            held.append(Claim(new_id(), charge.span, self.prices[charge.charge_code], charge.quantity, charge.amount))
            return
        for i, claim in enumerate(held):
            if claim.claim_id == charge.claim_id or claim.span == charge.draws_on:
                if charge.kind == DRAWDOWN:
                    held[i] = replace(claim, drawn=claim.drawn - charge.amount)
                else:
                    held[i] = replace(claim, net_amount=claim.net_amount + charge.amount)

    def void(self, charge: ProposedCharge) -> None:
        """Take back a document that held a charge of usage and what was drawn for it."""
        self.claims[charge.charge_code] = [c for c in self.claims[charge.charge_code] if c.span != charge.span]
        together = [c for c in self.charges if c.kind == DRAWDOWN and of(c) == (charge.charge_code, charge.span)]
        for gone in (charge, *together):
            self.charges.remove(gone)
        back = sum(gone.amount for gone in together)
        self.claims["commit"] = [replace(c, drawn=c.drawn + back) for c in self.claims["commit"]]

    @property
    def total(self) -> int:
        return sum(charge.amount for charge in self.charges)

    @property
    def drawn(self) -> int:
        return -sum(charge.amount for charge in self.charges if charge.kind == DRAWDOWN)


def of(charge: ProposedCharge) -> tuple[str, object] | None:
    told = charge.inputs["drawdown"]["of"]
    return (told["charge_code"], charge.span) if told else None


def drawdowns(charges: Sequence[ProposedCharge]) -> list[tuple[str, int]]:
    """What was drawn: the usage it stands beside, and the amount."""
    return [
        (told["of"]["charge_code"] if told["of"] else "", charge.amount)
        for charge in charges
        if charge.kind == DRAWDOWN
        for told in [charge.inputs["drawdown"]]
    ]


def test_usage_is_drawn_from_what_was_paid_in_advance_until_that_is_used_up() -> None:
    contract = Contract()
    assert [(c.charge_code, c.amount) for c in contract.bill(START)] == [("commit", 100000)]
    contract.use("energy", MONTHS[0], "600")
    contract.use("support", MONTHS[0], "50")  # draws nothing
    assert drawdowns(contract.bill(MONTHS[1])) == [("energy", -60000)]
    assert contract.total == 100000 + 5000
    contract.use("traffic", MONTHS[1], "500")
    assert drawdowns(contract.bill(MONTHS[2])) == [("traffic", -40000)]
    assert contract.total == 100000 + 5000 + 10000


def test_what_was_not_used_expires_and_the_next_span_begins_with_the_whole_amount() -> None:
    contract = Contract()
    contract.use("energy", MONTHS[0], "600")
    contract.use("energy", YEAR_END + timedelta(days=3), "700")
    contract.bill(YEAR_END + timedelta(days=60))
    assert contract.drawn == 60000 + 70000
    assert [c.amount for c in contract.charges if c.charge_code == "commit" and c.kind == "recurring"] == [100000] * 2
    assert not [charge for charge in contract.charges if charge.kind == "credit"]


def test_billed_in_arrears_the_shortfall_is_due_at_the_end() -> None:
    contract = Contract(commits(timing="arrears"))
    contract.use("energy", MONTHS[0], "600")
    contract.use("traffic", MONTHS[11], "100")
    contract.bill(MONTHS[6])
    assert (contract.total, contract.drawn) == (60000, 0)
    last = contract.bill(YEAR_END)
    assert [(c.kind, c.charge_code, c.amount) for c in last] == [
        ("recurring", "commit", 100000),
        ("usage", "energy", 0),
        ("usage", "energy", 0),
        ("usage", "energy", 0),
        ("usage", "energy", 0),
        ("usage", "energy", 0),
        *[("usage", "energy", 0)],
        *[("usage", "traffic", 0)] * 5,
        ("usage", "traffic", 10000),
        *[("usage", "support", 0)] * 6,
        ("drawdown", "commit", -70000),
    ]
    assert contract.total == 100000
    assert last[-1].due_at == YEAR_END
    assert last[-1].price_id == contract.commit.price_id


def test_in_arrears_nothing_is_short_when_more_was_used() -> None:
    contract = Contract(commits(timing="arrears"))
    contract.use("energy", MONTHS[3], "1500")
    contract.bill(YEAR_END)
    assert (contract.total, contract.drawn) == (150000, 100000)


def test_an_end_before_the_term_pays_nothing_back() -> None:
    contract = Contract(end=MONTHS[2])
    contract.use("energy", MONTHS[0], "100")
    contract.bill(YEAR_END)
    assert contract.total == 100000


def test_an_end_before_the_term_leaves_the_shortfall_due() -> None:
    contract = Contract(commits(timing="arrears"), end=MONTHS[2])
    contract.use("energy", MONTHS[0], "100")
    contract.bill(MONTHS[6])
    assert contract.total == 10000
    contract.bill(YEAR_END)
    assert contract.total == 100000


def test_late_usage_draws_and_what_is_taken_back_gives_back() -> None:
    contract = Contract()
    contract.use("energy", MONTHS[0], "600")
    contract.bill(MONTHS[1])
    contract.use("energy", MONTHS[0], "100")
    assert drawdowns(contract.bill(MONTHS[2])) == [("energy", -10000)]
    contract.use("energy", MONTHS[0], "-650")
    assert drawdowns(contract.bill(MONTHS[3])) == [("energy", 65000)]
    assert (contract.total, contract.drawn) == (100000, 5000)


def test_a_document_taken_back_releases_what_it_drew_for_the_usage_that_is_left() -> None:
    contract = Contract()
    contract.use("energy", MONTHS[0], "600")
    contract.bill(MONTHS[1])
    contract.use("traffic", MONTHS[1], "600")
    contract.bill(MONTHS[2])
    assert contract.drawn == 100000
    contract.void(next(charge for charge in contract.charges if charge.kind == "usage" and charge.amount == 60000))
    contract.used.clear()
    contract.use("traffic", MONTHS[1], "600")
    contract.bill(MONTHS[3])
    assert (contract.total, contract.drawn) == (100000, 60000)


def test_what_is_drawn_says_what_is_left() -> None:
    contract = Contract()
    contract.use("energy", MONTHS[0], "600")
    contract.bill(MONTHS[1])
    told = contract.charges[-1].inputs["drawdown"]
    assert (told["committed_amount"], told["used_amount"], told["drawn_amount"]) == (100000, 60000, 60000)
    assert (told["drawn_before_amount"], told["left_amount"]) == (0, 40000)


EVENT = st.tuples(
    st.sampled_from(["energy", "traffic", "support"]), st.integers(0, 500), st.decimals(-200, 600, places=2)
)


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(EVENT, max_size=8),
    days=st.lists(st.integers(0, 800), max_size=6),
    timing=st.sampled_from(["advance", "arrears"]),
    end=st.none() | st.integers(1, 700),
)
def test_however_often_it_is_billed_it_comes_to_the_same(
    events: list[tuple[str, int, Decimal]], days: list[int], timing: str, end: int | None
) -> None:
    """Never more is drawn than was committed, nor than was used; every charge can be worked out again."""
    ends = None if end is None else START + timedelta(days=end)
    often, once = (Contract(commits(timing=timing), end=ends) for _ in range(2))
    for contract in (often, once):
        for code, day, euros in events:
            if euros >= 0:
                contract.use(code, START + timedelta(days=day), str(euros))
    for day in sorted(days):
        often.bill(START + timedelta(days=day))
    for code, day, euros in events:  # what is taken back comes late
        before = sum(q for c, when, q in often.used if c == code and when == START + timedelta(days=day))
        if euros < 0 and before + euros >= 0:
            often.use(code, START + timedelta(days=day), str(euros))
            once.use(code, START + timedelta(days=day), str(euros))
    last = START + timedelta(days=1200)
    often.bill(last)
    once.bill(last)
    assert often.total == once.total
    assert often.drawn == once.drawn
    assert often.propose(last) == ()
    for contract in (often, once):
        for claim in contract.claims["commit"]:
            used = sum(
                c.net_amount
                for code in ("energy", "traffic")
                for c in contract.claims[code]
                if c.span.start in claim.span
            )
            assert claim.drawn == min(max(used, 0), claim.net_amount)
        assert all(recompute(charge.inputs).minor == charge.amount for charge in contract.charges)
