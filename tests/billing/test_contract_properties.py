"""Random contracts, changed by the very function that changes real ones: trials, pauses, other prices and quantities
there and back, spans counted anew, changes in the past, ends with and without credit.

Whatever happens and however often one bills meanwhile, every billed instant is billed once and comes to the same money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.anchors import AnchorRow, fold_anchors
from billing.beginnings import Agreed, begin
from billing.breaks import BreakRow, fold_breaks, reason_at
from billing.changes import Cancel, Change, Contract, Pause, apply, in_force
from billing.contract_terms import MinimumTerm, Trial
from billing.early_termination import CHARGE_CODE, Minimum
from billing.items import AgreedTerm, Claim, Item, PriceTerms
from billing.periods import ANCHORS, Interval, day_start, local_date
from billing.proposal import Proposal, due_spans, propose
from billing.terms import TermRow, fold
from billing.timelines import turns
from core.ids import new_id
from core.period import Period
from tests.billing.lives import PER_UNIT, TIERED, hourly, price

ZONES = ["UTC", "Europe/Amsterdam", "America/Los_Angeles", "America/Sao_Paulo", "Pacific/Auckland", "Asia/Kolkata"]
# Around leap days, month ends and both changes of summer time.
STARTS = st.datetimes(datetime(2023, 1, 1), datetime(2029, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001
UNEVEN = {"model": "per_unit", "unit_price": "99.97"}
DAYS = 150
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
USED = hourly()


@dataclass(frozen=True)
class Event:
    """A change that is made at an instant, maybe for one before it."""

    made_at: datetime
    at: datetime
    change: Change


@dataclass
class Book:
    """What was billed on a contract: the claims of each item, and every charge."""

    contract: Contract
    claims: dict[UUID, dict[UUID, Claim]] = field(default_factory=dict)
    charges: list[Any] = field(default_factory=list)
    prices: dict[UUID, PriceTerms] = field(default_factory=dict)

    def change(self, event: Event) -> None:
        self.contract = apply(self.contract, event.change, event.at)

    def items(self) -> list[Item]:
        held = (replace(i, claims=tuple(self.claims.get(i.item_id, {}).values())) for i in self.contract.billed)
        return list(held)

    def bill(self, as_of: datetime) -> Proposal:
        """Propose and store, as a billing run does."""
        self.prices |= {t.price.price_id: t.price for i in self.contract.items for t in i.terms}
        items = self.items()
        proposal = propose(items, {request: USED(request) for request in due_spans(items, as_of)}, as_of)
        for shrunk in proposal.shrunk:
            for claims in self.claims.values():
                if shrunk.claim_id in claims:
                    claim = claims.pop(shrunk.claim_id)
                    if shrunk.keeps is not None:
                        claims[claim.claim_id] = replace(claim, span=shrunk.keeps)
                    break
        for charge in proposal.charges:
            self._store(charge)
        return proposal

    def _store(self, charge: Any) -> None:
        self.charges.append(charge)
        claims = self.claims.setdefault(charge.item_id, {})
        if charge.claim_id is None:
            assert not any(charge.span.intersect(c.span) for c in claims.values()), "billed twice"
            made = new_id()
            terms = self.prices[charge.price_id]
            claims[made] = Claim(made, charge.span, terms, charge.quantity, charge.amount, charge.discount)
        elif charge.claim_id in claims:
            claim = claims[charge.claim_id]
            claims[charge.claim_id] = replace(claim, net_amount=claim.net_amount + charge.amount)

    @property
    def total(self) -> int:
        return sum(charge.amount for charge in self.charges)

    def exact(self, charge_code: str) -> Fraction:
        """What an item came to, before its lines were rounded."""
        own = [charge for charge in self.charges if charge.charge_code == charge_code]
        return sum((Fraction(charge.exact) for charge in own), Fraction(0))

    def billed(self, item: Item) -> list[Period]:
        return merged([claim.span for claim in self.claims.get(item.item_id, {}).values()])


def merged(spans: Sequence[Period]) -> list[Period]:
    joined: list[Period] = []
    for span in sorted(spans, key=lambda s: s.start):
        if joined and joined[-1].end == span.start:
            joined[-1] = Period(joined[-1].start, span.end)
        else:
            joined.append(span)
    return joined


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Racks, a port in arrears, energy and a setup fee, on any anchor, method and zone, some with a trial."""
    start, zone = draw(STARTS), draw(st.sampled_from(ZONES))
    trial = draw(st.sampled_from([None, None, Trial(14, None), Trial(31, None)]))
    begun = begin(start, zone, Agreed(trial))
    unit, method = draw(st.sampled_from(["week", "month", "quarter"])), draw(st.sampled_from(["day", "second"]))
    common = {"interval": Interval(unit), "proration": method}
    prices = {
        "rack": price(spec=UNEVEN, **common),
        "port": price(spec=PER_UNIT, timing="arrears", **common),
        "energy": price("usage", TIERED, **common),
        "setup": price("one_off", PER_UNIT),
    }
    items = tuple(
        Item(
            item_id=new_id(),
            subscription_id=UUID(int=5),
            charge_code=code,
            anchor=draw(st.sampled_from(ANCHORS)) if code == "rack" else "calendar",
            anchored_at=begun.anchored_at,
            time_zone=zone,
            terms=(AgreedTerm(start, None, terms, Decimal(0 if code == "energy" else 2)),),
        )
        for code, terms in prices.items()
    )
    return Contract(items, begun.breaks)


