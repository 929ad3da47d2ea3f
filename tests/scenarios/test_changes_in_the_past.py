"""Changes from an instant in the past, as far back as what was settled allows; and several contracts on one date."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Caller, app, client, new_caller, stranger
from tests.builders.catalog import ENERGY, RACK, make_plan, plan_price
from tests.builders.contracts import advance, change, charged, furnish, status, subscribe

__all__ = ["app", "client", "new_caller", "stranger"]


def refused(client: Caller, subscription: str, effective: Any, **what: Any) -> list[tuple[str, str]]:
    """Why a change is refused, by its own route and by its preview alike."""
    found = []
    for route in ("changes", "preview-change"):
        answer = client.post(f"/v1/subscriptions/{subscription}/{route}", {"effective": effective, **what})
        assert answer.status_code == 422, answer.get_data(as_text=True)
        found.append([(e["pointer"], e["code"]) for e in answer.json["errors"]])
    assert found[0] == found[1]
    return found[0]


def at(day: str) -> dict[str, str]:
    return {"at": f"{day}T00:00:00Z"}


def test_a_change_goes_back_to_the_bill_date_and_no_further(client: Caller, provider_id: UUID) -> None:
    furnish(client, "America/New_York", RACK)
    key = subscribe(client)
    advance(client, provider_id, "2026-02-20T00:00:00Z")
    # The 1st begins at five in the morning of UTC in the payer's zone.
    (error,) = refused(client, key, {"at": "2026-02-01T04:59:59Z"}, quantities={"rack": "3"})
    assert error == ("/effective/at", "change_before_finalized")
    for what in ({"cancel": True}, {"pause": True}, {"plan": "colo"}):
        assert refused(client, key, at("2026-01-20"), **what) == [("/effective/at", "change_before_finalized")]
    done = change(client, key, {"at": "2026-02-01T05:00:00Z"}, quantities={"rack": "3"})
    assert (done["status"], done["effective_at"]) == ("done", "2026-02-01T05:00:00Z")
    advance(client, provider_id, "2026-03-01T06:00:00Z")
    assert [c[1:] for c in charged(client)][:2] == [
        ("credit", "2026-02-01", "2026-03-01", -31000),
        ("recurring", "2026-01-15", "2026-02-01", 18000),  # it began on the evening of the 14th in New York
    ]
    assert ("rack", "recurring", "2026-02-01", "2026-03-01", 93000) in charged(client)


def test_what_was_billed_in_advance_is_credited_and_billed_anew(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK, ENERGY)
    key = subscribe(client, quantities={"rack": "2"})
    advance(client, provider_id, "2026-02-20T00:00:00Z")
    body = {"effective": at("2026-02-08"), "quantities": {"rack": "4"}, "as_of": "2026-03-02T00:00:00Z"}
    preview = client.made(f"/v1/subscriptions/{key}/preview-change", body)["lines"]
    before = charged(client)
    change(client, key, at("2026-02-08"), quantities={"rack": "4"})
    advance(client, provider_id, "2026-03-02T00:00:00Z")
    fresh = [c for c in charged(client) if c not in before]
    assert fresh == [
        ("energy", "usage", "2026-02-01", "2026-03-01", 0),
        ("rack", "credit", "2026-02-08", "2026-03-01", -46500),  # 21 of 28 days of two
        ("rack", "recurring", "2026-02-08", "2026-03-01", 93000),
        ("rack", "recurring", "2026-03-01", "2026-04-01", 124000),
    ]
    assert sorted((x["charge_code"], x["kind"], x["amount"]) for x in preview) == [(c[0], c[1], c[4]) for c in fresh]


def test_without_an_invoice_a_change_goes_back_to_the_start(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    advance(client, provider_id, "2026-01-25T00:00:00Z")
    assert refused(client, key, at("2026-01-14"), quantities={"rack": "2"}) == [
        ("/effective/at", "change_before_start")
    ]
    assert refused(client, key, at("2026-01-14"), cancel=True) == [("/effective/at", "cancellation_before_start")]
    change(client, key, at("2026-01-15"), quantities={"rack": "2"})
    change(client, key, at("2026-01-20"), cancel=True)
    assert client.get(f"/v1/subscriptions/{key}").json["ended_at"] == "2026-01-20T00:00:00Z"
    advance(client, provider_id, "2026-02-02T00:00:00Z")
    assert charged(client) == [("rack", "recurring", "2026-01-15", "2026-01-20", 10000)]


def test_a_contract_that_never_was_is_not_billed(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    advance(client, provider_id, "2026-01-25T00:00:00Z")
    change(client, key, at("2026-01-15"), cancel=True)
    advance(client, provider_id, "2026-02-02T00:00:00Z")
    assert (status(client, key), charged(client)) == ("cancelled", [])


def test_an_earlier_change_keeps_what_later_ones_agreed_on(client: Caller, provider_id: UUID) -> None:
    """A quantity in the past holds under the plans that followed; another plan keeps the quantities that followed."""
    furnish(client, "UTC", RACK)
    make_plan(client, plan_price("rack", price={"model": "per_unit", "unit_price": "620"}), code="gold")
    key = subscribe(client)
    advance(client, provider_id, "2026-01-25T00:00:00Z")
    change(client, key, at("2026-01-23"), plan="gold")
    change(client, key, at("2026-01-17"), quantities={"rack": "2"})
    advance(client, provider_id, "2026-02-01T01:00:00Z")
    assert charged(client) == [
        ("rack", "recurring", "2026-01-15", "2026-01-17", 2000),
        ("rack", "recurring", "2026-01-17", "2026-01-23", 12000),
        ("rack", "recurring", "2026-01-23", "2026-02-01", 36000),
        ("rack", "recurring", "2026-02-01", "2026-03-01", 124000),
    ]


def test_a_pause_in_the_past_is_credited(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    advance(client, provider_id, "2026-02-20T00:00:00Z")
    change(client, key, at("2026-02-03"), pause={"until": "2026-02-10T00:00:00Z"})
    assert status(client, key) == "active"  # it is over
    advance(client, provider_id, "2026-03-01T01:00:00Z")
    february = [c for c in charged(client) if c[2] < "2026-03-01" and c[2] >= "2026-02-01"]
    assert sum(c[4] for c in february) == 31000 - 7750  # 7 of 28 days


def test_a_void_invoice_settles_nothing(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    advance(client, provider_id, "2026-02-02T00:00:00Z")
    (invoice,) = client.get("/v1/invoices").json["data"]
    client.made(f"/v1/invoices/{invoice['id']}/void", {})
    change(client, key, at("2026-01-20"), quantities={"rack": "2"})
    advance(client, provider_id, "2026-03-01T01:00:00Z")
    live = [c for c in client.get("/v1/charges?account=contoso").json["data"] if c["state"] == "billed"]
    assert sorted((c["span"]["start"][:10], c["amount"]) for c in live) == [
        ("2026-01-15", 5000),
        ("2026-01-20", 24000),
        ("2026-02-01", 62000),
        ("2026-03-01", 62000),
    ]


@pytest.mark.parametrize("start", ["2026-03-01T00:00:00Z", None], ids=["at a date", "when provisioned"])
def test_an_order_is_called_off_but_not_before_its_start(client: Caller, start: str | None) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client, start={"at": start} if start else {"on": "provisioned"})
    if start:
        body = {"effective": at("2026-02-28"), "cancel": True}
        answer = client.post(f"/v1/subscriptions/{key}/changes", body)
        assert (answer.status_code, answer.json["code"]) == (422, "cancellation_before_start")
        assert answer.json["errors"][0]["pointer"] == "/effective/at"
    change(client, key, cancel=True)
    assert status(client, key) == "cancelled"


def test_several_contracts_are_aligned_on_one_date(client: Caller, provider_id: UUID) -> None:
    furnish(client, "Europe/Amsterdam", RACK)
    make_plan(client, plan_price("port", interval={"unit": "quarter"}), code="ports")
    first = subscribe(client, anchor="anniversary")
    second = subscribe(client, anchor="anniversary", plan="ports", start={"at": "2026-01-20T00:00:00Z"})
    advance(client, provider_id, "2026-01-22T00:00:00Z")
    as_of = {"as_of": "2026-06-15T00:00:00Z"}
    body = {"effective": "now", "align": {"on": "2026-03-10"}}
    promised = [
        client.made(f"/v1/subscriptions/{k}/preview-change", {**body, **as_of})["lines"] for k in (first, second)
    ]
    done = client.made("/v1/subscriptions/align", {"subscriptions": [first, second], "on": "2026-03-10"})["data"]
    assert [(c["subscription"], c["align_on"], c["status"]) for c in done] == [
        (first, "2026-03-10", "done"),
        (second, "2026-03-10", "done"),
    ]
    advance(client, provider_id, "2026-04-11T00:00:00Z")
    assert charged(client) == [
        ("port", "recurring", "2026-01-20", "2026-03-09", 16878),  # 49 of 90 days of a quarter
        ("port", "recurring", "2026-03-09", "2026-06-09", 31000),
        ("rack", "recurring", "2026-01-15", "2026-02-14", 31000),
        ("rack", "recurring", "2026-02-14", "2026-03-09", 25464),  # 23 of 28 days
        ("rack", "recurring", "2026-03-09", "2026-04-09", 31000),
    ]
    amounts = sorted(x["amount"] for x in [*promised[0], *promised[1]] if x["span"]["start"] < "2026-04-01")
    assert amounts == sorted(c[4] for c in charged(client))


def test_contracts_are_aligned_together_or_not_at_all(client: Caller, stranger: Caller) -> None:
    furnish(client, "UTC", RACK)
    running = subscribe(client, external_id="running")
    waiting = subscribe(client, start={"on": "provisioned"})
    cases = [
        (["running", "nobody"], "2026-03-01", 422, "subscription_unknown", "/subscriptions/1"),
        (["running"], "2026-01-10", 422, "align_not_ahead", "/on"),
        ([running, waiting], "2026-03-01", 409, "subscription_not_started", None),
    ]
    for named, on, code, why, pointer in cases:
        answer = client.post("/v1/subscriptions/align", {"subscriptions": named, "on": on})
        assert (answer.status_code, answer.json["code"]) == (code, why)
        assert [e["pointer"] for e in answer.json.get("errors", [])] == ([pointer] if pointer else [])
    foreign = stranger.post("/v1/subscriptions/align", {"subscriptions": [running], "on": "2026-03-01"})
    assert foreign.json["code"] == "subscription_unknown"
    assert client.get(f"/v1/subscriptions/{running}/changes?status=done").json["data"] == []


def test_what_was_billed_beyond_the_date_is_credited(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK, ENERGY)
    key = subscribe(client)
    advance(client, provider_id, "2026-02-05T00:00:00Z")
    change(client, key, align={"on": "2026-02-15"})
    advance(client, provider_id, "2026-04-01T01:00:00Z")
    rows = [c for c in charged(client) if c[0] == "rack"]
    assert rows == [
        ("rack", "credit", "2026-02-15", "2026-03-01", -15500),
        ("rack", "recurring", "2026-01-15", "2026-02-01", 17000),
        ("rack", "recurring", "2026-02-01", "2026-03-01", 31000),
        ("rack", "recurring", "2026-02-15", "2026-03-15", 31000),
        ("rack", "recurring", "2026-03-15", "2026-04-15", 31000),
    ]
    assert [c[2:4] for c in charged(client) if c[0] == "energy"] == [
        ("2026-01-15", "2026-02-01"),
        ("2026-02-01", "2026-02-15"),
        ("2026-02-15", "2026-03-15"),
    ]


def test_a_later_date_takes_the_place_of_one_to_come(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client, anchor="anniversary")
    change(client, key, align={"on": "2026-02-01"})
    change(client, key, align={"on": "2026-02-10"})
    advance(client, provider_id, "2026-03-01T01:00:00Z")
    assert [c[2:4] for c in charged(client)] == [("2026-01-15", "2026-02-10"), ("2026-02-10", "2026-03-10")]


@pytest.mark.parametrize(
    ("what", "pointer", "code"),
    [
        ({"align": {"on": "2026-01-15"}}, "/align/on", "align_not_ahead"),
        ({"align": {"on": "2026-02-30"}}, "/align/on", "date_malformed"),
        ({"align": {}}, "/align/on", "member_required"),
        ({"align": "2026-03-01"}, "/align", "object_expected"),
        ({"pause": {"until": "2026-01-15T00:00:00Z"}}, "/pause/until", "until_not_after"),
        ({"pause": {"until": "later"}}, "/pause/until", "instant_malformed"),
        ({"pause": "yes"}, "/pause", "boolean_expected"),
        ({"cancel": 1}, "/cancel", "boolean_expected"),
        ({"cancel": {"credit": "no"}}, "/cancel/credit", "boolean_expected"),
        ({"cancel": {"fee": True}}, "/cancel/fee", "member_unknown"),
        ({"cancel": False}, "", "change_expected"),
        ({"pause": False, "resume": False}, "", "change_expected"),
        ({"pause": True, "resume": True}, "", "change_expected"),
        ({"pause": True, "quantities": {"rack": "2"}}, "", "change_expected"),
    ],
)
def test_a_wrong_change_is_refused_at_its_member(client: Caller, what: Any, pointer: str, code: str) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    assert refused(client, key, "now", **what) == [(pointer, code)]
