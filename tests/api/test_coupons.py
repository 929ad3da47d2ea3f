"""Coupons over HTTP: made, given by codes, redeemed with an order and later, billed, withdrawn, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from core.ids import decode
from jobs import due
from tests.api.conftest import Caller, NewCaller
from tests.builders.catalog import ENERGY, RACK, SETUP, make_catalog, make_plan, plan_price

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox
WELCOME = {"name": "Welcome", "percent": "10", "duration": {"spans": 2}}


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


@pytest.fixture
def shop(client: Caller) -> Caller:
    """Plans `colo` (racks at 310 a month, energy, a setup at 99) and `transit` (100); two accounts."""
    make_catalog(client)
    client.made("/v1/gateway-accounts", {"gateway": "manual", "name": "Transfers", "credentials": {}})
    client.made("/v1/products", {"code": "network", "name": "Network"})
    make_plan(client, RACK, ENERGY, SETUP)
    traffic = plan_price("traffic", price={"model": "flat", "amount_price": "100"}, product="network")
    make_plan(client, traffic, code="transit")
    for name in ("contoso", "fabrikam"):
        body = {"name": name, "currency": "EUR", "country": "NL", "time_zone": "UTC", "external_id": name}
        client.made("/v1/accounts", body)
    return client


def coupon(client: Caller, code: str | None = "HELLO", **terms: Any) -> Any:
    """A coupon with a code."""
    made = client.made("/v1/coupons", {**WELCOME, **terms})
    if code is not None:
        client.made(f"/v1/coupons/{made['id']}/codes", {"code": code})
    return made


def order(**changes: Any) -> dict[str, Any]:
    return {"account": "contoso", "plan": "colo", "start": {"at": NOW}, "anchor": "anniversary", **changes}


@pytest.fixture
def advance(shop: Caller, provider_id: UUID) -> Callable[[str], None]:
    """Let time pass in the sandbox, with all that falls due"""

    def go(to: str) -> None:
        shop.made("/v1/test-clock/advance", {"to": to})
        while shop.get("/v1/test-clock").json["status"] == "advancing":
            due.drive(provider_id, [])
        clock: Any = shop.get("/v1/test-clock").json
        assert (clock["now"], clock["status"]) == (to, "ready"), clock

    return go


def pay(client: Caller) -> None:
    """Pay what is open, so that nothing is switched off."""
    for invoice in client.get("/v1/invoices?status=open").json["data"]:
        body = {"account": invoice["account"], "method": "manual", "amount": invoice["due_amount"], "currency": "EUR"}
        client.made("/v1/payments", {**body, "reference": invoice["number"], "received_on": invoice["issued_on"]})


def billed(client: Caller, code: str = "rack") -> list[tuple[str, int, list[int]]]:
    """All lines of a charge, the oldest first: kind, amount, reductions."""
    found = [
        line
        for invoice in client.get("/v1/invoices?limit=200").json["data"]
        for line in client.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]
        if line["charge_code"] == code
    ]
    ordered = sorted(found, key=lambda line: (line["span"]["start"], line["kind"] == "credit"))
    return [(line["kind"], line["amount"], [r["amount"] for r in line["reductions"]]) for line in ordered]


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


def test_an_order_has_the_coupon_of_its_code_for_two_months(shop: Caller, advance: Any) -> None:
    made = coupon(shop)
    ordered = shop.made("/v1/subscriptions", order(coupon="hello"))
    shown = shop.get(f"/v1/subscriptions/{ordered['id']}/coupons").json["data"]
    assert [(c["coupon"], c["code"], c["status"], c["spans_left"]) for c in shown] == [
        (made["id"], "HELLO", "active", 2)
    ]
    assert shown[0]["runs_out_at"] == "2026-03-15T00:00:00Z"
    for month in ("02", "03", "04", "05"):
        advance(f"2026-{month}-01T02:00:00Z")
        pay(shop)
    assert billed(shop) == [
        ("recurring", 27900, [3100]),
        ("recurring", 27900, [3100]),
        ("recurring", 31000, []),
        ("recurring", 31000, []),
    ]
    assert billed(shop, "setup") == [("one_off", 8910, [990])]
    after = shop.get(f"/v1/subscriptions/{ordered['id']}/coupons/{shown[0]['id']}").json
    assert (after["status"], after["spans_left"], after["taken_amount"]) == ("used_up", 0, 3100 * 2 + 990)
    types = [event["type"] for event in shop.get("/v1/events?limit=200").json["data"]]
    assert types.count("subscription.coupon_added") == 1


def test_the_preview_of_an_order_equals_its_invoices(shop: Caller, advance: Any) -> None:
    coupon(shop, percent=None, amounts={"EUR": 1001}, duration="forever")
    body = order(coupon="HELLO")
    told = shop.made("/v1/subscriptions/preview", {**body, "as_of": "2026-03-01T00:30:00Z"})
    shop.made("/v1/subscriptions", body)
    advance("2026-03-01T02:00:00Z")
    charges = shop.get("/v1/charges?limit=200").json["data"]
    key = lambda line: (line["due_at"], line["charge_code"])  # noqa: E731
    shown = [(line["charge_code"], line["amount"], line["reductions"]) for line in told["lines"]]
    assert sorted(shown, key=str) == sorted(
        [(c["charge_code"], c["amount"], c["reductions"]) for c in sorted(charges, key=key)], key=str
    )
    # 10.01 over 310.00 and 99.00, which are due together: largest remainder.
    first = {line["charge_code"]: line["reductions"][0]["amount"] for line in told["lines"][:2]}
    assert first == {"rack": 759, "setup": 242}


def test_a_line_its_explanation_and_the_csv_show_what_was_taken_off(shop: Caller, advance: Any) -> None:
    made = coupon(shop, percent="12.5", duration="once")
    shop.made("/v1/subscriptions", order(coupon="HELLO"))
    advance("2026-02-01T02:00:00Z")
    invoice = shop.get("/v1/invoices").json["data"][0]
    lines = shop.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]
    rack = next(line for line in lines if line["charge_code"] == "rack")
    reduction = {"coupon": made["id"], "name": "Welcome", "percent": "12.5", "amount": 3875}
    assert (rack["exact"], rack["amount"], rack["reductions"]) == ("310", 27125, [reduction])
    assert invoice["net_amount"] == sum(line["amount"] for line in lines)
    told = shop.get(f"/v1/invoices/{invoice['id']}/lines/{rack['id']}/explanation").json
    assert told["amount"] == 27125
    assert [(r["of_amount"], r["amount"], r["span"]) for r in told["reductions"]] == [(31000, 3875, 1)]
    csv = shop.get(f"/v1/invoices/{invoice['id']}/lines.csv").get_data(as_text=True)
    assert "Welcome 12.5 %: 3875" in csv
    assert shop.get(f"/v1/invoices/{invoice['id']}/pdf").status_code == 200


def test_an_end_in_the_middle_credits_what_was_paid_after_reductions(shop: Caller, advance: Any) -> None:
    coupon(shop, duration="forever")
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO"))
    advance("2026-02-01T02:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}"
    end = {"effective": {"at": "2026-02-03T00:00:00Z"}, "cancel": True}
    told = shop.made(f"{path}/preview-change", end)
    advance("2026-02-02T00:00:00Z")
    shop.made(f"{path}/changes", end)
    advance("2026-03-01T02:00:00Z")
    # 19 of 31 days are used: 190.00 less a tenth stay of what was paid, 279.00.
    charges = shop.get("/v1/charges?limit=200").json["data"]
    credit = next(charge for charge in charges if charge["kind"] == "credit")
    assert (credit["exact"], credit["amount"]) == ("-120", -10800)
    assert [reduction["amount"] for reduction in credit["reductions"]] == [-1200]
    assert ("credit", -10800) in [(line["kind"], line["amount"]) for line in told["lines"]]


def test_a_bundles_discount_comes_first_then_coupons_then_what_is_committed(shop: Caller, advance: Any) -> None:
    committed = {"model": "committed_amount", "amount_price": "100", "draws": ["energy"]}
    flat = plan_price("energy", "usage", {"model": "per_unit", "unit_price": "0.5"})
    make_plan(shop, plan_price("commitment", price=committed), flat, code="power")
    make_plan(shop, plan_price("cage", price={"model": "flat", "amount_price": "200"}), code="cage")
    parts = [{"plan": "cage", "discount": "10"}, {"plan": "power"}]
    bundle = {"code": "all", "name": "All", "kind": "bundle", "version": {"prices": [], "components": parts}}
    shop.made("/v1/plans", bundle)
    coupon(shop, percent="20", duration="forever")
    ordered = shop.made("/v1/subscriptions", order(plan="all", coupon="HELLO"))
    event = {"id": "1", "subscription": ordered["id"], "meter": "energy", "at": NOW, "quantity": "100"}
    shop.made("/v1/usage/events", {"events": [event]})
    so_far = shop.get(f"/v1/subscriptions/{ordered['id']}/usage?from={NOW}&to=2026-02-15T00:00:00Z").json
    assert so_far["amount"] == 4000
    advance("2026-03-01T02:00:00Z")
    first = {
        (kind, code): amount for code in ("cage", "commitment", "energy") for kind, amount, _ in billed(shop, code)
    }
    assert first["recurring", "cage"] == 14400  # 200.00, less a tenth, less a fifth
    assert first["recurring", "commitment"] == 10000
    assert first["usage", "energy"] == 4000
    assert first["drawdown", "commitment"] == -4000


def test_two_coupons_are_taken_off_in_their_order(shop: Caller, advance: Any) -> None:
    coupon(shop, "TENTH", stacking_order=20)
    coupon(shop, "FIFTY", percent=None, amounts={"EUR": 5000}, duration="once", stacking_order=10, plans=["colo"])
    ordered = shop.made("/v1/subscriptions", order(plan="colo", coupon="TENTH"))
    shop.made(f"/v1/subscriptions/{ordered['id']}/coupons", {"coupon": "FIFTY"})
    advance("2026-02-01T02:00:00Z")
    fifty = round(5000 * 310 / 409)
    assert billed(shop) == [("recurring", (31000 - fifty) - round((31000 - fifty) / 10), [fifty, 2721])]


def test_a_running_subscription_is_given_a_coupon_from_its_next_span_on(shop: Caller, advance: Any) -> None:
    coupon(shop)
    ordered = shop.made("/v1/subscriptions", order())
    advance("2026-02-20T00:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}"
    told = shop.made(f"{path}/preview-coupon", {"coupon": "HELLO", "as_of": "2026-05-01T00:00:00Z"})
    racks = [(line["amount"], line["due_at"][:10]) for line in told["lines"] if line["charge_code"] == "rack"]
    assert racks == [(31000, "2026-02-15"), (27900, "2026-03-15"), (27900, "2026-04-15")]
    given = shop.made(f"{path}/coupons", {"coupon": "HELLO"})
    assert (given["starts_at"], given["runs_out_at"]) == ("2026-02-20T00:00:00Z", "2026-05-15T00:00:00Z")
    for month in ("03", "04", "05", "06"):
        pay(shop)
        advance(f"2026-{month}-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [31000, 31000, 27900, 27900, 31000]


def test_a_coupon_may_start_earlier_as_long_as_no_span_is_billed_that_it_would_reduce(
    shop: Caller, advance: Any
) -> None:
    coupon(shop, duration="once")
    ordered = shop.made("/v1/subscriptions", order())
    path = f"/v1/subscriptions/{ordered['id']}/coupons"
    advance("2026-02-20T00:00:00Z")
    early = {"coupon": "HELLO", "from": "2026-01-20T00:00:00Z"}
    assert shop.made(path, early)["starts_at"] == "2026-01-20T00:00:00Z"
    advance("2026-03-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [31000, 27900]
    coupon(shop, "LATE")
    assert wrong(shop.post(path, {**early, "coupon": "LATE"})) == [("/from", "coupon_start_billed")]
    assert wrong(shop.post(path, {"coupon": "LATE", "from": "2040-01-01T00:00:00Z"})) == [
        ("/from", "start_out_of_range")
    ]


def test_a_coupon_given_before_anything_is_billed_counts_from_the_start(shop: Caller, advance: Any) -> None:
    coupon(shop, duration="once")
    ordered = shop.made("/v1/subscriptions", order())
    advance("2026-01-20T00:00:00Z")
    given = shop.made(f"/v1/subscriptions/{ordered['id']}/coupons", {"coupon": "HELLO"})
    assert given["starts_at"] == NOW
    advance("2026-02-01T02:00:00Z")
    assert billed(shop) == [("recurring", 27900, [3100])]


def test_a_trial_uses_up_no_span_of_a_coupon(shop: Caller, advance: Any) -> None:
    coupon(shop, duration="once")
    shop.made("/v1/subscriptions", order(coupon="HELLO", trial={"days": 14, "at_end": "convert"}))
    advance("2026-03-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [27900, 31000]


def test_a_change_moves_what_is_left_of_an_amount_to_the_new_terms_as_its_preview_says(
    shop: Caller, advance: Any
) -> None:
    coupon(shop, percent=None, amounts={"EUR": 50000}, duration="forever", plans=["colo"])
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO", quantities={"rack": "1", "setup": "0"}))
    advance("2026-02-01T02:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}"
    change = {"effective": {"at": "2026-02-03T00:00:00Z"}, "quantities": {"rack": "3"}}
    told = shop.made(f"{path}/preview-change", {**change, "as_of": "2026-02-20T00:00:00Z"})
    advance("2026-02-03T00:00:00Z")
    shop.made(f"{path}/changes", change)
    advance("2026-03-01T02:00:00Z")
    charges = shop.get(f"/v1/charges?subscription={ordered['id']}&limit=200").json["data"]
    key = ("kind", "charge_code", "amount", "reductions", "due_at")
    made = [[charge[name] for name in key] for charge in charges]
    for line in told["lines"]:
        assert [line[name] for name in key] in made
    racks = [charge for charge in charges if charge["charge_code"] == "rack" and charge["span"]["start"] < "2026-02-15"]
    # One span takes no more than 500.00 in all: 190.00 of the used part, and of 360.00 what is left of its share.
    assert sum(reduction["amount"] for charge in racks for reduction in charge["reductions"]) <= 50000
    assert sum(charge["amount"] for charge in racks) >= 0


def test_a_promotion_without_a_code_is_had_by_who_orders_in_its_window(shop: Caller, advance: Any) -> None:
    window = {"redeemable_from": "2026-02-01T00:00:00Z", "redeemable_until": "2026-03-01T00:00:00Z"}
    made = coupon(shop, None, automatic=True, plans=["colo"], percent="100", duration="once", **window)
    before = shop.made("/v1/subscriptions", order())
    advance("2026-02-10T00:00:00Z")
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
    advance("2026-03-02T00:00:00Z")
    shop.made("/v1/subscriptions", order(account="fabrikam", start={"at": "2026-03-02T00:00:00Z"}))
    assert shop.get(f"/v1/coupons/{made['id']}").json["redeemed"] == 1


def test_a_coupon_that_is_withdrawn_reduces_nothing_more(shop: Caller, advance: Any) -> None:
    made = coupon(shop, duration="forever")
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO"))
    advance("2026-02-20T00:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}/coupons"
    its = shop.get(path).json["data"][0]["id"]
    assert shop.delete(f"{path}/{its}").status_code == 204
    assert refused(shop.delete(f"{path}/{its}")) == (409, "coupon_withdrawn")
    assert shop.get(f"{path}/{its}").json["status"] == "withdrawn"
    pay(shop)
    advance("2026-04-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [27900, 27900, 31000]
    assert shop.get(f"/v1/coupons/{made['id']}").json["redeemed"] == 1
    assert wrong(shop.post(path, {"coupon": "HELLO"})) == [("/coupon", "coupon_already_redeemed")]


def test_a_coupon_withdrawn_before_it_took_anything_off_may_be_had_again(shop: Caller, advance: Any) -> None:
    made = coupon(shop, redemptions_most=1)
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO"))
    path = f"/v1/subscriptions/{ordered['id']}/coupons"
    shop.delete(f"{path}/{shop.get(path).json['data'][0]['id']}")
    assert shop.get(f"/v1/coupons/{made['id']}").json["redeemed"] == 0
    assert shop.made(path, {"coupon": "HELLO"})["status"] == "active"
    advance("2026-02-01T02:00:00Z")
    assert billed(shop) == [("recurring", 27900, [3100])]


def test_a_voided_invoice_gives_its_reductions_back(shop: Caller, advance: Any) -> None:
    coupon(shop, percent=None, amounts={"EUR": 40000}, duration="once")
    shop.made("/v1/subscriptions", order(coupon="HELLO"))
    advance("2026-02-01T02:00:00Z")
    before = billed(shop)
    invoice = shop.get("/v1/invoices").json["data"][0]
    shop.made(f"/v1/invoices/{invoice['id']}/void", {})
    shop.made("/v1/billing-runs", {})
    again = shop.get("/v1/invoices").json["data"][0]
    assert again["id"] != invoice["id"]
    assert again["net_amount"] == invoice["net_amount"] == 900
    assert len(billed(shop)) == 2 * len(before)


def test_the_amount_so_far_is_after_reductions(metered: Caller) -> None:
    path = f"/v1/subscriptions/{metered.get('/v1/subscriptions?external_id=sub-a').json['data'][0]['id']}"
    before = metered.get(f"{path}/usage").json
    coupon(metered, percent="50", duration="forever")
    metered.made(f"{path}/coupons", {"coupon": "HELLO"})
    after = metered.get(f"{path}/usage").json
    assert after["amount"] == sum(line["amount"] for line in after["amounts"])
    assert before["amount"] >= after["amount"]


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


def test_codes_have_limits_and_ends_of_their_own(shop: Caller, advance: Any) -> None:
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
    advance("2026-01-20T00:00:00Z")
    assert wrong(shop.post("/v1/subscriptions", order(coupon="SHORT"))) == [("/coupon", "coupon_expired")]
    assert shop.delete(f"{path}/{once['id']}").status_code == 204
    assert wrong(shop.post("/v1/subscriptions", order(coupon="ONE-TIME"))) == [("/coupon", "coupon_archived")]


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
