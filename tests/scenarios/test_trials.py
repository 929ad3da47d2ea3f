"""Trials through the clock: nothing billed, one reminder, and at the end a contract or none."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core.ids import new_id
from models.accounts import Account
from models.payments import GatewayAccount, PaymentMethod
from tests.api.conftest import Caller, app, client, new_caller
from tests.builders.catalog import RACK, make_plan, plan_price
from tests.builders.contracts import NOW, advance, change, charged, furnish, order, status, subscribe, told
from tests.conftest import Open

__all__ = ["app", "client", "new_caller"]

FORTNIGHT = {"days": 14}


def use(client: Caller, subscription: str, at: str, quantity: str) -> None:
    event = {"id": at, "subscription": subscription, "meter": "energy", "at": at, "quantity": quantity}
    assert client.made("/v1/usage/events", {"events": [event]})["accepted"] == 1


def test_a_trial_is_billed_from_its_end_on_and_reminds_once(client: Caller, provider_id: UUID) -> None:
    furnish(client)
    made = client.made("/v1/subscriptions", order(trial=FORTNIGHT))
    assert (made["status"], made["trial"]["ends_at"]) == ("trialing", "2026-01-29T00:00:00Z")
    use(client, made["id"], NOW, "150")  # used within the trial: never billed
    advance(client, provider_id, "2026-02-03T00:00:00Z")
    assert status(client, made["id"]) == "active"
    assert told(client, made["id"]) == [
        "created@2026-01-15",
        "trial_started@2026-01-15",
        "provision_requested@2026-01-15",
        "trial_ending@2026-01-26",
        "activated@2026-01-29",
    ]
    assert charged(client) == [
        ("energy", "usage", "2026-01-29", "2026-02-01", 0),
        ("rack", "recurring", "2026-01-29", "2026-02-01", 3000),  # 3 of 31 days
        ("rack", "recurring", "2026-02-01", "2026-03-01", 31000),
        ("setup", "one_off", "2026-01-29", "2026-01-30", 9900),  # due when it became a contract
    ]


def test_a_trial_anchors_an_anniversary_at_its_end(client: Caller, provider_id: UUID) -> None:
    furnish(client, "Europe/Amsterdam", RACK)
    subscribe(client, trial={"until": "2026-01-31T08:00:00Z"}, anchor="anniversary")
    advance(client, provider_id, "2026-04-02T00:00:00Z")
    assert charged(client) == [
        ("rack", "recurring", "2026-01-31", "2026-02-27", 31000),  # until the 28th, midnight in Amsterdam
        ("rack", "recurring", "2026-02-27", "2026-03-30", 31000),
        ("rack", "recurring", "2026-03-30", "2026-04-29", 31000),
    ]


def test_a_trial_that_ends_the_contract_bills_nothing_and_has_it_taken_down(client: Caller, provider_id: UUID) -> None:
    furnish(client)
    key = subscribe(client, trial={**FORTNIGHT, "at_end": "cancel", "remind_days": 0})
    change(client, key, {"at": "2026-05-01T00:00:00Z"}, quantities={"rack": "2"})
    advance(client, provider_id, "2026-03-03T00:00:00Z")
    assert charged(client) == []
    shown = client.get(f"/v1/subscriptions/{key}").json
    assert (shown["status"], shown["ended_at"]) == ("cancelled", "2026-01-29T00:00:00Z")
    assert told(client, key)[-2:] == ["cancelled@2026-01-29", "deprovision_requested@2026-01-29"]
    assert client.get(f"/v1/subscriptions/{key}/changes?status=withdrawn").json["data"][0]["quantities"] == {
        "rack": "2"
    }


def test_a_trial_is_converted_by_hand_as_its_preview_says(client: Caller, provider_id: UUID) -> None:
    furnish(client)
    key = subscribe(client, trial={"days": 20, "at_end": "cancel"}, anchor="anniversary")
    advance(client, provider_id, "2026-01-20T00:00:00Z")
    body = {"effective": "now", "convert": True, "as_of": "2026-03-03T00:00:00Z"}
    preview = client.made(f"/v1/subscriptions/{key}/preview-change", body)
    change(client, key, convert=True)
    advance(client, provider_id, "2026-02-05T00:00:00Z")
    assert status(client, key) == "active"  # the trial's old end, the 4th, did nothing
    advance(client, provider_id, "2026-03-03T00:00:00Z")
    promised = [
        (x["charge_code"], x["span"]["start"][:10], x["span"]["end"][:10], x["amount"]) for x in preview["lines"]
    ]
    assert promised == sorted(promised, key=lambda x: x[1]) != []
    billed = [(code, start, end, amount) for code, _, start, end, amount in charged(client)]
    assert billed == [
        ("energy", "2026-01-20", "2026-02-20", 0),
        ("rack", "2026-01-20", "2026-02-20", 31000),
        ("rack", "2026-02-20", "2026-03-20", 31000),
        ("setup", "2026-01-20", "2026-01-21", 9900),
    ]
    assert sorted(promised) == billed


def test_a_trial_is_not_converted_when_it_is_over(client: Caller, provider_id: UUID) -> None:
    """It would fail in silence when its instant comes; until its end, that included, somebody may convert it."""
    furnish(client)
    key = subscribe(client, trial={"days": 20, "at_end": "cancel"})
    over = {"effective": {"at": "2026-02-10T00:00:00Z"}, "convert": True}
    for route in ("changes", "preview-change"):
        answer: Any = client.post(f"/v1/subscriptions/{key}/{route}", over)
        assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [("/effective/at", "convert_after_trial")]
    client.made(f"/v1/subscriptions/{key}/changes", {"effective": "period_end", "convert": True})
    advance(client, provider_id, "2026-02-10T00:00:00Z")
    assert status(client, key) == "active"


@pytest.mark.parametrize("start", [NOW, "2026-02-01T00:00:00Z"])
def test_no_end_of_a_trial_is_scheduled_where_there_is_none(client: Caller, start: str) -> None:
    """Nothing brings a trial to a contract that has begun without: it would only wait to fail."""
    furnish(client)
    key = subscribe(client, start={"at": start})
    for route in ("changes", "preview-change"):
        later = {"effective": {"at": "2026-02-10T00:00:00Z"}, "convert": True}
        answer = client.post(f"/v1/subscriptions/{key}/{route}", later)
        refused = "illegal_transition" if start == NOW or route == "changes" else "subscription_not_started"
        assert (answer.status_code, answer.json["code"]) == (409, refused)
    assert client.get(f"/v1/subscriptions/{key}/changes").json["data"] == []


def test_what_is_changed_within_a_trial_holds_when_it_ends(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK, plan_price("port"))
    key = subscribe(client, trial=FORTNIGHT)
    change(client, key, quantities={"rack": "3"})
    change(client, key, "period_end", quantities={"port": "2"})  # a trial is a period
    advance(client, provider_id, "2026-02-01T01:00:00Z")
    assert charged(client)[:4] == [
        ("port", "recurring", "2026-01-29", "2026-02-01", 6000),
        ("port", "recurring", "2026-02-01", "2026-03-01", 62000),
        ("rack", "recurring", "2026-01-29", "2026-02-01", 9000),
        ("rack", "recurring", "2026-02-01", "2026-03-01", 93000),
    ]


def test_an_order_s_preview_knows_its_trial(client: Caller) -> None:
    furnish(client)
    lines: Any = client.post("/v1/subscriptions/preview", order(trial=FORTNIGHT, as_of="2026-02-01T00:00:00Z")).json
    assert [(x["charge_code"], x["span"]["start"][:10], x["amount"]) for x in lines["lines"]] == [
        ("rack", "2026-01-29", 3000),
        ("setup", "2026-01-29", 9900),
        ("energy", "2026-01-29", 0),
        ("rack", "2026-02-01", 31000),
    ]
    never = client.post("/v1/subscriptions/preview", order(trial={**FORTNIGHT, "at_end": "cancel"})).json
    assert never["lines"] == []


def test_a_trial_that_is_over_before_it_is_known_begins_as_a_contract(client: Caller, provider_id: UUID) -> None:
    furnish(client)
    made = client.made("/v1/subscriptions", order(start={"at": "2025-12-01T00:00:00Z"}, trial=FORTNIGHT))
    assert made["status"] == "active"
    advance(client, provider_id, "2026-02-01T01:00:00Z")
    assert [(c[0], c[2]) for c in charged(client) if c[0] == "rack"] == [
        ("rack", "2025-12-15"),
        ("rack", "2026-01-01"),
        ("rack", "2026-02-01"),
    ]


def attach_card(open_unit: Open) -> None:
    """A payment method of the account, as attaching one at a gateway leaves it."""
    with open_unit() as ctx:
        payer = ctx.session.scalars(select(Account).where(Account.provider_id == ctx.provider.id)).one()
        of_provider = {"provider_id": ctx.provider.id, "id": new_id(), "created_at": ctx.now, "meta": {}}
        home = GatewayAccount(
            **of_provider,
            seller_id=payer.seller_id,
            name="Cards",
            gateway="manual",
            credentials=b"",
            is_default=True,
        )
        ctx.session.add(home)
        ctx.session.flush()
        method = PaymentMethod(
            **{**of_provider, "id": new_id()},
            account_id=payer.id,
            gateway_account_id=home.id,
            reference="pm_1",
            customer_reference="cus_1",
            kind="card",
            status="active",
        )
        ctx.session.add(method)


def test_a_trial_that_needs_a_payment_method_is_not_ordered_without_and_ends_when_it_is_gone(
    client: Caller, provider_id: UUID, open_unit: Open
) -> None:
    furnish(client)
    wanted = order(trial={**FORTNIGHT, "requires_payment_method": True})
    answer = client.post("/v1/subscriptions", wanted)
    assert (answer.status_code, answer.json["code"]) == (422, "payment_method_required")
    attach_card(open_unit)
    kept, lost = (client.made("/v1/subscriptions", wanted)["id"] for _ in range(2))
    change(client, lost, quantities={"rack": "2"})
    advance(client, provider_id, "2026-01-28T00:00:00Z")
    change(client, kept, convert=True)
    with open_unit() as ctx:
        ctx.session.execute(update(PaymentMethod).values(status="detached"))
    advance(client, provider_id, "2026-01-30T00:00:00Z")
    assert (status(client, kept), status(client, lost)) == ("active", "cancelled")
    asked = client.get(f"/v1/events?object={lost}&type=subscription.deprovision_requested").json["data"]
    assert asked[0]["data"]["reason"] == "payment_method_missing"


def test_a_plan_offers_a_trial_that_an_order_takes_or_not(client: Caller) -> None:
    furnish(client)
    offered = make_plan(client, RACK, code="tried", trial=FORTNIGHT)
    assert offered["version"]["trial"]["days"] == 14
    assert client.made("/v1/subscriptions", order(plan="tried"))["status"] == "trialing"
    assert client.made("/v1/subscriptions", order(plan="tried", trial=None))["status"] == "active"
    own = client.made("/v1/subscriptions", order(plan="tried", trial={"days": 3}))
    assert own["trial"]["ends_at"] == "2026-01-18T00:00:00Z"
    version = {"prices": [RACK], "trial": {"days": 14, "until": "2026-03-01T00:00:00Z"}}
    answer = client.post(f"/v1/plans/{offered['id']}/versions", version)
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [("/trial", "trial_length_expected")]
    assert client.made(f"/v1/plans/{offered['id']}/versions", {"prices": [RACK]})["trial"] is None


def test_an_add_on_has_no_trial_of_its_own(client: Caller) -> None:
    furnish(client)
    body = {"code": "ips", "name": "Addresses", "kind": "add_on", "version": {"prices": [RACK], "trial": FORTNIGHT}}
    answer = client.post("/v1/plans", body)
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [("/version/trial", "trial_not_allowed")]
