"""Taxes over HTTP: who is charged what, on what ground, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from core.ids import decode
from models.billing import Invoice
from tests.api.conftest import Caller, NewCaller
from tests.builders.runs import set_clock
from tests.builders.tax_engine import Engine, tax_engine
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
RACK = {
    "charge_code": "rack",
    "product": "hosting",
    "kind": "recurring",
    "timing": "arrears",
    "currencies": {"EUR": {"model": "flat", "amount_price": "100"}},
}


@pytest.fixture
def seller(client: Caller) -> str:
    """The default seller, in the Netherlands, taxed by the rules."""
    (found,) = client.get("/v1/sellers").json["data"]
    rules = {"tax_engine": "rules", "country": "NL", "tax_id": "NL004495445B01", "tax_name": "Btw"}
    assert client.patch(f"/v1/sellers/{found['id']}", rules).status_code == 200
    return str(found["id"])


def plan(client: Caller, *prices: dict[str, Any]) -> None:
    client.made("/v1/products", {"code": "hosting", "name": "Hosting"})
    client.made("/v1/plans", {"code": "host", "name": "Hosting", "version": {"prices": list(prices or (RACK,))}})


def account(client: Caller, external_id: str, **members: Any) -> str:
    """An account with the plan since 1 January."""
    body = {"name": external_id, "currency": "EUR", "country": "NL", "time_zone": "UTC", "external_id": external_id}
    made = client.made("/v1/accounts", body | members)
    order = {"account": external_id, "plan": "host", "start": {"at": "2026-01-01T00:00:00Z"}, "anchor": "calendar"}
    client.made("/v1/subscriptions", order)
    return str(made["id"])


def bill(client: Caller, open_unit: Open) -> Any:
    set_clock(open_unit, FEBRUARY)
    return client.made("/v1/billing-runs", {})


def invoice_of(client: Caller, account_id: str) -> Any:
    (found,) = client.get(f"/v1/invoices?account={account_id}").json["data"]
    return found


def lines_of(client: Caller, invoice: Any) -> Any:
    return client.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]


def test_a_business_elsewhere_in_the_union_owes_the_tax_itself(client: Caller, seller: str, open_unit: Open) -> None:
    plan(client)
    payer = account(client, "gmbh", country="DE", tax_id="DE136695976", locale="de-DE")
    at_home = account(client, "bv")
    bill(client, open_unit)
    invoice = invoice_of(client, payer)
    (tax,) = invoice["taxes"]
    assert (tax["category"], tax["rate"], tax["reason"]) == ("AE", "0", "VATEX-EU-AE")
    assert tax["note"].startswith("Steuerschuldnerschaft des Leistungsempfängers")
    assert (invoice["net_amount"], invoice["tax_amount"], invoice["total_amount"]) == (10_000, 0, 10_000)
    assert [(line["tax_category"], line["tax_rate"]) for line in lines_of(client, invoice)] == [("AE", "0")]
    assert invoice_of(client, at_home)["taxes"] == [
        {"category": "S", "rate": "21", "name": "Btw", "net_amount": 10_000, "tax_amount": 2_100}
    ]
    assert client.get(f"/v1/invoices/{invoice['id']}/pdf").status_code == 200


def test_a_price_with_its_tax_in_it_comes_to_what_it_says(client: Caller, seller: str, open_unit: Open) -> None:
    cents = {"EUR": {"model": "flat", "amount_price": "0.01"}}
    prices = [RACK | {"charge_code": f"extra-{n}", "tax_inclusive": True, "currencies": cents} for n in range(3)]
    plan(client, *prices)
    payer = account(client, "consumer")
    assert client.get("/v1/plans").json["data"][0]["version"]["prices"][0]["tax_inclusive"] is True
    bill(client, open_unit)
    invoice = invoice_of(client, payer)
    amounts = {name: invoice[f"{name}_amount"] for name in ("net", "tax", "rounding", "total")}
    assert amounts == {"net": 2, "tax": 0, "rounding": 1, "total": 3}
    lines = lines_of(client, invoice)
    assert [(line["amount"], line["charged_amount"], line["tax_inclusive"]) for line in lines] == [
        (1, 1, True),
        (1, 1, True),
        (0, 1, True),
    ]
    assert client.get(f"/v1/invoices/{invoice['id']}/pdf").status_code == 200


def test_a_charge_put_on_by_hand_may_have_its_tax_in_it(client: Caller, seller: str, open_unit: Open) -> None:
    plan(client)
    payer = account(client, "payer")
    (subscription,) = client.get("/v1/subscriptions").json["data"]
    hands = {"product": "hosting", "description": "Smart hands", "amount": 2_420, "tax_inclusive": True}
    made = client.made(f"/v1/subscriptions/{subscription['id']}/charges", hands)
    assert (made["tax_inclusive"], made["amount"]) == (True, 2_420)
    bill(client, open_unit)
    invoice = invoice_of(client, payer)
    assert (invoice["net_amount"], invoice["tax_amount"], invoice["total_amount"]) == (12_000, 2_520, 14_520)


def test_what_is_outside_the_scope_has_an_invoice_of_its_own(client: Caller, seller: str, open_unit: Open) -> None:
    client.made("/v1/products", {"code": "room", "name": "Room", "nature": "property"})
    plan(client, RACK, RACK | {"charge_code": "room", "product": "room"})
    payer = account(client, "swiss", country="CH")
    bill(client, open_unit)
    found = client.get(f"/v1/invoices?account={payer}").json["data"]
    assert sorted(tax["category"] for invoice in found for tax in invoice["taxes"]) == ["O", "S"]
    assert {invoice["status"] for invoice in found} == {"open"}


def test_a_correction_is_taxed_as_what_it_corrects_was_whatever_decides_by_then(
    client: Caller, seller: str, open_unit: Open
) -> None:
    plan(client, RACK | {"timing": "advance"})
    payer = account(client, "gmbh", country="DE", tax_id="DE136695976")
    bill(client, open_unit)
    assert client.patch(f"/v1/sellers/{seller}", {"tax_engine": "flat_rate", "tax_rate": "19"}).status_code == 200
    (subscription,) = client.get("/v1/subscriptions").json["data"]
    change = {"effective": {"at": "2026-02-15T00:00:00Z"}, "quantities": {"rack": "3"}}
    set_clock(open_unit, datetime(2026, 2, 16, tzinfo=UTC))
    assert client.post(f"/v1/subscriptions/{subscription['id']}/changes", change).status_code == 201
    client.made("/v1/billing-runs", {})
    invoice = client.get(f"/v1/invoices?account={payer}").json["data"][0]
    found = {line["kind"]: (line["tax_category"], line["tax_rate"]) for line in lines_of(client, invoice)}
    assert found == {"credit": ("AE", "0"), "recurring": ("S", "19")}
    assert {tax["category"]: bool(tax.get("note")) for tax in invoice["taxes"]} == {"S": False, "AE": True}


def test_a_document_that_breaks_a_rule_is_not_made_final(client: Caller, seller: str, open_unit: Open) -> None:
    plan(client)
    payer = account(client, "payer")
    set_clock(open_unit, FEBRUARY)
    client.made("/v1/billing-runs", {"finalize": False})
    draft = invoice_of(client, payer)
    with open_unit() as ctx:
        taxes = [draft["taxes"][0] | {"tax_amount": 2_101}]
        wrong = {"taxes": taxes, "tax_amount": 2_101, "total_amount": 12_101}
        ctx.session.execute(update(Invoice).where(Invoice.id == decode("invoice", draft["id"])).values(**wrong))
    answer = client.post(f"/v1/invoices/{draft['id']}/finalize")
    assert (answer.status_code, answer.json["code"]) == (409, "document_unsound")
    assert "BR-CO-17: S 21 % on 10000 is 2100, the breakdown says 2101" in answer.json["detail"]
    assert invoice_of(client, payer)["number"] is None


def test_state_and_city_each_take_their_tax_of_the_same_amount(client: Caller, seller: str, open_unit: Open) -> None:
    us = {
        "country": "US",
        "tax_id": None,
        "tax_name": "Sales tax",
        "tax_registrations": [{"country": "US", "region": "NY"}],
    }
    assert client.patch(f"/v1/sellers/{seller}", us).status_code == 200
    rate = {"country": "US", "region": "US-NY", "name": "Sales tax", "stacked": True, "valid_from": "2026-01-01"}
    state = client.made("/v1/tax-rates", rate | {"rate": "4"})
    client.made("/v1/tax-rates", rate | {"rate": "4.5", "city": "New York", "jurisdiction": "New York City"})
    assert (state["region"], state["jurisdiction"], state["category"]) == ("NY", "NY, US", "S")
    plan(client)
    payer = account(client, "inc", country="US", address={"region": "NY", "city": "New York"})
    elsewhere = account(client, "llc", country="US", address={"region": "TX"})
    bill(client, open_unit)
    assert [(tax["jurisdiction"], tax["rate"], tax["tax_amount"]) for tax in invoice_of(client, payer)["taxes"]] == [
        ("New York City", "4.5", 450),
        ("NY, US", "4", 400),
    ]
    assert [tax["category"] for tax in invoice_of(client, elsewhere)["taxes"]] == ["O"]


def test_a_certificate_exempts_while_it_is_valid(client: Caller, seller: str, open_unit: Open) -> None:
    plan(client)
    held = {"number": "EX-7", "country": "NL", "valid_from": "2026-01-01"}
    payer, late = account(client, "embassy"), account(client, "too-late")
    path = f"/v1/accounts/{payer}/tax-certificates"
    made = client.made(path, held | {"reason": "VATEX-EU-151", "valid_to": "2026-02-01", "document": "vault/7"})
    client.made(f"/v1/accounts/{late}/tax-certificates", held | {"valid_to": "2026-01-31"})
    assert client.get(path).json["data"] == [made] == [client.get(f"/v1/tax-certificates/{made['id']}").json]
    bill(client, open_unit)
    (tax,) = invoice_of(client, payer)["taxes"]
    assert (tax["category"], tax["reason"], tax["note"]) == ("E", "VATEX-EU-151", "Exempt by certificate EX-7.")
    assert [tax["category"] for tax in invoice_of(client, late)["taxes"]] == ["S"]


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"valid_to": "2026-01-14"}, "certificate_expired", "/valid_to"),
        ({"valid_from": "2026-03-01", "valid_to": "2026-02-01"}, "dates_reversed", "/valid_to"),
        ({"country": "XX"}, "country_unknown", "/country"),
        ({"valid_from": "soon"}, "date_malformed", "/valid_from"),
        ({"number": ""}, "string_length", "/number"),
    ],
)
def test_a_certificate_that_cannot_exempt_is_refused(
    client: Caller, members: dict[str, Any], code: str, pointer: str
) -> None:
    payer = client.made("/v1/accounts", {"name": "A", "currency": "EUR", "country": "NL"})
    body = {"number": "EX-7", "country": "NL", "valid_from": "2026-01-01"} | members
    answer = client.post(f"/v1/accounts/{payer['id']}/tax-certificates", body)
    assert answer.status_code == 422
    if code != "string_length":
        assert (code, pointer) in [(e["code"], e["pointer"]) for e in answer.json["errors"]]
    assert client.get("/v1/tax-certificates").json["data"] == []


RATE = {"country": "CH", "rate": "8.1", "valid_from": "2026-01-01", "valid_to": "2026-06-30"}


@pytest.mark.parametrize(
    ("members", "status", "code", "pointer"),
    [
        ({"valid_from": "2026-06-30", "valid_to": None}, 409, "rate_overlaps", "/valid_from"),
        ({"valid_from": "2025-01-01", "valid_to": "2026-01-01"}, 409, "rate_overlaps", "/valid_from"),
        ({"rate": "9"}, 409, "rate_overlaps", "/valid_from"),
        ({"valid_from": "2026-07-01", "valid_to": "2026-06-30"}, 422, "dates_reversed", "/valid_to"),
        ({"city": "Bern"}, 422, "region_required", "/region"),
        ({"rate": "101"}, 422, None, "/rate"),
        ({"rate": 8.1}, 422, "decimal_string_expected", "/rate"),
        ({"rate": "0", "category": "E"}, 422, "note_required", "/note"),
        ({"rate": "0", "category": "S"}, 422, "category_has_no_rate", "/category"),
    ],
)
def test_a_rate_that_cannot_hold_is_refused(
    client: Caller, members: dict[str, Any], status: int, code: str | None, pointer: str
) -> None:
    client.made("/v1/tax-rates", RATE)
    answer = client.post("/v1/tax-rates", RATE | members)
    assert answer.status_code == status, answer.json
    (error,) = answer.json["errors"]
    assert (error["pointer"], error["code"] if code else None) == (pointer, code)
    assert len(client.get("/v1/tax-rates").json["data"]) == 1


def test_rates_follow_each_other_by_the_day_and_places_stand_apart(client: Caller) -> None:
    first = client.made("/v1/tax-rates", RATE)
    client.made("/v1/tax-rates", RATE | {"valid_from": "2026-07-01", "valid_to": None})
    client.made("/v1/tax-rates", RATE | {"region": "ZH"})
    client.made("/v1/tax-rates", RATE | {"tax_class": "reduced", "rate": "2.6"})
    assert len(client.get("/v1/tax-rates?country=CH&on=2026-06-30").json["data"]) == 3
    answer = client.patch(f"/v1/tax-rates/{first['id']}", {"valid_to": "2026-07-01"})
    assert (answer.status_code, answer.json["code"]) == (409, "rate_overlaps")
    assert client.delete(f"/v1/tax-rates/{first['id']}").status_code == 204
    assert client.get(f"/v1/tax-rates/{first['id']}").status_code == 404


def test_a_payer_whose_rate_is_unknown_is_parked_and_the_others_are_billed(
    client: Caller, seller: str, open_unit: Open
) -> None:
    client.made("/v1/products", {"code": "odd", "name": "Odd", "tax_class": "books"})
    plan(client)
    client.made("/v1/plans", {"code": "odd", "name": "Odd", "version": {"prices": [RACK | {"product": "odd"}]}})
    odd, plain = account(client, "odd"), account(client, "plain")
    order = {"account": "odd", "plan": "odd", "start": {"at": "2026-01-01T00:00:00Z"}, "anchor": "calendar"}
    client.made("/v1/subscriptions", order)
    run = bill(client, open_unit)
    assert (run["billed_count"], run["parked_count"]) == (1, 1)
    parked = client.get(f"/v1/billing-runs/{run['id']}/payers?status=parked").json["data"][0]
    assert (parked["account"], parked["reason"]) == (odd, "tax_rate_unknown")
    assert "books in NL on 2026-02-01" in parked["detail"]
    assert invoice_of(client, plain)["total_amount"] == 12_100
    client.made("/v1/tax-rates", {"country": "NL", "tax_class": "books", "rate": "9", "valid_from": "2026-01-01"})
    assert client.made("/v1/billing-runs", {"accounts": ["odd"]})["parked_count"] == 0
    assert [tax["rate"] for tax in invoice_of(client, odd)["taxes"]] == ["21", "9"]


@pytest.fixture
def engine(client: Caller, seller: str) -> Iterator[Engine]:
    """The seller's own tax engine, running."""
    with tax_engine() as running:
        running.secret = client.made(f"/v1/sellers/{seller}/tax-endpoint", {"url": running.url})["secret"]
        assert client.patch(f"/v1/sellers/{seller}", {"tax_engine": "endpoint"}).status_code == 200
        yield running


