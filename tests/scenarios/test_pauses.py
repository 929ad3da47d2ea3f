"""Pauses through the clock: nothing billed, the service off; and what was not delivered is never billed later."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Caller, app, client, new_caller
from tests.builders.catalog import ENERGY, RACK, plan_price
from tests.builders.contracts import advance, change, charged, furnish, status, subscribe, told

__all__ = ["app", "client", "new_caller"]


def use(client: Caller, subscription: str, at: str, quantity: str) -> None:
    event = {"id": at, "subscription": subscription, "meter": "energy", "at": at, "quantity": quantity}
    assert client.made("/v1/usage/events", {"events": [event]})["accepted"] == 1


def test_a_pause_credits_its_days_and_bills_no_usage_and_the_service_is_off(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK, ENERGY)
    key = subscribe(client)
    advance(client, provider_id, "2026-02-11T00:00:00Z")
    change(client, key, pause=True)
    asked = client.get(f"/v1/subscriptions/{key}").json["provisioning"]
    assert (status(client, key), asked["kind"]) == ("paused", "suspend")
    assert (
        client.get(f"/v1/events?object={key}&type=subscription.suspend_requested").json["data"][0]["data"]["reason"]
        == "pause"
    )
    use(client, key, "2026-02-10T00:00:00Z", "10")
    advance(client, provider_id, "2026-02-21T00:00:00Z")
    use(client, key, "2026-02-15T00:00:00Z", "1000")  # in the pause
    change(client, key, resume=True)
    assert client.get(f"/v1/subscriptions/{key}").json["provisioning"]["kind"] == "resume"
    advance(client, provider_id, "2026-03-01T01:00:00Z")
    assert charged(client) == [
        ("energy", "usage", "2026-01-15", "2026-02-01", 0),
        ("energy", "usage", "2026-02-01", "2026-02-11", 300),
        ("energy", "usage", "2026-02-21", "2026-03-01", 0),
        ("rack", "credit", "2026-02-11", "2026-03-01", -19929),  # 18 of 28 days
        ("rack", "recurring", "2026-01-15", "2026-02-01", 17000),
        ("rack", "recurring", "2026-02-01", "2026-03-01", 31000),
        ("rack", "recurring", "2026-02-21", "2026-03-01", 8857),  # 8 of 28 days
        ("rack", "recurring", "2026-03-01", "2026-04-01", 31000),
    ]
    assert [e for e in told(client, key) if "paused" in e] == ["paused@2026-02-11", "unpaused@2026-02-21"]


def test_months_of_a_pause_are_not_billed_in_a_burst_when_it_ends(client: Caller, provider_id: UUID) -> None:
    furnish(client, "Europe/Amsterdam", RACK)
    key = subscribe(client)
    change(client, key, "period_end", pause={"until": "2026-07-10T00:00:00+02:00"})
    advance(client, provider_id, "2026-08-02T00:00:00Z")
    assert status(client, key) == "active"
    assert charged(client) == [
        ("rack", "recurring", "2026-01-15", "2026-01-31", 17000),
        ("rack", "recurring", "2026-07-09", "2026-07-31", 22000),  # 22 of 31 days, in Amsterdam
        ("rack", "recurring", "2026-07-31", "2026-08-31", 31000),
    ]


def test_months_of_a_suspension_are_billed_month_by_month_or_not_at_all(client: Caller, provider_id: UUID) -> None:
    """What is suspended for an unpaid invoice still stands in its rack: it is billed on its bill dates, never later."""
    furnish(client, "UTC", RACK, dunned=True)
    key = subscribe(client)
    advance(client, provider_id, "2026-03-16T00:00:00Z")
    assert status(client, key) == "suspended"
    client.made("/v1/gateway-accounts", {"gateway": "manual", "name": "Transfers", "credentials": {}})
    invoices = client.get("/v1/invoices").json["data"]
    assert sorted(i["net_amount"] for i in invoices) == [31000, 48000]
    for invoice in invoices:
        paid = {"method": "manual", "currency": "EUR", "reference": invoice["number"], "received_on": "2026-03-16"}
        client.made("/v1/payments", {"account": "contoso", "amount": invoice["due_amount"], **paid})
    advance(client, provider_id, "2026-04-01T01:00:00Z")
    assert status(client, key) == "active"
    assert [c[2] for c in charged(client)] == ["2026-01-15", "2026-02-01", "2026-03-01", "2026-04-01"]


def test_a_scheduled_end_of_a_pause_is_listed_and_withdrawn(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    change(client, key, pause={"until": "2026-01-25T00:00:00Z"})
    (resume,) = client.get(f"/v1/subscriptions/{key}/changes").json["data"]
    assert (resume["resume"], resume["effective_at"]) == (True, "2026-01-25T00:00:00Z")
    assert client.delete(f"/v1/subscriptions/{key}/changes/{resume['id']}").status_code == 204
    advance(client, provider_id, "2026-02-02T00:00:00Z")
    assert status(client, key) == "paused"
    assert charged(client) == []
    change(client, key, {"at": "2026-02-01T00:00:00Z"}, resume=True)  # in the past: nothing of it is settled
    advance(client, provider_id, "2026-03-02T00:00:00Z")
    assert charged(client) == [
        ("rack", "recurring", "2026-02-01", "2026-03-01", 31000),
        ("rack", "recurring", "2026-03-01", "2026-04-01", 31000),
    ]


def test_what_is_changed_in_a_pause_holds_when_it_ends(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK, plan_price("port"))
    key = subscribe(client)
    change(client, key, pause=True)
    advance(client, provider_id, "2026-02-10T00:00:00Z")
    change(client, key, quantities={"rack": "4"})
    advance(client, provider_id, "2026-02-15T00:00:00Z")
    assert client.get(f"/v1/subscriptions/{key}").json["quantities"] == {"port": "1", "rack": "4"}
    change(client, key, resume=True)
    advance(client, provider_id, "2026-03-01T01:00:00Z")
    assert charged(client) == [
        ("port", "recurring", "2026-02-15", "2026-03-01", 15500),
        ("port", "recurring", "2026-03-01", "2026-04-01", 31000),
        ("rack", "recurring", "2026-02-15", "2026-03-01", 62000),
        ("rack", "recurring", "2026-03-01", "2026-04-01", 124000),
    ]


def test_a_pause_can_end_the_contract_and_without_credit_nothing_of_it_is_billed(
    client: Caller, provider_id: UUID
) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    advance(client, provider_id, "2026-02-05T00:00:00Z")
    change(client, key, pause=True)
    advance(client, provider_id, "2026-02-10T00:00:00Z")
    change(client, key, cancel={"credit": False})
    advance(client, provider_id, "2026-03-02T00:00:00Z")
    assert status(client, key) == "cancelled"
    assert sum(c[-1] for c in charged(client)) == 17000 + round(31000 * 4 / 28)


@pytest.mark.parametrize(
    ("before", "wanted"),
    [({}, {"resume": True}), ({"pause": True}, {"pause": True}), ({}, {"convert": True})],
    ids=["not paused", "paused already", "no trial"],
)
def test_what_its_status_does_not_allow_is_refused_and_in_a_preview_too(
    client: Caller, before: Any, wanted: Any
) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    if before:
        change(client, key, **before)
    for route in ("changes", "preview-change"):
        answer = client.post(f"/v1/subscriptions/{key}/{route}", {"effective": "now", **wanted})
        assert (answer.status_code, answer.json["code"]) == (409, "illegal_transition")


def test_a_pause_that_cannot_begin_any_more_is_kept_with_its_reason(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    change(client, key, {"at": "2026-01-20T00:00:00Z"}, pause=True)
    change(client, key, {"at": "2026-01-22T00:00:00Z"}, pause=True)
    advance(client, provider_id, "2026-01-23T00:00:00Z")
    (failed,) = client.get(f"/v1/subscriptions/{key}/changes?status=failed").json["data"]
    assert failed["detail"] == "This subscription is paused and cannot pause."
