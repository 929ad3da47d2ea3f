"""What is not billed yet is what a billing run would bill now, and what running usage comes to; nothing is stored."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from pypdf import PdfReader

from core.ids import decode
from tests.api.conftest import Caller, NewCaller
from tests.builders.sandbox import Sandbox, usage_price

UNIT = {"model": "per_unit", "unit_price": "0.5"}
RACK = {
    "charge_code": "rack",
    "product": "power",
    "kind": "recurring",
    "currencies": {"EUR": {"model": "flat", "amount_price": "450"}},
}


@pytest.fixture
def sandbox(client: Caller) -> Sandbox:
    """A payer with a rack in advance and metered energy, since the middle of January, taxed at 21 per cent."""
    made = Sandbox(client, "2026-01-15T00:00:00Z")
    seller = client.get("/v1/sellers").json["data"][0]["id"]
    assert client.patch(f"/v1/sellers/{seller}", {"tax_rate": "21"}).status_code == 200
    plan = {"code": "colo", "name": "Colo", "version": {"prices": [RACK, usage_price(UNIT)]}}
    client.made("/v1/plans", plan)
    return made


def unbilled(sandbox: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.client.get(f"/v1/accounts/{sandbox.account}/unbilled").json
    return found


def dry_run(sandbox: Sandbox, **body: Any) -> list[dict[str, Any]]:
    made = sandbox.client.made("/v1/billing-runs", {"dry_run": True, "accounts": [sandbox.account], **body})
    return [without_ids(invoice) for invoice in made["invoices"]]


def without_ids(invoice: dict[str, Any]) -> dict[str, Any]:
    lines = [{k: v for k, v in line.items() if k != "id"} for line in invoice["lines"]]
    return invoice | {"lines": lines}


def printed(data: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages))


def test_what_is_due_is_what_a_billing_run_bills_now(sandbox: Sandbox) -> None:
    sandbox.subscribe("colo", "2026-01-15T00:00:00Z")
    found = unbilled(sandbox)
    assert [without_ids(each) for each in found["documents"]] == dry_run(sandbox)
    sandbox.client.made("/v1/billing-runs", {"accounts": [sandbox.account]})
    (invoice,) = sandbox.invoices()
    (document,) = found["documents"]
    for member in ("net_amount", "tax_amount", "total_amount", "taxes", "currency"):
        assert invoice[member] == document[member]
    assert [line["amount"] for line in sandbox.lines(invoice)] == [line["amount"] for line in document["lines"]]
    after = unbilled(sandbox)
    assert (after["documents"], after["sums"][0]["due_net_amount"]) == ([], 0)


def test_running_usage_is_told_with_its_tax_and_then_falls_due(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe("colo", "2026-01-15T00:00:00Z", cost_centre="CC-7", purchase_order="PO-1")
    sandbox.client.made("/v1/billing-runs", {"accounts": [sandbox.account]})
    sandbox.advance("2026-01-20T12:00:00Z")
    sandbox.use(subscription, "2026-01-20T11:00:00Z", "100")
    found = unbilled(sandbox)
    (line,) = found["usage"]
    told = {
        name: line[name] for name in ("charge_code", "quantity", "unit", "unit_price", "amount", "currency", "until")
    }
    assert told == {
        "charge_code": "energy",
        "quantity": "100",
        "unit": "kWh",
        "unit_price": "0.5",
        "amount": 5000,
        "currency": "EUR",
        "until": "2026-01-20T12:00:00Z",
    }
    assert (line["cost_centre"], line["purchase_order"]) == ("CC-7", "PO-1")
    (sums,) = found["sums"]
    assert [sums[f"usage_{kind}_amount"] for kind in ("net", "tax", "total")] == [5000, 1050, 6050]
    assert (sums["due_net_amount"], sums["net_amount"]) == (0, 5000)
    sandbox.advance("2026-02-01T00:10:00Z")  # over, but not closed: its last readings may be on their way
    assert [each["amount"] for each in unbilled(sandbox)["usage"]] == [5000, 0]
    sandbox.advance("2026-02-01T02:00:00Z")
    assert [each["span"]["start"][:10] for each in unbilled(sandbox)["usage"]] == ["2026-02-01"]
    assert ("usage", 5000) in sandbox.amounts()[-1]


def test_what_is_given_back_counts_below_zero(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe("colo", "2026-01-15T00:00:00Z")
    sandbox.client.made("/v1/billing-runs", {"accounts": [sandbox.account]})
    ended = {"effective": {"at": "2026-01-23T12:00:00Z"}, "cancel": True}
    sandbox.client.made(f"/v1/subscriptions/{subscription}/changes", ended)
    sandbox.advance("2026-01-24T00:00:00Z")
    found = unbilled(sandbox)
    assert found["documents"] == []
    (note,) = found["credit_notes"]
    (sums,) = found["sums"]
    assert (sums["due_net_amount"], sums["due_total_amount"]) == (-note["net_amount"], -note["total_amount"])
    assert sums["net_amount"] < 0
    answer = sandbox.client.get(f"/v1/accounts/{sandbox.account}/unbilled/lines.csv")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert sum(int(row["amount"]) for row in rows) == sums["net_amount"]
    said = printed(sandbox.client.get(f"/v1/accounts/{sandbox.account}/unbilled/pdf").data)
    assert f"−€{-sums['net_amount'] / 100:,.2f}" in said


def test_its_lines_as_csv_add_up_to_its_sums(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe("colo", "2026-01-15T00:00:00Z")
    sandbox.use(subscription, "2026-01-15T00:00:00Z", "3")
    answer = sandbox.client.get(f"/v1/accounts/{sandbox.account}/unbilled/lines.csv")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    (sums,) = unbilled(sandbox)["sums"]
    assert [(row["state"], row["charge_code"]) for row in rows] == [("due", "rack"), ("so_far", "energy")]
    assert sum(int(row["amount"]) for row in rows) == sums["net_amount"]
    assert {row["currency"] for row in rows} == {"EUR"}


def test_on_paper_it_says_that_it_is_no_invoice(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe("colo", "2026-01-15T00:00:00Z")
    sandbox.use(subscription, "2026-01-15T00:00:00Z", "3")
    answer = sandbox.client.get(f"/v1/accounts/{sandbox.account}/unbilled/pdf")
    assert answer.content_type == "application/pdf"
    said = printed(answer.data)
    assert "This is not an invoice" in said
    assert "Still running, so far" in said
    (sums,) = unbilled(sandbox)["sums"]
    assert f"€{sums['net_amount'] / 100:,.2f}" in said
    empty = sandbox.client.get(f"/v1/accounts/{sandbox.account}/unbilled/pdf?currency=USD")
    assert "$0.00" in printed(empty.data)


def test_a_pro_forma_is_the_bill_that_comes_if_nothing_happens(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe("colo", "2026-01-15T00:00:00Z")
    sandbox.use(subscription, "2026-01-15T00:00:00Z", "3")
    path = f"/v1/accounts/{sandbox.account}/pro-forma"
    found = sandbox.client.get(path).json
    assert found["as_of"] == "2026-02-01T00:30:00Z"
    (document,) = found["documents"]
    said = printed(sandbox.client.get(f"{path}/pdf").data)
    for expected in ("Pro forma", "Not an invoice", f"€{document['total_amount'] / 100:,.2f}", "VAT 21%"):
        assert expected in said
    assert "INV-" not in said
    assert sandbox.invoices() == []
    sandbox.advance("2026-02-01T02:00:00Z")
    (invoice,) = sandbox.invoices()
    for member in ("net_amount", "tax_amount", "total_amount", "taxes", "currency"):
        assert invoice[member] == document[member]
    assert invoice["number"] == "INV-2026-000001"


def test_a_pro_forma_of_a_payer_that_cannot_be_billed_says_why(sandbox: Sandbox) -> None:
    sandbox.subscribe("colo", "2026-01-15T00:00:00Z")
    seller = sandbox.client.get("/v1/sellers").json["data"][0]["id"]
    sandbox.client.patch(f"/v1/sellers/{seller}", {"tax_engine": "rules", "country": "NL", "tax_id": "NL004495445B01"})
    product = sandbox.client.get("/v1/products").json["data"][0]["id"]
    assert sandbox.client.patch(f"/v1/products/{product}", {"tax_class": "books"}).status_code == 200
    found = sandbox.client.get(f"/v1/accounts/{sandbox.account}/pro-forma").json
    assert found["documents"] == []
    assert [each["code"] for each in found["waiting"]] == ["tax_rate_unknown"]


def test_a_pro_forma_has_the_documents_that_there_are(sandbox: Sandbox) -> None:
    path = f"/v1/accounts/{sandbox.account}/pro-forma"
    assert sandbox.client.get(path).json["documents"] == []
    for query, code, pointer in (
        ("/pdf", "document_unknown", "document"),
        ("?as_of=2025-12-01T00:00:00Z", "as_of_out_of_range", "as_of"),
        ("/pdf?as_of=2036-12-01T00:00:00Z", "as_of_out_of_range", "as_of"),
    ):
        refused = sandbox.client.get(f"{path}{query}")
        assert (refused.status_code, refused.json["code"]) == (422, code)
        assert refused.json["errors"][0]["parameter"] == pointer


def test_an_order_is_drawn_alone_and_leaves_nothing_behind(sandbox: Sandbox) -> None:
    client = sandbox.client
    sandbox.subscribe("colo", "2026-01-15T00:00:00Z")
    before = [client.get(path).json for path in ("/v1/subscriptions", "/v1/invoices", "/v1/events?limit=200")]
    order = {"account": sandbox.account, "plan": "colo", "start": {"at": "2026-02-01T00:00:00Z"}}
    answer = client.post("/v1/subscriptions/preview/pdf", {**order, "purchase_order": "PO-9"})
    said = printed(answer.data)
    for expected in ("Pro forma", "450.00", "VAT 21% on €450.00", "€544.50", "PO-9", "1–28 Feb 2026"):
        assert expected in said
    provisioned = client.post("/v1/subscriptions/preview/pdf", {**order, "start": {"on": "provisioned"}})
    assert "15–31 Jan 2026" in printed(provisioned.data)
    assert before == [client.get(path).json for path in ("/v1/subscriptions", "/v1/invoices", "/v1/events?limit=200")]


def test_an_order_that_brings_nothing_has_no_pro_forma(sandbox: Sandbox) -> None:
    order = {"account": sandbox.account, "plan": "colo", "start": {"at": "2026-02-01T00:00:00Z"}}
    free = sandbox.client.post("/v1/subscriptions/preview/pdf", {**order, "trial": {"days": 14}})
    assert (free.status_code, free.json["code"]) == (409, "nothing_to_bill")
    early = sandbox.client.post("/v1/subscriptions/preview/pdf", {**order, "as_of": "2026-01-20T00:00:00Z"})
    assert (early.status_code, early.json["errors"][0]["pointer"]) == (422, "/as_of")
    unknown = sandbox.client.post("/v1/subscriptions/preview/pdf", {**order, "plan": "none"})
    assert (unknown.status_code, unknown.json["code"]) == (422, "plan_unknown")


def test_it_is_shown_to_the_payer_and_to_nobody_else(sandbox: Sandbox, new_caller: NewCaller, stranger: Caller) -> None:
    child = sandbox.client.made(
        "/v1/accounts", {"name": "Lab", "currency": "EUR", "country": "NL", "parent": "contoso", "payer": "parent"}
    )
    own = new_caller(["invoices:read"], account_id=decode("account", sandbox.account))
    below = new_caller(["invoices:read"], account_id=decode("account", child["id"]))
    for path in ("unbilled", "unbilled/pdf", "unbilled/lines.csv", "pro-forma"):
        assert own.get(f"/v1/accounts/{sandbox.account}/{path}").status_code == 200
        assert below.get(f"/v1/accounts/{sandbox.account}/{path}").status_code == 404
        assert stranger.get(f"/v1/accounts/{sandbox.account}/{path}").status_code == 404
        refused = below.get(f"/v1/accounts/{child['id']}/{path}")
        assert (refused.status_code, refused.json["code"]) == (409, "account_does_not_pay")
