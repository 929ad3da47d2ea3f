"""Estimates over HTTP, as the contract writes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller

TIERED = {"model": "graduated", "tiers": [{"up_to": "10", "unit_price": "1"}, {"up_to": None, "unit_price": "0.5"}]}


def ask(client: Caller, *lines: Any, currency: Any = "EUR") -> Any:
    return client.post("/v1/estimates", {"currency": currency, "lines": list(lines)})


def test_the_contract_s_example_holds_to_the_letter(client: Caller) -> None:
    answer = ask(client, {"price": TIERED, "quantity": "15"})
    assert answer.status_code == 200
    assert answer.json == {
        "currency": "EUR",
        "subtotal_amount": 1250,
        "lines": [
            {
                "amount": 1250,
                "exact": "12.5",
                "parts": [
                    {"quantity": "10", "unit_price": "1", "exact": "10"},
                    {"quantity": "5", "unit_price": "0.5", "exact": "2.5"},
                ],
            }
        ],
    }


def test_a_part_of_a_span_is_charged_by_local_days(client: Caller) -> None:
    proration = {
        "method": "day",
        "time_zone": "Europe/Amsterdam",
        "span": {"start": "2026-02-13", "end": "2026-03-13"},
        "used": {"start": "2026-02-20", "end": "2026-03-13"},
    }
    answer = ask(client, {"price": {"model": "flat", "amount_price": "100"}, "proration": proration})
    assert answer.json["lines"][0] == {
        "amount": 7500,
        "exact": "75",
        "parts": [{"amount_price": "100", "exact": "100"}],
    }


def test_events_are_summed_first(client: Caller) -> None:
    events = [{"at": f"2026-03-01T0{i}:05:00Z", "quantity": "3.5", "properties": {"region": "ams"}} for i in range(4)]
    answer = ask(client, {"price": TIERED, "events": events, "meter": {"aggregation": "sum"}})
    assert (answer.json["lines"][0]["quantity"], answer.json["subtotal_amount"]) == ("14", 1200)


@pytest.mark.parametrize(
    ("line", "pointer", "code"),
    [
        ({"price": TIERED, "quantity": 15}, "/quantity", "decimal_string_expected"),
        ({"price": TIERED, "quantity": "-15"}, "/quantity", "quantity_negative"),
        ({"price": {**TIERED, "tiers": []}, "quantity": "1"}, "/price/tiers", "tiers_expected"),
        ({"price": {"model": "vol"}, "quantity": "1"}, "/price/model", "pricing_model_unknown"),
        ({"price": {"model": "flat", "amount_price": "1.50", "x": 1}}, "/price/x", "member_unknown"),
    ],
)
def test_a_wrong_line_is_refused_by_pointer(client: Caller, line: Any, pointer: str, code: str) -> None:
    answer = ask(client, {"price": TIERED, "quantity": "1"}, line)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [(f"/lines/1{pointer}", code)]


@pytest.mark.parametrize("currency", ["euro", "XYZ", 7, None])
def test_a_wrong_currency_is_refused(client: Caller, currency: Any) -> None:
    answer = ask(client, {"price": TIERED, "quantity": "1"}, currency=currency)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/currency"


def test_amounts_too_large_for_any_ledger_are_refused(client: Caller) -> None:
    dear = {"price": {"model": "flat", "amount_price": "90000000000000000"}}
    assert ask(client, dear).status_code == 200
    assert ask(client, dear, dear).json["code"] == "amount_out_of_range"


def test_a_stranger_may_not_ask(nobody: Caller) -> None:
    assert ask(nobody, {"price": TIERED, "quantity": "1"}).status_code == 401
