"""Coupons that are refused: wrong terms, orders that they do not fit, callers who may not see them."""

from __future__ import annotations

import pytest

from core.ids import decode
from tests.api.conftest import Caller, NewCaller
from tests.builders.coupons import NOW, WELCOME, coupon, open_shop, order, wrong


@pytest.fixture
def shop(client: Caller) -> Caller:
    return open_shop(client)


def test_wrong_terms_are_told_together(shop: Caller) -> None:
    body = {"name": "x", "percent": "0", "duration": {"spans": 0}, "products": ["network", "nothing"], "plans": ["no"]}
    assert set(wrong(shop.post("/v1/coupons", body))) == {
        ("/percent", "decimal_not_positive"),
        ("/duration/spans", "integer_expected"),
    }
    terms = {"name": "x", "duration": "once"}
    assert wrong(shop.post("/v1/coupons", terms)) == [("/percent", "reduction_expected")]
    both = {**terms, "percent": "5", "amounts": {"EUR": 1}}
    assert wrong(shop.post("/v1/coupons", both)) == [("/percent", "reduction_expected")]
    for amounts, found in (
        ({}, ("/amounts", "amounts_expected")),
        ({"EUR": 0}, ("/amounts/EUR", "integer_expected")),
        ({"EUR": "5"}, ("/amounts/EUR", "integer_expected")),
        ({"XYZ": 5}, ("/amounts/XYZ", "currency_unknown")),
    ):
        assert wrong(shop.post("/v1/coupons", {**terms, "amounts": amounts})) == [found]
    window = {"redeemable_from": NOW, "redeemable_until": NOW}
    unknown = {**terms, "percent": "5", "products": ["network", "nothing"], "plans": ["no"], **window}
    assert set(wrong(shop.post("/v1/coupons", unknown))) == {
        ("/products/1", "product_unknown"),
        ("/plans/0", "plan_unknown"),
        ("/redeemable_until", "window_empty"),
    }
    assert wrong(shop.post("/v1/coupons", {**terms, "percent": 5})) == [("/percent", "decimal_string_expected")]
    assert wrong(shop.post("/v1/coupons", {**terms, "percent": "100.5"})) == [("/percent", "decimal_too_large")]
    assert wrong(shop.post("/v1/coupons", {**WELCOME, "duration": "twice"})) == [("/duration", "duration_unknown")]


def test_what_does_not_fit_is_refused_and_nothing_is_half_done(shop: Caller) -> None:
    coupon(shop, "USD", percent=None, amounts={"USD": 500})
    coupon(shop, "NETWORK", products=["network"])
    coupon(shop, "TRANSIT", plans=["transit"])
    coupon(shop, "SOON", redeemable_from="2026-02-01T00:00:00Z")
    coupon(shop, "GONE", redeemable_until="2026-01-15T00:00:00Z")
    full = coupon(shop, "FULL", redemptions_most=1)
    shop.made("/v1/subscriptions", order(account="fabrikam", coupon="FULL"))
    for code, why in (
        ("NOTHING", "coupon_unknown"),
        ("USD", "coupon_currency_differs"),
        ("NETWORK", "coupon_not_for_product"),
        ("TRANSIT", "coupon_not_for_plan"),
        ("SOON", "coupon_not_yet_valid"),
        ("GONE", "coupon_expired"),
        ("FULL", "coupon_limit_reached"),
    ):
        for path in ("/v1/subscriptions", "/v1/subscriptions/preview"):
            assert wrong(shop.post(path, order(coupon=code))) == [("/coupon", why)]
    assert len(shop.get("/v1/subscriptions").json["data"]) == 1
    assert shop.get(f"/v1/coupons/{full['id']}").json["redeemed"] == 1
    running = shop.made("/v1/subscriptions", order())
    path = f"/v1/subscriptions/{running['id']}/coupons"
    assert wrong(shop.post(path, {"coupon": "TRANSIT"})) == [("/coupon", "coupon_not_for_plan")]
    assert wrong(shop.post(path, {})) == [("/coupon", "member_required")]


def test_an_account_has_a_coupon_once_and_an_exclusive_one_alone(shop: Caller) -> None:
    coupon(shop, "ONCE")
    coupon(shop, "ALONE", exclusive=True, once_per="subscription")
    first = shop.made("/v1/subscriptions", order(coupon="ONCE"))
    assert wrong(shop.post("/v1/subscriptions", order(coupon="ONCE"))) == [("/coupon", "coupon_already_redeemed")]
    path = f"/v1/subscriptions/{first['id']}/coupons"
    assert wrong(shop.post(path, {"coupon": "ALONE"})) == [("/coupon", "coupon_not_combinable")]
    second = shop.made("/v1/subscriptions", order(coupon="ALONE", account="fabrikam"))
    path = f"/v1/subscriptions/{second['id']}/coupons"
    assert wrong(shop.post(path, {"coupon": "ONCE"})) == [("/coupon", "coupon_not_combinable")]
    assert wrong(shop.post(path, {"coupon": "ALONE"})) == [("/coupon", "coupon_already_redeemed")]


def test_customers_see_their_coupons_and_neither_codes_nor_those_of_others(shop: Caller, new_caller: NewCaller) -> None:
    made = coupon(shop)
    mine = shop.made("/v1/subscriptions", order(coupon="HELLO"))
    other = shop.made("/v1/subscriptions", order(account="fabrikam"))
    customer = new_caller(("catalog:read", "subscriptions:read"), account_id=decode("account", mine["account"]))
    assert len(customer.get(f"/v1/subscriptions/{mine['id']}/coupons").json["data"]) == 1
    assert customer.get(f"/v1/subscriptions/{other['id']}/coupons").status_code == 404
    assert customer.get("/v1/coupons").status_code == 403
    assert customer.get(f"/v1/coupons/{made['id']}/codes").status_code == 403
    assert customer.post(f"/v1/subscriptions/{mine['id']}/coupons", {"coupon": "HELLO"}).status_code == 403
