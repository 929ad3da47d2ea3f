"""What coupons take off: per cent and amounts, over spans, changes, late usage; however often one bills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.coupons import Coupon, Redeemed, part_of_span
from billing.items import PriceTerms
from billing.periods import Interval
from billing.proposal import propose
from billing.reductions import reduced
from core.ids import new_id
from core.money import Money, round_line
from tests.billing.coupon_lives import SUBSCRIPTION, Contract, coupon
from tests.billing.lives import Life, at, hourly, price
from tests.builders.recompute import recompute

ENERGY_PRODUCT, RACK_PRODUCT = UUID(int=21), UUID(int=22)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


NEW_YEAR = at("2026-01-01T00:00:00+01:00")


def flat(euros: str, **changes: Any) -> PriceTerms:
    return price(spec={"model": "flat", "amount_price": euros}, product_id=RACK_PRODUCT, **changes)


def life(*prices: PriceTerms, start: datetime = NEW_YEAR, usage: Any = None) -> list[Life]:
    """An item for each price, all of one subscription that starts with the year in Amsterdam."""
    found = []
    for terms in prices:
        one = Life(start, usage=usage or hourly("1"))
        one.agree(start, terms)
        found.append(one)
    return found


def told(contract: Contract) -> list[tuple[str, int, list[int]]]:
    return [(c.kind, c.amount, [r.amount for r in c.reductions]) for c in contract.charges]


def test_per_cent_are_taken_off_each_charge_and_rounded_once() -> None:
    contract = Contract(life(flat("9.99"), flat("20.05")), [coupon("12.5", spans=1)])
    contract.bill(at("2026-02-01T00:00:00+01:00"))
    assert told(contract) == [
        ("recurring", 874, [125]),
        ("recurring", 999, []),
        ("recurring", 1754, [251]),
        ("recurring", 2005, []),
    ]


def test_an_amount_is_shared_by_largest_remainder_over_what_is_due_together() -> None:
    contract = Contract(life(flat("30"), flat("70"), flat("0")), [coupon(amount=1001, spans=1)])
    contract.bill(at("2026-01-01T00:00:00+01:00"))
    assert [c.amount for c in contract.charges] == [2700, 6299, 0]
    assert [c.reductions[0].amount for c in contract.charges] == [300, 701, 0]


def test_what_is_left_of_an_amount_is_taken_off_what_is_due_later_in_the_same_span() -> None:
    usage = price("usage", {"model": "per_unit", "unit_price": "1"})
    contract = Contract(life(flat("30"), usage), [coupon(amount=5000)])
    contract.bill(at("2026-03-01T00:00:00+01:00"))
    assert [c.amount for c in contract.charges if c.kind == "recurring"] == [0, 0, 0]
    assert contract.used(contract.coupons[0]) == {1: 5000, 2: 5000, 3: 3000}
    assert [c.amount for c in contract.charges if c.kind == "usage"] == [74400 - 2000, 67200 - 2000]


def test_it_takes_off_no_more_than_there_is() -> None:
    contract = Contract(life(flat("30")), [coupon(amount=5000, spans=2)])
    contract.bill(at("2026-03-15T00:00:00+01:00"))
    assert told(contract) == [("recurring", 0, [3000]), ("recurring", 0, [3000]), ("recurring", 3000, [])]


def test_free_months_are_a_hundred_per_cent_for_so_many_spans() -> None:
    contract = Contract(life(flat("30")), [coupon("100", spans=3)])
    contract.bill(at("2026-05-15T00:00:00+02:00"))
    assert [c.amount for c in contract.charges] == [0, 0, 0, 3000, 3000]


def test_each_coupon_takes_off_what_the_one_before_it_left() -> None:
    first, second = coupon("10"), coupon(amount=500)
    one, other = Contract(life(flat("100")), [first, second]), Contract(life(flat("100")), [second, first])
    for contract in (one, other):
        contract.bill(at("2026-01-15T00:00:00+01:00"))
    assert told(one) == [("recurring", 8500, [1000, 500])]
    assert told(other) == [("recurring", 8550, [500, 950])]
    assert [r.of_amount for r in other.charges[0].reductions] == [10000, 9500]


def test_a_coupon_concerns_chosen_products_and_plans_only() -> None:
    plan = new_id()
    energy = price("usage", product_id=ENERGY_PRODUCT, plan_id=plan)
    rack, other = flat("30", plan_id=plan), flat("30", plan_id=new_id())
    for its, kinds in (
        ([coupon("50", products={ENERGY_PRODUCT})], {"usage"}),
        ([coupon("50", plans={plan}, products={RACK_PRODUCT})], {"recurring"}),
    ):
        contract = Contract(life(energy, rack, other), its)
        contract.bill(at("2026-02-01T00:00:00+01:00"))
        hit = [charge for charge in contract.charges if charge.reductions]
        assert {charge.kind for charge in hit} == kinds
        assert other.price_id not in {charge.price_id for charge in hit}


def test_neither_charges_by_hand_nor_committed_amounts_are_reduced() -> None:
    by_hand = flat("30", version_id=None, version=None, kind="one_off", interval=None)
    committed = price(spec={"model": "committed_amount", "amount_price": "1000", "draws": ["energy"]})
    contract = Contract(life(by_hand, committed), [coupon("50")])
    contract.bill(at("2026-01-15T00:00:00+01:00"))
    assert [c.amount for c in contract.charges] == [3000, 100000]


def test_spans_are_counted_from_the_coupons_start() -> None:
    late = coupon("50", spans=2, starts_at=at("2026-02-10T12:00:00+01:00"))
    contract = Contract(life(flat("30")), [late])
    contract.bill(at("2026-06-15T00:00:00+02:00"))
    assert [c.amount for c in contract.charges] == [3000, 3000, 1500, 1500, 3000, 3000]
    assert [[r.span for r in c.reductions] for c in contract.charges] == [[], [], [1], [2], [], []]


def test_a_first_part_of_a_month_is_a_span_and_takes_the_whole_amount() -> None:
    contract = Contract(life(flat("31"), start=at("2026-01-21T09:30:00+01:00")), [coupon(amount=500, spans=2)])
    contract.bill(at("2026-03-15T00:00:00+01:00"))
    assert [c.amount for c in contract.charges] == [1100 - 500, 3100 - 500, 3100]


def test_a_coupon_that_is_withdrawn_reduces_what_began_before_and_nothing_more() -> None:
    contract = Contract(life(flat("30")), [coupon("50", ends_at=at("2026-02-10T00:00:00+01:00"))])
    contract.bill(at("2026-03-15T00:00:00+01:00"))
    assert [c.amount for c in contract.charges] == [1500, 1500, 3000]


def test_a_yearly_and_a_monthly_charge_each_count_their_own_spans() -> None:
    yearly = flat("120", interval=Interval("year"))
    contract = Contract(life(yearly, flat("10")), [coupon("50", spans=1)])
    contract.bill(at("2026-03-15T00:00:00+01:00"))
    assert [c.amount for c in contract.charges] == [6000, 500, 1000, 1000]


def test_a_setup_is_in_the_first_span_and_one_of_a_later_month_is_not() -> None:
    setup = flat("99", kind="one_off", interval=None)
    items = life(setup, flat("10"))
    added = Life(items[0].start)
    added.agree(at("2026-03-03T00:00:00+01:00"), flat("50", kind="one_off", interval=None))
    contract = Contract([*items, added], [coupon("50", spans=1)])
    contract.bill(at("2026-03-15T00:00:00+01:00"))
    assert [c.amount for c in contract.charges if c.kind == "one_off"] == [4950, 5000]


def test_an_end_in_the_middle_gives_back_what_was_paid_for_the_rest() -> None:
    for terms, kept in ((coupon("10"), 1395), (coupon(amount=310), 1395)):
        contract = Contract(life(flat("31")), [terms])
        contract.bill(at("2026-01-01T00:00:00+01:00"))
        contract.lives[0].end(at("2026-01-16T00:00:00+01:00"))
        contract.bill(at("2026-01-16T00:00:00+01:00"))
        assert contract.charges[0].amount == 2790
        assert sum(c.amount for c in contract.charges) == kept - 45  # 15 of 31 days
        assert contract.charges[1].kind == "credit"
        assert contract.charges[1].amount == round_line(contract.charges[1].exact, "EUR").minor - sum(
            r.amount for r in contract.charges[1].reductions
        )


def test_what_a_change_gives_back_of_an_amount_is_taken_off_the_new_terms() -> None:
    contract = Contract(life(flat("10")), [coupon(amount=5000)])
    contract.bill(at("2026-01-01T00:00:00+01:00"))
    contract.lives[0].agree(at("2026-01-16T00:00:00+01:00"), flat("310"))
    contract.bill(at("2026-01-16T00:00:00+01:00"))
    assert contract.used(contract.coupons[0]) == {1: 484 + 2581}  # 10 x 15/31, and 50 x 16/31 of the new price
    assert contract.charges[-1].amount == 16000 - 2581


def test_late_usage_is_reduced_as_what_came_in_time_also_where_nothing_had() -> None:
    usage = price("usage", {"model": "per_unit", "unit_price": "1"})
    for terms, off in ((coupon("10"), 7440), (coupon(amount=1000), 1000)):
        contract = Contract(life(usage, usage=hourly("0")), [terms])
        contract.bill(at("2026-02-01T00:00:00+01:00"))
        assert contract.total == 0
        contract.lives[0].usage = hourly("1")
        contract.bill(at("2026-02-02T00:00:00+01:00"))
        assert [(c.kind, c.amount) for c in contract.charges] == [("usage", 0), ("adjustment", 74400 - off)]
        assert contract.charges[-1].inputs["used"]["reductions"][0]["amount"] == off
        assert contract.bill(at("2026-02-03T00:00:00+01:00")) == []


def test_usage_that_falls_gives_back_no_more_than_was_paid() -> None:
    usage = price("usage", {"model": "per_unit", "unit_price": "1"})
    contract = Contract(life(usage), [coupon(amount=70000)])
    contract.bill(at("2026-02-01T00:00:00+01:00"))
    contract.lives[0].usage = hourly("0.5")
    contract.bill(at("2026-02-02T00:00:00+01:00"))
    assert [(c.kind, c.amount) for c in contract.charges] == [("usage", 4400), ("adjustment", -4400)]
    assert contract.used(contract.coupons[0]) == {1: 37200}


def test_late_usage_of_a_free_month_is_no_charge() -> None:
    contract = Contract(life(price("usage")), [coupon("100", spans=1)])
    contract.bill(at("2026-02-01T00:00:00+01:00"))
    contract.lives[0].usage = hourly("2")
    assert contract.bill(at("2026-02-02T00:00:00+01:00")) == []


def test_what_is_negative_is_not_reduced() -> None:
    items = [one.item() for one in life(flat("10"), flat("30"))]
    down, up = propose(items, {}, items[0].anchored_at).charges
    charges = [down._replace(amount=-1000), up]
    for terms in (coupon("100"), coupon(amount=5000)):
        assert [c.amount for c in reduced(items, charges, {SUBSCRIPTION: Redeemed((terms,))})] == [-1000, 0]


# Random contracts


@st.composite
def coupons(draw: st.DrawFn, amounts: bool = True) -> list[Coupon]:
    """Up to three coupons, of all durations, from the start or from later on, some of them withdrawn."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        spans = draw(st.sampled_from([None, 1, 2, 5]))
        start = draw(st.none() | st.integers(0, 60))
        begins = at("2026-01-01T00:00:00+01:00") + timedelta(days=start) if start is not None else None
        end = draw(st.none() | st.integers(0, 120))
        ends = at("2026-01-01T00:00:00+01:00") + timedelta(days=end) if end is not None else None
        if amounts and draw(st.booleans()):
            found.append(coupon(amount=draw(st.integers(1, 40000)), spans=spans, starts_at=begins, ends_at=ends))
        else:
            percent = str(draw(st.decimals("0.01", 100, places=2)))
            found.append(coupon(percent, spans=spans, starts_at=begins, ends_at=ends))
    return found


