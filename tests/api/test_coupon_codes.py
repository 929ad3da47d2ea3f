"""Coupons and their codes: made, found, had with or without a code, withdrawn, archived."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.api.conftest import Caller
from tests.builders.coupons import NOW, billed, coupon, open_shop, order, pay, refused, wrong
from tests.builders.sandbox import pass_time


@pytest.fixture
def shop(client: Caller) -> Caller:
    return open_shop(client)


def test_a_coupon_is_made_found_changed_and_archived(shop: Caller) -> None:
    made = coupon(shop, external_id="welcome", metadata={"campaign": "spring"}, redemptions_most=5, plans=["colo"])
    assert (made["percent"], made["amounts"], made["duration"]) == ("10", None, {"spans": 2})
    assert (made["redeemed"], made["once_per"], made["automatic"], made["products"]) == (0, "account", False, None)
    assert len(made["plans"]) == 1
    path = f"/v1/coupons/{made['id']}"
    assert shop.get(path).json == made
    assert shop.get("/v1/coupons?external_id=welcome").json["data"] == [made]
    changed = shop.patch(path, {"name": "Hello", "redemptions_most": None, "redeemable_until": "2027-01-01T00:00:00Z"})
    assert (changed.json["name"], changed.json["redemptions_most"]) == ("Hello", None)
    assert wrong(shop.patch(path, {"percent": "20"})) == [("/percent", "member_unknown")]
    assert shop.post(f"{path}/archive").json["archived_at"] == NOW
    assert refused(shop.post(f"{path}/archive")) == (409, "coupon_archived")
    assert wrong(shop.post("/v1/subscriptions", order(coupon="HELLO"))) == [("/coupon", "coupon_archived")]


def test_codes_have_limits_and_ends_of_their_own(shop: Caller, provider_id: UUID) -> None:
    made = coupon(shop, None, once_per="subscription")
    path = f"/v1/coupons/{made['id']}/codes"
    once = shop.made(path, {"code": "One-Time", "redemptions_most": 1})
    ends = {"code": "SHORT", "redeemable_until": "2026-01-20T00:00:00Z"}
    shop.made(path, ends)
    shop.made(path, {"code": "OURS", "account": "fabrikam"})
    assert wrong(shop.post(path, {"code": "one-time"}), 409) == [("/code", "code_taken")]
    assert wrong(shop.post(path, {"code": "a b"})) == [("/code", "malformed")]
    assert wrong(shop.post(path, {"code": "NOBODY", "account": "nobody"})) == [("/account", "account_unknown")]
    assert [code["code"] for code in shop.get(path).json["data"]] == ["OURS", "SHORT", "One-Time"]
    shop.made("/v1/subscriptions", order(coupon="ONE-TIME"))
    assert shop.get(f"{path}/{once['id']}").json["redeemed"] == 1
    assert wrong(shop.post("/v1/subscriptions", order(coupon="One-Time"))) == [("/coupon", "coupon_limit_reached")]
    assert wrong(shop.patch(f"{path}/{once['id']}", {"redemptions_most": 0})) != []
    assert shop.patch(f"{path}/{once['id']}", {"redemptions_most": 2}).status_code == 200
    shop.made("/v1/subscriptions", order(coupon="ONE-TIME"))
    assert wrong(shop.patch(f"{path}/{once['id']}", {"redemptions_most": 1})) == [
        ("/redemptions_most", "limit_below_redeemed")
    ]
    assert wrong(shop.post("/v1/subscriptions", order(coupon="OURS"))) == [("/coupon", "coupon_not_for_account")]
    shop.made("/v1/subscriptions", order(account="fabrikam", coupon="OURS"))
    shop.made("/v1/subscriptions", order(coupon="SHORT"))
    pass_time(shop, provider_id, "2026-01-20T00:00:00Z")
    assert wrong(shop.post("/v1/subscriptions", order(coupon="SHORT"))) == [("/coupon", "coupon_expired")]
    assert shop.delete(f"{path}/{once['id']}").status_code == 204
    assert wrong(shop.post("/v1/subscriptions", order(coupon="ONE-TIME"))) == [("/coupon", "coupon_archived")]


def test_a_promotion_without_a_code_is_had_by_who_orders_in_its_window(shop: Caller, provider_id: UUID) -> None:
    window = {"redeemable_from": "2026-02-01T00:00:00Z", "redeemable_until": "2026-03-01T00:00:00Z"}
    made = coupon(shop, None, automatic=True, plans=["colo"], percent="100", duration="once", **window)
    before = shop.made("/v1/subscriptions", order())
    pass_time(shop, provider_id, "2026-02-10T00:00:00Z")
    start = {"at": "2026-02-10T00:00:00Z"}
    told = shop.made("/v1/subscriptions/preview", order(start=start))
    assert [line["amount"] for line in told["lines"]] == [0, 0]
    within = shop.made("/v1/subscriptions", order(start=start))
    again = shop.made("/v1/subscriptions", order(start=start))
    other = shop.made("/v1/subscriptions", order(plan="transit", start=start, account="fabrikam"))
    had = {
        s["id"]: shop.get(f"/v1/subscriptions/{s['id']}/coupons").json["data"] for s in (before, within, again, other)
    }
    assert [len(had[s["id"]]) for s in (before, within, again, other)] == [0, 1, 0, 0]
    assert had[within["id"]][0]["code"] is None
    assert shop.get(f"/v1/coupons/{made['id']}").json["redeemed"] == 1
    pass_time(shop, provider_id, "2026-03-02T00:00:00Z")
    shop.made("/v1/subscriptions", order(account="fabrikam", start={"at": "2026-03-02T00:00:00Z"}))
    assert shop.get(f"/v1/coupons/{made['id']}").json["redeemed"] == 1


def test_a_coupon_that_is_withdrawn_reduces_nothing_more(shop: Caller, provider_id: UUID) -> None:
    made = coupon(shop, duration="forever")
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO"))
    pass_time(shop, provider_id, "2026-02-20T00:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}/coupons"
    its = shop.get(path).json["data"][0]["id"]
    assert shop.delete(f"{path}/{its}").status_code == 204
    assert refused(shop.delete(f"{path}/{its}")) == (409, "coupon_withdrawn")
    assert shop.get(f"{path}/{its}").json["status"] == "withdrawn"
    pay(shop)
    pass_time(shop, provider_id, "2026-04-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [27900, 27900, 31000]
    assert shop.get(f"/v1/coupons/{made['id']}").json["redeemed"] == 1
    assert wrong(shop.post(path, {"coupon": "HELLO"})) == [("/coupon", "coupon_already_redeemed")]


def test_a_coupon_withdrawn_before_it_took_anything_off_may_be_had_again(shop: Caller, provider_id: UUID) -> None:
    made = coupon(shop, redemptions_most=1)
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO"))
    path = f"/v1/subscriptions/{ordered['id']}/coupons"
    shop.delete(f"{path}/{shop.get(path).json['data'][0]['id']}")
    assert shop.get(f"/v1/coupons/{made['id']}").json["redeemed"] == 0
    assert shop.made(path, {"coupon": "HELLO"})["status"] == "active"
    pass_time(shop, provider_id, "2026-02-01T02:00:00Z")
    assert billed(shop) == [("recurring", 27900, [3100])]
