"""What coupons take off, by their terms: of spans and lines, in their order, through changes, trials and ends."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.api.conftest import Caller
from tests.builders.catalog import make_plan, plan_price
from tests.builders.coupons import NOW, billed, coupon, open_shop, order, pay, wrong
from tests.builders.sandbox import pass_time


@pytest.fixture
def shop(client: Caller) -> Caller:
    return open_shop(client)


def test_an_order_has_the_coupon_of_its_code_for_two_months(shop: Caller, provider_id: UUID) -> None:
    made = coupon(shop)
    ordered = shop.made("/v1/subscriptions", order(coupon="hello"))
    shown = shop.get(f"/v1/subscriptions/{ordered['id']}/coupons").json["data"]
    assert [(c["coupon"], c["code"], c["status"], c["spans_left"]) for c in shown] == [
        (made["id"], "HELLO", "active", 2)
    ]
    assert shown[0]["runs_out_at"] == "2026-03-15T00:00:00Z"
    for month in ("02", "03", "04", "05"):
        pass_time(shop, provider_id, f"2026-{month}-01T02:00:00Z")
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


def test_the_preview_of_an_order_equals_its_invoices(shop: Caller, provider_id: UUID) -> None:
    coupon(shop, percent=None, amounts={"EUR": 1001}, duration="forever")
    body = order(coupon="HELLO")
    told = shop.made("/v1/subscriptions/preview", {**body, "as_of": "2026-03-01T00:30:00Z"})
    shop.made("/v1/subscriptions", body)
    pass_time(shop, provider_id, "2026-03-01T02:00:00Z")
    charges = shop.get("/v1/charges?limit=200").json["data"]
    key = lambda line: (line["due_at"], line["charge_code"])  # noqa: E731
    shown = [(line["charge_code"], line["amount"], line["reductions"]) for line in told["lines"]]
    assert sorted(shown, key=str) == sorted(
        [(c["charge_code"], c["amount"], c["reductions"]) for c in sorted(charges, key=key)], key=str
    )
    # 10.01 over 310.00 and 99.00, which are due together: largest remainder.
    first = {line["charge_code"]: line["reductions"][0]["amount"] for line in told["lines"][:2]}
    assert first == {"rack": 759, "setup": 242}


def test_a_line_its_explanation_and_the_csv_show_what_was_taken_off(shop: Caller, provider_id: UUID) -> None:
    made = coupon(shop, percent="12.5", duration="once")
    shop.made("/v1/subscriptions", order(coupon="HELLO"))
    pass_time(shop, provider_id, "2026-02-01T02:00:00Z")
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


def test_an_end_in_the_middle_credits_what_was_paid_after_reductions(shop: Caller, provider_id: UUID) -> None:
    coupon(shop, duration="forever")
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO"))
    pass_time(shop, provider_id, "2026-02-01T02:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}"
    end = {"effective": {"at": "2026-02-03T00:00:00Z"}, "cancel": True}
    told = shop.made(f"{path}/preview-change", end)
    pass_time(shop, provider_id, "2026-02-02T00:00:00Z")
    shop.made(f"{path}/changes", end)
    pass_time(shop, provider_id, "2026-03-01T02:00:00Z")
    # 19 of 31 days are used: 190.00 less a tenth stay of what was paid, 279.00.
    charges = shop.get("/v1/charges?limit=200").json["data"]
    credit = next(charge for charge in charges if charge["kind"] == "credit")
    assert (credit["exact"], credit["amount"]) == ("-120", -10800)
    assert [reduction["amount"] for reduction in credit["reductions"]] == [-1200]
    assert ("credit", -10800) in [(line["kind"], line["amount"]) for line in told["lines"]]


def test_a_bundles_discount_comes_first_then_coupons_then_what_is_committed(shop: Caller, provider_id: UUID) -> None:
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
    pass_time(shop, provider_id, "2026-03-01T02:00:00Z")
    first = {
        (kind, code): amount for code in ("cage", "commitment", "energy") for kind, amount, _ in billed(shop, code)
    }
    assert first["recurring", "cage"] == 14400  # 200.00, less a tenth, less a fifth
    assert first["recurring", "commitment"] == 10000
    assert first["usage", "energy"] == 4000
    assert first["drawdown", "commitment"] == -4000


def test_two_coupons_are_taken_off_in_their_order(shop: Caller, provider_id: UUID) -> None:
    coupon(shop, "TENTH", stacking_order=20)
    coupon(shop, "FIFTY", percent=None, amounts={"EUR": 5000}, duration="once", stacking_order=10, plans=["colo"])
    ordered = shop.made("/v1/subscriptions", order(plan="colo", coupon="TENTH"))
    shop.made(f"/v1/subscriptions/{ordered['id']}/coupons", {"coupon": "FIFTY"})
    pass_time(shop, provider_id, "2026-02-01T02:00:00Z")
    fifty = round(5000 * 310 / 409)
    assert billed(shop) == [("recurring", (31000 - fifty) - round((31000 - fifty) / 10), [fifty, 2721])]


def test_a_running_subscription_is_given_a_coupon_from_its_next_span_on(shop: Caller, provider_id: UUID) -> None:
    coupon(shop)
    ordered = shop.made("/v1/subscriptions", order())
    pass_time(shop, provider_id, "2026-02-20T00:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}"
    told = shop.made(f"{path}/preview-coupon", {"coupon": "HELLO", "as_of": "2026-05-01T00:00:00Z"})
    racks = [(line["amount"], line["due_at"][:10]) for line in told["lines"] if line["charge_code"] == "rack"]
    assert racks == [(31000, "2026-02-15"), (27900, "2026-03-15"), (27900, "2026-04-15")]
    given = shop.made(f"{path}/coupons", {"coupon": "HELLO"})
    assert (given["starts_at"], given["runs_out_at"]) == ("2026-02-20T00:00:00Z", "2026-05-15T00:00:00Z")
    for month in ("03", "04", "05", "06"):
        pay(shop)
        pass_time(shop, provider_id, f"2026-{month}-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [31000, 31000, 27900, 27900, 31000]


def test_a_coupon_may_start_earlier_as_long_as_no_span_is_billed_that_it_would_reduce(
    shop: Caller, provider_id: UUID
) -> None:
    coupon(shop, duration="once")
    ordered = shop.made("/v1/subscriptions", order())
    path = f"/v1/subscriptions/{ordered['id']}/coupons"
    pass_time(shop, provider_id, "2026-02-20T00:00:00Z")
    early = {"coupon": "HELLO", "from": "2026-01-20T00:00:00Z"}
    assert shop.made(path, early)["starts_at"] == "2026-01-20T00:00:00Z"
    pass_time(shop, provider_id, "2026-03-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [31000, 27900]
    coupon(shop, "LATE")
    assert wrong(shop.post(path, {**early, "coupon": "LATE"})) == [("/from", "coupon_start_billed")]
    assert wrong(shop.post(path, {"coupon": "LATE", "from": "2040-01-01T00:00:00Z"})) == [
        ("/from", "start_out_of_range")
    ]


def test_a_coupon_given_before_anything_is_billed_counts_from_the_start(shop: Caller, provider_id: UUID) -> None:
    coupon(shop, duration="once")
    ordered = shop.made("/v1/subscriptions", order())
    pass_time(shop, provider_id, "2026-01-20T00:00:00Z")
    given = shop.made(f"/v1/subscriptions/{ordered['id']}/coupons", {"coupon": "HELLO"})
    assert given["starts_at"] == NOW
    pass_time(shop, provider_id, "2026-02-01T02:00:00Z")
    assert billed(shop) == [("recurring", 27900, [3100])]


def test_a_trial_uses_up_no_span_of_a_coupon(shop: Caller, provider_id: UUID) -> None:
    coupon(shop, duration="once")
    shop.made("/v1/subscriptions", order(coupon="HELLO", trial={"days": 14, "at_end": "convert"}))
    pass_time(shop, provider_id, "2026-03-01T02:00:00Z")
    assert [amount for _, amount, _ in billed(shop)] == [27900, 31000]


def test_a_change_moves_what_is_left_of_an_amount_to_the_new_terms_as_its_preview_says(
    shop: Caller, provider_id: UUID
) -> None:
    coupon(shop, percent=None, amounts={"EUR": 50000}, duration="forever", plans=["colo"])
    ordered = shop.made("/v1/subscriptions", order(coupon="HELLO", quantities={"rack": "1", "setup": "0"}))
    pass_time(shop, provider_id, "2026-02-01T02:00:00Z")
    path = f"/v1/subscriptions/{ordered['id']}"
    change = {"effective": {"at": "2026-02-03T00:00:00Z"}, "quantities": {"rack": "3"}}
    told = shop.made(f"{path}/preview-change", {**change, "as_of": "2026-02-20T00:00:00Z"})
    pass_time(shop, provider_id, "2026-02-03T00:00:00Z")
    shop.made(f"{path}/changes", change)
    pass_time(shop, provider_id, "2026-03-01T02:00:00Z")
    charges = shop.get(f"/v1/charges?subscription={ordered['id']}&limit=200").json["data"]
    key = ("kind", "charge_code", "amount", "reductions", "due_at")
    made = [[charge[name] for name in key] for charge in charges]
    for line in told["lines"]:
        assert [line[name] for name in key] in made
    racks = [charge for charge in charges if charge["charge_code"] == "rack" and charge["span"]["start"] < "2026-02-15"]
    # One span takes no more than 500.00 in all: 190.00 of the used part, and of 360.00 what is left of its share.
    assert sum(reduction["amount"] for charge in racks for reduction in charge["reductions"]) <= 50000
    assert sum(charge["amount"] for charge in racks) >= 0


def test_a_voided_invoice_gives_its_reductions_back(shop: Caller, provider_id: UUID) -> None:
    coupon(shop, percent=None, amounts={"EUR": 40000}, duration="once")
    shop.made("/v1/subscriptions", order(coupon="HELLO"))
    pass_time(shop, provider_id, "2026-02-01T02:00:00Z")
    before = billed(shop)
    invoice = shop.get("/v1/invoices").json["data"][0]
    shop.made(f"/v1/invoices/{invoice['id']}/void", {})
    shop.made("/v1/billing-runs", {})
    again = shop.get("/v1/invoices").json["data"][0]
    assert again["id"] != invoice["id"]
    assert again["net_amount"] == invoice["net_amount"] == 900
    assert len(billed(shop)) == 2 * len(before)


def test_the_amount_so_far_is_after_reductions(shop: Caller) -> None:
    ordered = shop.made("/v1/subscriptions", order())
    event = {"id": "1", "subscription": ordered["id"], "meter": "energy", "at": NOW, "quantity": "100"}
    shop.made("/v1/usage/events", {"events": [event]})
    path = f"/v1/subscriptions/{ordered['id']}"
    assert shop.get(f"{path}/usage").json["amount"] == 3000  # 100 kWh at 0.30
    coupon(shop, percent="50", duration="forever")
    shop.made(f"{path}/coupons", {"coupon": "HELLO"})
    after = shop.get(f"{path}/usage").json
    assert after["amount"] == sum(line["amount"] for line in after["amounts"]) == 1500
