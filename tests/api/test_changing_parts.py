"""Add-ons and bundles over HTTP on subscriptions that run: added, removed, replaced; the preview is what is billed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Caller
from tests.api.test_ordering_parts import billed, make, per_unit, wrong
from tests.builders.catalog import ENERGY, RACK, make_catalog, make_plan
from tests.builders.sandbox import pass_time

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox
FEBRUARY, MID_FEBRUARY, MARCH = "2026-02-01T00:00:00Z", "2026-02-15T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.fixture
def shop(client: Caller) -> Caller:
    """Base plans `colo` (racks at 310, energy), `cage` (1000) and `transit` (100), add-ons, a bundle, an account."""
    make_catalog(client)
    make_plan(client, RACK, ENERGY)
    make_plan(client, per_unit("cage", "1000"), code="cage")
    make_plan(client, per_unit("traffic", "100"), code="transit")
    make(client, "ips", "add_on", per_unit("ips", "28"), base_plans=["colo"], quantity={"most": "8"})
    make(client, "day", "add_on", per_unit("support", "56"), group="support")
    make(client, "night", "add_on", per_unit("support", "84"), group="support")
    make(client, "pack", "bundle", components=[{"plan": "colo", "discount": "10"}, {"plan": "transit"}])
    body = {"name": "Contoso", "currency": "EUR", "country": "NL", "time_zone": "UTC"}
    client.made("/v1/accounts", {**body, "external_id": "contoso"})
    return client


@pytest.fixture
def advance(shop: Caller, provider_id: UUID) -> Callable[[str], None]:
    """Let time pass in the sandbox, with all that falls due."""

    def go(to: str) -> None:
        pass_time(shop, provider_id, to)

    return go


def ordered(client: Caller, plan: str = "colo", *add_ons: str) -> Any:
    """A subscription that begins in February."""
    order = {"account": "contoso", "plan": plan, "start": {"at": FEBRUARY}}
    return client.made("/v1/subscriptions", {**order, "add_ons": [{"plan": code} for code in add_ons]})


def path(subscription: Any, tail: str) -> str:
    return f"/v1/subscriptions/{subscription['id']}/{tail}"


def promised(preview: Any) -> list[tuple[str, str, int]]:
    return sorted((line["charge_code"], line["kind"], line["amount"]) for line in preview["lines"])


def changed_and_billed(client: Caller, advance: Any, subscription: Any, change: Any, until: str = MARCH) -> Any:
    """Preview a change, make it, bill up to an instant; the new charges, which must be those of the preview."""
    preview = client.made(path(subscription, "preview-change"), {**change, "as_of": until})
    before = client.get(f"/v1/charges?subscription={subscription['id']}&limit=200").json["data"]
    client.made(path(subscription, "changes"), change)
    advance(until.replace("T00:00", "T02:00"))
    known = {charge["id"] for charge in before}
    found = client.get(f"/v1/charges?subscription={subscription['id']}&limit=200").json["data"]
    fresh = sorted((c["charge_code"], c["kind"], c["amount"]) for c in found if c["id"] not in known)
    assert fresh == promised(preview)
    return fresh


def names(client: Caller, subscription: Any) -> list[str]:
    """The charge codes in force."""
    shown: Any = client.get(f"/v1/subscriptions/{subscription['id']}").json
    return [item["charge_code"] for item in shown["items"]]


def test_an_add_on_comes_in_mid_month_and_is_billed_as_previewed(shop: Caller, advance: Any) -> None:
    made = ordered(shop)
    advance(MID_FEBRUARY)
    fresh = changed_and_billed(
        shop, advance, made, {"effective": "now", "add_ons": {"add": [{"plan": "ips", "quantity": "2"}]}}
    )
    assert ("ips", "recurring", 2800) in fresh  # 14 of 28 days of two at 28
    assert ("ips", "recurring", 5600) in fresh
    assert names(shop, made) == ["rack", "energy", "ips"]
    assert shop.get(f"/v1/subscriptions/{made['id']}").json["add_ons"][0]["from"] == MID_FEBRUARY


def test_an_add_on_goes_and_gives_back_what_was_billed(shop: Caller, advance: Any) -> None:
    made = ordered(shop, "colo", "ips")
    advance(MID_FEBRUARY)
    fresh = changed_and_billed(shop, advance, made, {"effective": "now", "add_ons": {"remove": ["ips"]}})
    assert [charge for charge in fresh if charge[0] == "ips"] == [("ips", "credit", -1400)]
    assert names(shop, made) == ["rack", "energy"]


def test_one_of_a_group_takes_the_place_of_another_under_the_same_charge_code(shop: Caller, advance: Any) -> None:
    made = ordered(shop, "colo", "day")
    advance(MID_FEBRUARY)
    change = {"effective": "now", "add_ons": {"add": [{"plan": "night"}], "remove": ["day"]}}
    fresh = changed_and_billed(shop, advance, made, change)
    assert [charge for charge in fresh if charge[0] == "support"] == [
        ("support", "credit", -2800),
        ("support", "recurring", 4200),
        ("support", "recurring", 8400),
    ]


def test_an_add_on_comes_at_a_date_is_listed_and_withdrawn(shop: Caller, advance: Any) -> None:
    made = ordered(shop)
    advance("2026-02-02T00:00:00Z")
    change = {"effective": {"at": MID_FEBRUARY}, "add_ons": {"add": [{"plan": "day"}]}}
    scheduled = shop.made(path(made, "changes"), change)
    assert scheduled["add_ons"]["add"][0]["quantities"] == {"support": "1"}
    assert shop.get(path(made, "changes")).json["data"] == [scheduled]
    assert shop.delete(path(made, f"changes/{scheduled['id']}")).status_code == 204
    advance("2026-03-01T02:00:00Z")
    assert {code for code, *_ in billed(shop, made)} == {"rack", "energy"}


def test_an_add_on_goes_at_the_end_of_its_period(shop: Caller, advance: Any) -> None:
    made = ordered(shop, "colo", "day")
    advance(MID_FEBRUARY)
    change = {"effective": "period_end", "add_ons": {"remove": ["day"]}}
    assert changed_and_billed(shop, advance, made, change) == [("energy", "usage", 0), ("rack", "recurring", 31000)]
    assert [charge for charge in billed(shop, made) if charge[0] == "support"] == [("support", "recurring", 5600)]


def test_a_base_plan_gives_way_to_a_bundle_and_the_add_on_stays(shop: Caller, advance: Any) -> None:
    made = ordered(shop, "colo", "day")
    advance(MID_FEBRUARY)
    fresh = changed_and_billed(shop, advance, made, {"effective": "now", "plan": "pack"})
    assert [charge for charge in fresh if charge[0] != "energy"] == [
        ("rack", "credit", -15500),
        ("rack", "recurring", 13950),
        ("rack", "recurring", 27900),
        ("support", "recurring", 5600),
        ("traffic", "recurring", 5000),
        ("traffic", "recurring", 10000),
    ]
    shown = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert [part["discount"] for part in shown["components"]] == ["10", "0"]
    assert [part["version"] for part in shown["add_ons"]] == [1]


def test_a_bundle_gives_way_to_a_base_plan(shop: Caller, advance: Any) -> None:
    made = ordered(shop, "pack")
    advance(MID_FEBRUARY)
    fresh = changed_and_billed(shop, advance, made, {"effective": "now", "plan": "colo"})
    assert [charge for charge in fresh if charge[0] == "traffic"] == [("traffic", "credit", -5000)]
    assert [charge for charge in fresh if charge[0] == "rack"] == [
        ("rack", "credit", -13950),
        ("rack", "recurring", 15500),
        ("rack", "recurring", 31000),
    ]
    assert shop.get(f"/v1/subscriptions/{made['id']}").json["components"] == []


def test_an_add_on_ends_with_its_subscription(shop: Caller, advance: Any) -> None:
    made = ordered(shop, "colo", "day")
    advance(MID_FEBRUARY)
    fresh = changed_and_billed(shop, advance, made, {"effective": "now", "cancel": True}, "2026-04-01T00:00:00Z")
    assert [charge for charge in fresh if charge[0] == "support"] == [("support", "credit", -2800)]


def test_a_plan_that_an_add_on_does_not_go_with_is_refused_unless_it_goes_too(shop: Caller, advance: Any) -> None:
    made = ordered(shop, "colo", "ips", "day")
    advance(MID_FEBRUARY)
    answer = shop.post(path(made, "changes"), {"effective": "now", "plan": "cage"})
    assert wrong(answer) == [("/plan", "add_on_not_allowed")]
    assert "ips" in answer.json["errors"][0]["detail"]
    changed_and_billed(shop, advance, made, {"effective": "now", "plan": "cage", "add_ons": {"remove": ["ips"]}})
    assert names(shop, made) == ["cage", "support"]


def test_what_waits_for_its_service_changes_its_add_ons_and_plan(shop: Caller) -> None:
    order = {"account": "contoso", "plan": "colo", "start": {"on": "provisioned"}, "add_ons": [{"plan": "ips"}]}
    made = shop.made("/v1/subscriptions", {**order, "quantities": {"rack": "3"}})
    change = {"effective": "now", "plan": "pack", "add_ons": {"add": [{"plan": "day"}], "remove": ["ips"]}}
    shop.made(path(made, "changes"), change)
    shown = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert shown["quantities"] == {"rack": "3", "traffic": "1", "support": "1"}
    started = shop.made(path(made, "provisioning"), {"status": "provisioned"})
    assert [(item["charge_code"], item["discount"]) for item in started["items"]] == [
        ("rack", "10"),
        ("energy", "0"),
        ("traffic", "0"),
        ("support", "0"),
    ]


def test_a_scheduled_add_on_that_came_meanwhile_fails_with_its_reason(shop: Caller, advance: Any) -> None:
    made = ordered(shop)
    advance("2026-02-02T00:00:00Z")
    later = {"effective": {"at": MID_FEBRUARY}, "add_ons": {"add": [{"plan": "day"}]}}
    shop.made(path(made, "changes"), later)
    shop.made(path(made, "changes"), {"effective": "now", "add_ons": {"add": [{"plan": "night"}]}})
    advance(MID_FEBRUARY)
    (failed,) = shop.get(path(made, "changes?status=failed")).json["data"]
    assert failed["detail"]
    assert names(shop, made) == ["rack", "energy", "support"]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"add_ons": {"add": [{"plan": "gold"}]}}, "/add_ons/add/0/plan", "plan_unknown"),
        ({"add_ons": {"add": [{"plan": "cage"}]}}, "/add_ons/add/0/plan", "plan_not_add_on"),
        ({"add_ons": {"add": [{"plan": "day"}]}}, "/add_ons/add/0/plan", "add_on_present"),
        ({"add_ons": {"add": [{"plan": "night"}]}}, "/add_ons/add/0/plan", "add_on_group_taken"),
        ({"add_ons": {"add": [{"plan": "ips", "quantity": "9"}]}}, "/add_ons/add/0/quantity", "quantity_above_most"),
        ({"add_ons": {"remove": ["ips"]}}, "/add_ons/remove/0", "add_on_not_there"),
        ({"add_ons": {"remove": ["gold"]}}, "/add_ons/remove/0", "add_on_not_there"),
        ({"add_ons": {}}, "", "change_expected"),
        ({"add_ons": {"remove": ["day"]}, "cancel": True}, "", "change_expected"),
        ({"plan": "day"}, "/plan", "plan_is_add_on"),
        ({"quantities": {"ips": "1"}}, "/quantities/ips", "charge_code_unknown"),
    ],
)
def test_a_wrong_change_is_refused_at_its_member(shop: Caller, change: Any, pointer: str, code: str) -> None:
    made = ordered(shop, "colo", "day")
    body = {"effective": "now", **change}
    assert wrong(shop.post(path(made, "changes"), body)) == [(pointer, code)]
    assert wrong(shop.post(path(made, "preview-change"), body))[0] == (pointer, code)


def test_the_bounds_of_an_add_on_hold_for_changes_of_quantity(shop: Caller) -> None:
    made = ordered(shop, "colo", "ips")
    answer = shop.post(path(made, "changes"), {"effective": "now", "quantities": {"ips": "9"}})
    assert wrong(answer) == [("/quantities/ips", "quantity_above_most")]


def test_usage_of_an_add_on_is_counted_by_event_and_by_point_and_billed(shop: Caller, advance: Any) -> None:
    shop.made("/v1/meters", {"code": "backup", "name": "Backup", "unit": "GB", "aggregation": "sum"})
    backup = {**ENERGY, "charge_code": "backup", "meter": "backup"}
    backup["currencies"] = {"EUR": {"model": "per_unit", "unit_price": "0.5"}}
    power = {**ENERGY, "charge_code": "cooling", "currencies": {"EUR": {"model": "per_unit", "unit_price": "0.1"}}}
    make(shop, "safe", "add_on", backup, power)
    made = ordered(shop, "transit", "safe")
    shop.made("/v1/sites", {"code": "ams-1", "name": "Amsterdam 1", "time_zone": "UTC"})
    shop.made("/v1/points", {"site": "ams-1", "path": "rack-12/pdu-a", "kind": "outlet", "external_id": "pdu-a"})
    advance("2026-02-03T00:00:00Z")
    assigned = {"point": "pdu-a", "subscription": made["id"], "charge_code": "cooling", "from": FEBRUARY}
    shop.made("/v1/assignments", assigned)
    event = {"id": "b1", "subscription": made["id"], "meter": "backup", "at": FEBRUARY, "quantity": "40"}
    assert shop.made("/v1/usage/events", {"events": [event]})["accepted"] == 1
    reading = {"point": "pdu-a", "register": "active_energy", "unit": "Wh", "evidence": {"serial": "ZA1"}}
    for at, value in ((FEBRUARY, "0"), ("2026-02-02T00:00:00Z", "100000")):
        shop.made("/v1/usage/readings", {"readings": [{**reading, "at": at, "value": value}]})
    shop.made(path(made, "changes"), {"effective": "now", "add_ons": {"remove": ["safe"]}})
    advance("2026-03-01T02:00:00Z")
    charged = billed(shop, made)
    assert ("backup", "usage", 2000) in charged
    assert [kind for code, kind, _ in charged if code == "cooling"] == ["usage"]
