"""What a customer sees of credit notes, of the ground of a tax, and of its cost centres."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.ids import decode
from tests.api.conftest import Caller
from tests.builders.sandbox import Sandbox
from tests.conftest import Open
from tests.portal.conftest import Browser, NewBrowser
from tests.portal.test_pages import words

UNIT = {"model": "per_unit", "unit_price": "0.5"}


@pytest.fixture
def billed(client: Caller) -> Sandbox:
    """A German business, billed by a Dutch seller for energy that a cost centre pays."""
    made = Sandbox(client)
    seller = client.get("/v1/sellers").json["data"][0]["id"]
    rules = {"country": "NL", "tax_engine": "rules", "tax_registrations": [{"country": "NL"}]}
    assert client.patch(f"/v1/sellers/{seller}", {**rules, "tax_id": "NL004495445B01"}).status_code == 200
    payer = {"country": "DE", "tax_id": "DE136695976", "purchase_order": "PO-1", "cost_centre": "HQ"}
    assert client.patch(f"/v1/accounts/{made.account}", payer).status_code == 200
    subscription = made.subscribe(made.plan(UNIT), cost_centre="OPS", purchase_order="PO-7")
    made.use(subscription, "2026-01-01T00:00:00Z", "100")
    made.advance("2026-02-01T02:00:00Z")
    return made


@pytest.fixture
def buyer(billed: Sandbox, open_unit: Open, provider_id: UUID, new_browser: NewBrowser) -> Browser:
    """That business, signed in."""
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, decode("account", billed.account))
    return browser


def test_an_invoice_says_why_no_tax_is_due_and_who_pays(billed: Sandbox, buyer: Browser) -> None:
    (invoice,) = billed.invoices()
    said = words(buyer.get(f"invoices/{invoice['id']}").text)
    assert "Reverse charge" in said
    assert "Purchase order PO-7" in said
    assert "Cost centre OPS" in said
    assert "By cost centre, without tax OPS €50.00" in said


def test_credit_notes_stand_beside_the_invoice_and_in_the_list(
    billed: Sandbox, buyer: Browser, open_unit: Open, provider_id: UUID
) -> None:
    (invoice,) = billed.invoices()
    assert "Credit notes" not in words(buyer.get("invoices").text)
    note = billed.client.made(f"/v1/invoices/{invoice['id']}/credit-notes", {"amount": 1000, "reason": "One day off"})
    for page in ("invoices", f"invoices/{invoice['id']}"):
        said = words(buyer.get(page).text)
        assert f"{note['number']} 1 Feb 2026 1 Feb 2026 {invoice['number']} €10.00" in said
    assert "Credited €10.00" in words(buyer.get(f"invoices/{invoice['id']}").text)
    pdf = buyer.get(f"credit-notes/{note['id']}/pdf")
    assert (pdf.status_code, pdf.content[:5]) == (200, b"%PDF-")
    assert pdf.content == billed.client.get(f"/v1/credit-notes/{note['id']}/pdf").data


def test_a_credit_note_of_another_account_is_not_there(
    billed: Sandbox, open_unit: Open, provider_id: UUID, new_browser: NewBrowser
) -> None:
    (invoice,) = billed.invoices()
    note = billed.client.made(f"/v1/invoices/{invoice['id']}/credit-notes", {"amount": 1000})
    other = billed.client.made("/v1/accounts", {"name": "Other", "currency": "EUR", "country": "NL"})
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, decode("account", other["id"]))
    assert browser.get(f"credit-notes/{note['id']}/pdf").status_code == 404
