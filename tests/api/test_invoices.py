"""Invoices and billing runs over HTTP."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core.ids import decode, encode
from models.accounts import Account
from models.outbox import OutboxEvent
from models.providers import TestClock
from services import runs_on_request
from tests.api.conftest import Caller, NewCaller
from tests.builders.billing import RACK, PriceOf, a_plan, an_account, subscribe
from tests.builders.runs import work
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def acme(open_unit: Open) -> Account:
    """An account with a rack since 15 January, on 1 February."""
    with open_unit() as ctx:
        account = an_account(ctx)
        subscribe(ctx, account, a_plan(ctx, RACK), start=ctx.now)
        ctx.session.execute(update(TestClock).where(TestClock.provider_id == ctx.provider.id).values(now=FEBRUARY))
    return account


def bill(client: Caller, **body: Any) -> Any:
    return client.made("/v1/billing-runs", body)


def only_invoice(client: Caller) -> Any:
    (invoice,) = client.get("/v1/invoices").json["data"]
    return invoice


def test_a_run_on_request_makes_the_invoices_that_are_due(client: Caller, acme: Account) -> None:
    run = bill(client)
    assert (run["status"], run["billed_count"], run["parked_count"], run["dry_run"]) == ("done", 1, 0, False)
    invoice = only_invoice(client)
    assert invoice == client.get(f"/v1/invoices/{invoice['id']}").json
    shown = {
        name: invoice[name] for name in ("number", "status", "currency", "total_amount", "tax_amount", "due_amount")
    }
    assert shown == {
        "number": "INV-2026-000001",
        "status": "open",
        "currency": "EUR",
        "total_amount": 84309,
        "tax_amount": 14632,
        "due_amount": 84309,
    }
    assert invoice["account"] == encode("account", acme.id)
    assert invoice["issued_on"] == "2026-02-01"
    assert invoice["due_at"] == "2026-02-16T00:00:00Z"
    assert invoice["taxes"] == [
        {"category": "S", "rate": "21", "name": "VAT", "net_amount": 69677, "tax_amount": 14632}
    ]
    assert invoice["billing_run"] == run["id"]


def test_billing_twice_bills_once(client: Caller, acme: Account) -> None:
    bill(client)
    assert bill(client)["billed_count"] == 1
    assert len(client.get("/v1/invoices").json["data"]) == 1


def test_a_dry_run_shows_what_would_be_billed_and_stores_nothing(client: Caller, acme: Account) -> None:
    dry = bill(client, dry_run=True)
    assert (dry["dry_run"], dry["billed_count"], "id" in dry) == (True, 1, False)
    assert [line["amount"] for line in dry["invoices"][0]["lines"]] == [24677, 45000]
    assert dry["invoices"][0]["status"] == "draft"
    assert client.get("/v1/invoices").json["data"] == []
    assert client.get("/v1/billing-runs").json["data"] == []
    assert client.get("/v1/events?type=invoice.created").json["data"] == []
    bill(client)
    assert only_invoice(client)["total_amount"] == dry["invoices"][0]["total_amount"]


def test_only_a_dry_run_looks_ahead(client: Caller, acme: Account) -> None:
    answer = client.post("/v1/billing-runs", {"as_of": "2026-03-01T01:00:00Z"})
    assert (answer.status_code, answer.json["code"], answer.json["errors"][0]["pointer"]) == (
        422,
        "as_of_in_future",
        "/as_of",
    )
    ahead = bill(client, dry_run=True, as_of="2026-03-01T01:00:00Z")
    assert [line["amount"] for line in ahead["invoices"][0]["lines"]] == [24677, 45000, 45000]


def test_a_run_bills_only_the_accounts_that_are_named(client: Caller, acme: Account, open_unit: Open) -> None:
    with open_unit() as ctx:
        other = an_account(ctx, "Other")
        subscribe(ctx, other, a_plan(ctx, RACK))
    bill(client, accounts=[other.external_id])
    assert only_invoice(client)["account"] == encode("account", other.id)
    answer = client.post("/v1/billing-runs", {"accounts": ["nobody"]})
    assert (answer.status_code, answer.json["code"]) == (422, "account_unknown")
    assert answer.json["errors"][0]["pointer"] == "/accounts/0"


def test_lines_come_in_the_order_of_the_document_page_by_page(client: Caller, acme: Account) -> None:
    bill(client)
    url = f"/v1/invoices/{only_invoice(client)['id']}/lines"
    first = client.get(f"{url}?limit=1").json
    (line,) = first["data"]
    assert (line["kind"], line["charge_code"], line["quantity"], line["amount"], line["exact"]) == (
        "recurring",
        "rack",
        "1",
        24677,
        "246.774193548387",
    )
    assert line["span"] == {"start": "2026-01-15T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    assert line["beneficiary"] == encode("account", acme.id)
    second = client.get(f"{url}?limit=1&cursor={first['next_cursor']}").json
    assert [line["amount"] for line in second["data"]] == [45000]
    assert second["next_cursor"] is None


def test_a_line_explains_itself_from_what_was_stored(client: Caller, acme: Account) -> None:
    bill(client)
    url = f"/v1/invoices/{only_invoice(client)['id']}/lines"
    line = client.get(url).json["data"][0]
    why = client.get(f"{url}/{line['id']}/explanation").json
    assert why["price"]["spec"] == {"model": "flat", "amount_price": "450"}
    assert why["price"]["version"] == 1
    assert why["share"] == {"method": "day", "numerator": 17, "denominator": 31}
    assert (why["rated"], why["exact"], why["amount"]) == ("450", "246.774193548387", 24677)
    assert why["today"] is None
    assert why["usage"] is None


def test_a_draft_waits_for_a_person_and_becomes_final_once(client: Caller, acme: Account) -> None:
    bill(client, finalize=False)
    draft = only_invoice(client)
    assert (draft["status"], draft["number"], draft["due_at"]) == ("draft", None, None)
    pdf = client.get(f"/v1/invoices/{draft['id']}/pdf")
    assert (pdf.status_code, pdf.json["code"]) == (409, "invoice_not_final")
    final = client.made(f"/v1/invoices/{draft['id']}/finalize", None)
    assert (final["status"], final["number"]) == ("open", "INV-2026-000001")
    again = client.post(f"/v1/invoices/{draft['id']}/finalize")
    assert (again.status_code, again.json["code"]) == (409, "illegal_transition")


def test_what_a_discarded_draft_charged_is_billed_anew(client: Caller, acme: Account) -> None:
    bill(client, finalize=False)
    draft = only_invoice(client)
    assert client.made(f"/v1/invoices/{draft['id']}/discard", None)["status"] == "discarded"
    bill(client)
    newest = client.get("/v1/invoices").json["data"][0]
    assert (newest["number"], newest["total_amount"]) == ("INV-2026-000001", draft["total_amount"])
    refused = client.post(f"/v1/invoices/{newest['id']}/discard")
    assert (refused.status_code, refused.json["code"]) == (409, "illegal_transition")


def test_a_void_invoice_keeps_its_number_and_its_spans_are_billed_anew(client: Caller, acme: Account) -> None:
    bill(client)
    first = only_invoice(client)
    void = client.made(f"/v1/invoices/{first['id']}/void", None)
    assert (void["status"], void["number"]) == ("void", first["number"])
    assert client.post(f"/v1/invoices/{first['id']}/void").status_code == 409
    bill(client)
    second = client.get("/v1/invoices").json["data"][0]
    assert (second["number"], second["total_amount"]) == ("INV-2026-000002", first["total_amount"])


def test_the_pdf_is_the_same_file_each_time(client: Caller, acme: Account) -> None:
    bill(client)
    url = f"/v1/invoices/{only_invoice(client)['id']}/pdf"
    first, second = client.get(url), client.get(url)
    assert first.status_code == 200
    assert first.content_type == "application/pdf"
    assert first.data.startswith(b"%PDF-")
    assert first.data == second.data


def test_events_show_the_invoice_as_the_api_does(client: Caller, acme: Account, open_unit: Open) -> None:
    bill(client)
    invoice = only_invoice(client)
    with open_unit() as ctx:
        told = ctx.session.scalars(
            select(OutboxEvent)
            .where(OutboxEvent.object_id == decode("invoice", invoice["id"]))
            .order_by(OutboxEvent.sequence)
        ).all()
    assert [event.type for event in told] == ["invoice.created", "invoice.finalized"]
    assert told[0].data["status"] == "draft"
    assert told[1].data == invoice


def test_invoices_are_found_by_account_status_and_number(client: Caller, acme: Account) -> None:
    bill(client)

    def found(query: str) -> int:
        return len(client.get(f"/v1/invoices?{query}").json["data"])

    assert [found(f"account={acme.external_id}"), found("status=open"), found("number=INV-2026-000001")] == [1, 1, 1]
    assert [found("status=paid"), found("number=INV-2026-000009")] == [0, 0]
    assert client.get("/v1/invoices?account=nobody").status_code == 422


def test_a_customer_sees_its_own_invoices_and_no_others(
    client: Caller, acme: Account, open_unit: Open, new_caller: NewCaller
) -> None:
    with open_unit() as ctx:
        other = an_account(ctx, "Other")
    bill(client)
    invoice = only_invoice(client)
    own, foreign = new_caller(account_id=acme.id), new_caller(account_id=other.id)
    assert own.get(f"/v1/invoices/{invoice['id']}").status_code == 200
    line = own.get(f"/v1/invoices/{invoice['id']}/lines").json["data"][0]
    assert foreign.get("/v1/invoices").json["data"] == []
    for path in ("", "/lines", "/pdf", f"/lines/{line['id']}/explanation"):
        assert foreign.get(f"/v1/invoices/{invoice['id']}{path}").status_code == 404
    for path in ("/finalize", "/void", "/discard"):
        assert own.post(f"/v1/invoices/{invoice['id']}{path}").json["code"] == "scope_missing"


def test_runs_are_the_providers_and_no_customers(client: Caller, acme: Account, new_caller: NewCaller) -> None:
    run = bill(client)
    own = new_caller(account_id=acme.id)
    for path in ("", f"/{run['id']}", f"/{run['id']}/payers"):
        assert own.get(f"/v1/billing-runs{path}").json["code"] == "credential_of_account"


def test_a_key_that_may_only_read_bills_nothing(client: Caller, acme: Account, new_caller: NewCaller) -> None:
    reader = new_caller(scopes=["invoices:read"])
    assert reader.post("/v1/billing-runs", {}).status_code == 403
    assert reader.get("/v1/invoices").status_code == 200


def test_a_line_of_another_invoice_is_not_found_here(client: Caller, acme: Account) -> None:
    bill(client)
    invoice = only_invoice(client)
    foreign = encode("invoice_line", UUID(int=7))
    assert (
        client.get(f"/v1/invoices/{invoice['id']}/lines/{foreign}/explanation").json["code"] == "invoice_line_not_found"
    )


def test_a_total_of_nothing_is_paid_as_soon_as_it_is_final(client: Caller, open_unit: Open) -> None:
    with open_unit() as ctx:
        free = PriceOf("free", {"model": "flat", "amount_price": "0"})
        subscribe(ctx, an_account(ctx), a_plan(ctx, free))
    bill(client)
    invoice = only_invoice(client)
    assert (invoice["status"], invoice["total_amount"], invoice["due_amount"]) == ("paid", 0, 0)
    assert invoice["paid_at"] == "2026-01-15T00:00:00Z"


def test_a_run_lists_what_became_of_each_payer(client: Caller, acme: Account) -> None:
    run = bill(client)
    assert client.get(f"/v1/billing-runs/{run['id']}").json == run
    (payer,) = client.get(f"/v1/billing-runs/{run['id']}/payers").json["data"]
    assert payer == {
        "account": encode("account", acme.id),
        "bill_on": "2026-02-01",
        "status": "done",
        "reason": None,
        "detail": None,
        "waiting": [],
    }
    assert client.get(f"/v1/billing-runs/{run['id']}/payers?status=parked").json["data"] == []
    assert [found["id"] for found in client.get("/v1/billing-runs?status=done").json["data"]] == [run["id"]]


def test_a_large_run_goes_on_after_its_answer(
    client: Caller, acme: Account, open_unit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_on_request, "AT_ONCE_MOST", 0)
    run = bill(client)
    assert (run["status"], run["pending_count"], run["billed_count"]) == ("running", 1, 0)
    work(open_unit, decode("billing_run", run["id"]))
    done = client.get(f"/v1/billing-runs/{run['id']}").json
    assert (done["status"], done["pending_count"], done["billed_count"]) == ("done", 0, 1)
    assert only_invoice(client)["number"] == "INV-2026-000001"


def test_drafts_wait_where_the_provider_wants_to_look_at_them(client: Caller, acme: Account) -> None:
    assert client.patch("/v1/provider", {"draft_review": True}).json["draft_review"] is True
    bill(client)
    assert only_invoice(client)["status"] == "draft"


def test_bill_dates_follow_the_minutes_that_the_provider_waits(client: Caller, acme: Account, open_unit: Open) -> None:
    client.patch("/v1/provider", {"close_after_minutes": 120})
    with open_unit() as ctx:
        payer = ctx.session.get_one(Account, (ctx.provider.id, acme.id))
        assert (str(payer.next_bill_on), payer.next_bill_at) == ("2026-02-01", datetime(2026, 2, 1, 2, tzinfo=UTC))


def test_the_lines_of_an_invoice_come_as_csv_too(
    client: Caller, acme: Account, open_unit: Open, new_caller: NewCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.invoicing_lines.LINES_AT_ONCE", 1)
    with open_unit() as ctx:
        ctx.session.execute(update(Account).where(Account.id == acme.id).values(name="=cmd|'x'!A1"))
        other = an_account(ctx, "Other")
    bill(client)
    invoice = only_invoice(client)
    url = f"/v1/invoices/{invoice['id']}/lines"
    answer = client.get(f"{url}.csv")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    rows = list(csv.DictReader(answer.data.decode().splitlines()))
    lines = client.get(url).json["data"]
    assert [(row["id"], row["position"], row["amount"], row["start"]) for row in rows] == [
        (line["id"], str(line["position"]), str(line["amount"]), line["span"]["start"]) for line in lines
    ]
    assert sum(int(row["amount"]) for row in rows) == invoice["net_amount"]
    assert {(row["invoice"], row["currency"]) for row in rows} == {(invoice["number"], "EUR")}
    assert {row["beneficiary_name"] for row in rows} == {"'=cmd|'x'!A1"}
    assert new_caller(account_id=other.id).get(f"{url}.csv").status_code == 404
