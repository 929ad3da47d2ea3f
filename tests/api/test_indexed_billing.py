"""Energy by the hour of a price index: billed, estimated where a value is missing, and trued up when it comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.builders.sandbox import Sandbox, usage_price

SPOT = {"model": "indexed", "index": "day_ahead", "index_factor": "1", "markup_price": "0.01"}


@pytest.fixture
def sandbox(client: Caller) -> Sandbox:
    return Sandbox(client)


def an_index(client: Any, **terms: Any) -> str:
    usual = {"code": "day_ahead", "name": "Day-ahead", "unit": "kWh", "currency": "EUR", "slot_minutes": 60}
    return str(client.made("/v1/indexes", usual | terms)["id"])


def send(client: Any, index: str, values: dict[str, str]) -> None:
    rows = [{"start": start, "value": value} for start, value in values.items()]
    client.made(f"/v1/indexes/{index}/values", {"values": rows})


def a_month(first: datetime, days: int, value: str) -> dict[str, str]:
    return {f"{first + timedelta(hours=h):%Y-%m-%dT%H:%M:%SZ}": value for h in range(24 * days)}


def test_each_hour_is_billed_at_its_own_price_a_negative_one_too(sandbox: Sandbox) -> None:
    index = an_index(sandbox.client)
    send(sandbox.client, index, {"2026-01-10T12:00:00Z": "0.30", "2026-01-10T13:00:00Z": "-0.05"})
    subscription = sandbox.subscribe(sandbox.plan(SPOT))
    sandbox.advance("2026-01-11T00:00:00Z")
    sandbox.use(subscription, "2026-01-10T12:20:00Z", "100")
    sandbox.use(subscription, "2026-01-10T13:59:59Z", "200")
    sandbox.advance("2026-02-01T02:00:00Z")
    (invoice,) = sandbox.invoices()
    (line,) = sandbox.lines(invoice)
    # 100 × (0.30 + 0.01) + 200 × (-0.05 + 0.01)
    assert (line["amount"], line["quantity"]) == (3100 - 800, "300")
    assert "price_estimated" not in line["quality"]
    (part,) = sandbox.explanation(invoice, line)["parts"]
    values = [value for run in part["runs"] for value in run["values"]]
    assert values == ["0.3", "-0.05"]


def test_a_missing_hour_is_estimated_told_on_the_line_and_trued_up(sandbox: Sandbox) -> None:
    index = an_index(sandbox.client)
    send(sandbox.client, index, a_month(datetime(2026, 1, 1, tzinfo=UTC), 31, "0.10"))
    send(sandbox.client, index, {"2026-01-05T12:00:00Z": "0.41"})  # the mean of noon is now 0.11
    sandbox.advance("2026-02-01T02:00:00Z")
    subscription = sandbox.subscribe(sandbox.plan(SPOT), "2026-02-01T00:00:00Z")
    sandbox.advance("2026-02-11T00:00:00Z")
    sandbox.use(subscription, "2026-02-10T12:30:00Z", "1000")
    sandbox.advance("2026-03-01T02:00:00Z")
    (invoice,) = sandbox.invoices()
    (line,) = sandbox.lines(invoice)
    assert (line["amount"], line["quality"]["price_estimated"]) == (12000, "1000")
    (part,) = sandbox.explanation(invoice, line)["parts"]
    assert part["estimated"] is True

    send(sandbox.client, index, {"2026-02-10T12:00:00Z": "0.15"})
    again = sandbox.explanation(invoice, line)
    assert (again["amount"], again["today"]["difference_amount"]) == (12000, 4000)
    sandbox.advance("2026-04-01T02:00:00Z")
    _, correction = sandbox.amounts()
    assert ("adjustment", 4000) in correction
    why = sandbox.explanation(sandbox.invoices()[1], sandbox.lines(sandbox.invoices()[1])[0])
    assert why["adjusts"] == again["charge"]
    sandbox.advance("2026-05-01T02:00:00Z")
    charged = [line for lines in sandbox.amounts() for line in lines]
    assert [amount for kind, amount in charged if kind == "adjustment"] == [4000]


def test_a_corrected_value_adjusts_and_what_was_billed_stays_explained(sandbox: Sandbox) -> None:
    index = an_index(sandbox.client)
    send(sandbox.client, index, {"2026-01-10T12:00:00Z": "0.30"})
    subscription = sandbox.subscribe(sandbox.plan(SPOT))
    sandbox.advance("2026-01-11T00:00:00Z")
    sandbox.use(subscription, "2026-01-10T12:20:00Z", "100")
    sandbox.advance("2026-02-01T02:00:00Z")
    send(sandbox.client, index, {"2026-01-10T12:00:00Z": "0.20"})
    sandbox.use(subscription, "2026-02-01T01:00:00Z", "1000")
    send(sandbox.client, index, {"2026-02-01T01:00:00Z": "0.20"})
    sandbox.advance("2026-03-01T02:00:00Z")
    first, second = sandbox.invoices()
    assert sandbox.amounts() == [[("usage", 3100)], [("adjustment", -1000), ("usage", 21000)]]
    (line,) = sandbox.lines(first)
    (part,) = sandbox.explanation(first, line)["parts"]
    assert part["runs"][0]["values"] == ["0.3"]
    assert second["net_amount"] == 20000


def test_without_any_value_the_line_waits_and_the_others_go_on(sandbox: Sandbox) -> None:
    index = an_index(sandbox.client)
    flat = usage_price({"model": "per_unit", "unit_price": "1"}, charge_code="flat")
    prices = [usage_price(SPOT), flat]
    plan = sandbox.client.made("/v1/plans", {"code": "both", "name": "Both", "version": {"prices": prices}})["id"]
    subscription = sandbox.subscribe(plan)
    sandbox.advance("2026-01-11T00:00:00Z")
    sandbox.use(subscription, "2026-01-10T12:20:00Z", "100")
    sandbox.advance("2026-02-01T02:00:00Z")
    assert sandbox.amounts() == [[("usage", 10000)]]
    send(sandbox.client, index, {"2026-01-10T12:00:00Z": "0.30"})
    sandbox.advance("2026-03-01T02:00:00Z")
    assert ("usage", 3100) in sandbox.amounts()[1]


def test_the_amount_so_far_follows_the_index(sandbox: Sandbox) -> None:
    index = an_index(sandbox.client, slot_minutes=15)
    send(sandbox.client, index, {"2026-01-10T12:15:00Z": "0.30"})
    subscription = sandbox.subscribe(sandbox.plan(SPOT))
    sandbox.advance("2026-01-11T00:00:00Z")
    sandbox.use(subscription, "2026-01-10T12:20:00Z", "100")
    used = sandbox.client.get(f"/v1/subscriptions/{subscription}/usage").json
    assert (used["amount"], used["amounts"][0]["quantity"]) == (3100, "100")


@pytest.mark.parametrize(
    ("terms", "price", "member", "code"),
    [
        (None, SPOT, "index", "index_unknown"),
        ({"unit": "MWh"}, SPOT, "index", "index_unit_differs"),
        ({"currency": "USD"}, SPOT, "index", "index_currency_differs"),
        (
            {"unit": "MWh"},
            {"model": "per_unit", "unit_price": "1", "commitment": {"quantity": "5", "overage": SPOT}},
            "commitment/overage/index",
            "index_unit_differs",
        ),
    ],
)
def test_a_price_that_does_not_fit_its_index_is_refused_when_the_plan_is_made(
    sandbox: Sandbox, terms: dict[str, str] | None, price: dict[str, Any], member: str, code: str
) -> None:
    if terms is not None:
        an_index(sandbox.client, **terms)
    body = {"code": "spot", "name": "Spot", "version": {"prices": [usage_price(price)]}}
    answer = sandbox.client.post("/v1/plans", body)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [
        (f"/version/prices/0/currencies/EUR/{member}", code)
    ]


@pytest.mark.parametrize(
    ("price", "member"),
    [
        (SPOT, "model"),
        (
            {"model": "per_unit", "unit_price": "1", "commitment": {"quantity": "9", "overage": SPOT}},
            "commitment/overage/model",
        ),
    ],
)
def test_a_level_cannot_follow_an_index(sandbox: Sandbox, price: dict[str, Any], member: str) -> None:
    an_index(sandbox.client, unit="kW")
    sandbox.client.made("/v1/meters", {"code": "peak", "name": "Peak", "unit": "kW", "aggregation": "max"})
    body = {"code": "spot", "name": "Spot", "version": {"prices": [usage_price(price, meter="peak")]}}
    answer = sandbox.client.post("/v1/plans", body)
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [
        (f"/version/prices/0/currencies/EUR/{member}", "aggregation_not_additive")
    ]