OTHER = {"rack": price(spec=PER_UNIT), "energy": price("usage", {"model": "per_unit", "unit_price": "0.2"})}


@st.composite
def events(draw: st.DrawFn, contract: Contract, backwards: bool = False) -> list[Event]:
    """Changes in order of when they are made; pauses and their ends in turn, an end of all as the last, if at all."""
    start, zone = contract.items[0].terms[0].start, contract.items[0].time_zone
    hours = sorted(draw(st.lists(st.integers(1, 24 * (DAYS - 40)), max_size=7, unique=True)))
    original = {item.charge_code: item.terms[0].price for item in contract.items}
    interval, method = original["rack"].interval, original["rack"].proration
    other = {code: replace(p, interval=interval, proration=method) for code, p in OTHER.items()}
    found: list[Event] = []
    paused, begun = False, max([b.end or start for b in contract.breaks], default=start)
    aligned = start
    for hour in hours:
        made_at = start + timedelta(hours=hour)
        back = timedelta(hours=draw(st.integers(0, 24 * 25))) if backwards and draw(st.booleans()) else timedelta(0)
        at = max(start, made_at - back)
        kind = draw(st.sampled_from(["quantity", "quantity", "other", "same", "pause", "align", "cancel"]))
        if kind == "pause":
            if made_at < begun:
                continue  # a trial is not paused
            paused = not paused
            change = Change(pause=Pause()) if paused else Change(resume=True)
        elif kind == "align":
            if made_at < aligned:
                continue  # another day would leave the short span in two lines, each of them rounded
            aligned = day_start(local_date(made_at, zone) + timedelta(days=draw(st.integers(1, 40))), zone)
            at, change = made_at, Change(align_at=aligned)
        elif kind == "cancel":
            found.append(Event(made_at, at, Change(cancel=Cancel(credit=draw(st.booleans())))))
            return found
        elif kind == "quantity":
            change = Change(quantities={"rack": draw(st.sampled_from([Decimal(1), Decimal("2.5"), Decimal(0)]))})
        else:
            prices = other if kind == "other" else {code: original[code] for code in other}
            change = Change(prices=prices, ends=["port"] if draw(st.booleans()) else [])
        found.append(Event(made_at, at, change))
    return found


def end_of(contract: Contract) -> datetime:
    return contract.items[0].terms[0].start + timedelta(days=DAYS)


def finished(book: Book, end: datetime) -> None:
    """Everything ends, so that all spans are closed."""
    book.change(Event(end, end, Change(cancel=Cancel())))
    book.bill(end + timedelta(days=100))


def lived(contract: Contract, changes: Sequence[Event], gaps: Sequence[int]) -> Book:
    """A life billed every so many hours, each change made in its time."""
    book, waiting = Book(contract), list(changes)
    now = contract.items[0].terms[0].start
    for gap in gaps:
        while waiting and waiting[0].made_at <= now:
            book.change(waiting.pop(0))
        book.bill(now)
        assert book.bill(now) == Proposal(), "repeating adds nothing"
        now = min(now + timedelta(hours=gap), end_of(contract))
    for event in waiting:
        book.change(event)
    finished(book, end_of(contract))
    return book


def billed_once(contract: Contract, changes: Sequence[Event]) -> Book:
    """The same life, billed when all is over."""
    book = Book(contract)
    for event in changes:
        book.change(event)
    finished(book, end_of(contract))
    return book


GAPS = st.lists(st.integers(1, 24 * 20), max_size=20)


@SLOW
@given(data=st.data(), contract=contracts(), gaps=GAPS)
def test_a_changed_contract_is_billed_day_by_day_as_it_is_billed_once(
    data: st.DataObject, contract: Contract, gaps: list[int]
) -> None:
    changes = data.draw(events(contract))
    often, once = lived(contract, changes, gaps), billed_once(contract, changes)
    assert often.total == once.total
    for item in often.contract.items:
        assert often.billed(item) == once.billed(item)


@SLOW
@given(data=st.data(), contract=contracts(), gaps=GAPS)
def test_every_agreed_instant_outside_of_breaks_is_billed_once_though_changes_lie_in_the_past(
    data: st.DataObject, contract: Contract, gaps: list[int]
) -> None:
    changes = data.draw(events(contract, backwards=True))
    book = lived(contract, changes, gaps)
    for item in book.contract.billed:
        if item.charge_code == "setup":
            assert len(book.claims.get(item.item_id, {})) <= 1
            continue
        agreed = [Period(t.start, t.end) for t in item.terms if t.end is not None]
        assert book.billed(item) == merged(agreed)
    # What stays billed is what the claims say, to the cent.
    assert book.total == sum(c.net_amount for claims in book.claims.values() for c in claims.values())


