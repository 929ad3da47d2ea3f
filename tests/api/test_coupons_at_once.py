"""Coupons redeemed by several requests at the same time: never more often than they may be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import Caller, NewCaller
from tests.builders.catalog import RACK, make_catalog, make_plan

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox
AT_ONCE = 8


@pytest.fixture
def shop(client: Caller) -> Caller:
    """Racks to sell, and as many accounts as there are requests at once."""
    make_catalog(client)
    make_plan(client, RACK)
    for number in range(AT_ONCE):
        body = {"name": f"a{number}", "currency": "EUR", "country": "NL", "external_id": f"a{number}"}
        client.made("/v1/accounts", body)
    return client


def made(client: Caller, code: dict[str, Any] | None = None, **terms: Any) -> str:
    """A coupon with the code HELLO."""
    coupon = client.made("/v1/coupons", {"name": "Hello", "percent": "10", "duration": "forever", **terms})
    client.made(f"/v1/coupons/{coupon['id']}/codes", {"code": "HELLO", **(code or {})})
    return str(coupon["id"])


def order(account: str) -> dict[str, Any]:
    return {"account": account, "plan": "colo", "start": {"at": NOW}, "coupon": "HELLO"}


def at_once(new_caller: NewCaller, requests: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """What came of requests made at the same time: the code of each refusal, or `made`."""
    callers = [new_caller() for _ in requests]

    def send(caller: Caller, request: tuple[str, dict[str, Any]]) -> str:
        answer = caller.post(*request)
        return "made" if answer.status_code == 201 else str(answer.json["code"])

    with ThreadPoolExecutor(len(requests)) as pool:
        return sorted(pool.map(send, callers, requests))


def redeemed(client: Caller, coupon: str) -> int:
    """How often a coupon is had, by its own count and by the subscriptions that have it."""
    counted: int = client.get(f"/v1/coupons/{coupon}").json["redeemed"]
    had = [
        its
        for subscription in client.get("/v1/subscriptions?limit=200").json["data"]
        for its in client.get(f"/v1/subscriptions/{subscription['id']}/coupons").json["data"]
    ]
    assert len(had) == counted
    return counted


def test_a_coupon_is_not_redeemed_beyond_its_limit(shop: Caller, new_caller: NewCaller) -> None:
    coupon = made(shop, redemptions_most=3)
    orders = [("/v1/subscriptions", order(f"a{number}")) for number in range(AT_ONCE)]
    assert at_once(new_caller, orders) == ["coupon_limit_reached"] * (AT_ONCE - 3) + ["made"] * 3
    assert redeemed(shop, coupon) == 3
    assert len(shop.get("/v1/subscriptions?limit=200").json["data"]) == 3


def test_a_code_is_not_used_beyond_its_own_limit(shop: Caller, new_caller: NewCaller) -> None:
    coupon = made(shop, {"redemptions_most": 2})
    orders = [("/v1/subscriptions", order(f"a{number}")) for number in range(AT_ONCE)]
    assert at_once(new_caller, orders) == ["coupon_limit_reached"] * (AT_ONCE - 2) + ["made"] * 2
    assert redeemed(shop, coupon) == 2


def test_an_account_has_a_coupon_once_however_many_orders_it_makes_at_once(shop: Caller, new_caller: NewCaller) -> None:
    coupon = made(shop)
    orders = [("/v1/subscriptions", order("a0"))] * AT_ONCE
    assert at_once(new_caller, orders) == ["coupon_already_redeemed"] * (AT_ONCE - 1) + ["made"]
    assert redeemed(shop, coupon) == 1


def test_a_running_subscription_has_a_coupon_once(shop: Caller, new_caller: NewCaller) -> None:
    body = {"account": "a0", "plan": "colo", "start": {"at": NOW}}
    running = shop.made("/v1/subscriptions", body)
    coupon = made(shop, once_per="subscription")
    requests = [(f"/v1/subscriptions/{running['id']}/coupons", {"coupon": "HELLO"})] * AT_ONCE
    assert at_once(new_caller, requests) == ["coupon_already_redeemed"] * (AT_ONCE - 1) + ["made"]
    assert redeemed(shop, coupon) == 1
    its = shop.get(f"/v1/subscriptions/{running['id']}/coupons").json["data"][0]["id"]
    path = f"/v1/subscriptions/{running['id']}/coupons/{its}"
    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(lambda caller: caller.delete(path).status_code, [new_caller() for _ in range(4)]))
    assert answers == [204, 409, 409, 409]
    assert shop.get(f"/v1/coupons/{coupon}").json["redeemed"] == 0


def test_a_promotion_without_a_code_ends_with_its_limit_and_refuses_nobody(shop: Caller, new_caller: NewCaller) -> None:
    terms = {"percent": "100", "duration": "once", "automatic": True, "redemptions_most": 3}
    coupon = shop.made("/v1/coupons", {"name": "First three", **terms})["id"]
    orders = [
        ("/v1/subscriptions", {"account": f"a{number}", "plan": "colo", "start": {"at": NOW}})
        for number in range(AT_ONCE)
    ]
    assert at_once(new_caller, orders) == ["made"] * AT_ONCE
    assert redeemed(shop, coupon) == 3