def test_an_engine_outside_is_asked_once_for_all_and_its_answer_is_what_is_charged(
    client: Caller, engine: Engine, open_unit: Open
) -> None:
    plan(client)
    payers = [account(client, f"payer-{n}", address={"city": f"Town {n}"}) for n in range(3)]
    run = bill(client, open_unit)
    assert (run["billed_count"], run["parked_count"]) == (3, 0)
    (questions,) = engine.asked
    assert len(questions) == 3
    towns = sorted(question["payer"]["place"]["city"] for question in questions)
    assert towns == ["Town 0", "Town 1", "Town 2"]
    assert (questions[0]["supply"], questions[0]["on"]) == (
        {"tax_class": "standard", "nature": "service"},
        "2026-02-01",
    )
    for payer in payers:
        (tax,) = invoice_of(client, payer)["taxes"]
        assert (tax["name"], tax["rate"], tax["tax_amount"]) == ("Tax", "10", 1_000)
    client.made("/v1/billing-runs", {})
    assert len(engine.asked) == 1  # the same question was answered before


def test_who_cannot_be_taxed_is_parked_and_billed_once_the_engine_answers(
    client: Caller, engine: Engine, open_unit: Open
) -> None:
    plan(client)
    payer = account(client, "payer")
    engine.status = 503
    run = bill(client, open_unit)
    assert (run["billed_count"], run["parked_count"], run["status"]) == (0, 1, "done")
    (parked,) = client.get(f"/v1/billing-runs/{run['id']}/payers").json["data"]
    assert (parked["reason"], parked["detail"]) == (
        "tax_engine_unavailable",
        "The tax engine does not answer: answered 503",
    )
    assert client.get("/v1/invoices").json["data"] == []
    engine.status = 200
    assert client.made("/v1/billing-runs", {})["parked_count"] == 0
    assert invoice_of(client, payer)["total_amount"] == 11_000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": {"code": "address_unknown", "detail": "No such town."}}, "tax_engine_refused"),
        ({"rates": [{"category": "S", "rate": 10}]}, "tax_engine_malformed"),
        ({"rates": [{"category": "AE", "rate": "0"}]}, "tax_engine_malformed"),
        ({"rates": [{"category": "X", "rate": "1"}]}, "tax_engine_malformed"),
        ({"rates": []}, "tax_engine_malformed"),
        ({}, "tax_engine_malformed"),
    ],
)
def test_an_answer_that_cannot_be_charged_parks_that_payer_alone(
    client: Caller, engine: Engine, open_unit: Open, answer: dict[str, Any], reason: str
) -> None:
    plan(client)
    account(client, "odd", country="DE")
    account(client, "plain")
    engine.decide = lambda question: (
        answer if question["payer"]["place"]["country"] == "DE" else {"rates": [{"category": "S", "rate": "10"}]}
    )
    run = bill(client, open_unit)
    (parked,) = client.get(f"/v1/billing-runs/{run['id']}/payers?status=parked").json["data"]
    assert (run["billed_count"], parked["reason"]) == (1, reason)


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"tax_engine": "avalanche"}, "tax_engine_unknown", "/tax_engine"),
        ({"tax_engine": "endpoint"}, "tax_endpoint_required", "/tax_engine"),
        ({"tax_registrations": [{"country": "XX"}]}, "country_unknown", "/tax_registrations/0/country"),
        ({"tax_id": "NL004495446B01"}, "tax_id_malformed", "/tax_id"),
    ],
)
def test_what_a_seller_cannot_be_taxed_by_is_refused(
    client: Caller, body: dict[str, Any], code: str, pointer: str
) -> None:
    (found,) = client.get("/v1/sellers").json["data"]
    answer = client.patch(f"/v1/sellers/{found['id']}", body)
    assert answer.status_code == 422
    assert (code, pointer) in [(e["code"], e["pointer"]) for e in answer.json["errors"]]