@SLOW
@given(data=st.data(), contract=contracts(), gaps=GAPS)
def test_what_is_billed_in_the_past_anew_is_what_would_have_been_billed(
    data: st.DataObject, contract: Contract, gaps: list[int]
) -> None:
    """Recurring charges, but for the cents of lines that a change in the past has cut; used tiers begin anew there."""
    changes = data.draw(events(contract, backwards=True))
    often, once = lived(contract, changes, gaps), billed_once(contract, changes)
    for code in ("rack", "port"):
        lines = sum(charge.charge_code == code for charge in (*often.charges, *once.charges))
        assert abs(often.exact(code) - once.exact(code)) <= Fraction(lines, 200)


def as_rows(before: Contract, after: Contract, at: datetime, rows: dict[Any, list[Any]], recorded: datetime) -> None:
    """What storing a change adds to the timelines, as `services.contracts` does it."""
    for item in after.items:
        own = rows.setdefault(item.item_id, [])

        def said(instant: datetime, item: Item = item) -> tuple[UUID, Decimal] | None:
            held = in_force(item.terms, instant)
            return None if held is None else (held.price.price_id, held.quantity)

        turning = [i for t in item.terms for i in (t.start, t.end) if i is not None]
        for instant, state in turns(said, at, turning, {row.from_at for row in own if row.from_at >= at}):
            price_id, quantity = state or (None, Decimal(0))
            own.append(TermRow(instant, price_id, quantity, state is None, recorded, len(own)))
    off = rows.setdefault("breaks", [])
    turning = [i for b in after.breaks for i in (b.start, b.end) if i is not None]
    written = {row.from_at for row in off if row.from_at >= at}
    for instant, reason in turns(lambda i: reason_at(after.breaks, i), at, turning, written):
        off.append(BreakRow(instant, reason, recorded, f"{len(off):06}"))
    if after.items[0].anchors != before.items[0].anchors:
        anew = rows.setdefault("anchors", [])
        anew.append(AnchorRow(after.items[0].anchors[-1], at, recorded, f"{len(anew):06}"))


def stretches(terms: Sequence[Any], price_of: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for term in terms:
        if term.end is not None and term.end <= term.start:
            continue
        state = (price_of(term), term.quantity)
        if found and found[-1][1:] == (term.start, state):
            found[-1] = (found[-1][0], term.end, state)
        else:
            found.append((term.start, term.end, state))
    return found


@SLOW
@given(data=st.data(), contract=contracts())
def test_what_is_stored_of_a_change_reads_back_as_what_it_made(data: st.DataObject, contract: Contract) -> None:
    start = contract.items[0].terms[0].start
    rows: dict[Any, list[Any]] = {}
    as_rows(contract, contract, start, rows, start)
    for event in data.draw(events(contract, backwards=True)):
        after = apply(contract, event.change, event.at)
        as_rows(contract, after, event.at, rows, event.made_at)
        contract = after
        assert fold_breaks(rows["breaks"]) == tuple(b for b in contract.breaks if b.end is None or b.start < b.end)
        assert fold_anchors(rows.get("anchors", [])) == contract.items[0].anchors
        for item in contract.items:
            stored = stretches(fold(rows[item.item_id]), lambda t: t.price_id)
            assert stored == stretches(item.terms, lambda t: t.price.price_id)


@SLOW
@given(contract=contracts(), hours=st.integers(1, 24 * 120), months=st.integers(1, 12), credit=st.booleans())
def test_a_full_early_termination_is_all_that_would_have_been_charged(
    contract: Contract, hours: int, months: int, credit: bool
) -> None:
    start, zone = contract.items[0].anchored_at, contract.items[0].time_zone
    at = start + timedelta(hours=hours)
    terms = MinimumTerm(Interval("month", months), Decimal(100))
    until = terms.ends_at(start, zone)
    minimum = Minimum(terms, start, until, new_id(), new_id())
    ended = apply(replace(contract, minimum=minimum), Change(cancel=Cancel(credit=credit)), at)
    costs = next((item for item in ended.items if item.charge_code == CHARGE_CODE), None)
    rest = Fraction(0)
    for item, over in zip(contract.items, ended.items, strict=False):
        stop = max([t.end for t in over.terms if t.end is not None], default=at)
        if item.terms[0].price.kind != "recurring" or max(at, stop) >= until:
            continue
        term = replace(item.terms[0], start=max(at, stop, item.terms[0].start), end=until)
        wanted = propose([replace(item, terms=(term,))], {}, until)
        rest += sum((Fraction(c.exact) for c in wanted.charges), Fraction(0))
    if at >= until or rest == 0:
        assert costs is None
        return
    assert costs is not None
    (term,) = costs.terms
    assert (term.start, term.quantity, term.price.kind) == (at, 1, "one_off")
    charged = Fraction(Decimal(term.price.spec["amount_price"]))
    assert abs(charged - rest) <= Fraction(1, 200) + Fraction(1, 10**50)
    assert term.price.origin is not None
    assert abs(Fraction(Decimal(term.price.origin["rest_exact"])) - rest) < Fraction(1, 10**11)
