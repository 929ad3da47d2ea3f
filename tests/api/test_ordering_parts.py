"""Add-ons and bundles on a subscription over HTTP: ordered, previewed, billed, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Caller
from tests.builders.catalog import ENERGY, RACK, SETUP, make_catalog, make_plan, plan_price
from tests.builders.sandbox import pass_time

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


def per_unit(code: str, price: str, **more: Any) -> dict[str, Any]:
    return plan_price(code, price={"model": "per_unit", "unit_price": price}, **more)


def make(client: Caller, code: str, kind: str, *prices: dict[str, Any], components: Any = None, **rules: Any) -> Any:
    """A plan of a kind, with its rules or components."""
    version = {"prices": list(prices), **({} if components is None else {"components": components})}
    return client.made("/v1/plans", {"code": code, "name": code.title(), "kind": kind, "version": version, **rules})


@pytest.fixture
def shop(client: Caller) -> Caller:
    """Base plans `colo` (racks at 310, energy, setup at 99) and `transit` (100), add-ons, two bundles, an account."""
    make_catalog(client)
    make_plan(client, RACK, ENERGY, SETUP)
    make_plan(client, per_unit("traffic", "100"), code="transit")
    make(client, "ips", "add_on", per_unit("ips", "15"), base_plans=["colo"], quantity={"least": "2", "most": "8"})
    make(client, "day", "add_on", per_unit("support", "50"), group="support")
    make(client, "night", "add_on", per_unit("support-night", "80"), group="support")
    make(client, "clash", "add_on", per_unit("rack", "1"))
    make(client, "pack", "bundle", components=[{"plan": "colo", "discount": "10"}, {"plan": "transit"}])
    make(
        client,
        "flat",
        "bundle",
        per_unit("pack", "350"),
        components=[{"plan": "colo", "quantities": {"rack": "2"}, "discount": "100"}, {"plan": "transit"}],
    )
    body = {"name": "Contoso", "currency": "EUR", "country": "NL", "time_zone": "UTC"}
    client.made("/v1/accounts", {**body, "external_id": "contoso"})
    return client


def order(**changes: Any) -> dict[str, Any]:
    return {"account": "contoso", "plan": "colo", "start": {"at": NOW}, **changes}


def lines(preview: dict[str, Any]) -> list[tuple[str, int]]:
    return [(line["charge_code"], line["amount"]) for line in preview["lines"]]


@pytest.fixture
def advance(shop: Caller, provider_id: UUID) -> Callable[[str], None]:
    """Let time pass in the sandbox, with all that falls due."""

    def go(to: str) -> None:
        pass_time(shop, provider_id, to)

    return go


def billed(client: Caller, subscription: dict[str, Any]) -> list[tuple[str, str, int]]:
    """All charges of a subscription by date: code, kind, amount."""
    found = client.get(f"/v1/charges?subscription={subscription['id']}&limit=200").json["data"]
    ordered = sorted(found, key=lambda c: (c["due_at"], c["charge_code"], c["kind"]))
    return [(c["charge_code"], c["kind"], c["amount"]) for c in ordered]


def test_an_add_on_is_ordered_with_its_plan_and_billed_with_it(shop: Caller, advance: Any) -> None:
    wanted = order(quantities={"rack": "2"}, add_ons=[{"plan": "ips", "quantity": "4"}, {"plan": "day"}])
    preview = shop.made("/v1/subscriptions/preview", {**wanted, "as_of": "2026-02-01T00:00:00Z"})
    made = shop.made("/v1/subscriptions", wanted)
    assert made["quantities"] == {"rack": "2", "setup": "1", "ips": "4", "support": "1"}
    assert [part["from"] for part in made["add_ons"]] == [NOW, NOW]
    assert [item["charge_code"] for item in made["items"]] == ["rack", "energy", "setup", "ips", "support"]
    advance("2026-02-01T02:00:00Z")
    charged = billed(shop, made)
    assert sorted((code, amount) for code, _, amount in charged) == sorted(lines(preview))
    assert ("ips", "recurring", 3290) in charged  # 17 of 31 days of four at 15
    assert ("ips", "recurring", 6000) in charged


def test_an_add_on_waits_with_its_plan_for_the_service(shop: Caller) -> None:
    made = shop.made("/v1/subscriptions", order(start={"on": "provisioned"}, add_ons=[{"plan": "ips"}]))
    assert (made["status"], made["add_ons"][0]["from"], made["quantities"]["ips"]) == ("pending", None, "2")
    started = shop.made(f"/v1/subscriptions/{made['id']}/provisioning", {"status": "provisioned"})
    assert (started["status"], started["add_ons"][0]["from"]) == ("active", NOW)


def test_a_bundle_is_one_subscription_with_its_discounts(shop: Caller, advance: Any) -> None:
    made = shop.made("/v1/subscriptions", order(plan="pack", quantities={"rack": "3"}))
    assert [(part["discount"], part["version"]) for part in made["components"]] == [("10", 1), ("0", 1)]
    assert {item["charge_code"]: item["discount"] for item in made["items"]} == {
        "rack": "10",
        "energy": "0",
        "setup": "10",
        "traffic": "0",
    }
    usage = {"id": "e1", "subscription": made["id"], "meter": "energy", "at": NOW, "quantity": "100"}
    assert shop.made("/v1/usage/events", {"events": [usage]})["accepted"] == 1
    advance("2026-02-01T02:00:00Z")
    assert billed(shop, made) == [
        ("rack", "recurring", 45900),  # 17 of 31 days of 930, less a tenth
        ("setup", "one_off", 8910),
        ("traffic", "recurring", 5484),
        ("energy", "usage", 3000),  # 100 kWh at 0.3: a bundle takes nothing off what is used
        ("rack", "recurring", 83700),
        ("traffic", "recurring", 10000),
    ]


def test_an_invoice_shows_a_bundle_first_then_what_it_contains_then_add_ons(shop: Caller, advance: Any) -> None:
    shop.made("/v1/subscriptions", order(plan="flat", add_ons=[{"plan": "day"}], start={"at": "2026-02-01T00:00:00Z"}))
    advance("2026-02-01T02:00:00Z")
    invoice = shop.get("/v1/invoices").json["data"][0]
    lines = shop.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]
    assert [(line["charge_code"], line["description"], line["amount"]) for line in lines] == [
        ("pack", "Colocation", 35000),
        ("rack", "Colocation, rack, included", 0),
        ("setup", "Colocation, setup, included", 0),
        ("traffic", "Colocation", 10000),
        ("support", "Colocation", 5000),
    ]
    told = shop.get(f"/v1/invoices/{invoice['id']}/lines/{lines[1]['id']}/explanation").json
    assert (told["discount"], told["exact"]) == ("100", "0")
    assert shop.get(f"/v1/invoices/{invoice['id']}/pdf").status_code == 200


def test_a_bundle_is_billed_once_and_gives_back_what_it_billed(shop: Caller, advance: Any) -> None:
    made = shop.made("/v1/subscriptions", order(plan="pack", start={"at": "2026-02-01T00:00:00Z"}))
    advance("2026-02-01T02:00:00Z")
    advance("2026-02-15T00:00:00Z")
    shop.made("/v1/billing-runs", {})
    before = billed(shop, made)
    assert len(before) == 3
    changed = {"effective": "now", "quantities": {"rack": "3"}}
    shop.made(f"/v1/subscriptions/{made['id']}/changes", changed)
    shop.made("/v1/billing-runs", {})
    fresh = [charge for charge in billed(shop, made) if charge not in before]
    assert fresh == [("rack", "credit", -13950), ("rack", "recurring", 41850)]  # 14 of 28 days, less a tenth


def test_a_bundle_with_a_price_of_its_own_covers_what_it_contains(shop: Caller, advance: Any) -> None:
    made = shop.made("/v1/subscriptions", order(plan="flat", start={"at": "2026-02-01T00:00:00Z"}))
    assert made["quantities"] == {"pack": "1", "rack": "2", "setup": "1", "traffic": "1"}
    advance("2026-02-01T02:00:00Z")
    charged = billed(shop, made)
    assert ("pack", "recurring", 35000) in charged
    assert ("rack", "recurring", 0) in charged
    assert ("traffic", "recurring", 10000) in charged


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"add_ons": [{"plan": "gold"}]}, "/add_ons/0/plan", "plan_unknown"),
        ({"add_ons": [{"plan": "transit"}]}, "/add_ons/0/plan", "plan_not_add_on"),
        ({"plan": "day"}, "/plan", "plan_is_add_on"),
        ({"plan": "transit", "add_ons": [{"plan": "ips"}]}, "/add_ons/0/plan", "add_on_not_allowed"),
        ({"add_ons": [{"plan": "day"}, {"plan": "day"}]}, "/add_ons/1/plan", "add_on_present"),
        ({"add_ons": [{"plan": "day"}, {"plan": "night"}]}, "/add_ons/1/plan", "add_on_group_taken"),
        ({"add_ons": [{"plan": "clash"}]}, "/add_ons/0/plan", "charge_code_collision"),
        ({"add_ons": [{"plan": "ips", "quantity": "9"}]}, "/add_ons/0/quantity", "quantity_above_most"),
        ({"add_ons": [{"plan": "ips", "quantity": "1"}]}, "/add_ons/0/quantity", "quantity_below_least"),
        (
            {"add_ons": [{"plan": "ips", "quantities": {"ips": "9"}}]},
            "/add_ons/0/quantities/ips",
            "quantity_above_most",
        ),
        (
            {"add_ons": [{"plan": "ips", "quantities": {"rack": "2"}}]},
            "/add_ons/0/quantities/rack",
            "charge_code_unknown",
        ),
        ({"add_ons": [{"plan": "ips", "quantity": 4}]}, "/add_ons/0/quantity", "decimal_string_expected"),
        ({"add_ons": ["ips"]}, "/add_ons/0", "object_expected"),
        ({"quantities": {"ips": "2"}, "add_ons": [{"plan": "ips"}]}, "/quantities/ips", "charge_code_unknown"),
    ],
)
def test_a_wrong_add_on_is_refused_at_its_member(shop: Caller, change: Any, pointer: str, code: str) -> None:
    assert wrong(shop.post("/v1/subscriptions", order(**change))) == [(pointer, code)]
    assert wrong(shop.post("/v1/subscriptions/preview", order(**change))) == [(pointer, code)]
    assert shop.get("/v1/subscriptions").json["data"] == []


def test_an_add_on_has_the_currency_of_its_subscription(shop: Caller) -> None:
    dollars = {**per_unit("cable", "5"), "currencies": {"USD": {"model": "flat", "amount_price": "5"}}}
    make(shop, "cable", "add_on", dollars)
    answer = shop.post("/v1/subscriptions", order(add_ons=[{"plan": "cable"}]))
    assert wrong(answer) == [("/add_ons/0/plan", "currency_not_offered")]


def test_components_that_got_a_charge_code_in_common_cannot_be_ordered_together(shop: Caller) -> None:
    transit = next(plan for plan in shop.get("/v1/plans").json["data"] if plan["code"] == "transit")
    shop.made(f"/v1/plans/{transit['id']}/versions", {"prices": [per_unit("traffic", "90"), per_unit("setup", "1")]})
    assert wrong(shop.post("/v1/subscriptions", order(plan="pack"))) == [("/plan", "charge_code_collision")]