@st.composite
def contracts(draw: st.DrawFn, most: int = 3) -> list[Life]:
    """Up to `most` items of one subscription; quantities change, end and begin again."""
    start = at("2026-01-01T00:00:00+01:00") + timedelta(hours=draw(st.integers(0, 24 * 40)))
    anchor = draw(st.sampled_from(["calendar", "anniversary"]))
    found = []
    for _ in range(draw(st.integers(1, most))):
        usage = draw(st.booleans())
        timing = "arrears" if usage else draw(st.sampled_from(["advance", "arrears"]))
        unit = draw(st.sampled_from(["week", "month", "quarter"]))
        euros = str(draw(st.decimals("0.01", 300, places=2)))
        spec = {"model": "per_unit", "unit_price": euros}
        one = Life(start, anchor)
        terms = price("usage" if usage else "recurring", spec, timing=timing, interval=Interval(unit))
        one.agree(start, terms)
        for hours in sorted(draw(st.lists(st.integers(1, 24 * 100), max_size=3, unique=True))):
            what = draw(st.sampled_from(["2", "0.5", "end"]))
            if what == "end":
                one.end(start + timedelta(hours=hours))
            else:
                one.agree(start + timedelta(hours=hours), terms, what)
        one.end(start + timedelta(days=150), recorded_at=start + timedelta(days=1))
        found.append(one)
    return found


