"""A price list is read whole: all that is wrong with it is said in one answer, each at its member."""

from __future__ import annotations

from typing import Any

import pytest

from billing.periods import Interval
from billing.plan_prices import PlanPrice, read_prices
from core.errors import FieldError

EUR = {"EUR": {"model": "flat", "amount_price": "450"}}
RACK = {"charge_code": "rack", "product": "colo", "kind": "recurring", "currencies": EUR}
ENERGY = {"charge_code": "energy", "product": "power", "kind": "usage", "meter": "energy", "currencies": EUR}


def read(*prices: Any) -> tuple[tuple[PlanPrice, ...], list[tuple[str, str]]]:
    errors: list[FieldError] = []
    found = read_prices(list(prices), "/version/prices", errors)
    return found, [(e.pointer, e.code) for e in errors]


def test_what_is_left_out_takes_the_usual_terms() -> None:
    (rack, energy, setup), wrong = read(RACK, ENERGY, {**RACK, "charge_code": "setup", "kind": "one_off"})
    assert wrong == []
    assert (rack.interval, rack.timing, rack.proration, rack.name) == (Interval("month"), "advance", "day", "rack")
    assert (energy.timing, energy.meter) == ("arrears", "energy")
    assert setup.interval is None


@pytest.mark.parametrize(
    ("price", "pointer", "code"),
    [
        ({**RACK, "charge_code": "rack 12"}, "/charge_code", "charge_code_malformed"),
        ({**RACK, "charge_code": 7}, "/charge_code", "charge_code_malformed"),
        ({**RACK, "kind": "monthly"}, "/kind", "not_one_of"),
        ({**RACK, "interval": {"unit": "fortnight"}}, "/interval/unit", "not_one_of"),
        ({**RACK, "interval": {"unit": "month", "count": 0}}, "/interval/count", "integer_expected"),
        ({**RACK, "interval": {"unit": "month", "count": True}}, "/interval/count", "integer_expected"),
        ({**RACK, "interval": "month"}, "/interval", "object_expected"),
        ({**RACK, "kind": "one_off", "interval": {"unit": "month"}}, "/interval", "interval_not_allowed"),
        ({**RACK, "timing": "later"}, "/timing", "not_one_of"),
        ({**ENERGY, "timing": "advance"}, "/timing", "usage_in_advance"),
        ({**RACK, "proration": "week"}, "/proration", "not_one_of"),
        ({**RACK, "meter": "energy"}, "/meter", "meter_not_allowed"),
        ({k: v for k, v in ENERGY.items() if k != "meter"}, "/meter", "meter_required"),
        ({k: v for k, v in RACK.items() if k != "product"}, "/product", "member_required"),
        ({**RACK, "currencies": {}}, "/currencies", "currencies_expected"),
        ({**RACK, "currencies": {"EURO": EUR["EUR"]}}, "/currencies/EURO", "currency_unknown"),
        ({**RACK, "currencies": {"E/R": EUR["EUR"]}}, "/currencies/E~1R", "currency_unknown"),
        ({**RACK, "currencies": {"EUR": {"model": "magic"}}}, "/currencies/EUR/model", "pricing_model_unknown"),
        (
            {**RACK, "currencies": {"EUR": {"model": "flat", "amount_price": 450}}},
            "/currencies/EUR/amount_price",
            "decimal_string_expected",
        ),
        ({**RACK, "colour": "red"}, "/colour", "member_unknown"),
    ],
)
def test_a_wrong_member_is_named(price: dict[str, Any], pointer: str, code: str) -> None:
    assert read(price)[1] == [(f"/version/prices/0{pointer}", code)]


@pytest.mark.parametrize("value", [None, [], {}, "x", [None], [[]], ["flat"]])
def test_what_is_no_list_of_prices_is_refused(value: object) -> None:
    errors: list[FieldError] = []
    read_prices(value, "/prices", errors)
    assert errors


COMMIT: dict[str, Any] = {
    **RACK,
    "charge_code": "commit",
    "interval": {"unit": "year"},
    "currencies": {"EUR": {"model": "committed_amount", "amount_price": "1000", "draws": ["energy"]}},
}


def committing(*draws: str) -> dict[str, Any]:
    return {"EUR": {**COMMIT["currencies"]["EUR"], "draws": list(draws)}}


def test_a_committed_amount_is_not_prorated() -> None:
    found, wrong = read(ENERGY, COMMIT)
    assert wrong == []
    assert (found[1].proration, found[1].timing) == ("none", "advance")
    assert read(ENERGY, {**COMMIT, "proration": "none", "timing": "arrears"})[1] == []


@pytest.mark.parametrize(
    ("price", "pointer", "code"),
    [
        ({**COMMIT, "proration": "day"}, "/proration", "proration_not_allowed"),
        ({**COMMIT, "currencies": committing("energy", "water")}, "/currencies/EUR/draws/1", "draws_unknown"),
        ({**COMMIT, "currencies": committing("commit")}, "/currencies/EUR/draws/0", "draws_unknown"),
        ({**COMMIT, "kind": "one_off", "interval": None}, "/currencies/EUR/model", "model_needs_recurring"),
        (
            {**COMMIT, "kind": "usage", "meter": "energy", "timing": "arrears"},
            "/currencies/EUR/model",
            "model_needs_recurring",
        ),
    ],
)
def test_a_wrong_commitment_is_named(price: dict[str, Any], pointer: str, code: str) -> None:
    assert read(ENERGY, price)[1] == [(f"/version/prices/1{pointer}", code)]


def test_usage_draws_from_one_commitment() -> None:
    assert read(ENERGY, COMMIT, {**COMMIT, "charge_code": "second"})[1] == [
        ("/version/prices/2/currencies/EUR/draws/0", "drawn_twice")
    ]


BANDS = {
    "model": "time_of_use",
    "bands": [{"name": "day", "from": "07:00", "to": "23:00", "unit_price": "1"}],
    "otherwise": {"unit_price": "1"},
}


@pytest.mark.parametrize(
    ("spec", "pointer", "code"),
    [
        (BANDS, "/model", "model_needs_usage"),
        ({"model": "per_unit", "unit_price": "1", "included": "5"}, "/included", "usage_member_not_allowed"),
        (
            {"model": "volume", "tiers": [{"up_to": None, "unit_price": "1"}], "prorate_tiers": True},
            "/prorate_tiers",
            "usage_member_not_allowed",
        ),
    ],
)
def test_what_only_usage_knows_stands_in_no_recurring_price(spec: dict[str, Any], pointer: str, code: str) -> None:
    wrong = read({**RACK, "currencies": {"EUR": spec}})[1]
    assert wrong == [(f"/version/prices/0/currencies/EUR{pointer}", code)]


def test_all_prices_of_a_version_cover_the_same_currencies() -> None:
    dollars = {**ENERGY, "currencies": {**EUR, "USD": EUR["EUR"]}}
    assert read(RACK, dollars)[1] == [("/version/prices/1/currencies", "currencies_differ")]


def test_a_charge_code_stands_once() -> None:
    assert read(RACK, {**ENERGY, "charge_code": "rack"})[1] == [
        ("/version/prices/1/charge_code", "charge_code_repeated")
    ]


def test_one_wrong_price_hides_no_other() -> None:
    bad_tiers = {"EUR": {"model": "graduated", "tiers": [{"up_to": "5"}]}}
    wrong = read({**RACK, "kind": None}, {**ENERGY, "currencies": bad_tiers})[1]
    assert wrong == [
        ("/version/prices/0/kind", "member_required"),
        ("/version/prices/1/currencies/EUR/tiers/0/up_to", "tier_end_missing"),
    ]
