"""Every pricing model over HTTP: each example is an estimate and a plan, each refusal says where and why."""

from __future__ import annotations

from typing import Any

import pytest

from billing.modifier_examples import EXAMPLES, REFUSALS
from billing.pricing_model import BadExample, Example, models
from tests.api.conftest import Caller
from tests.builders.catalog import make_catalog, plan_price

BAD = [*(e for model in models().values() for e in model.refusals), *REFUSALS]
BARE = [e for e in (*(e for model in models().values() for e in model.examples), *EXAMPLES) if e.quantity is not None]
INDEX = {"code": "day_ahead_nl", "name": "Day ahead", "unit": "kWh", "currency": "EUR", "slot_minutes": 60}


def ask(client: Caller, price: Any, **line: Any) -> Any:
    return client.post("/v1/estimates", {"currency": "KWD", "lines": [{"price": price, **line}]})


@pytest.mark.parametrize("example", BARE, ids=lambda e: e.why)
def test_an_example_is_what_an_estimate_answers(client: Caller, example: Example) -> None:
    answer = ask(client, example.price, quantity=example.quantity)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (line,) = answer.json["lines"]
    assert (line["exact"], line["parts"]) == (example.exact, list(example.parts))


def test_a_price_that_is_not_sound_is_refused_at_its_member(client: Caller) -> None:
    for example in BAD:
        answer = ask(client, example.price, quantity="1")
        assert answer.status_code == 422, example.why
        assert answer.content_type.startswith("application/problem+json")
        first = answer.json["errors"][0]
        assert (first["code"], first["pointer"]) == (example.code, f"/lines/0/price{example.pointer}"), example.why
        assert first["detail"]


def as_plan(example: Example | BadExample, kind: str) -> dict[str, Any]:
    price = plan_price("charged", price=dict(example.price), kind=kind)
    if kind == "usage":
        price |= {"meter": "energy", "timing": "arrears"}
    return {"code": "plan", "name": "Plan", "version": {"prices": [price]}}


@pytest.mark.parametrize("name", [name for name in models() if name != "committed_amount"])
def test_a_plan_has_usage_of_any_model_and_keeps_it_as_it_was_sent(client: Caller, name: str) -> None:
    make_catalog(client)
    client.made("/v1/indexes", INDEX)
    for number, example in enumerate(models()[name].examples):
        body = as_plan(example, "usage") | {"code": f"plan-{number}"}
        made = client.made("/v1/plans", body)
        sent = {member: value for member, value in example.price.items() if value is not None}
        assert made["version"]["prices"][0]["currencies"]["EUR"] == sent, example.why


def test_a_plan_with_a_price_that_is_not_sound_is_refused_at_its_member(client: Caller) -> None:
    make_catalog(client)
    for example in BAD:
        answer = client.post("/v1/plans", as_plan(example, "usage"))
        assert answer.status_code == 422, example.why
        found = [(e["code"], e["pointer"]) for e in answer.json["errors"]]
        assert (example.code, f"/version/prices/0/currencies/EUR{example.pointer}") in found, example.why


def test_an_index_in_another_currency_is_refused_at_its_line(client: Caller) -> None:
    client.made("/v1/indexes", INDEX)
    price = {"model": "indexed", "index": "day_ahead_nl"}
    events = [{"at": "2026-03-01T00:05:00Z", "quantity": "3"}]
    answer = ask(client, price, events=events, meter={"aggregation": "sum"})
    assert [(e["code"], e["pointer"]) for e in answer.json["errors"]] == [
        ("index_currency_differs", "/lines/0/price/index")
    ]