def twin(contract: Contract) -> Contract:
    copies = [
        Life(one.start, one.anchor, one.time_zone, list(one.rows), dict(one.prices), item_id=one.item_id)
        for one in contract.lives
    ]
    return Contract(copies, contract.coupons)


def bill_daily(contract: Contract, gaps: Sequence[int], *, knowing_all: bool) -> None:
    now = end = contract.lives[0].start
    end += timedelta(days=150)
    for gap in gaps:
        contract.bill(now, known_at=None if knowing_all else now)
        now = min(now + timedelta(hours=gap), end)
    contract.bill(end)


GAPS = st.lists(st.integers(1, 24 * 20), min_size=0, max_size=20)


@SLOW
@given(lives=contracts(), its=coupons(), gaps=GAPS)
def test_billing_day_by_day_takes_off_what_billing_once_does(
    lives: list[Life], its: list[Coupon], gaps: list[int]
) -> None:
    often = Contract(lives, its)
    once = twin(often)
    bill_daily(often, gaps, knowing_all=True)
    bill_daily(once, [], knowing_all=True)
    assert often.total == once.total
    assert [often.used(each) for each in its] == [once.used(each) for each in its]


@SLOW
@given(lives=contracts(), its=coupons(amounts=False), gaps=GAPS)
def test_per_cent_come_to_the_same_also_when_changes_become_known_later(
    lives: list[Life], its: list[Coupon], gaps: list[int]
) -> None:
    often = Contract(lives, its)
    once = twin(often)
    bill_daily(often, gaps, knowing_all=False)
    bill_daily(once, [], knowing_all=True)
    assert often.total == once.total