@pytest.mark.parametrize(
    "wrong", ["DE136695975", "NL004495446B01", "EL094259217", "XI432525178", "GB980780685", "FR00"]
)
def test_a_tax_id_with_wrong_check_digits_is_refused(client: Caller, wrong: str) -> None:
    body = {"name": "A", "currency": "EUR", "country": "NL", "tax_id": wrong}
    answer = client.post("/v1/accounts", body)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "tax_id_malformed")
    assert answer.json["errors"][0]["pointer"] == "/tax_id"


def test_only_the_provider_says_that_a_number_was_looked_up(client: Caller, new_caller: NewCaller) -> None:
    body = {"name": "A", "currency": "EUR", "country": "NL", "tax_id": "NL004495445B01"}
    made = client.made("/v1/accounts", body | {"tax_id_checked_on": "2026-01-15", "tax_id_check": "WAPIAAAAW1"})
    path = f"/v1/accounts/{made['id']}"
    own = new_caller(scopes=["accounts:read", "accounts:write"], account_id=decode("account", made["id"]))
    answer = own.patch(path, {"tax_id_checked_on": "2026-01-15"})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "provider_only")
    assert own.post(f"{path}/tax-certificates", {}).status_code in (403, 404, 422)
    changed = own.patch(path, {"tax_id": "DE136695976"}).json
    assert (changed["tax_id"], changed["tax_id_checked_on"], changed["tax_id_check"]) == ("DE136695976", None, None)
