"""The life of a subscription over HTTP: ordered, provisioned, changed, previewed, ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from core.ids import decode, encode, new_id
from core.period import parse_instant
from models import providers
from services import contract_changes, subscription_steps
from tests.api.conftest import Caller, NewCaller
from tests.builders.catalog import ENERGY, RACK, SETUP, make_catalog, make_plan, plan_price
from tests.conftest import Open

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


@pytest.fixture
def shop(client: Caller) -> Caller:
    """A caller with the plan `colo`: racks at 310 a month, energy, a setup fee; and the account `contoso`."""
    make_catalog(client)
    make_plan(client, RACK, ENERGY, SETUP)
    body = {"name": "Contoso", "currency": "EUR", "country": "NL", "time_zone": "Europe/Amsterdam"}
    client.made("/v1/accounts", {**body, "external_id": "contoso"})
    return client


def order(**changes: Any) -> dict[str, Any]:
    return {"account": "contoso", "plan": "colo", "start": {"at": NOW}, **changes}


def events(client: Caller, subscription: dict[str, Any]) -> list[str]:
    """What was told of a subscription, in the order in which it happened."""
    found = client.get(f"/v1/events?object={subscription['id']}").json["data"]
    return [event["type"].removeprefix("subscription.") for event in reversed(found)]


def lines(preview: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    return [
        (line["charge_code"], line["kind"], f"{line['span']['start'][:10]}..{line['span']['end'][:10]}", line["amount"])
        for line in preview["lines"]
    ]


@pytest.fixture
def at_time(open_unit: Open) -> Callable[..., None]:
    """Do something at another business time, as a job would."""

    def go(text: str, then: Callable[..., Any] | None = None, *ids: Any) -> None:
        with open_unit() as ctx:
            clock = update(providers.TestClock).where(providers.TestClock.provider_id == ctx.provider.id)
            ctx.session.execute(clock.values(now=parse_instant(text)))
        if then is not None:
            with open_unit() as ctx:
                then(ctx, *ids)

    return go


def test_an_order_for_today_is_active_at_once_and_asks_for_provisioning(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(quantities={"rack": "3"}, purchase_order="PO-1"))
    assert (made["status"], made["started_at"], made["time_zone"]) == ("active", NOW, "Europe/Amsterdam")
    assert made["quantities"] == {"rack": "3", "setup": "1"}
    assert made["provisioning"]["kind"] == "provision"
    assert shop.get(f"/v1/subscriptions/{made['id']}").json == made
    assert shop.get("/v1/subscriptions?account=contoso&status=active").json["data"] == [made]
    assert events(shop, made) == ["created", "activated", "provision_requested"]


def test_an_order_that_waits_for_provisioning_starts_with_the_answer(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(start={"on": "provisioned"}))
    assert (made["status"], made["started_at"], made["start"]) == ("pending", None, {"on": "provisioned"})
    asked = made["provisioning"]["request"]
    path = f"/v1/subscriptions/{made['id']}/provisioning"
    answered = shop.made(path, {"request": asked, "status": "provisioned", "reference": "rack-12"})
    assert (answered["status"], answered["started_at"], answered["reference"]) == ("active", NOW, "rack-12")
    assert answered["provisioning"] is None
    assert events(shop, made) == ["created", "provision_requested", "activated", "provisioned"]
    (request,) = shop.get(path).json["data"]
    assert (request["status"], request["answer"]["at"]) == ("answered", NOW)
    assert refused(shop.post(path, {"request": asked, "status": "provisioned"})) == (409, "request_not_open")


def test_an_answer_says_when_but_neither_later_than_now_nor_before_the_order(shop: Caller, at_time: Any) -> None:
    made = shop.made("/v1/subscriptions", order(start={"on": "provisioned"}))
    path = f"/v1/subscriptions/{made['id']}/provisioning"
    at_time("2026-01-20T12:00:00Z")
    assert wrong(shop.post(path, {"status": "provisioned", "at": "2026-01-20T12:00:01Z"})) == [("/at", "at_in_future")]
    assert wrong(shop.post(path, {"status": "provisioned", "at": "2026-01-14T23:59:59Z"})) == [
        ("/at", "at_before_order")
    ]
    assert shop.made(path, {"status": "provisioned", "at": "2026-01-18T09:30:00Z"})["started_at"] == (
        "2026-01-18T09:30:00Z"
    )


def test_a_failed_answer_is_kept_and_the_request_stays_open(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(start={"on": "provisioned"}))
    path = f"/v1/subscriptions/{made['id']}/provisioning"
    failed = shop.made(path, {"status": "failed", "detail": "no power"})
    assert (failed["status"], failed["provisioning"]["answer"]["detail"]) == ("pending", "no power")
    assert shop.made(path, {"status": "provisioned"})["status"] == "active"


def test_an_answer_to_a_superseded_request_is_stored_and_changes_nothing(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(start={"on": "provisioned"}))
    first = made["provisioning"]["request"]
    shop.made(f"/v1/subscriptions/{made['id']}/changes", {"effective": "now", "cancel": True})
    path = f"/v1/subscriptions/{made['id']}/provisioning"
    answered = shop.made(path, {"request": first, "status": "provisioned"})
    assert (answered["status"], answered["started_at"]) == ("cancelled", None)
    stored = next(r for r in shop.get(path).json["data"] if r["request"] == first)
    assert (stored["status"], stored["answer"]["status"]) == ("superseded", "provisioned")


@pytest.mark.parametrize(
    ("answer", "pointer", "code"),
    [
        ({"status": "suspended"}, "/status", "status_mismatch"),
        ({"status": "done"}, "/status", "not_one_of"),
        ({"status": "provisioned", "request": "evt_nonsense"}, "/request", "request_unknown"),
        ({"status": "provisioned", "request": encode("event", new_id())}, "/request", "request_unknown"),
    ],
)
def test_a_wrong_answer_is_refused(shop: Caller, answer: Any, pointer: str, code: str) -> None:
    made = shop.made("/v1/subscriptions", order())
    assert wrong(shop.post(f"/v1/subscriptions/{made['id']}/provisioning", answer)) == [(pointer, code)]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"account": "nobody"}, "/account", "account_unknown"),
        ({"plan": "gold"}, "/plan", "plan_unknown"),
        ({"plan": encode("plan", new_id())}, "/plan", "plan_unknown"),
        ({"currency": "USD"}, "/currency", "currency_not_offered"),
        ({"currency": "EURO"}, "/currency", "currency_unknown"),
        ({"quantities": {"rack": "-1"}}, "/quantities/rack", "quantity_negative"),
        ({"quantities": {"rack": 1}}, "/quantities/rack", "decimal_string_expected"),
        ({"quantities": {"shelf": "1"}}, "/quantities/shelf", "charge_code_unknown"),
        ({"quantities": {"energy": "1"}}, "/quantities/energy", "quantity_not_allowed"),
        ({"quantities": ["rack"]}, "/quantities", "object_expected"),
        ({"start": {}}, "/start", "start_expected"),
        ({"start": {"on": "provisioned", "at": NOW}}, "/start", "start_expected"),
        ({"start": {"at": "2026-01-15"}}, "/start/at", "instant_malformed"),
        ({"start": {"at": "2017-01-15T00:00:00Z"}}, "/start/at", "start_out_of_range"),
        ({"anchor": "birthday"}, "/anchor", "not_one_of"),
        ({"voucher": "SPRING"}, "/voucher", "member_unknown"),
    ],
)
def test_a_wrong_order_is_refused_at_its_member(shop: Caller, change: Any, pointer: str, code: str) -> None:
    assert wrong(shop.post("/v1/subscriptions", order(**change)))[:1] == [(pointer, code)]
    assert wrong(shop.post("/v1/subscriptions/preview", order(**change)))[:1] == [(pointer, code)]
    assert shop.get("/v1/subscriptions").json["data"] == []


def test_a_plan_that_is_offered_later_cannot_be_ordered_yet(shop: Caller) -> None:
    make_plan(shop, RACK, code="next", effective_at="2026-02-01T00:00:00Z")
    assert wrong(shop.post("/v1/subscriptions", order(plan="next"))) == [("/plan", "plan_not_offered")]


def test_a_future_start_waits_for_its_date(shop: Caller, at_time: Any) -> None:
    made = shop.made("/v1/subscriptions", order(start={"at": "2026-02-10T09:00:00Z"}))
    assert (made["status"], made["started_at"]) == ("pending", None)
    key = made["id"]
    at_time("2026-02-10T08:59:59Z", subscription_steps.start_due, decode("subscription", key))
    assert shop.get(f"/v1/subscriptions/{key}").json["status"] == "pending"
    at_time("2026-02-10T09:30:00Z", subscription_steps.start_due, decode("subscription", key))
    at_time("2026-02-10T09:30:00Z", subscription_steps.start_due, decode("subscription", key))
    started = shop.get(f"/v1/subscriptions/{key}").json
    assert (started["status"], started["started_at"]) == ("active", "2026-02-10T09:00:00Z")


def test_a_preview_shows_every_line_with_its_span(shop: Caller) -> None:
    preview = shop.made(
        "/v1/subscriptions/preview",
        order(start={"at": "2026-01-19T23:00:00Z"}, quantities={"rack": "2"}, as_of="2026-02-28T23:00:00Z"),
    )
    assert preview["currency"] == "EUR"
    assert lines(preview) == [
        ("rack", "recurring", "2026-01-19..2026-01-31", 24000),  # 12 of 31 days of two racks
        ("setup", "one_off", "2026-01-19..2026-01-20", 9900),
        ("energy", "usage", "2026-01-19..2026-01-31", 0),
        ("rack", "recurring", "2026-01-31..2026-02-28", 62000),
        ("energy", "usage", "2026-01-31..2026-02-28", 0),
        ("rack", "recurring", "2026-02-28..2026-03-31", 62000),
    ]
    assert preview["subtotal_amount"] == 24000 + 9900 + 62000 + 62000
    assert shop.get("/v1/subscriptions").json["data"] == []


def test_a_preview_does_not_look_for_ever(shop: Caller) -> None:
    far = order(as_of="2031-02-01T00:00:00Z")
    assert wrong(shop.post("/v1/subscriptions/preview", far)) == [("/as_of", "as_of_out_of_range")]


def test_a_preview_of_too_many_lines_is_refused_before_it_is_made(shop: Caller) -> None:
    daily = [plan_price(f"rack-{i}", interval={"unit": "day"}) for i in range(40)]
    make_plan(shop, *daily, code="daily")
    month = order(plan="daily", as_of="2026-02-15T00:00:00Z")
    assert len(shop.made("/v1/subscriptions/preview", month)["lines"]) == 40 * 32
    year = order(plan="daily", as_of="2027-01-15T00:00:00Z")
    assert wrong(shop.post("/v1/subscriptions/preview", year)) == [("/as_of", "preview_too_long")]


def test_a_preview_whose_sum_no_bigint_holds_is_refused(shop: Caller) -> None:
    make_plan(
        shop,
        plan_price("vault", currencies={"EUR": {"model": "flat", "amount_price": "50000000000000000"}}),
        code="vault",
    )
    assert shop.post("/v1/subscriptions/preview", order(plan="vault")).json["subtotal_amount"] < 5 * 10**18
    twice = order(plan="vault", as_of="2026-03-15T00:00:00Z")
    assert wrong(shop.post("/v1/subscriptions/preview", twice)) == [("/as_of", "amount_out_of_range")]


def test_more_racks_from_now_on_are_previewed_and_asked_for(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(quantities={"rack": "1"}))
    change = {"effective": "now", "quantities": {"rack": "4"}}
    preview = shop.made(f"/v1/subscriptions/{made['id']}/preview-change", change)
    assert ("rack", "recurring", "2026-01-15..2026-01-31", 68000) in lines(preview)  # 17 of 31 days of four racks
    done = shop.made(f"/v1/subscriptions/{made['id']}/changes", change)
    assert (done["status"], done["quantities"]) == ("done", {"rack": "4"})
    after = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert (after["quantities"]["rack"], after["provisioning"]["kind"]) == ("4", "change")
    assert events(shop, made)[-2:] == ["changed", "change_requested"]


def test_a_subscription_moves_to_another_plan_that_has_its_currency(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(quantities={"rack": "3"}))
    dollars = {**RACK, "currencies": {"USD": RACK["currencies"]["EUR"]}}
    make_plan(shop, dollars, code="american")
    path = f"/v1/subscriptions/{made['id']}/changes"
    wrong_money = shop.post(path, {"effective": "now", "plan": "american"})
    assert wrong(wrong_money) == [("/plan", "currency_not_offered")]
    other = make_plan(shop, RACK, plan_price("hands"), code="more")
    done = shop.made(path, {"effective": "now", "plan": "more", "quantities": {"hands": "2"}})
    assert (done["status"], done["plan_version"]) == ("done", other["version"]["id"])
    moved = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert (moved["plan"], moved["quantities"]) == (other["id"], {"rack": "3", "hands": "2"})


def test_a_cancellation_at_the_period_s_end_is_scheduled_listed_and_withdrawn(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order())
    path = f"/v1/subscriptions/{made['id']}/changes"
    change = shop.made(path, {"effective": "period_end", "cancel": True})
    assert (change["status"], change["effective_at"]) == ("scheduled", "2026-01-31T23:00:00Z")
    assert shop.get(path).json["data"] == [change]
    assert shop.delete(f"{path}/{change['id']}").status_code == 204
    assert shop.get(path).json["data"] == []
    assert shop.get(f"{path}/{change['id']}").json["status"] == "withdrawn"
    assert refused(shop.delete(f"{path}/{change['id']}")) == (409, "change_not_scheduled")


def test_a_scheduled_end_ends_at_its_instant_and_asks_for_the_taking_down(shop: Caller, at_time: Any) -> None:
    made = shop.made("/v1/subscriptions", order())
    path = f"/v1/subscriptions/{made['id']}/changes"
    change = shop.made(path, {"effective": {"at": "2026-01-20T10:00:00Z"}, "cancel": True})
    other = shop.made(path, {"effective": "period_end", "quantities": {"rack": "2"}})
    at_time("2026-01-20T10:05:00Z", contract_changes.apply_scheduled, decode("change", change["id"]))
    ended = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert (ended["status"], ended["ended_at"]) == ("cancelled", "2026-01-20T10:00:00Z")
    assert ended["provisioning"]["kind"] == "deprovision"
    assert shop.get(f"{path}/{other['id']}").json["status"] == "withdrawn"
    assert refused(shop.post(path, {"effective": "now", "cancel": True})) == (409, "subscription_ended")


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"effective": "now"}, "", "change_expected"),
        ({"effective": "now", "cancel": True, "quantities": {"rack": "1"}}, "", "change_expected"),
        ({"cancel": True}, "/effective", "member_required"),
        ({"effective": "soon", "cancel": True}, "/effective", "effective_unknown"),
        ({"effective": {"at": "2026-01-14T23:59:59Z"}, "cancel": True}, "/effective/at", "cancellation_before_start"),
        ({"effective": {"at": "2046-01-14T23:59:59Z"}, "cancel": True}, "/effective/at", "effective_out_of_range"),
        ({"effective": {"when": "later"}, "cancel": True}, "/effective/at", "member_required"),
        ({"effective": "now", "quantities": {"shelf": "1"}}, "/quantities/shelf", "charge_code_unknown"),
        ({"effective": "now", "quantities": {"rack": "-1"}}, "/quantities/rack", "quantity_negative"),
        ({"effective": "now", "plan": "gold"}, "/plan", "plan_unknown"),
        ({"effective": "now", "plan": "colo", "cancel": True}, "", "change_expected"),
    ],
)
def test_a_wrong_change_is_refused(shop: Caller, change: Any, pointer: str, code: str) -> None:
    made = shop.made("/v1/subscriptions", order())
    for route in ("changes", "preview-change"):
        assert wrong(shop.post(f"/v1/subscriptions/{made['id']}/{route}", change))[:1] == [(pointer, code)]


def test_what_has_not_started_has_no_period_but_can_be_changed_or_cancelled(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(start={"on": "provisioned"}))
    path = f"/v1/subscriptions/{made['id']}/changes"
    waits = {"effective": "period_end", "cancel": True}
    assert refused(shop.post(path, waits)) == (409, "subscription_not_started")
    shop.made(path, {"effective": "now", "quantities": {"rack": "2"}})
    wanted = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert (wanted["quantities"]["rack"], wanted["provisioning"]["kind"]) == ("2", "provision")
    shop.made(path, {"effective": "now", "cancel": True})
    assert shop.get(f"/v1/subscriptions/{made['id']}").json["status"] == "cancelled"


def test_a_customer_s_key_sees_its_own_subscriptions_only(shop: Caller, new_caller: NewCaller) -> None:
    mine = shop.made("/v1/subscriptions", order())
    other = shop.made("/v1/accounts", {"name": "Fabrikam", "currency": "EUR", "country": "NL"})
    theirs = shop.made("/v1/subscriptions", order(account=other["id"]))
    customer = new_caller(account_id=decode("account", mine["account"]))
    assert [s["id"] for s in customer.get("/v1/subscriptions").json["data"]] == [mine["id"]]
    assert customer.get(f"/v1/subscriptions/{theirs['id']}").status_code == 404
    hidden = customer.post(f"/v1/subscriptions/{theirs['id']}/changes", {"effective": "now", "cancel": True})
    assert hidden.status_code == 404
    assert wrong(customer.post("/v1/subscriptions", order(account=other["id"]))) == [("/account", "account_unknown")]


def test_another_provider_s_subscription_does_not_exist(shop: Caller, stranger: Caller) -> None:
    made = shop.made("/v1/subscriptions", order())
    for answer in (
        stranger.get(f"/v1/subscriptions/{made['id']}"),
        stranger.get(f"/v1/subscriptions/{made['id']}/changes"),
        stranger.get(f"/v1/subscriptions/{made['id']}/provisioning"),
        stranger.post(f"/v1/subscriptions/{made['id']}/provisioning", {"status": "provisioned"}),
    ):
        assert refused(answer) == (404, "subscription_not_found")


def test_notes_change_without_touching_the_terms(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(external_id="contract-7"))
    changed = shop.patch(f"/v1/subscriptions/{made['id']}", {"cost_centre": "4711", "metadata": {"owner": "ops"}}).json
    assert (changed["cost_centre"], changed["metadata"], changed["items"]) == ("4711", {"owner": "ops"}, made["items"])
    assert shop.get("/v1/subscriptions?external_id=contract-7").json["data"] == [changed]


def test_a_plan_s_new_version_leaves_running_subscriptions_alone(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order())
    dearer = plan_price("rack", price={"model": "per_unit", "unit_price": "999"})
    shop.made(f"/v1/plans/{made['plan']}/versions", {"prices": [dearer]})
    assert shop.get(f"/v1/subscriptions/{made['id']}").json == made
    newer = shop.made("/v1/subscriptions", order())
    assert (made["version"], newer["version"], [i["charge_code"] for i in newer["items"]]) == (1, 2, ["rack"])


def test_a_preview_shows_what_could_not_be_rated_beside_what_could(shop: Caller) -> None:
    meter = {"code": "ports", "name": "Ports", "unit": "octets", "aggregation": "percentile", "percentile": "95"}
    shop.made("/v1/meters", {**meter, "sample_minutes": 5, "direction": "in"})
    traffic = plan_price("traffic", kind="usage", meter="ports", timing="arrears")
    make_plan(shop, plan_price("rack"), traffic, code="port")
    preview = shop.made("/v1/subscriptions/preview", order(plan="port", as_of="2026-02-01T00:00:00Z"))
    assert {line["charge_code"] for line in preview["lines"]} == {"rack"}
    assert [(w["charge_code"], w["code"]) for w in preview["waiting"]] == [("traffic", "no_samples")]
