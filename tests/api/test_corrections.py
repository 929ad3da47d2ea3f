"""What was billed wrongly is put right on the next invoice: late usage, late readings, corrected prices. Once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.builders.sandbox import Sandbox, usage_price

PER_KWH = {"model": "per_unit", "unit_price": "0.5"}
RACK = {
    "charge_code": "rack",
    "product": "power",
    "kind": "recurring",
    "currencies": {"EUR": {"model": "per_unit", "unit_price": "310"}},
}


@pytest.fixture
def sandbox(client: Caller) -> Sandbox:
    return Sandbox(client)


@pytest.fixture
def plan(sandbox: Sandbox) -> dict[str, Any]:
    body = {"code": "colo", "name": "Colo", "version": {"prices": [RACK, usage_price(PER_KWH)]}}
    made: dict[str, Any] = sandbox.client.made("/v1/plans", body)
    return made


@pytest.fixture
def subscription(sandbox: Sandbox, plan: dict[str, Any]) -> str:
    """A rack at 310 in advance, and 100 kWh of January; both are billed, and the clock stands at 2 February."""
    found = sandbox.subscribe(plan["id"], quantities={"rack": "1"})
    sandbox.advance("2026-01-15T00:00:00Z")
    sandbox.use(found, "2026-01-14T00:00:00Z", "100")
    sandbox.advance("2026-02-02T00:00:00Z")
    return found


def correct(sandbox: Sandbox, plan: dict[str, Any], charge_code: str, price: Any, reason: str = "typing error") -> Any:
    body = {"prices": [{"charge_code": charge_code, "currencies": {"EUR": price}}], "reason": reason}
    return sandbox.client.post(f"/v1/plan-versions/{plan['version']['id']}/corrections", body)


def adjustments(sandbox: Sandbox) -> list[tuple[str, str, str, int]]:
    """Invoice, charge code, start of the span, and amount of every adjustment."""
    return [
        (invoice["issued_on"], line["charge_code"], line["span"]["start"][:10], line["amount"])
        for invoice in sandbox.invoices()
        for line in sandbox.lines(invoice)
        if line["kind"] == "adjustment"
    ]


def names_its_original(sandbox: Sandbox, charge_code: str) -> None:
    """The adjustment on the last invoice names the charge of the same span, and is taxed as that was."""
    first, last = sandbox.invoices()[0], sandbox.invoices()[-1]
    originals = {
        sandbox.explanation(invoice, line)["charge"]: line
        for invoice in sandbox.invoices()
        for line in sandbox.lines(invoice)
        if line["charge_code"] == charge_code and line["kind"] != "adjustment"
    }
    (line,) = [line for line in sandbox.lines(last) if line["kind"] == "adjustment"]
    why = sandbox.explanation(last, line)
    assert originals[why["adjusts"]]["span"] == line["span"]
    assert why["credit"]["used_amount"] - why["credit"]["billed_amount"] == line["amount"]
    assert first["taxes"][0]["rate"] == last["taxes"][0]["rate"]


def test_a_late_event_is_charged_on_the_next_invoice_and_once(sandbox: Sandbox, subscription: str) -> None:
    sandbox.use(subscription, "2026-01-20T00:00:00Z", "20")
    sandbox.advance("2026-03-02T00:00:00Z")
    assert adjustments(sandbox) == [("2026-03-01", "energy", "2026-01-01", 1000)]
    names_its_original(sandbox, "energy")
    sandbox.advance("2026-05-02T00:00:00Z")
    assert len(adjustments(sandbox)) == 1


def test_usage_that_is_taken_back_is_given_back(sandbox: Sandbox, subscription: str) -> None:
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "-30")
    sandbox.advance("2026-03-02T00:00:00Z")
    assert adjustments(sandbox) == [("2026-03-01", "energy", "2026-01-01", -1500)]


def test_a_corrected_price_of_usage_is_adjusted_on_the_next_invoice_and_once(
    sandbox: Sandbox, plan: dict[str, Any], subscription: str
) -> None:
    made = correct(sandbox, plan, "energy", PER_KWH | {"unit_price": "0.4"})
    assert made.status_code == 201
    assert made.json["data"][0]["reason"] == "typing error"
    sandbox.use(subscription, "2026-02-01T00:00:00Z", "10")
    sandbox.advance("2026-03-02T00:00:00Z")
    assert adjustments(sandbox) == [("2026-03-01", "energy", "2026-01-01", -1000)]
    names_its_original(sandbox, "energy")
    billed = [(line["kind"], line["amount"]) for line in sandbox.lines(sandbox.invoices()[-1])]
    assert ("usage", 400) in billed
    sandbox.advance("2026-05-02T00:00:00Z")
    assert len(adjustments(sandbox)) == 1


def test_what_was_billed_on_a_wrong_price_stays_explained_by_it(
    sandbox: Sandbox, plan: dict[str, Any], subscription: str
) -> None:
    correct(sandbox, plan, "energy", PER_KWH | {"unit_price": "0.4"})
    invoice = next(i for i in sandbox.invoices() if i["issued_on"] == "2026-02-01")
    (line,) = [line for line in sandbox.lines(invoice) if line["kind"] == "usage"]
    why = sandbox.explanation(invoice, line)
    assert (why["amount"], why["parts"][0]["unit_price"]) == (5000, "0.5")
    assert why["today"]["difference_amount"] == -1000


def test_a_corrected_recurring_price_adjusts_every_span_that_is_billed(
    sandbox: Sandbox, plan: dict[str, Any], subscription: str
) -> None:
    correct(sandbox, plan, "rack", {"model": "per_unit", "unit_price": "300"})
    sandbox.advance("2026-03-02T00:00:00Z")
    assert sorted(adjustments(sandbox)) == [
        ("2026-03-01", "rack", "2026-01-01", -1000),
        ("2026-03-01", "rack", "2026-02-01", -1000),
    ]
    sandbox.advance("2026-05-02T00:00:00Z")
    assert len(adjustments(sandbox)) == 2
    racks = [line["amount"] for line in sandbox.lines(sandbox.invoices()[-1]) if line["charge_code"] == "rack"]
    assert racks == [30000]


def test_a_price_is_corrected_twice_and_the_latest_holds(
    sandbox: Sandbox, plan: dict[str, Any], subscription: str
) -> None:
    correct(sandbox, plan, "energy", PER_KWH | {"unit_price": "0.4"})
    sandbox.advance("2026-03-02T00:00:00Z")
    correct(sandbox, plan, "energy", PER_KWH | {"unit_price": "0.45"})
    sandbox.advance("2026-04-02T00:00:00Z")
    assert [amount for _, _, _, amount in adjustments(sandbox)] == [-1000, 500]
    path = f"/v1/plan-versions/{plan['version']['id']}/corrections"
    prices = [c["currencies"]["EUR"]["unit_price"] for c in sandbox.client.get(path).json["data"]]
    assert prices == ["0.45", "0.4"]
    shown = sandbox.client.get(f"/v1/plans/{plan['id']}").json["version"]["prices"][1]
    assert shown["currencies"]["EUR"]["unit_price"] == "0.45"


def test_the_amount_so_far_follows_a_correction(sandbox: Sandbox, plan: dict[str, Any], subscription: str) -> None:
    sandbox.use(subscription, "2026-02-01T00:00:00Z", "10")
    correct(sandbox, plan, "energy", PER_KWH | {"unit_price": "0.4"})
    assert sandbox.client.get(f"/v1/subscriptions/{subscription}/usage").json["amount"] == 400


@pytest.mark.parametrize(
    ("prices", "pointer", "code"),
    [
        ([], "/prices", "prices_expected"),
        ([{"charge_code": "steam", "currencies": {"EUR": PER_KWH}}], "/prices/0/charge_code", "charge_code_unknown"),
        ([{"charge_code": "energy", "currencies": {}}], "/prices/0/currencies", "currencies_expected"),
        (
            [{"charge_code": "energy", "currencies": {"USD": PER_KWH}}],
            "/prices/0/currencies/USD",
            "currency_not_offered",
        ),
        (
            [{"charge_code": "energy", "currencies": {"EUR": {"model": "per_unit", "unit_price": 0.4}}}],
            "/prices/0/currencies/EUR/unit_price",
            "decimal_string_expected",
        ),
        (
            [{"charge_code": "rack", "currencies": {"EUR": {"model": "indexed", "index": "day_ahead"}}}],
            "/prices/0/currencies/EUR/model",
            "model_needs_usage",
        ),
        (
            [{"charge_code": "energy", "currencies": {"EUR": {"model": "indexed", "index": "day_ahead"}}}],
            "/prices/0/currencies/EUR/index",
            "index_unknown",
        ),
        (
            [{"charge_code": "energy", "currencies": {"EUR": PER_KWH}}] * 2,
            "/prices/1/charge_code",
            "charge_code_repeated",
        ),
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(
    sandbox: Sandbox, plan: dict[str, Any], prices: list[Any], pointer: str, code: str
) -> None:
    path = f"/v1/plan-versions/{plan['version']['id']}/corrections"
    answer = sandbox.client.post(path, {"prices": prices, "reason": "typing error"})
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [(pointer, code)]


def test_a_late_reading_is_charged_on_the_next_invoice_and_once(sandbox: Sandbox, plan: dict[str, Any]) -> None:
    subscription = sandbox.subscribe(plan["id"], quantities={"rack": "0"})
    sandbox.client.made("/v1/sites", {"code": "ams", "name": "Amsterdam", "time_zone": "UTC"})
    point = sandbox.client.made("/v1/points", {"site": "ams", "path": "rack-1/pdu", "kind": "pdu"})["id"]
    counts = {"point": point, "subscription": subscription, "charge_code": "energy", "from": "2026-01-01T00:00:00Z"}
    sandbox.client.made("/v1/assignments", counts)

    def read(at: str, value: str) -> None:
        row = {"point": point, "register": "active_energy", "unit": "kWh", "at": at, "value": value}
        rows = {"readings": [{**row, "evidence": {"serial": "Z1"}}]}
        assert sandbox.client.made("/v1/usage/readings", rows)["accepted"] == 1

    read("2026-01-01T00:00:00Z", "1000")
    sandbox.advance("2026-02-01T00:05:00Z")
    read("2026-02-01T00:00:00Z", "1744")
    sandbox.advance("2026-02-02T00:00:00Z")
    before = sandbox.invoices()[-1]["net_amount"]
    # The month has 744 hours; in the first of its halves it was much less.
    read("2026-01-16T12:00:00Z", "1100")
    sandbox.advance("2026-03-02T00:00:00Z")
    assert before == 37200
    assert adjustments(sandbox) == []
    read("2026-03-01T00:00:00Z", "9000")
    sandbox.advance("2026-04-02T00:00:00Z")
    late = adjustments(sandbox)
    assert [(code, start) for _, code, start, _ in late] == [("energy", "2026-02-01")]
    sandbox.advance("2026-05-02T00:00:00Z")
    assert [row for row in adjustments(sandbox) if row[2] == "2026-02-01"] == late
