"""Limits on spending: what they may be, and that each is told of once in a span, however usage comes and goes."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import due
from tests.api.conftest import Caller, NewCaller
from tests.builders.sandbox import Sandbox, usage_price

PER_KWH = {"model": "per_unit", "unit_price": "0.5"}


@pytest.fixture
def sandbox(client: Caller) -> Sandbox:
    return Sandbox(client)


@pytest.fixture
def subscription(sandbox: Sandbox) -> str:
    found = sandbox.subscribe(sandbox.plan(PER_KWH))
    sandbox.advance("2026-01-15T00:00:00Z")
    return found


def limit(sandbox: Sandbox, on: str, **members: Any) -> dict[str, Any]:
    kind = "accounts" if on.startswith("acc_") else "subscriptions"
    body = {"kind": "threshold", **(members or {"amount": 5000})}
    made: dict[str, Any] = sandbox.client.made(f"/v1/{kind}/{on}/spending-limits", body)
    return made


def look(sandbox: Sandbox) -> list[tuple[str, Any, Any]]:
    """Do what is due of spending, as a worker does; all that was told of, the oldest first."""
    due.KINDS["spending"].run(sandbox.provider_id, [])
    return told(sandbox)


def told(sandbox: Sandbox) -> list[tuple[str, Any, Any]]:
    return [
        (e["type"], e["data"]["reached"]["span"]["start"][:10], e["data"]["reached"]["amount"]) for e in events(sandbox)
    ]


def events(sandbox: Sandbox) -> list[dict[str, Any]]:
    found = sandbox.client.get("/v1/events?limit=200").json["data"]
    return [e for e in reversed(found) if e["type"].startswith("usage.")]


def test_a_limit_comes_back_as_it_was_set(sandbox: Sandbox, subscription: str) -> None:
    made = limit(sandbox, subscription, amount=5000, charge_code="energy", external_id="warn")
    assert made["id"].startswith("lim_")
    assert (made["subscription"], made["account"]) == (subscription, sandbox.account)
    assert (made["amount"], made["currency"], made["quantity"], made["reached"]) == (5000, "EUR", None, None)
    path = f"/v1/spending-limits/{made['id']}"
    assert sandbox.client.get(path).json == made
    assert sandbox.client.get(f"/v1/subscriptions/{subscription}/spending-limits").json["data"] == [made]
    assert sandbox.client.get(f"/v1/accounts/{sandbox.account}/spending-limits").json["data"] == []
    assert sandbox.client.patch(path, {"metadata": {"team": "a"}}).json["metadata"] == {"team": "a"}
    assert sandbox.client.delete(path).status_code == 204
    assert sandbox.client.get(path).status_code == 404
    assert sandbox.client.get(f"/v1/subscriptions/{subscription}/spending-limits").json["data"] == []


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({}, "/amount", "limit_expected"),
        ({"amount": 1, "quantity": "1", "charge_code": "energy"}, "/amount", "limit_expected"),
        ({"quantity": "1"}, "/charge_code", "charge_code_required"),
        ({"amount": 1, "charge_code": "steam"}, "/charge_code", "charge_code_unknown"),
        ({"amount": 1, "currency": "USD"}, "/currency", "currency_differs"),
        ({"quantity": "0", "charge_code": "energy"}, "/quantity", "decimal_not_positive"),
        ({"quantity": 5, "charge_code": "energy"}, "/quantity", "decimal_string_expected"),
        ({"amount": 0}, "/amount", "too_small"),
        ({"amount": 1, "kind": "wall"}, "/kind", "not_one_of"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    sandbox: Sandbox, subscription: str, members: dict[str, Any], pointer: str, code: str
) -> None:
    for path in (f"/v1/subscriptions/{subscription}", f"/v1/accounts/{sandbox.account}"):
        answer = sandbox.client.post(f"{path}/spending-limits", {"kind": "cap", **members})
        assert answer.status_code == 422
        assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [(pointer, code)]


def test_a_threshold_is_told_of_when_it_is_reached_and_once(sandbox: Sandbox, subscription: str) -> None:
    made = limit(sandbox, subscription, amount=5000)
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "99")
    assert look(sandbox) == []
    sandbox.use(subscription, "2026-01-14T01:00:00Z", "1")
    assert look(sandbox) == [("usage.threshold_reached", "2026-01-01", 5000)]
    sandbox.use(subscription, "2026-01-14T02:00:00Z", "100")
    assert len(look(sandbox)) == 1
    shown = sandbox.client.get(f"/v1/spending-limits/{made['id']}").json
    assert shown["reached"]["amount"] == 5000
    (event,) = events(sandbox)
    assert event["object"] == {"id": made["id"], "kind": "spending_limit"}
    assert event["data"] == shown


def test_a_cap_on_a_quantity(sandbox: Sandbox, subscription: str) -> None:
    limit(sandbox, subscription, kind="cap", quantity="10", charge_code="energy")
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "9.999")
    assert look(sandbox) == []
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "0.001")
    assert [kind for kind, _, _ in look(sandbox)] == ["usage.cap_reached"]


def test_what_falls_below_and_rises_again_in_a_span_is_told_of_once(sandbox: Sandbox, subscription: str) -> None:
    limit(sandbox, subscription)
    for quantity in ("120", "-50", "50"):
        sandbox.use(subscription, "2026-01-14T00:00:00Z", quantity)
        assert len(look(sandbox)) == 1


def test_the_next_span_can_reach_it_again(sandbox: Sandbox, subscription: str) -> None:
    limit(sandbox, subscription)
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "100")
    sandbox.advance("2026-02-10T00:00:00Z")
    sandbox.use(subscription, "2026-02-09T00:00:00Z", "40")
    assert len(look(sandbox)) == 1
    sandbox.use(subscription, "2026-02-09T00:00:00Z", "60")
    assert [start for _, start, _ in look(sandbox)] == ["2026-01-01", "2026-02-01"]


def test_usage_that_arrives_late_reaches_the_limit_of_its_own_span(sandbox: Sandbox, subscription: str) -> None:
    limit(sandbox, subscription)
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "60")
    sandbox.advance("2026-02-10T00:00:00Z")
    sandbox.use(subscription, "2026-01-31T23:00:00Z", "60")
    assert look(sandbox) == [("usage.threshold_reached", "2026-01-01", 6000)]


def test_a_limit_that_is_set_late_is_told_of_at_once(sandbox: Sandbox, subscription: str) -> None:
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "200")
    limit(sandbox, subscription)
    assert look(sandbox) == [("usage.threshold_reached", "2026-01-01", 10000)]


def test_a_limit_says_nothing_of_spans_that_ended_before_it_was_set(sandbox: Sandbox, subscription: str) -> None:
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "200")
    sandbox.advance("2026-02-10T00:00:00Z")
    limit(sandbox, subscription)
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "200")
    assert look(sandbox) == []


def test_a_level_that_lasts_into_the_next_span_reaches_the_limit_there_though_nothing_is_reported(
    sandbox: Sandbox,
) -> None:
    level = {"code": "vms", "name": "Machines", "unit": "machines", "aggregation": "latest"}
    sandbox.client.made("/v1/meters", level)
    subscription = sandbox.subscribe(sandbox.plan(PER_KWH, meter="vms"))
    sandbox.advance("2026-01-15T00:00:00Z")
    limit(sandbox, subscription)
    event = {"id": "v1", "subscription": subscription, "meter": "vms", "at": "2026-01-14T00:00:00Z", "quantity": "100"}
    sandbox.client.made("/v1/usage/events", {"events": [event]})
    assert [start for _, start, _ in look(sandbox)] == ["2026-01-01"]
    sandbox.advance("2026-03-02T00:00:00Z")
    assert [start for _, start, _ in told(sandbox)] == ["2026-01-01", "2026-02-01", "2026-03-01"]


def test_a_minimum_reaches_a_limit_in_every_span(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe(sandbox.plan({**PER_KWH, "minimum_amount_price": "60"}))
    limit(sandbox, subscription)
    assert [start for _, start, _ in look(sandbox)] == ["2026-01-01"]
    sandbox.advance("2026-02-02T00:00:00Z")
    assert [start for _, start, _ in told(sandbox)] == ["2026-01-01", "2026-02-01"]


def test_nothing_is_looked_at_any_more_when_a_limit_is_gone(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe(sandbox.plan({**PER_KWH, "minimum_amount_price": "60"}))
    made = limit(sandbox, subscription)
    assert len(look(sandbox)) == 1
    sandbox.client.delete(f"/v1/spending-limits/{made['id']}")
    sandbox.advance("2026-03-02T00:00:00Z")
    assert len(told(sandbox)) == 1


def test_what_is_reported_ahead_counts_when_its_time_has_come(sandbox: Sandbox, subscription: str) -> None:
    limit(sandbox, subscription)
    sandbox.use(subscription, "2026-01-20T10:30:00Z", "100")
    assert look(sandbox) == []
    sandbox.advance("2026-01-20T10:29:00Z")
    assert told(sandbox) == []
    sandbox.advance("2026-01-20T10:30:00Z")
    (event,) = events(sandbox)
    assert event["created_at"] == "2026-01-20T10:30:00Z"


def test_an_account_is_limited_with_all_below_it_in_a_month(sandbox: Sandbox, subscription: str) -> None:
    child = {"name": "Child", "currency": "EUR", "country": "NL", "parent": sandbox.account, "payer": "parent"}
    below = sandbox.client.made("/v1/accounts", child)["id"]
    order = {"account": below, "plan": "spot", "start": {"at": "2026-01-10T00:00:00Z"}, "anchor": "anniversary"}
    other = sandbox.client.made("/v1/subscriptions", order)["id"]
    limit(sandbox, sandbox.account, amount=10000)
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "150")
    assert look(sandbox) == []
    sandbox.use(other, "2026-01-14T00:00:00Z", "50")
    assert look(sandbox) == [("usage.threshold_reached", "2026-01-01", 10000)]


def test_a_corrected_index_can_reach_a_limit(sandbox: Sandbox) -> None:
    terms = {"code": "day_ahead", "name": "D", "unit": "kWh", "currency": "EUR", "slot_minutes": 60}
    index = sandbox.client.made("/v1/indexes", terms)["id"]
    spot = sandbox.subscribe(sandbox.plan({"model": "indexed", "index": "day_ahead"}))
    sandbox.advance("2026-01-15T00:00:00Z")
    limit(sandbox, spot)
    sandbox.use(spot, "2026-01-14T00:00:00Z", "100")
    assert look(sandbox) == []
    values = {"values": [{"start": "2026-01-14T00:00:00Z", "value": "0.5"}]}
    sandbox.client.made(f"/v1/indexes/{index}/values", values)
    assert look(sandbox) == [("usage.threshold_reached", "2026-01-01", 5000)]


def test_a_limit_that_was_let_go_is_told_of_no_more(sandbox: Sandbox, subscription: str) -> None:
    made = limit(sandbox, subscription)
    sandbox.client.delete(f"/v1/spending-limits/{made['id']}")
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "200")
    assert look(sandbox) == []


def test_readings_reach_a_limit(sandbox: Sandbox) -> None:
    sandbox.client.made("/v1/meters", {"code": "racks", "name": "Racks", "unit": "kWh", "aggregation": "sum"})
    subscription = sandbox.subscribe(sandbox.plan(PER_KWH, meter="racks"))
    sandbox.client.made("/v1/sites", {"code": "ams", "name": "Amsterdam", "time_zone": "Europe/Amsterdam"})
    point = sandbox.client.made("/v1/points", {"site": "ams", "path": "rack-1/pdu", "kind": "pdu"})["id"]
    counts = {"point": point, "subscription": subscription, "charge_code": "energy", "from": "2026-01-01T00:00:00Z"}
    sandbox.client.made("/v1/assignments", counts)
    sandbox.advance("2026-01-15T00:00:00Z")
    limit(sandbox, subscription)
    for day, value in ((14, "1000"), (15, "1101")):
        reading = {"point": point, "register": "active_energy", "unit": "kWh", "value": value}
        rows = {"readings": [{**reading, "at": f"2026-01-{day}T00:00:00Z", "evidence": {"serial": "Z1"}}]}
        assert sandbox.client.made("/v1/usage/readings", rows)["accepted"] == 1
    assert look(sandbox) == [("usage.threshold_reached", "2026-01-01", 5050)]


def test_limits_of_others_do_not_exist(
    sandbox: Sandbox, subscription: str, stranger: Caller, new_caller: NewCaller
) -> None:
    made = limit(sandbox, subscription)
    for caller in (stranger,):
        assert caller.get(f"/v1/spending-limits/{made['id']}").status_code == 404
        assert caller.post(f"/v1/subscriptions/{subscription}/spending-limits", {"kind": "cap"}).status_code == 404
    reader = new_caller(scopes=["usage:read"])
    assert reader.get(f"/v1/spending-limits/{made['id']}").status_code == 200
    assert reader.delete(f"/v1/spending-limits/{made['id']}").status_code == 403


def test_a_change_of_price_in_the_span_counts_both_prices(sandbox: Sandbox, subscription: str) -> None:
    limit(sandbox, subscription, amount=9000)
    sandbox.use(subscription, "2026-01-14T00:00:00Z", "100")
    sandbox.plan({"model": "per_unit", "unit_price": "0.4"}, code="cheaper")
    change = {"effective": "now", "plan": "cheaper"}
    assert sandbox.client.post(f"/v1/subscriptions/{subscription}/changes", change).status_code in (200, 201)
    sandbox.advance("2026-01-20T00:00:00Z")
    sandbox.use(subscription, "2026-01-19T00:00:00Z", "100")
    assert look(sandbox) == [("usage.threshold_reached", "2026-01-01", 9000)]
    assert usage_price(PER_KWH)["charge_code"] == "energy"
