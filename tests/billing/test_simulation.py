"""What past months would have come to at other prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from billing.breaks import PAUSE, Break
from billing.changes import Contract
from billing.items import AgreedTerm, Claim, Item, MeterTerms, PriceTerms
from billing.metering.evidence import Evidence
from billing.metering.slots import Slot, SlotRequest, Usage
from billing.periods import Interval, add_months, local_date
from billing.simulated_contracts import Case, Months, Obstacle, Tried, case
from billing.simulated_totals import LOSER, SAME, UNPRICED, WINNER, Line, Summing, Whose, summing_of
from billing.simulation import Compared, compare, needed
from core.ids import new_id
from core.period import Period
from tests.billing.lives import ENERGY, at, hourly, price
from tests.billing.test_contract_properties import GAPS, SLOW, USED, contracts, events, lived

ZONE = "Europe/Amsterdam"
JANUARY, MARCH = date(2026, 1, 1), date(2026, 3, 1)
QUARTER = Months(JANUARY, MARCH)
OVER = at("2026-06-01T00:00:00Z")
START = at("2026-01-01T00:00:00+01:00")
TRAFFIC = MeterTerms(UUID(int=11), "traffic", "GB", "sum")
FREE = {"model": "flat", "amount_price": "0"}


def item(terms: PriceTerms, code: str, *, quantity: str = "1", start: datetime = START, **more: Any) -> Item:
    return Item(
        item_id=new_id(),
        subscription_id=UUID(int=5),
        charge_code=code,
        anchor=more.pop("anchor", "calendar"),
        anchored_at=more.pop("anchored_at", start),
        time_zone=ZONE,
        terms=(AgreedTerm(start, more.pop("end", None), terms, Decimal(quantity)),),
        **more,
    )


def of_rack(unit_price: str) -> PriceTerms:
    return price(spec={"model": "per_unit", "unit_price": unit_price})


def of_energy(unit_price: str) -> PriceTerms:
    return price("usage", {"model": "per_unit", "unit_price": unit_price})


def tried(items: Sequence[Item], prices: Mapping[str, PriceTerms], months: Months = QUARTER, **more: Any) -> Case:
    part, off, closed = more.pop("part", False), more.pop("off", ()), more.pop("closed", OVER)
    return case(items, off, Tried(plan_id=more.pop("plan_id", None), prices=prices, **more), months, closed, part=part)


def found(each: Case, used: Any = None) -> Compared:
    answer = used or hourly()
    return compare(each, {request: answer(request) for request in needed([each])})


def codes(obstacles: Iterable[Obstacle]) -> list[tuple[str | None, str]]:
    return [(obstacle.charge_code, obstacle.code) for obstacle in obstacles]


def test_a_rack_at_another_price_costs_its_quantity_times_that_each_month() -> None:
    compared = found(tried([item(of_rack("100"), "rack", quantity="3")], {"rack": of_rack("80")}))
    assert (compared.current_amount, compared.simulated_amount) == (3 * 3 * 10000, 3 * 3 * 8000)


def test_energy_is_what_was_used_at_another_price() -> None:
    compared = found(tried([item(of_energy("0.25"), "energy")], {"energy": of_energy("0.3")}))
    hours = 31 * 24 + 28 * 24 + 31 * 24 - 1  # the clocks went forward
    assert compared.current == {"energy": 18600 + 16800 + 18575}
    assert compared.simulated == {"energy": hours * 30}


def test_what_was_billed_is_what_it_costs_now_though_the_price_says_otherwise() -> None:
    rack = item(of_rack("100"), "rack")
    span = Period(at("2026-02-01T00:00:00+01:00"), at("2026-03-01T00:00:00+01:00"))
    billed = replace(rack, claims=(Claim(new_id(), span, rack.terms[0].price, Decimal(1), 9000),))
    assert found(tried([billed], {"rack": of_rack("100")})).current == {"rack": 10000 + 9000 + 10000}


def test_what_coupons_took_off_is_left_out_of_account() -> None:
    rack = item(of_rack("100"), "rack")
    span = Period(at("2026-02-01T00:00:00+01:00"), at("2026-03-01T00:00:00+01:00"))
    billed = replace(rack, claims=(Claim(new_id(), span, rack.terms[0].price, Decimal(1), 7500, reduced=2500),))
    assert found(tried([billed], {"rack": of_rack("100")})).current == {"rack": 30000}


def test_a_span_counts_with_the_days_that_lie_in_the_months() -> None:
    """Monthly from the 16th: of the span from 16 January to 16 February, 16 days lie in January."""
    rack = item(of_rack("310"), "rack", start=at("2025-12-16T00:00:00+01:00"), anchor="anniversary")
    compared = found(tried([rack], {"rack": of_rack("620")}, Months(JANUARY, JANUARY)))
    assert compared.current == {"rack": 15000 + 16000}
    assert compared.simulated == {"rack": 30000 + 32000}


def test_a_year_in_advance_is_compared_with_months() -> None:
    yearly = replace(of_rack("365"), interval=Interval("year"))
    compared = found(tried([item(yearly, "rack")], {"rack": of_rack("40")}))
    assert (compared.current_amount, compared.simulated_amount) == (9000, 12000)


def test_usage_of_a_span_that_still_runs_is_rated_to_the_end_of_the_months() -> None:
    quarterly = replace(of_energy("1"), interval=Interval("quarter"))
    compared = found(
        tried(
            [item(of_energy("1"), "energy")],
            {"energy": quarterly},
            Months(JANUARY, JANUARY),
            closed=at("2026-02-02T00:00:00Z"),
        )
    )
    assert compared.current == compared.simulated == {"energy": 31 * 24 * 100}


def test_a_pause_stays_a_pause_at_other_prices() -> None:
    off = Break(at("2026-02-01T00:00:00+01:00"), at("2026-03-01T00:00:00+01:00"), PAUSE)
    compared = found(tried([item(of_rack("100"), "rack")], {"rack": of_rack("50"), "port": of_rack("7")}, off=(off,)))
    assert compared.current == {"rack": 20000}
    assert compared.simulated == {"rack": 10000, "port": 1400}


def test_quantities_change_when_they_changed() -> None:
    rack = item(of_rack("280"), "rack")
    middle = at("2026-02-15T00:00:00+01:00")
    first, more = replace(rack.terms[0], end=middle), replace(rack.terms[0], start=middle, quantity=Decimal(3))
    compared = found(
        tried([replace(rack, terms=(first, more))], {"rack": of_rack("28")}, Months(date(2026, 2, 1), date(2026, 2, 1)))
    )
    assert compared.current == {"rack": 14000 + 42000}
    assert compared.simulated == {"rack": 1400 + 4200}


def test_a_charge_that_a_contract_does_not_have_is_one_or_what_was_said() -> None:
    prices = {"rack": of_rack("100"), "port": of_rack("10"), "cage": of_rack("5")}
    compared = found(tried([item(of_rack("100"), "rack", quantity="2")], prices, quantities={"cage": Decimal(4)}))
    assert compared.simulated == {"rack": 60000, "port": 3000, "cage": 6000}


def test_a_charge_that_ends_with_the_other_prices_costs_nothing() -> None:
    compared = found(tried([item(of_rack("100"), "rack"), item(of_rack("9"), "port")], {"rack": of_rack("100")}))
    assert compared.current == {"rack": 30000, "port": 2700}
    assert compared.simulated == {"rack": 30000}


def test_a_setup_fee_counts_for_who_began_in_the_months_alone() -> None:
    prices = {"rack": of_rack("100"), "setup": price("one_off", {"model": "flat", "amount_price": "50"})}
    began = found(tried([item(of_rack("100"), "rack")], prices))
    before = found(tried([item(of_rack("100"), "rack", start=at("2025-06-01T00:00:00+02:00"))], prices))
    assert began.simulated["setup"] == 5000
    assert "setup" not in before.simulated


def test_usage_of_another_code_is_found_by_its_meter() -> None:
    """The same item is asked for: that is where points are assigned."""
    energy = item(of_energy("1"), "energy")
    each = tried([energy], {"power": of_energy("2")})
    assert {request.item_id for request in needed([each])} == {energy.item_id}
    compared = found(each)
    assert compared.simulated["power"] == 2 * compared.current["energy"]


def test_usage_goes_on_with_the_charge_that_was_named() -> None:
    meters = [item(of_energy("1"), "feed-a"), item(of_energy("1"), "feed-b")]
    each = tried(meters, {"power": of_energy("2")}, charges_from={"power": "feed-b"})
    assert {r.item_id for r in needed([replace(each, current=())])} == {meters[1].item_id}


def nothing_of(meter: MeterTerms) -> Any:
    def used(request: SlotRequest) -> Usage:
        return (
            hourly()(request)
            if request.meter_id != meter.meter_id
            else Usage(tuple(Slot(p) for p in request.periods), Evidence(request.unit))
        )

    return used


def test_usage_of_which_nothing_is_known_is_told_and_not_taken_for_none() -> None:
    prices = {"energy": of_energy("1"), "traffic": replace(of_energy("2"), meter=TRAFFIC)}
    compared = found(tried([item(of_energy("1"), "energy")], prices), nothing_of(TRAFFIC))
    assert codes(compared.obstacles) == [("traffic", "usage_unknown")]
    assert (compared.current_amount, compared.simulated_amount) == (0, 0)


def test_events_that_were_sent_though_nothing_priced_them_are_usage() -> None:
    prices = {"energy": of_energy("1"), "traffic": replace(of_energy("2"), meter=TRAFFIC)}
    compared = found(tried([item(of_energy("1"), "energy")], prices))
    assert compared.simulated["traffic"] == 2 * compared.simulated["energy"]


def test_a_quantity_of_usage_may_be_assumed_for_each_span() -> None:
    prices = {"energy": of_energy("1"), "traffic": replace(of_energy("2"), meter=TRAFFIC)}
    each = tried([item(of_energy("1"), "energy")], prices, quantities={"traffic": Decimal(100)})
    assert found(each, nothing_of(TRAFFIC)).simulated["traffic"] == 3 * 20000


def test_nothing_used_of_what_is_metered_is_nothing_to_pay() -> None:
    compared = found(tried([item(of_energy("1"), "energy")], {"energy": of_energy("2")}), nothing_of(ENERGY))
    assert not compared.obstacles
    assert compared.simulated == {"energy": 0}


def test_what_the_price_has_no_amount_for_is_told() -> None:
    steps = price(spec={"model": "stairstep", "tiers": [{"up_to": "2", "flat_price": "99"}]})
    compared = found(tried([item(of_rack("100"), "rack", quantity="3")], {"rack": steps}))
    assert codes(compared.obstacles) == [("rack", "quantity_beyond_last_step")]


def test_an_add_on_stays_beside_another_plan() -> None:
    extra = item(replace(of_rack("15"), add_on=True, plan_id=UUID(int=3)), "ip")
    compared = found(tried([item(of_rack("100"), "rack"), extra], {"rack": of_rack("80")}))
    assert compared.current == {"rack": 30000, "ip": 4500}
    assert compared.simulated == {"rack": 24000, "ip": 4500}


def test_a_version_of_an_add_on_is_for_those_who_have_it() -> None:
    extra = item(replace(of_rack("15"), add_on=True, plan_id=UUID(int=3)), "ip", quantity="2")
    racks = [item(of_rack("100"), "rack"), extra]
    with_it = found(tried(racks, {"ip": of_rack("20")}, plan_id=UUID(int=3), add_on=True, part=True))
    assert with_it.simulated == {"rack": 30000, "ip": 12000}
    without = found(tried(racks[:1], {"ip": of_rack("20")}, plan_id=UUID(int=3), add_on=True))
    assert codes(without.obstacles) == [(None, "add_on_not_there")]


def test_a_code_that_stays_is_not_taken_by_another_price() -> None:
    extra = item(replace(of_rack("15"), add_on=True, plan_id=UUID(int=3)), "ip")
    compared = found(tried([item(of_rack("100"), "rack"), extra], {"ip": of_rack("80")}))
    assert codes(compared.obstacles) == [("ip", "charge_code_collision")]


def test_what_one_customer_alone_was_charged_stays() -> None:
    by_hand = item(replace(price("one_off", {"model": "flat", "amount_price": "12"}), version_id=None), "work")
    compared = found(tried([item(of_rack("100"), "rack"), by_hand], {"rack": of_rack("80")}))
    assert (compared.current["work"], compared.simulated["work"]) == (1200, 1200)


def test_usage_draws_from_what_is_committed_on_both_sides() -> None:
    commitment = {"model": "committed_amount", "amount_price": "1000", "draws": ["energy"]}
    committed = replace(of_rack("0"), spec=commitment, proration="none")
    compared = found(
        tried(
            [item(of_energy("1"), "energy")], {"commit": committed, "energy": of_energy("2")}, Months(JANUARY, JANUARY)
        )
    )
    used = 31 * 24 * 200
    assert compared.simulated["commit"] + compared.simulated["energy"] == max(used, 100000)


@SLOW
@given(data=st.data(), contract=contracts(), gaps=GAPS)
def test_a_contract_at_its_own_prices_costs_what_was_billed(
    data: st.DataObject, contract: Contract, gaps: list[int]
) -> None:
    own = {i.charge_code: i.terms[0].price for i in contract.items}
    changes = [event for event in data.draw(events(contract)) if not event.change.prices]
    book = lived(contract, changes, gaps)
    first = contract.items[0]
    begun = local_date(first.terms[0].start, first.time_zone).replace(day=1)
    after = data.draw(st.integers(0, 6))
    months = Months(add_months(begun, after), add_months(begun, after + data.draw(st.integers(0, 8))))
    items = [replace(i, claims=tuple(book.claims.get(i.item_id, {}).values())) for i in book.contract.items]
    for when in (months, Months(begun, add_months(begun, 12))):
        each = case(items, book.contract.breaks, Tried(None, own), when, datetime(2035, 1, 1, tzinfo=UTC))
        compared = compare(each, {request: USED(request) for request in needed([each])})
        assert not compared.obstacles
        assert {c: a for c, a in compared.simulated.items() if a} == {c: a for c, a in compared.current.items() if a}
    assert compared.current_amount == book.total


AMOUNTS = st.integers(-(10**9), 10**9)


@st.composite
def lines(draw: st.DrawFn) -> list[Line]:
    """Subscriptions in the order of customers, in two currencies."""
    found = []
    for customer in range(draw(st.integers(0, 5))):
        for currency in draw(st.sampled_from([["EUR"], ["EUR", "USD"]])):
            for number in range(draw(st.integers(1, 4))):
                whose = Whose(f"acc_{customer}", None, "Acme", currency, f"sub_{number}", None)
                unpriced = draw(st.booleans())
                told = (Obstacle(None, "usage_unknown", ""),) if unpriced else ()
                amounts = ({}, {}) if unpriced else ({"a": draw(AMOUNTS)}, {"a": draw(AMOUNTS), "b": draw(AMOUNTS)})
                found.append(Line(whose, Compared(*amounts, told)))
    return found


@given(lines=lines(), portion=st.integers(1, 7))
def test_the_total_is_the_sum_of_customers_and_they_of_subscriptions_however_they_are_portioned(
    lines: list[Line], portion: int
) -> None:
    summing, customers = Summing(), []
    for i in range(0, len(lines), portion):
        customers += [done for _, done in summing.take(lines[i : i + portion]) if done is not None]
        summing = summing_of(summing.as_json())  # as it is kept between portions
    customers += [done for done in [summing.close()] if done is not None]
    for total in summing.all:
        own = [line for line in lines if line.whose.currency == total.currency]
        of = [customer for customer in customers if customer.currency == total.currency]
        assert total.current_amount == sum(line.compared.current_amount for line in own)
        assert total.simulated_amount == sum(c.simulated_amount for c in of)
        assert total.difference_amount == sum(c.difference_amount for c in of)
        assert (total.customers, total.subscriptions) == (len(of), len(own))
        assert sum(total.outcomes.values()) == len(of)
        winners = sorted(c.difference_amount for c in of if c.outcome == WINNER)
        assert [c.difference_amount for c in total.foremost[WINNER]] == winners[:10]
    assert sum(total.subscriptions for total in summing.all) == len(lines)


def test_who_pays_less_wins_who_pays_more_loses() -> None:
    whose = Whose("acc_1", None, "Acme", "EUR", "sub_1", None)
    outcomes = []
    for compared in (Compared({"a": 5}, {"a": 4}), Compared({"a": 5}, {"a": 6}), Compared({"a": 5}, {"a": 5})):
        summing = Summing()
        list(summing.take([Line(whose, compared)]))
        done = summing.close()
        assert done is not None
        outcomes.append(done.outcome)
    summing = Summing()
    list(summing.take([Line(whose, Compared(obstacles=(Obstacle(None, "no_cell", ""),)))]))
    done = summing.close()
    assert done is not None
    assert [*outcomes, done.outcome] == [WINNER, LOSER, SAME, UNPRICED]
