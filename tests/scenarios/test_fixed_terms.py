"""Fixed and minimum terms through the clock: renewed, expired, left in time, left early and paid for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Caller, app, client, new_caller
from tests.builders.catalog import ENERGY, RACK, SETUP, plan_price
from tests.builders.contracts import advance, change, charged, furnish, order, status, subscribe, told

__all__ = ["app", "client", "new_caller"]

QUARTER = {"interval": {"unit": "quarter"}, "notice_days": 30}
HALF = {"interval": {"unit": "month", "count": 6}, "early_termination": {"rate": "50"}}


def test_a_term_renews_by_itself_and_tells_before_the_last_day_of_notice(client: Caller, provider_id: UUID) -> None:
    furnish(client)
    made = client.made("/v1/subscriptions", order(term=QUARTER))
    assert made["term"] == {
        **QUARTER,
        "interval": {"unit": "quarter", "count": 1},
        "renewal": "renew",
        "remind_days": 14,
        "started_at": "2026-01-15T00:00:00Z",
        "ends_at": "2026-04-15T00:00:00Z",
        "notice_by": "2026-03-16T00:00:00Z",
    }
    advance(client, provider_id, "2026-04-15T00:00:00Z")
    assert [e for e in told(client, made["id"]) if e.startswith(("term", "renewed"))] == [
        "term_ending@2026-03-02",
        "renewed@2026-04-15",
    ]
    assert client.get(f"/v1/subscriptions/{made['id']}").json["term"]["ends_at"] == "2026-07-15T00:00:00Z"


@pytest.mark.parametrize(
    ("now", "asked", "at"),
    [
        ("2026-03-15T23:00:00Z", "now", "2026-04-15"),
        ("2026-03-16T00:00:00Z", "period_end", "2026-04-15"),
        ("2026-03-16T00:00:01Z", "now", "2026-07-15"),  # too late for this term
        ("2026-02-01T00:00:00Z", {"at": "2026-05-01T00:00:00Z"}, "2026-07-15"),
        ("2026-02-01T00:00:00Z", {"at": "2026-04-15T00:00:00Z"}, "2026-04-15"),
    ],
)
def test_a_cancellation_takes_effect_at_the_end_of_a_term(
    client: Caller, provider_id: UUID, now: str, asked: Any, at: str
) -> None:
    furnish(client, "UTC", plan_price("rack", timing="arrears"))
    key = subscribe(client, term=QUARTER)
    advance(client, provider_id, now)
    made = change(client, key, asked, cancel=True)
    assert (made["status"], made["effective_at"]) == ("scheduled", f"{at}T00:00:00Z")


def test_an_end_that_was_asked_for_before_the_start_waits_for_the_term_too(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client, term=QUARTER, start={"at": "2026-01-20T00:00:00Z"})
    change(client, key, {"at": "2026-02-01T00:00:00Z"}, cancel=True)
    advance(client, provider_id, "2026-02-02T00:00:00Z")
    (waiting,) = client.get(f"/v1/subscriptions/{key}/changes").json["data"]
    assert (status(client, key), waiting["effective_at"]) == ("active", "2026-04-20T00:00:00Z")
    advance(client, provider_id, "2026-05-02T00:00:00Z")
    assert status(client, key) == "cancelled"


def test_a_term_that_expires_ends_the_contract_and_is_not_billed_beyond(client: Caller, provider_id: UUID) -> None:
    furnish(client, "Europe/Amsterdam")
    term = {"interval": {"unit": "month"}, "renewal": "expire", "remind_days": 0}
    key = subscribe(client, term=term, minimum_term=HALF)  # nobody ends it early
    ahead = client.post(
        "/v1/subscriptions/preview", order(term=term, minimum_term=HALF, as_of="2026-06-01T00:00:00Z")
    ).json
    advance(client, provider_id, "2026-03-01T01:00:00Z")
    shown = client.get(f"/v1/subscriptions/{key}").json
    assert (shown["status"], shown["ended_at"]) == ("expired", "2026-02-14T23:00:00Z")
    assert told(client, key)[-2:] == ["expired@2026-02-14", "deprovision_requested@2026-02-14"]
    billed = charged(client)
    assert billed == [
        ("energy", "usage", "2026-01-15", "2026-01-31", 0),
        ("energy", "usage", "2026-01-31", "2026-02-14", 0),
        ("rack", "recurring", "2026-01-15", "2026-01-31", 17000),
        ("rack", "recurring", "2026-01-31", "2026-02-14", 15500),
        ("setup", "one_off", "2026-01-15", "2026-01-15", 9900),
    ]
    assert sorted(x["amount"] for x in ahead["lines"]) == sorted(c[-1] for c in billed)
    refused = client.post(f"/v1/subscriptions/{key}/changes", {"effective": "now", "quantities": {"rack": "2"}})
    assert (refused.status_code, refused.json["code"]) == (409, "subscription_ended")


def test_an_open_ended_contract_keeps_its_notice(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", plan_price("rack", timing="arrears"))
    key = subscribe(client, term={"interval": {"unit": "month"}, "renewal": "open_ended", "notice_days": 20})
    assert change(client, key, cancel=True)["effective_at"] == "2026-02-15T00:00:00Z"
    (scheduled,) = client.get(f"/v1/subscriptions/{key}/changes").json["data"]
    client.delete(f"/v1/subscriptions/{key}/changes/{scheduled['id']}")
    advance(client, provider_id, "2026-02-16T06:00:00Z")
    assert "term_ended@2026-02-15" in told(client, key)
    assert change(client, key, cancel=True)["effective_at"] == "2026-03-08T06:00:00Z"


def test_a_trial_comes_before_a_term(client: Caller, provider_id: UUID) -> None:
    furnish(client)
    made = client.made("/v1/subscriptions", order(term=QUARTER, minimum_term=HALF, trial={"days": 17}))
    assert made["term"]["started_at"] == "2026-02-01T00:00:00Z"
    assert made["minimum_term"]["ends_at"] == "2026-08-01T00:00:00Z"
    change(client, made["id"], cancel=True)  # within the trial: at once, and free
    advance(client, provider_id, "2026-03-01T01:00:00Z")
    assert (status(client, made["id"]), charged(client)) == ("cancelled", [])


def test_an_early_end_costs_its_part_of_the_rest_and_explains_it(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK, ENERGY, SETUP, plan_price("port", price={"model": "flat", "amount_price": "99.99"}))
    key = subscribe(client, minimum_term=HALF, quantities={"rack": "2"})
    advance(client, provider_id, "2026-02-15T00:00:00Z")
    body = {"effective": "now", "cancel": True, "as_of": "2026-03-02T00:00:00Z"}
    preview = client.made(f"/v1/subscriptions/{key}/preview-change", body)["lines"]
    change(client, key, cancel=True)
    before = charged(client)
    advance(client, provider_id, "2026-03-02T00:00:00Z")
    fresh = [c for c in charged(client) if c not in before]
    # 14 of 28 days of February, four months, 14 of 31 days of July; two racks at 310 and a port at 99.99.
    months = 0.5 + 4 + 14 / 31
    rest = 719.99 * months
    assert fresh == [
        ("early_termination", "one_off", "2026-02-15", "2026-02-16", round(rest * 50)),
        ("energy", "usage", "2026-02-01", "2026-02-15", 0),
        ("port", "credit", "2026-02-15", "2026-03-01", -4999),
        ("rack", "credit", "2026-02-15", "2026-03-01", -31000),
    ]
    assert sorted((x["charge_code"], x["amount"]) for x in preview) == sorted((c[0], c[-1]) for c in fresh)
    _, invoice = sorted(client.get("/v1/invoices").json["data"], key=lambda i: str(i["number"]))
    lines = client.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]
    line = next(x for x in lines if x["charge_code"] == "early_termination")
    assert line["description"] == "Early termination"
    why = client.get(f"/v1/invoices/{invoice['id']}/lines/{line['id']}/explanation").json
    origin = why["price"]["origin"]
    assert (origin["rate"], origin["minimum_until"]) == ("50", "2026-07-15T00:00:00Z")
    assert [(x["charge_code"], x["quantity"]) for x in origin["rest"]] == [("rack", "2"), ("port", "1")]
    assert status(client, key) == "cancelled"


def test_an_early_end_may_cost_a_fixed_amount(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    minimum = {"interval": {"unit": "year", "count": 2}, "early_termination": {"amount_price": "500"}}
    key = subscribe(client, minimum_term=minimum)
    advance(client, provider_id, "2026-01-20T00:00:00Z")
    change(client, key, cancel=True)
    advance(client, provider_id, "2026-02-01T01:00:00Z")
    assert charged(client) == [
        ("early_termination", "one_off", "2026-01-20", "2026-01-21", 50000),
        ("rack", "recurring", "2026-01-15", "2026-01-20", 5000),
    ]


def test_without_credit_the_span_that_was_begun_stays_billed_and_is_no_rest(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK, ENERGY)
    key = subscribe(client, minimum_term={**HALF, "early_termination": {"rate": "100"}})
    advance(client, provider_id, "2026-02-10T00:00:00Z")
    change(client, key, cancel={"credit": False})
    advance(client, provider_id, "2026-03-02T00:00:00Z")
    assert charged(client) == [
        ("early_termination", "one_off", "2026-02-10", "2026-02-11", 31000 * 4 + 14000),
        ("energy", "usage", "2026-01-15", "2026-02-01", 0),
        ("energy", "usage", "2026-02-01", "2026-02-10", 0),
        ("rack", "recurring", "2026-01-15", "2026-02-01", 17000),
        ("rack", "recurring", "2026-02-01", "2026-03-01", 31000),
    ]


def test_an_end_after_the_minimum_term_costs_nothing(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client, minimum_term={**HALF, "interval": {"unit": "month"}})
    change(client, key, {"at": "2026-02-15T00:00:00Z"}, cancel=True)
    advance(client, provider_id, "2026-03-02T00:00:00Z")
    assert {c[0] for c in charged(client)} == {"rack"}


def test_a_fixed_term_is_left_early_only_when_that_is_asked_for(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client, term=QUARTER, minimum_term=HALF)
    assert change(client, key, cancel=True)["effective_at"] == "2026-04-15T00:00:00Z"
    early = change(client, key, cancel={"early": True})
    assert (early["status"], early["early"], early["credit"]) == ("done", True, True)
    assert status(client, key) == "cancelled"
    assert client.get(f"/v1/subscriptions/{key}/changes").json["data"] == []


@pytest.mark.parametrize(
    ("member", "value", "pointer", "code"),
    [
        ("trial", {}, "/trial", "trial_length_expected"),
        ("trial", {"days": 3, "until": "2026-03-01T00:00:00Z"}, "/trial", "trial_length_expected"),
        ("trial", {"days": 0}, "/trial/days", "integer_expected"),
        ("trial", {"days": "14"}, "/trial/days", "integer_expected"),
        ("trial", {"until": "soon"}, "/trial/until", "instant_malformed"),
        ("trial", {"until": "2026-01-15T00:00:00Z"}, "/trial/until", "trial_ends_before_start"),
        ("trial", {"days": 3, "at_end": "maybe"}, "/trial/at_end", "not_one_of"),
        ("trial", {"days": 3, "remind_days": -1}, "/trial/remind_days", "integer_expected"),
        ("trial", {"days": 3, "requires_payment_method": "yes"}, "/trial/requires_payment_method", "boolean_expected"),
        ("trial", {"days": 3, "requires_payment_method": True}, "/account", "payment_method_required"),
        ("trial", {"days": 3, "weeks": 1}, "/trial/weeks", "member_unknown"),
        ("trial", 14, "/trial", "object_expected"),
        ("term", {}, "/term/interval", "member_required"),
        ("term", {"interval": {"unit": "fortnight"}}, "/term/interval/unit", "not_one_of"),
        ("term", {"interval": {"unit": "month", "count": 0}}, "/term/interval/count", "integer_expected"),
        ("term", {"interval": {"unit": "month"}, "renewal": "never"}, "/term/renewal", "not_one_of"),
        ("term", {"interval": {"unit": "month"}, "notice_days": 1.5}, "/term/notice_days", "integer_expected"),
        ("minimum_term", {"interval": {"unit": "year"}}, "/minimum_term/early_termination", "member_required"),
        (
            "minimum_term",
            {"interval": {"unit": "year"}, "early_termination": {}},
            "/minimum_term/early_termination",
            "early_termination_expected",
        ),
        (
            "minimum_term",
            {"interval": {"unit": "year"}, "early_termination": {"rate": 50}},
            "/minimum_term/early_termination/rate",
            "decimal_string_expected",
        ),
        (
            "minimum_term",
            {"interval": {"unit": "year"}, "early_termination": {"rate": "100.1"}},
            "/minimum_term/early_termination/rate",
            "rate_out_of_range",
        ),
        (
            "minimum_term",
            {"interval": {"unit": "year"}, "early_termination": {"amount_price": "-1"}},
            "/minimum_term/early_termination/amount_price",
            "decimal_negative",
        ),
    ],
)
def test_a_wrong_agreement_is_refused_at_its_member(
    client: Caller, member: str, value: Any, pointer: str, code: str
) -> None:
    furnish(client, "UTC", RACK)
    body = order(**{member: value})
    for route in ("/v1/subscriptions", "/v1/subscriptions/preview"):
        answer = client.post(route, body)
        assert answer.status_code == 422
        assert (pointer, code) in [(e["pointer"], e["code"]) for e in answer.json["errors"]]
    assert client.get("/v1/subscriptions").json["data"] == []
