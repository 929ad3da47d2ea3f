"""Charges put on a running subscription over HTTP: smart hands, billed on the next document or at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Caller, NewCaller
from tests.builders.catalog import RACK, make_catalog, make_plan
from tests.builders.sandbox import pass_time

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox
HOURLY = {"model": "per_unit", "unit_price": "95"}


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


@pytest.fixture
def shop(client: Caller) -> Caller:
    """A caller with racks to sell, the product `hands`, and the account `contoso`."""
    make_catalog(client)
    client.made("/v1/products", {"code": "hands", "name": "Smart hands"})
    make_plan(client, RACK)
    body = {"name": "Contoso", "currency": "EUR", "country": "NL", "time_zone": "UTC"}
    client.made("/v1/accounts", {**body, "external_id": "contoso"})
    return client


@pytest.fixture
def path(shop: Caller) -> str:
    """Where charges of a subscription that runs since today are put."""
    order = {"account": "contoso", "plan": "colo", "start": {"at": NOW}, "external_id": "sub-1"}
    return f"/v1/subscriptions/{shop.made('/v1/subscriptions', order)['id']}/charges"


def hands(**changes: Any) -> dict[str, Any]:
    return {"product": "hands", "description": "A disk exchanged", "price": HOURLY, "quantity": "1.5", **changes}


@pytest.fixture
def advance(shop: Caller, provider_id: UUID) -> Callable[[str], None]:
    """Let time pass in the sandbox, with all that falls due."""

    def go(to: str) -> None:
        pass_time(shop, provider_id, to)

    return go


def lines(client: Caller) -> list[tuple[str, str, int]]:
    """The lines of all invoices: kind, description, amount."""
    return [
        (line["kind"], line["description"], line["amount"])
        for invoice in client.get("/v1/invoices").json["data"]
        for line in client.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]
    ]


def test_smart_hands_are_on_the_next_invoice_and_explained(shop: Caller, path: str, advance: Any) -> None:
    made = shop.made(path, hands())
    assert (made["state"], made["amount"], made["exact"], made["currency"]) == ("waiting", 14250, "142.5", "EUR")
    assert shop.get(f"{path}/{made['id']}").json == made
    assert shop.get(path).json["data"] == [made]
    advance("2026-02-01T02:00:00Z")
    assert ("one_off", "A disk exchanged", 14250) in lines(shop)
    billed = shop.get(f"{path}/{made['id']}").json
    assert billed["state"] == "billed"
    invoice = shop.get("/v1/invoices").json["data"][0]["id"]
    told = shop.get(f"/v1/invoices/{invoice}/lines/{billed['invoice_line']}/explanation").json
    assert (told["price"]["spec"], told["price"]["version"], told["quantity"]) == (HOURLY, None, "1.5")
    assert shop.get(f"/v1/invoices/{invoice}/pdf").status_code == 200
    assert refused(shop.delete(f"{path}/{made['id']}")) == (409, "charge_on_document")


def test_a_charge_is_billed_once_however_often_billing_runs(shop: Caller, path: str, advance: Any) -> None:
    shop.made(path, hands())
    for _ in range(3):
        shop.made("/v1/billing-runs", {})
    advance("2026-03-01T02:00:00Z")
    assert [line for line in lines(shop) if line[0] == "one_off"] == [("one_off", "A disk exchanged", 14250)]


def test_a_charge_may_be_billed_at_once(shop: Caller, path: str) -> None:
    body = {name: value for name, value in hands(bill="now", amount=5000).items() if name != "price"}
    made = shop.made(path, body)
    assert (made["state"], made["amount"], made["price"]) == ("billed", 5000, {"model": "flat", "amount_price": "50"})
    assert ("one_off", "A disk exchanged", 5000) in lines(shop)


def test_a_charge_is_withdrawn_while_it_is_on_no_document(shop: Caller, path: str, advance: Any) -> None:
    made = shop.made(path, hands())
    assert shop.delete(f"{path}/{made['id']}").status_code == 204
    assert shop.delete(f"{path}/{made['id']}").status_code == 204
    gone = shop.get(f"{path}/{made['id']}").json
    assert (gone["state"], gone["withdrawn_at"]) == ("withdrawn", NOW)
    advance("2026-02-01T02:00:00Z")
    assert [line for line in lines(shop) if line[0] == "one_off"] == []
    told = [event["type"] for event in shop.get("/v1/events?limit=200").json["data"] if "charge" in event["type"]]
    assert told == ["subscription.charge_withdrawn", "subscription.charge_added"]


def test_a_charge_of_a_discarded_draft_may_be_withdrawn(shop: Caller, path: str) -> None:
    made = shop.made(path, hands())
    shop.made("/v1/billing-runs", {"finalize": False})
    assert refused(shop.delete(f"{path}/{made['id']}")) == (409, "charge_on_document")
    draft = shop.get("/v1/invoices").json["data"][0]["id"]
    shop.made(f"/v1/invoices/{draft}/discard", {})
    assert shop.delete(f"{path}/{made['id']}").status_code == 204
    shop.made("/v1/billing-runs", {})
    assert [line[0] for line in lines(shop) if line[0] == "one_off"] == ["one_off"]  # on the discarded draft
    assert shop.get("/v1/charges?state=billed").json["data"][0]["kind"] == "recurring"


def test_a_charge_is_due_when_it_says(shop: Caller, path: str, advance: Any) -> None:
    shop.made(path, hands(at="2026-02-10T10:00:00Z"))
    advance("2026-02-01T02:00:00Z")
    assert [line[0] for line in lines(shop)] == ["recurring", "recurring"]
    advance("2026-03-01T02:00:00Z")
    assert ("one_off", "A disk exchanged", 14250) in lines(shop)


def test_a_charge_is_made_once_per_key_and_external_id(shop: Caller, path: str) -> None:
    key = {"Idempotency-Key": "visit-1"}
    first = shop.post(path, hands(external_id="visit-1"), headers=key)
    again = shop.post(path, hands(external_id="visit-1"), headers=key)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    assert refused(shop.post(path, hands(external_id="visit-1"))) == (409, "external_id_taken")
    assert shop.get(f"{path}?external_id=visit-1").json["data"] == [first.json]


def test_charges_are_listed_in_pages(shop: Caller, path: str) -> None:
    made = [shop.made(path, hands())["id"] for _ in range(3)]
    first = shop.get(f"{path}?limit=2").json
    rest = shop.get(f"{path}?limit=2&cursor={first['next_cursor']}").json
    assert [charge["id"] for charge in first["data"] + rest["data"]] == made[::-1]


STEPS = {"model": "stairstep", "tiers": [{"up_to": "1", "flat_price": "95"}]}


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"product": "feet"}, "/product", "product_unknown"),
        ({"amount": 5}, "", "price_or_amount"),
        ({"price": {"model": "barter"}}, "/price/model", "pricing_model_unknown"),
        ({"price": {"model": "per_unit", "unit_price": 95}}, "/price/unit_price", "decimal_string_expected"),
        ({"price": {"model": "percentage", "rate": "3", "fixed_price": "1"}}, "/price/model", "model_needs_usage"),
        ({"price": {**HOURLY, "included": "1"}}, "/price/included", "usage_member_not_allowed"),
        ({"price": STEPS}, "/quantity", "quantity_beyond_last_step"),
        ({"quantity": "-1"}, "/quantity", "decimal_negative"),
        ({"quantity": 1}, "/quantity", "decimal_string_expected"),
        ({"at": "2026-01-14T23:59:59Z"}, "/at", "at_before_start"),
        ({"at": "2037-01-01T00:00:00Z"}, "/at", "at_out_of_range"),
        ({"at": "2026-01-16T00:00:00Z", "bill": "now"}, "/at", "at_in_future"),
        ({"description": ""}, "/description", "length_out_of_range"),
    ],
)
def test_a_wrong_charge_is_refused_at_its_member(shop: Caller, path: str, change: Any, pointer: str, code: str) -> None:
    assert wrong(shop.post(path, hands(**change))) == [(pointer, code)]
    assert shop.get(path).json["data"] == []


def test_what_has_not_started_has_no_charges(shop: Caller) -> None:
    order = {"account": "contoso", "plan": "colo", "start": {"on": "provisioned"}}
    made = shop.made("/v1/subscriptions", order)
    assert refused(shop.post(f"/v1/subscriptions/{made['id']}/charges", hands())) == (409, "subscription_not_started")


def test_another_provider_and_a_customer_put_no_charges_on(
    shop: Caller, path: str, stranger: Caller, new_caller: NewCaller
) -> None:
    made = shop.made(path, hands())
    assert stranger.post(path, hands()).status_code == 404
    assert stranger.get(path).status_code == 404
    assert stranger.delete(f"{path}/{made['id']}").status_code == 404
    reader = new_caller(scopes=["subscriptions:read", "subscriptions:write"])
    assert reader.post(path, hands()).status_code == 403
    assert reader.get(path).status_code == 200


def test_what_was_to_come_ends_with_the_subscription_and_what_was_done_is_billed(
    shop: Caller, path: str, advance: Any
) -> None:
    done, to_come = shop.made(path, hands()), shop.made(path, hands(at="2026-01-25T00:00:00Z"))
    advance("2026-01-20T00:00:00Z")
    shop.made(f"{path.removesuffix('charges')}changes", {"effective": "now", "cancel": True})
    advance("2026-02-01T02:00:00Z")
    assert [line for line in lines(shop) if line[0] == "one_off"] == [("one_off", "A disk exchanged", 14250)]
    states = {charge["id"]: charge["state"] for charge in shop.get(path).json["data"]}
    assert states == {done["id"]: "billed", to_come["id"]: "withdrawn"}
    assert refused(shop.post(path, hands())) == (409, "subscription_ended")
