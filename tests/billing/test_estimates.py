"""Estimates: the contract's examples, parts of spans by all four methods, events, and lines that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from billing.estimate_lines import read_lines
from billing.estimates import Estimate, estimate
from core.errors import FieldError, Invalid

TIERED = {"model": "graduated", "tiers": [{"up_to": "10", "unit_price": "1"}, {"up_to": None, "unit_price": "0.5"}]}
FLAT = {"model": "flat", "amount_price": "450"}
CENT = {"model": "per_unit", "unit_price": "0.005"}
FEBRUARY_TO_MARCH = {"start": "2026-02-13", "end": "2026-03-13"}


def ask(*lines: Any, currency: str = "EUR") -> Estimate:
    errors: list[FieldError] = []
    read = read_lines(list(lines), "/lines", errors)
    if errors:
        raise Invalid.collect(errors)
    return estimate(currency, read, {})


def refusals(*lines: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        ask(*lines)
    return [(e.pointer, e.code) for e in refused.value.errors]


def part(method: str, used_from: str, used_to: str = "2026-03-13", **more: Any) -> dict[str, Any]:
    span = {"method": method, "time_zone": "Europe/Amsterdam", "span": FEBRUARY_TO_MARCH, **more}
    return {"price": FLAT, "quantity": "1", "proration": {**span, "used": {"start": used_from, "end": used_to}}}


def test_the_contract_s_example() -> None:
    answer = ask({"price": TIERED, "quantity": "15"})
    assert (answer.subtotal_amount, answer.lines[0].amount, answer.lines[0].exact) == (1250, 1250, "12.5")
    assert answer.lines[0].parts == [
        {"quantity": "10", "unit_price": "1", "exact": "10"},
        {"quantity": "5", "unit_price": "0.5", "exact": "2.5"},
    ]


def test_each_line_is_rounded_by_itself_and_half_away_from_zero() -> None:
    answer = ask({"price": CENT, "quantity": "1"}, {"price": CENT, "quantity": "1"}, {"price": CENT, "quantity": "0.9"})
    assert [line.amount for line in answer.lines] == [1, 1, 0]
    assert answer.subtotal_amount == 2


@pytest.mark.parametrize(("currency", "amount"), [("EUR", 1250), ("JPY", 13), ("KWD", 12500)])
def test_the_currency_decides_what_a_minor_unit_is(currency: str, amount: int) -> None:
    assert ask({"price": TIERED, "quantity": "15"}, currency=currency).subtotal_amount == amount


@pytest.mark.parametrize(
    ("method", "start", "amount", "exact"),
    [
        ("day", "2026-02-20", 33750, "337.5"),  # 21 of 28 days
        ("second", "2026-02-20T12:00:00+01:00", 32946, "329.464285714286"),  # 20.5 of 28 days
        ("day_30_360", "2026-02-20", 34500, "345"),  # 23 of 30 days
        ("none", "2026-02-20", 45000, "450"),
        ("day", "2026-02-20T23:30:00Z", 32143, "321.428571428571"),  # the 21st in Amsterdam: 20 of 28 days
    ],
)
def test_a_part_of_a_span(method: str, start: str, amount: int, exact: str) -> None:
    line = ask(part(method, start)).lines[0]
    assert (line.amount, line.exact) == (amount, exact)


def test_a_flat_price_needs_no_quantity() -> None:
    assert ask({"price": FLAT}).subtotal_amount == 45000


def test_events_are_aggregated_first_and_those_outside_the_span_left_out() -> None:
    events = [
        {"at": "2026-02-28T23:00:00Z", "quantity": "3", "properties": {"region": "ams"}},
        {"at": "2026-03-31T21:59:59.999Z", "quantity": "12.5"},
        {"at": "2026-03-31T22:00:00Z", "quantity": "100"},
    ]
    line = {"price": TIERED, "events": events, "meter": {"aggregation": "sum"}}
    march = {**line, "span": {"start": "2026-03-01", "end": "2026-04-01"}, "time_zone": "Europe/Amsterdam"}
    assert str(ask(march).lines[0].quantity) == "15.5"
    assert ask(march).subtotal_amount == 1275
    assert str(ask(line).lines[0].quantity) == "115.5"
    assert ask({**line, "events": []}).subtotal_amount == 0


@pytest.mark.parametrize(
    ("line", "pointer", "code"),
    [
        ({"price": TIERED}, "/quantity", "quantity_or_events"),
        ({"quantity": "1"}, "/price", "member_required"),
        ({"price": {"model": "tiered", "tiers": []}, "quantity": "1"}, "/price/model", "pricing_model_unknown"),
        ({"price": CENT, "quantity": "-1"}, "/quantity", "quantity_negative"),
        ({"price": CENT, "quantity": 1}, "/quantity", "decimal_string_expected"),
        ({"price": CENT, "quantity": "1E3"}, "/quantity", "decimal_malformed"),
        ({"price": CENT, "quantity": "1", "colour": "red"}, "/colour", "member_unknown"),
        ({"price": CENT, "events": {}, "meter": {"aggregation": "sum"}}, "/events", "events_expected"),
        ({"price": CENT, "events": []}, "/meter", "member_required"),
        ({"price": CENT, "events": [], "meter": {"aggregation": "mode"}}, "/meter/aggregation", "aggregation_unknown"),
        ({"price": CENT, "events": [], "meter": {"aggregation": []}}, "/meter/aggregation", "aggregation_unknown"),
        (
            {"price": CENT, "events": [{"at": "2026-03-01", "quantity": "1"}], "meter": {"aggregation": "sum"}},
            "/events/0/at",
            "instant_malformed",
        ),
        (
            {"price": CENT, "quantity": "1", "events": [], "meter": {"aggregation": "sum"}},
            "/quantity",
            "quantity_or_events",
        ),
        (part("week", "2026-02-20"), "/proration/method", "not_one_of"),
        (part("day", "2026-02-12"), "/proration/used", "used_outside_span"),
        (part("day", "2026-03-13"), "/proration/used/end", "span_empty"),
        (part("day", "20 February"), "/proration/used/start", "date_or_instant_expected"),
        (part("day", "2026-02-30"), "/proration/used/start", "date_or_instant_expected"),
        (part("day", "2026-02-20", time_zone="Mars/Base"), "/proration/time_zone", "time_zone_unknown"),
        (None, "", "object_expected"),
    ],
)
def test_a_wrong_line_is_refused_where_it_is_wrong(line: Any, pointer: str, code: str) -> None:
    assert refusals({"price": FLAT}, line) == [(f"/lines/1{pointer}", code)]


def test_negative_usage_and_amounts_beyond_all_measure_are_refused_at_their_line() -> None:
    taken_back = [{"at": "2026-03-01T00:00:00Z", "quantity": "-2"}]
    line = {"price": CENT, "events": taken_back, "meter": {"aggregation": "sum"}}
    assert refusals(line) == [("/lines/0", "quantity_negative")]
    dear = {"model": "per_unit", "unit_price": "9" * 26}
    assert refusals({"price": dear, "quantity": "9" * 26}) == [("/lines/0", "amount_out_of_range")]
