"""Selling over HTTP: products, meters, plans and their versions, and everything that is wrong with a price list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.builders.catalog import ENERGY, PER_RACK, RACK, SETUP, TIERED, make_catalog, make_plan, plan_price


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type.startswith("application/problem+json")
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


@pytest.fixture
def seller(client: Caller) -> Caller:
    make_catalog(client)
    return client


def test_a_plan_comes_back_as_it_was_made_with_the_usual_terms_filled_in(seller: Caller) -> None:
    made = make_plan(seller, RACK, ENERGY, SETUP)
    assert made["version"]["number"] == 1
    rack, energy, setup = made["version"]["prices"]
    assert (rack["timing"], rack["interval"], rack["proration"]) == ("advance", {"unit": "month", "count": 1}, "day")
    assert (energy["timing"], energy["currencies"]["EUR"]) == ("arrears", TIERED)
    assert energy["meter"].startswith("mtr_")
    assert setup["interval"] is None
    assert seller.get(f"/v1/plans/{made['id']}").json == made
    assert seller.get("/v1/plans").json["data"] == [made]


def test_a_further_version_leaves_the_first_as_it_is(seller: Caller) -> None:
    plan = make_plan(seller, RACK)
    second = seller.made(
        f"/v1/plans/{plan['id']}/versions",
        {"prices": [plan_price("rack", price={"model": "flat", "amount_price": "500"})]},
    )
    assert second["number"] == 2
    versions = seller.get(f"/v1/plans/{plan['id']}/versions").json["data"]
    assert versions == [second, plan["version"]]
    assert seller.get(f"/v1/plans/{plan['id']}").json["version"] == second


@pytest.mark.parametrize(
    ("prices", "pointer", "code"),
    [
        ([], "", "prices_expected"),
        ([plan_price("rack", price={"model": "barter"})], "/0/currencies/EUR/model", "pricing_model_unknown"),
        (
            [plan_price("rack", price={"model": "per_unit", "unit_price": 310})],
            "/0/currencies/EUR/unit_price",
            "decimal_string_expected",
        ),
        (
            [plan_price("rack", price={"model": "graduated", "tiers": [{"up_to": "5"}, {"up_to": "3"}]})],
            "/0/currencies/EUR/tiers/1/up_to",
            "tier_not_rising",
        ),
        ([RACK, plan_price("rack", "usage")], "/1/charge_code", "charge_code_repeated"),
        ([RACK, {**ENERGY, "currencies": {"USD": TIERED}}], "/1/currencies", "currencies_differ"),
        ([{**RACK, "currencies": {"EURO": PER_RACK}}], "/0/currencies/EURO", "currency_unknown"),
        ([{**RACK, "product": "cloud"}], "/0/product", "product_unknown"),
        ([{**ENERGY, "meter": "steam"}], "/0/meter", "meter_unknown"),
        ([{**RACK, "product": "prod_01h455vb4pex5vsknk084sn02q"}], "/0/product", "product_unknown"),
    ],
)
def test_a_broken_price_list_is_refused_where_it_is_broken(
    seller: Caller, prices: Any, pointer: str, code: str
) -> None:
    body = {"code": "colo", "name": "Colo", "version": {"prices": prices}}
    assert (f"/version/prices{pointer}", code) in wrong(seller.post("/v1/plans", body))
    assert seller.get("/v1/plans").json["data"] == []


def test_everything_wrong_with_a_plan_is_told_at_once(seller: Caller) -> None:
    broken = {"model": "graduated", "tiers": [{"up_to": None, "unit_price": 1}, {"up_to": None}]}
    body = {"code": "no spaces", "version": {"prices": [plan_price("rack", price=broken), {**ENERGY, "meter": None}]}}
    assert set(wrong(seller.post("/v1/plans", body))) == {
        ("/code", "malformed"),
        ("/name", "member_required"),
        ("/version/prices/0/currencies/EUR/tiers/0/up_to", "tier_end_not_last"),
        ("/version/prices/0/currencies/EUR/tiers/0/unit_price", "decimal_string_expected"),
        ("/version/prices/1/meter", "meter_required"),
    }


@pytest.mark.parametrize("body", [[], None, "plan", {"version": []}, {"version": {"prices": [[]]}}, {"version": None}])
def test_what_is_no_plan_is_refused_and_never_a_fault_of_ours(seller: Caller, body: Any) -> None:
    assert seller.post("/v1/plans", body).status_code in (400, 422)


def test_a_code_is_taken_once_per_provider(seller: Caller, stranger: Caller) -> None:
    again = seller.post("/v1/products", {"code": "colocation", "name": "Again"})
    assert (again.status_code, again.json["code"]) == (409, "code_taken")
    make_catalog(stranger)


def test_another_provider_s_plan_does_not_exist(seller: Caller, stranger: Caller) -> None:
    plan = make_plan(seller, RACK)
    assert stranger.get(f"/v1/plans/{plan['id']}").json["code"] == "plan_not_found"
    assert stranger.post(f"/v1/plans/{plan['id']}/versions", {"prices": [RACK]}).status_code in (404, 422)
    make_catalog(stranger)
    product = seller.get("/v1/products").json["data"][0]["id"]
    borrowed = {"code": "x", "name": "x", "version": {"prices": [{**RACK, "product": product}]}}
    assert wrong(stranger.post("/v1/plans", borrowed)) == [("/version/prices/0/product", "product_unknown")]


def test_a_meter_counts_in_a_way_that_is_known(client: Caller) -> None:
    body = {"code": "m", "name": "m", "unit": "kWh", "aggregation": "mode"}
    assert wrong(client.post("/v1/meters", body)) == [("/aggregation", "aggregation_unknown")]


def test_a_product_is_renamed_but_not_over_somebody_else_s_change(seller: Caller) -> None:
    product = seller.get("/v1/products").json["data"][0]
    path = f"/v1/products/{product['id']}"
    etag = seller.get(path).headers["ETag"]
    assert seller.patch(path, {"name": "One"}, headers={"If-Match": etag}).json["name"] == "One"
    assert seller.patch(path, {"name": "Two"}, headers={"If-Match": etag}).status_code == 412
    assert wrong(seller.patch(path, {"code": "other"})) == [("/code", "member_unknown")]


def test_a_renaming_leaves_what_it_was_before_in_the_audit_trail(seller: Caller) -> None:
    product = seller.get("/v1/products").json["data"][0]
    seller.patch(f"/v1/products/{product['id']}", {"name": "Hosting"})
    newest = seller.get(f"/v1/audit?object={product['id']}").json["data"][0]
    assert (newest["before"]["name"], newest["after"]["name"]) == ("Colocation", "Hosting")


def test_things_are_found_by_external_id(client: Caller) -> None:
    made = client.made("/v1/products", {"code": "a", "name": "A", "external_id": "sku-1"})
    client.made("/v1/products", {"code": "b", "name": "B"})
    assert client.get("/v1/products?external_id=sku-1").json["data"] == [made]
    taken = client.post("/v1/products", {"code": "c", "name": "C", "external_id": "sku-1"})
    assert (taken.status_code, taken.json["code"]) == (409, "external_id_taken")


def test_a_key_without_the_scope_may_not_sell(new_caller: Any) -> None:
    reader = new_caller(scopes=["catalog:read"])
    assert reader.post("/v1/products", {"code": "a", "name": "A"}).status_code == 403
    assert reader.get("/v1/products").status_code == 200
