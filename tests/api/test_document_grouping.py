"""A payer says what shares a document; lines say whose cost centre pays for them."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from pypdf import PdfReader

from tests.api.conftest import Caller
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
    """A payer with the order number PO-1, and a plan of a rack and energy."""
    made = Sandbox(client)
    client.made("/v1/plans", {"code": "colo", "name": "Colo", "version": {"prices": [RACK, usage_price(UNIT)]}})
    assert client.patch(f"/v1/accounts/{made.account}", {"purchase_order": "PO-1"}).status_code == 200
    return made


def group(sandbox: Sandbox, by: str) -> None:
    changed = sandbox.client.patch(f"/v1/accounts/{sandbox.account}", {"invoice_grouping": by})
    assert changed.json["invoice_grouping"] == by


def billed(sandbox: Sandbox) -> list[tuple[Any, ...]]:
    """Order number, group and sum of each document, in the order of their numbers."""
    found = sorted(sandbox.invoices(), key=lambda each: each["number"])
    return [(each["purchase_order"], each["grouping"], each["net_amount"]) for each in found]


def test_by_default_all_of_a_payer_is_on_one_document_with_its_order_number(sandbox: Sandbox) -> None:
    sandbox.subscribe("colo", purchase_order="PO-2")
    sandbox.subscribe("colo")
    sandbox.client.made("/v1/billing-runs", {})
    assert billed(sandbox) == [("PO-1", "", 90000)]
    assert [line["purchase_order"] for line in sandbox.lines(sandbox.invoices()[0])] == ["PO-2", None]


def test_each_order_number_has_a_document_of_its_own(sandbox: Sandbox) -> None:
    """What names no order is billed under the payer's."""
    group(sandbox, "purchase_order")
    for order in ("PO-2", "PO-1", "PO-2"):
        sandbox.subscribe("colo", purchase_order=order)
    sandbox.subscribe("colo")
    sandbox.client.made("/v1/billing-runs", {})
    assert billed(sandbox) == [("PO-1", "PO-1", 90000), ("PO-2", "PO-2", 90000)]


def test_each_subscription_has_a_document_of_its_own(sandbox: Sandbox) -> None:
    group(sandbox, "subscription")
    first, second = sandbox.subscribe("colo", purchase_order="PO-2"), sandbox.subscribe("colo")
    sandbox.client.made("/v1/billing-runs", {})
    assert billed(sandbox) == [("PO-2", first, 45000), ("PO-1", second, 45000)]


def test_grouping_is_the_payers(sandbox: Sandbox) -> None:
    child = {"name": "Lab", "currency": "EUR", "country": "NL", "parent": "contoso", "payer": "parent"}
    refused = sandbox.client.post("/v1/accounts", {**child, "invoice_grouping": "subscription"})
    assert (refused.status_code, refused.json["code"]) == (422, "account_does_not_pay")
    assert refused.json["errors"][0]["pointer"] == "/invoice_grouping"
    made = sandbox.client.made("/v1/accounts", child)
    changed = sandbox.client.patch(f"/v1/accounts/{made['id']}", {"statement_schedule": {"every": "week", "day": 1}})
    assert (changed.status_code, changed.json["errors"][0]["pointer"]) == (422, "/statement_schedule")
    unknown = sandbox.client.patch(f"/v1/accounts/{sandbox.account}", {"invoice_grouping": "cost_centre"})
    assert (unknown.status_code, unknown.json["errors"][0]["pointer"]) == (422, "/invoice_grouping")


def test_a_cost_centre_is_the_charges_the_subscriptions_or_the_beneficiarys(sandbox: Sandbox) -> None:
    client = sandbox.client
    lab = {"name": "Lab", "currency": "EUR", "country": "NL", "parent": "contoso", "payer": "parent"}
    lab_id = client.made("/v1/accounts", {**lab, "cost_centre": "LAB"})["id"]
    own = sandbox.subscribe("colo", cost_centre="OPS", cost_centres={"energy": "POWER"})
    sandbox.subscribe("colo", account=lab_id)
    sandbox.subscribe("colo")
    sandbox.use(own, "2026-01-01T00:00:00Z", "100")
    items = {item["charge_code"]: item["cost_centre"] for item in client.get(f"/v1/subscriptions/{own}").json["items"]}
    assert items == {"rack": None, "energy": "POWER"}
    sandbox.advance("2026-02-01T02:00:00Z")
    invoice = sandbox.invoices()[-1]
    centres = {(line["beneficiary_name"], line["charge_code"]): line["cost_centre"] for line in sandbox.lines(invoice)}
    assert centres["Lab", "rack"] == "LAB"
    assert {line["cost_centre"] for line in sandbox.lines(invoice) if line["charge_code"] == "energy"} >= {"POWER"}
    sums = {each["cost_centre"]: each["net_amount"] for each in invoice["cost_centres"]}
    assert sums == {None: 45000, "LAB": 45000, "OPS": 45000, "POWER": 5000}
    assert sum(sums.values()) == invoice["net_amount"]


def test_sums_by_cost_centre_are_on_paper_and_in_a_file(sandbox: Sandbox) -> None:
    sandbox.subscribe("colo", cost_centre="=OPS")
    sandbox.subscribe("colo")
    sandbox.client.made("/v1/billing-runs", {})
    (invoice,) = sandbox.invoices()
    pdf = sandbox.client.get(f"/v1/invoices/{invoice['id']}/pdf").data
    said = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))
    assert "=OPS 450.00" in said
    assert "Without a cost centre 450.00" in said
    answer = sandbox.client.get(f"/v1/invoices/{invoice['id']}/cost-centres.csv")
    number = invoice["number"]
    assert answer.get_data(as_text=True).split("\r\n")[:3] == [
        "invoice,cost_centre,net_amount,currency",
        f"{number},,45000,EUR",
        f"{number},'=OPS,45000,EUR",
    ]


def test_a_document_without_cost_centres_has_no_sums_of_them(sandbox: Sandbox) -> None:
    sandbox.subscribe("colo")
    sandbox.client.made("/v1/billing-runs", {})
    assert sandbox.invoices()[0]["cost_centres"] == []


def test_cost_centres_of_charges_are_changed_and_taken_away(sandbox: Sandbox) -> None:
    path = f"/v1/subscriptions/{sandbox.subscribe('colo')}"

    def centres() -> dict[str, str | None]:
        return {item["charge_code"]: item["cost_centre"] for item in sandbox.client.get(path).json["items"]}

    assert sandbox.client.patch(path, {"cost_centres": {"rack": "A", "energy": "B"}}).status_code == 200
    assert centres() == {"rack": "A", "energy": "B"}
    assert sandbox.client.patch(path, {"cost_centres": {"rack": None}}).status_code == 200
    assert centres() == {"rack": None, "energy": "B"}
    refused = sandbox.client.patch(path, {"cost_centres": {"cage": "A"}, "reference": "changed"})
    assert (refused.status_code, refused.json["code"]) == (422, "charge_code_unknown")
    assert refused.json["errors"][0]["pointer"] == "/cost_centres/cage"
    assert sandbox.client.get(path).json["reference"] is None


def test_an_order_with_a_cost_centre_for_a_charge_that_it_lacks_is_refused_whole(sandbox: Sandbox) -> None:
    order = {"account": sandbox.account, "plan": "colo", "start": {"at": "2026-01-01T00:00:00Z"}}
    refused = sandbox.client.post("/v1/subscriptions", {**order, "cost_centres": {"cage": "A"}})
    assert (refused.status_code, refused.json["code"]) == (422, "charge_code_unknown")
    assert sandbox.client.get("/v1/subscriptions").json["data"] == []