@SLOW
@given(lives=contracts(most=1), its=coupons(), gaps=GAPS)
def test_an_amount_on_one_charge_comes_to_the_same_also_when_changes_become_known_later(
    lives: list[Life], its: list[Coupon], gaps: list[int]
) -> None:
    often = Contract(lives, its[:1])
    once = twin(often)
    bill_daily(often, gaps, knowing_all=False)
    bill_daily(once, [], knowing_all=True)
    assert often.total == once.total


@SLOW
@given(lives=contracts(), its=coupons(), gaps=GAPS, kwh=st.lists(st.sampled_from(["0", "0.5", "1", "3"]), min_size=1))
def test_reductions_never_exceed_the_charge_nor_an_amount_its_span(
    lives: list[Life], its: list[Coupon], gaps: list[int], kwh: list[str]
) -> None:
    contract = Contract(lives, its)
    now = lives[0].start
    for i, gap in enumerate([*gaps, 24 * 200]):
        for each in lives:
            each.usage = hourly(kwh[i % len(kwh)])
        contract.bill(now, known_at=now)
        assert contract.bill(now, known_at=now) == []
        now += timedelta(hours=gap)
    for each in lives:
        for claim in each.claims.values():
            taken = sum(one.amount for one in contract.taken[claim.claim_id].values())
            assert claim.net_amount >= 0
            assert claim.reduced == taken >= 0
    for charge in contract.charges:
        off = sum(reduction.amount for reduction in charge.reductions)
        assert charge.amount == round_line(charge.exact, charge.currency).minor - off
        again = recompute(charge.inputs).minor
        assert charge.amount == (again if "claim" in charge.inputs else again - off)
    for terms in its:
        assert all(used >= 0 for used in contract.used(terms).values())
        if terms.amount is not None:
            assert all(used <= terms.amount for used in contract.used(terms).values())


@given(amount=st.integers(0, 10**6), percent=st.decimals("0.01", 100, places=2))
def test_per_cent_of_an_amount_are_rounded_half_away_from_zero(amount: int, percent: Decimal) -> None:
    exact = Fraction(amount) * Fraction(percent) / 100
    assert abs(coupon(str(percent)).percent_of(amount, "EUR") - exact) <= Fraction(1, 2)
    assert coupon(str(percent)).percent_of(-amount, "EUR") == 0


def test_a_part_of_a_span_is_counted_from_where_billing_begins() -> None:
    one = life(flat("30"), start=datetime(2026, 1, 21, 8, tzinfo=UTC))[0]
    item, terms = one.item(), next(iter(one.prices.values()))
    whole = next(item.cadence(terms).spans_from(one.start))
    assert part_of_span(item, terms, replace(whole, start=one.start)) == 1
    assert part_of_span(item, terms, replace(whole, start=one.start, end=at("2026-01-26T00:00:00+01:00"))) == Fraction(
        5, 11
    )
    assert Money(500, "EUR").minor == coupon(amount=500).most_of(Fraction(1))
