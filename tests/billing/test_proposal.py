"""What is billed, told month by month: in advance, in arrears, and when contracts change in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.proposal import Proposal
from billing.proration import METHODS
from core.period import Period
from tests.billing.lives import FLAT, PER_UNIT, Life, amounts, at, hourly, price

JANUARY, FEBRUARY, MARCH, APRIL = (at(f"2026-0{m}-01T00:00+0{2 if m == 4 else 1}:00") for m in (1, 2, 3, 4))
MID_MARCH = at("2026-03-15T10:00+01:00")


def rack(quantity: str = "1", start: datetime = MARCH, **changes: Any) -> Life:
    life = Life(start)
    life.agree(start, price(**changes), quantity)
    return life


def test_a_month_in_advance_is_billed_at_its_start_and_once() -> None:
    life = rack()
    assert life.propose(MARCH - timedelta(microseconds=1)) == Proposal()
    assert amounts(life.bill(MARCH).charges) == [("recurring", "03-01", "04-01", 3100)]
    assert life.bill(MARCH) == life.bill(APRIL - timedelta(microseconds=1)) == Proposal()
    assert amounts(life.bill(APRIL).charges) == [("recurring", "04-01", "05-01", 3100)]


def test_a_month_in_arrears_is_billed_at_its_end() -> None:
    life = rack(timing="arrears")
    assert life.bill(APRIL - timedelta(microseconds=1)) == Proposal()
    charge = life.bill(APRIL).charges[0]
    assert (charge.amount, charge.due_at) == (3100, APRIL)


def test_months_that_were_missed_are_billed_each_by_itself() -> None:
    life = rack(start=JANUARY)
    assert amounts(life.bill(MARCH).charges) == [
        ("recurring", "01-01", "02-01", 3100),
        ("recurring", "02-01", "03-01", 3100),
        ("recurring", "03-01", "04-01", 3100),
    ]


def test_a_start_in_the_middle_of_a_month_is_charged_for_the_rest_of_it() -> None:
    life = rack(start=MID_MARCH)
    charge = life.bill(MID_MARCH).charges[0]
    assert charge.amount == 1700  # 17 of 31 days at 31
    assert charge.inputs["share"] == {"method": "day", "numerator": 17, "denominator": 31}
    assert charge.span == Period(MID_MARCH, APRIL)


def test_a_cancellation_gives_back_the_unused_days_and_bills_no_more() -> None:
    life = rack()
    life.bill(MARCH)
    life.end(MID_MARCH)
    proposal = life.bill(APRIL)
    assert amounts(proposal.charges) == [("credit", "03-15", "04-01", -1700)]
    assert [s.keeps for s in proposal.shrunk] == [Period(MARCH, MID_MARCH)]
    assert life.bill(at("2027-01-01T00:00Z")) == Proposal()


def test_a_cancellation_that_was_known_in_time_leads_to_no_credit() -> None:
    life = rack()
    life.end(MID_MARCH)
    assert amounts(life.bill(APRIL).charges) == [("recurring", "03-01", "03-15", 1400)]


def test_more_racks_from_the_middle_of_the_month_credit_the_rest_and_charge_it_anew() -> None:
    life = rack("3")
    life.bill(MARCH)
    life.agree(MID_MARCH, next(iter(life.prices.values())), "5")
    assert amounts(life.bill(APRIL).charges) == [
        ("credit", "03-15", "04-01", -5100),
        ("recurring", "03-15", "04-01", 8500),
        ("recurring", "04-01", "05-01", 15500),
    ]


def test_a_change_there_and_back_in_one_month_bills_every_day_once() -> None:
    life = rack("3")
    only = next(iter(life.prices.values()))
    life.bill(MARCH)
    life.agree(at("2026-03-11T00:00+01:00"), only, "5")
    life.bill(at("2026-03-12T00:00Z"))
    life.agree(at("2026-03-21T00:00+01:00"), only, "3")
    life.bill(at("2026-03-22T00:00Z"))
    assert life.total == 3 * 1000 + 5 * 1000 + 3 * 1100
    assert [(s.start.day, s.end.day) for s in life.billed] == [(28, 10), (10, 20), (20, 31)]


def test_a_change_in_arrears_is_two_lines_at_their_ends() -> None:
    life = rack("3", timing="arrears")
    life.agree(MID_MARCH, next(iter(life.prices.values())), "5")
    assert amounts(life.bill(MID_MARCH).charges) == [("recurring", "03-01", "03-15", 4200)]
    assert amounts(life.bill(APRIL).charges) == [("recurring", "03-15", "04-01", 8500)]


def test_a_new_price_version_takes_over_in_the_middle_of_a_span() -> None:
    life = rack()
    life.bill(MARCH)
    life.agree(MID_MARCH, price(spec={"model": "per_unit", "unit_price": "62"}, version=2))
    proposal = life.bill(MID_MARCH)
    assert amounts(proposal.charges) == [("credit", "03-15", "04-01", -1700), ("recurring", "03-15", "04-01", 3400)]
    assert proposal.charges[1].inputs["price"]["version"] == 2
    assert proposal.charges[0].inputs["used"]["price"]["spec"] == PER_UNIT


def test_a_price_that_is_not_prorated_changes_at_the_end_of_its_span() -> None:
    life = rack("3", proration="none")
    life.bill(MARCH)
    life.agree(MID_MARCH, next(iter(life.prices.values())), "5")
    assert life.bill(APRIL - timedelta(seconds=1)) == Proposal()
    assert amounts(life.bill(APRIL).charges) == [("recurring", "04-01", "05-01", 15500)]


def test_a_price_that_is_not_prorated_gives_nothing_back() -> None:
    life = rack(proration="none", start=MID_MARCH)
    assert amounts(life.bill(MID_MARCH).charges) == [("recurring", "03-15", "04-01", 3100)]
    life.end(at("2026-03-20T00:00Z"))
    assert life.bill(at("2027-01-01T00:00Z")) == Proposal()


def test_cancelling_at_the_very_start_gives_everything_back_and_releases_the_claim() -> None:
    life = rack()
    life.bill(MARCH)
    life.end(MARCH, recorded_at=MID_MARCH)
    proposal = life.bill(MID_MARCH)
    assert amounts(proposal.charges) == [("credit", "03-01", "04-01", -3100)]
    assert [s.keeps for s in proposal.shrunk] == [None]
    assert life.total == 0


def test_an_end_is_corrected_twice_and_the_used_part_is_right_to_the_cent() -> None:
    life = rack(spec={"model": "per_unit", "unit_price": "100"})
    life.bill(MARCH)
    life.end(at("2026-03-21T00:00+01:00"))
    life.bill(at("2026-03-21T00:00+01:00"))
    assert life.total == 6452  # 20 of 31 days at 100: 64.516…
    life.end(at("2026-03-11T00:00+01:00"), recorded_at=at("2026-03-22T00:00Z"))
    life.bill(at("2026-03-22T00:00Z"))
    assert life.total == 3226  # 10 of 31: 32.258…


def test_a_one_off_is_billed_once_whatever_becomes_of_the_item() -> None:
    life = Life(MID_MARCH)
    life.agree(MID_MARCH, price("one_off", FLAT))
    assert amounts(life.bill(MID_MARCH).charges) == [("one_off", "03-15", "03-16", 31000)]
    life.agree(APRIL, price("one_off", FLAT, version=2), "4")
    life.end(at("2026-05-01T00:00Z"))
    assert life.bill(at("2027-01-01T00:00Z")) == Proposal()


def test_usage_is_billed_when_its_span_has_ended_with_what_it_came_from() -> None:
    life = Life(MARCH)
    life.agree(MARCH, price("usage"), "0")
    assert life.bill(APRIL - timedelta(seconds=1)) == Proposal()
    charge = life.bill(APRIL).charges[0]
    assert charge.quantity == 743  # hours of a March with a change to summer time
    assert (charge.amount, charge.unit) == (9430, "kWh")  # 100 at 0.3, 643 at 0.1
    assert [p["quantity"] for p in charge.inputs["parts"]] == ["100", "643"]
    assert charge.inputs["usage"]["quality"]["measured"] == "743"
    assert charge.inputs["usage"]["known_until"] == "2026-03-31T22:00:00Z"
    assert charge.inputs["price"]["spec"]["model"] == "graduated"


def test_the_usage_of_an_ended_item_is_billed_up_to_its_end() -> None:
    life = Life(MARCH)
    life.agree(MARCH, price("usage"), "0")
    life.end(MID_MARCH)
    charge = life.bill(MID_MARCH).charges[0]
    assert (charge.span, charge.quantity) == (Period(MARCH, MID_MARCH), Decimal(14 * 24 + 10))
    assert life.bill(APRIL) == Proposal()


def test_a_quantity_means_nothing_to_usage() -> None:
    life = Life(MARCH)
    energy = price("usage")
    life.agree(MARCH, energy, "0")
    life.agree(MID_MARCH, energy, "5")
    assert [c.span for c in life.bill(APRIL).charges] == [Period(MARCH, APRIL)]


def test_usage_on_two_prices_in_one_month_is_two_lines() -> None:
    life = Life(MARCH)
    life.agree(MARCH, price("usage"), "0")
    life.agree(MID_MARCH, price("usage", {"model": "per_unit", "unit_price": "1"}), "0")
    assert [c.amount for c in life.bill(APRIL).charges] == [5460, 39700]


def test_a_line_that_cannot_be_rated_is_parked_alone() -> None:
    life = Life(MARCH, usage=hourly("-1"))
    life.agree(MARCH, price("usage"), "0")
    parked = life.bill(APRIL).parked
    assert [(p.code, p.span) for p in parked] == [("quantity_negative", Period(MARCH, APRIL))]
    life.usage = hourly("1")
    assert [c.amount for c in life.bill(APRIL).charges] == [9430]


def test_an_amount_beyond_a_table_s_bigint_is_parked_and_not_an_error_of_ours() -> None:
    life = rack("99999999999999999999999999")
    assert [p.code for p in life.bill(MARCH).parked] == ["amount_out_of_range"]


def test_31_january_plus_one_month_twice_is_31_march() -> None:
    life = Life(at("2026-01-31T00:00+01:00"), anchor="anniversary")
    life.agree(life.start, price())
    assert [row[1:3] for row in amounts(life.bill(at("2026-04-01T00:00Z")).charges)] == [
        ("01-31", "02-28"),
        ("02-28", "03-31"),
        ("03-31", "04-30"),
    ]


def test_a_change_of_interval_starts_the_new_spans_in_the_anchor_of_the_subscription() -> None:
    life = rack()
    life.bill(MARCH)
    life.agree(MID_MARCH, price(interval=price().interval.__class__("quarter"), spec=FLAT))
    assert amounts(life.bill(APRIL).charges) == [
        ("credit", "03-15", "04-01", -1700),
        ("recurring", "03-15", "04-01", 5856),  # 17 of 90 days of the first quarter at 310
        ("recurring", "04-01", "07-01", 31000),
    ]


def test_every_method_of_proration_is_used_as_agreed() -> None:
    found = {}
    for method in METHODS:
        life = rack(start=at("2026-03-31T12:00+02:00"), proration=method)
        found[method] = life.bill(life.start).charges[0].amount
    assert found == {"day": 100, "second": 50, "day_30_360": 103, "none": 3100}
