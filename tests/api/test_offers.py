"""Plans that go together over HTTP: add-ons and their rules, bundles and their components."""

from __future__ import annotations

from typing import Any

import pytest

from core.ids import encode, new_id
from tests.api.conftest import Caller
from tests.builders.catalog import ENERGY, RACK, SETUP, make_catalog, make_plan, plan_price

TRAFFIC = plan_price("traffic", price={"model": "flat", "amount_price": "80"})
OWN = plan_price("bundle", price={"model": "flat", "amount_price": "350"})
DOLLARS = {**plan_price("traffic"), "currencies": {"USD": {"model": "flat", "amount_price": "90"}}}


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


@pytest.fixture
def seller(client: Caller) -> Caller:
    """A caller with the base plans `colo` (racks, energy, setup) and `transit` (traffic)."""
    make_catalog(client)
    make_plan(client, RACK, ENERGY, SETUP)
    make_plan(client, TRAFFIC, code="transit")
    return client


def add_on(*prices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A plan of the kind add_on, by default `ips`, with addresses at 15."""
    own = plan_price("ips", price={"model": "per_unit", "unit_price": "15"})
    version = {"prices": list(prices) or [own]}
    return {"code": "ips", "name": "Addresses", "kind": "add_on", "version": version, **more}


def bundle(*components: dict[str, Any], prices: Any = (OWN,), **more: Any) -> dict[str, Any]:
    """A plan of the kind bundle, by default with a price of its own."""
    version = {"prices": list(prices), "components": list(components)}
    return {"code": "pack", "name": "Pack", "kind": "bundle", "version": version, **more}


def test_a_plan_without_a_kind_is_a_base_plan(seller: Caller) -> None:
    colo = seller.get("/v1/plans").json["data"][1]
    assert (colo["kind"], colo["base_plans"], colo["group"]) == ("base", [], None)
    assert (colo["quantity"], colo["version"]["components"]) == ({"least": None, "most": None}, [])


def test_an_add_on_comes_back_with_its_rules(seller: Caller) -> None:
    colo = seller.get("/v1/plans").json["data"][1]["id"]
    made = seller.made(
        "/v1/plans", add_on(base_plans=["colo", colo], quantity={"least": "1", "most": "8"}, group="addresses")
    )
    assert (made["kind"], made["base_plans"], made["group"]) == ("add_on", [colo], "addresses")
    assert made["quantity"] == {"least": "1", "most": "8"}
    assert seller.get(f"/v1/plans/{made['id']}").json == made


def test_the_rules_of_an_add_on_change_and_its_prices_do_not(seller: Caller) -> None:
    made = seller.made("/v1/plans", add_on(base_plans=["colo"]))
    path = f"/v1/plans/{made['id']}"
    changed = seller.patch(path, {"base_plans": ["transit"], "quantity": {"most": "4"}, "group": "g"}).json
    assert changed["base_plans"] == [seller.get("/v1/plans").json["data"][1]["id"]]
    assert (changed["quantity"], changed["group"]) == ({"least": None, "most": "4"}, "g")
    assert changed["version"] == made["version"]
    assert seller.patch(path, {"base_plans": []}).json["base_plans"] == []
    assert wrong(seller.patch(path, {"quantity": {"least": "5", "most": "4"}})) == [
        ("/quantity/most", "quantity_range_empty")
    ]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"base_plans": ["colo", "gold"]}, "/base_plans/1", "base_plan_unknown"),
        ({"base_plans": [encode("plan", new_id())]}, "/base_plans/0", "base_plan_unknown"),
        ({"quantity": {"least": "3", "most": "2"}}, "/quantity/most", "quantity_range_empty"),
        ({"quantity": {"least": "-1"}}, "/quantity/least", "decimal_negative"),
        ({"quantity": {"most": 8}}, "/quantity/most", "decimal_string_expected"),
        ({"kind": "base", "base_plans": ["colo"]}, "/base_plans", "add_on_only"),
        ({"kind": "base", "quantity": {"most": "1"}}, "/quantity", "add_on_only"),
        ({"kind": "base", "group": "g"}, "/group", "add_on_only"),
        ({"kind": "extra"}, "/kind", "not_one_of"),
        (
            {"version": {"prices": [RACK], "components": [{"plan": "colo"}]}},
            "/version/components",
            "components_not_allowed",
        ),
        ({"version": {"prices": []}}, "/version/prices", "prices_expected"),
        ({"version": {}}, "/version/prices", "member_required"),
    ],
)
def test_a_wrong_add_on_is_refused_at_its_member(seller: Caller, change: Any, pointer: str, code: str) -> None:
    assert (pointer, code) in wrong(seller.post("/v1/plans", add_on(**change)))
    assert len(seller.get("/v1/plans").json["data"]) == 2


def test_an_add_on_goes_with_base_plans_and_not_with_another_add_on(seller: Caller) -> None:
    seller.made("/v1/plans", add_on())
    other = add_on(plan_price("more"), code="more", base_plans=["ips"])
    assert wrong(seller.post("/v1/plans", other)) == [("/base_plans/0", "base_plan_not_allowed")]


def test_a_bundle_comes_back_with_its_components(seller: Caller) -> None:
    made = seller.made(
        "/v1/plans", bundle({"plan": "colo", "quantities": {"rack": "2"}, "discount": "12.5"}, {"plan": "transit"})
    )
    transit, colo = (plan["id"] for plan in seller.get("/v1/plans").json["data"][1:])
    assert made["version"]["components"] == [
        {"plan": colo, "quantities": {"rack": "2"}, "discount": "12.5"},
        {"plan": transit, "quantities": {}, "discount": "0"},
    ]


def test_a_bundle_may_live_on_the_prices_of_its_components(seller: Caller) -> None:
    made = seller.made("/v1/plans", bundle({"plan": "colo", "discount": "10"}, {"plan": "transit"}, prices=()))
    assert made["version"]["prices"] == []


@pytest.mark.parametrize(
    ("components", "prices", "pointer", "code"),
    [
        ([], [OWN], "/components", "components_expected"),
        ([{"plan": "gold"}], [OWN], "/components/0/plan", "plan_unknown"),
        ([{"plan": "colo"}, {"plan": "colo"}], [OWN], "/components/1/plan", "component_repeated"),
        ([{"plan": "colo"}, {"plan": "other"}], [OWN], "/components/1/plan", "charge_code_collision"),
        ([{"plan": "colo"}], [RACK], "/components/0/plan", "charge_code_collision"),
        ([{"plan": "colo"}, {"plan": "abroad"}], [OWN], "/components/1/plan", "currencies_differ"),
        ([{"plan": "colo"}, {"plan": "abroad"}], [], "/components/1/plan", "currencies_differ"),
        ([{"plan": "later"}], [OWN], "/components/0/plan", "plan_not_offered"),
        ([{"plan": "extra"}], [OWN], "/components/0/plan", "component_not_allowed"),
        ([{"plan": "colo", "discount": "101"}], [OWN], "/components/0/discount", "decimal_too_large"),
        ([{"plan": "colo", "discount": "-1"}], [OWN], "/components/0/discount", "decimal_negative"),
        ([{"plan": "colo", "discount": 10}], [OWN], "/components/0/discount", "decimal_string_expected"),
        (
            [{"plan": "colo", "quantities": {"shelf": "1"}}],
            [OWN],
            "/components/0/quantities/shelf",
            "charge_code_unknown",
        ),
        (
            [{"plan": "colo", "quantities": {"energy": "1"}}],
            [OWN],
            "/components/0/quantities/energy",
            "quantity_not_allowed",
        ),
        ([{"plan": "colo", "quantities": {"rack": "-1"}}], [OWN], "/components/0/quantities/rack", "quantity_negative"),
    ],
)
def test_a_wrong_bundle_is_refused_at_its_member(
    seller: Caller, components: Any, prices: Any, pointer: str, code: str
) -> None:
    make_plan(seller, plan_price("rack"), code="other")
    make_plan(seller, DOLLARS, code="abroad")
    make_plan(seller, plan_price("later"), code="later", effective_at="2026-03-01T00:00:00Z")
    seller.made("/v1/plans", add_on(code="extra"))
    assert wrong(seller.post("/v1/plans", bundle(*components, prices=prices))) == [(f"/version{pointer}", code)]
    assert "pack" not in [plan["code"] for plan in seller.get("/v1/plans").json["data"]]


def test_a_further_version_of_a_bundle_has_components_of_its_own(seller: Caller) -> None:
    made = seller.made("/v1/plans", bundle({"plan": "colo"}))
    path = f"/v1/plans/{made['id']}/versions"
    assert wrong(seller.post(path, {"prices": [OWN]})) == [("/components", "components_expected")]
    second = seller.made(path, {"prices": [OWN], "components": [{"plan": "transit", "discount": "5"}]})
    assert [component["discount"] for component in second["components"]] == ["5"]
    assert seller.get(path).json["data"] == [second, made["version"]]


def test_another_provider_s_plans_are_neither_contained_nor_allowed(seller: Caller, stranger: Caller) -> None:
    make_catalog(stranger)
    colo = seller.get("/v1/plans").json["data"][1]["id"]
    assert wrong(stranger.post("/v1/plans", bundle({"plan": colo}))) == [("/version/components/0/plan", "plan_unknown")]
    assert wrong(stranger.post("/v1/plans", add_on(base_plans=[colo]))) == [("/base_plans/0", "base_plan_unknown")]
