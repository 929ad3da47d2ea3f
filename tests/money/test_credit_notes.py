"""Credit notes, write-offs and what becomes of the money, over HTTP and with a card gateway."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from billing.postings import Kind
from core.ids import decode, encode
from jobs import money
from models.payments import Refund
from services import collection, dunning, ledger
from tests.api.conftest import Caller
from tests.builders.payments import Till

# A rack of 450 from the middle of January on: 246.77 and 450.00, and 21 % on both.
NET, TAX, TOTAL = 69677, 14632, 84309


def shown(caller: Caller, path: str) -> Any:
    return caller.get(path).json


def refused(answer: Any, status: int, code: str, pointer: str | None = None) -> None:
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.get_data(as_text=True)
    if pointer is not None:
        assert answer.json["errors"][0]["pointer"] == pointer


def owing(till: Till, token: str | None = None) -> tuple[str, str]:
    """A payer that owes one invoice: the ids of both."""
    payer = till.payer(token)
    (invoice_id,) = till.bill()
    return encode("account", payer.id), encode("invoice", invoice_id)


def pay(client: Caller, account: str, amount: int, **more: Any) -> Any:
    return client.made(
        "/v1/payments", {"account": account, "method": "manual", "amount": amount, "currency": "EUR", **more}
    )


def credit(client: Caller, invoice: str, **body: Any) -> Any:
    return client.made(f"/v1/invoices/{invoice}/credit-notes", body)


def charge(till: Till, invoice: str) -> None:
    """Collect an invoice by the payer's card."""
    with till.open() as ctx:
        collection.collect(ctx, decode("invoice", invoice), "finalized")
    till.collect()


def balances(till: Till) -> dict[str, int]:
    """Debits less credits of what is worth a look, in cents; zeros are left out."""
    kinds = (Kind.RECEIVABLE, Kind.CUSTOMER_CREDIT, Kind.REVENUE, Kind.TAX, Kind.BAD_DEBT, Kind.CLEARING, Kind.REFUNDS)
    with till.open() as ctx:
        found = {kind.value: ledger.balance(ctx, kind, "EUR").minor for kind in kinds}
    return {kind: amount for kind, amount in found.items() if amount}


def refund_all(till: Till) -> None:
    """Work on every refund that is due, as the queue does."""
    with till.open() as ctx:
        ids = list(ctx.session.scalars(select(Refund.id).where(Refund.provider_id == ctx.provider.id)))
    money.give_back(till.provider_id, ids)


def test_an_unpaid_invoice_that_is_credited_in_full_is_settled_and_the_books_are_even(
    till: Till, client: Caller
) -> None:
    account, invoice = owing(till)
    before = shown(client, f"/v1/invoices/{invoice}")
    assert (before["credited_amount"], before["creditable_amount"]) == (0, TOTAL)
    note = credit(client, invoice, reason="Never delivered")
    assert (note["number"], note["status"], note["invoice"]) == ("CN-2026-000001", "issued", invoice)
    assert (note["net_amount"], note["tax_amount"], note["total_amount"]) == (NET, TAX, TOTAL)
    assert note["taxes"] == before["taxes"]
    assert [each["number"] for each in note["corrects"]] == [before["number"]]
    after = shown(client, f"/v1/invoices/{invoice}")
    assert (after["status"], after["credited_amount"], after["creditable_amount"]) == ("paid", TOTAL, 0)
    assert balances(till) == {}
    (payment,) = shown(client, f"/v1/payments?account={account}")["data"]
    assert (payment["method"], payment["credit_note"], payment["credit_amount"]) == ("credit_note", note["id"], 0)
    lines = shown(client, f"/v1/invoices/{invoice}/lines")["data"]
    mirrored = shown(client, f"/v1/credit-notes/{note['id']}/lines")["data"]
    assert [(m["invoice_line"], m["amount"], m["quantity"]) for m in mirrored] == [
        (line["id"], line["amount"], line["quantity"]) for line in lines
    ]
    refused(client.post(f"/v1/invoices/{invoice}/credit-notes", {}), 422, "nothing_to_credit")


def test_paid_by_half_and_credited_in_full_the_paid_half_is_credit_for_the_next_invoice(
    till: Till, client: Caller
) -> None:
    account, invoice = owing(till)
    pay(client, account, 40000, invoice=invoice)
    credit(client, invoice)
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
    assert balances(till) == {"customer_credit": -40000, "clearing": 40000}
    (march,) = till.bill()
    with till.open() as ctx:
        collection.collect(ctx, march, "finalized")
    next_invoice = shown(client, f"/v1/invoices/{encode('invoice', march)}")
    assert (next_invoice["settled_amount"], next_invoice["due_amount"]) == (40000, 54450 - 40000)


def test_money_that_arrives_after_the_credit_becomes_credit(till: Till, client: Caller) -> None:
    account, invoice = owing(till, "pm_card_visa")
    with till.open() as ctx:
        collection.collect(ctx, decode("invoice", invoice), "finalized")
    credit(client, invoice)  # while the attempt is under way, and the gateway was not asked yet
    till.collect()
    (attempt,) = till.attempts()
    assert (attempt.status, till.charges()["count"]) == ("failed", 0)
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
    late = pay(client, account, TOTAL)
    assert late["credit_amount"] == TOTAL
    assert balances(till) == {"customer_credit": -TOTAL, "clearing": TOTAL}


def test_a_part_goes_back_to_the_card_that_paid(till: Till, client: Caller) -> None:
    account, invoice = owing(till, "pm_card_visa")
    charge(till, invoice)
    note = credit(client, invoice, amount=10000, to="payment_method", reason="Outage")
    assert (note["total_amount"], note["to"]) == (10000, "payment_method")
    refund_all(till)
    (refund,) = shown(client, "/v1/refunds")["data"]
    assert (refund["status"], refund["amount"], refund["credit_note"]) == ("succeeded", 10000, note["id"])
    assert till.charges()["refunded_amount"] == 10000
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
    assert balances(till) == {
        "revenue": -NET + note["net_amount"] + note["rounding_amount"],
        "tax": -TAX + note["tax_amount"],
        "clearing": TOTAL - 10000,
    }
    rest = credit(client, invoice, to="payment_method")
    refund_all(till)
    assert rest["total_amount"] == TOTAL - 10000
    assert till.charges()["refunded_amount"] == TOTAL
    assert balances(till) == {}
    assert all(p["credit_amount"] == 0 for p in shown(client, f"/v1/payments?account={account}")["data"])


def test_what_an_invoice_owes_is_settled_before_anything_goes_back(till: Till, client: Caller) -> None:
    account, invoice = owing(till)
    pay(client, account, 40000, invoice=invoice)
    credit(client, invoice, to="payment_method")
    (refund,) = shown(client, "/v1/refunds")["data"]
    assert (refund["status"], refund["amount"]) == ("succeeded", 40000)  # by hand, as it was paid
    assert balances(till) == {}


def test_a_refund_that_the_gateway_refuses_leaves_the_credit(till: Till, client: Caller) -> None:
    account, invoice = owing(till, "pm_card_visa")
    charge(till, invoice)
    (attempt,) = till.attempts()
    # Somebody has given all of it back at the gateway itself.
    by_others = {"payment_intent": attempt.intent_reference}
    till.gateway.http.post("/v1/refunds", data=by_others, auth=(till.key, "")).raise_for_status()
    note = credit(client, invoice, to="payment_method")
    refund_all(till)
    (refund,) = shown(client, "/v1/refunds")["data"]
    assert (refund["status"], refund["credit_note"]) == ("failed", note["id"])
    (given,) = [p for p in shown(client, f"/v1/payments?account={account}")["data"] if p["credit_note"] == note["id"]]
    assert (given["credit_amount"], given["refunded_amount"]) == (TOTAL, 0)
    assert balances(till) == {"customer_credit": -TOTAL, "clearing": TOTAL}
    (march,) = till.bill()
    charge(till, encode("invoice", march))
    assert till.invoice(march).status == "paid"  # by the credit: the card is not charged again
    assert till.charges()["count"] == 1


def test_a_refund_whose_result_is_not_known_holds_the_credit_until_it_is(till: Till, client: Caller) -> None:
    account, invoice = owing(till, "pm_card_visa")
    charge(till, invoice)
    till.fault("refunds.create", "no_answer")
    credit(client, invoice, to="payment_method")
    refund_all(till)
    (refund,) = shown(client, "/v1/refunds")["data"]
    assert refund["status"] == "unknown"
    assert sum(p["credit_amount"] for p in shown(client, f"/v1/payments?account={account}")["data"]) == 0
    with till.open() as ctx:
        row = ctx.session.scalars(select(Refund).where(Refund.provider_id == ctx.provider.id)).one()
        row.next_at = row.recorded_at
    refund_all(till)
    (refund,) = shown(client, "/v1/refunds")["data"]
    assert (refund["status"], till.charges()["refunded_amount"]) == ("succeeded", TOTAL)
    assert balances(till) == {}


def test_what_was_settled_by_credit_alone_cannot_go_back_to_a_method(till: Till, client: Caller) -> None:
    account, invoice = owing(till)
    pay(client, account, TOTAL)
    credit(client, invoice)
    (march,) = till.bill()
    charge(till, encode("invoice", march))
    assert till.invoice(march).status == "paid"
    answer = client.post(f"/v1/invoices/{encode('invoice', march)}/credit-notes", {"to": "payment_method"})
    refused(answer, 422, "not_paid_by_a_method", "/to")


def test_credit_can_be_paid_out_by_hand_but_only_what_is_left_of_it(till: Till, client: Caller) -> None:
    account, invoice = owing(till)
    pay(client, account, 40000, invoice=invoice)
    credit(client, invoice)
    given = [p for p in shown(client, f"/v1/payments?account={account}")["data"] if p["method"] == "credit_note"]
    (payment,) = given
    too_much = {"payment": payment["id"], "amount": 40001}
    refused(client.post("/v1/refunds", too_much), 422, "refund_exceeds_payment", "/amount")
    refund = client.made("/v1/refunds", {"payment": payment["id"]})
    assert (refund["status"], refund["amount"], refund["credit_amount"]) == ("succeeded", 40000, 40000)
    assert sum(balances(till).values()) == 0


def test_a_dry_run_shows_the_note_and_stores_nothing(till: Till, client: Caller) -> None:
    _, invoice = owing(till)
    line = shown(client, f"/v1/invoices/{invoice}/lines")["data"][0]
    body = {"lines": [{"line": line["id"], "amount": 1000}]}
    dry = credit(client, invoice, **body, dry_run=True)
    assert "id" not in dry
    assert (dry["number"], dry["net_amount"], dry["tax_amount"], len(dry["lines"])) == (None, 1000, 210, 1)
    assert shown(client, "/v1/credit-notes")["data"] == []
    real = credit(client, invoice, **body)
    assert [real[name] for name in ("net_amount", "tax_amount", "total_amount", "taxes")] == [
        dry[name] for name in ("net_amount", "tax_amount", "total_amount", "taxes")
    ]
    assert real["number"] == "CN-2026-000001"


def test_parts_by_line_quantity_and_amount_add_up_to_the_invoice(till: Till, client: Caller) -> None:
    _, invoice = owing(till)
    first, second = shown(client, f"/v1/invoices/{invoice}/lines")["data"]
    notes = [
        credit(client, invoice, lines=[{"line": first["id"], "amount": 7777}]),
        credit(client, invoice, lines=[{"line": second["id"], "quantity": "0.3"}]),
        credit(client, invoice, amount=3),
        credit(client, invoice, amount=33333),
        credit(client, invoice),
    ]
    assert [note["number"] for note in notes] == [f"CN-2026-{n:06d}" for n in range(1, 6)]
    for member, whole in (("net_amount", NET), ("tax_amount", TAX), ("rounding_amount", 0), ("total_amount", TOTAL)):
        assert sum(note[member] for note in notes) == whole
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
    assert balances(till) == {}


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"amount": TOTAL + 1}, 422, "credit_exceeds_rest", "/amount"),
        ({"amount": 0}, 422, "too_small", "/amount"),
        ({"amount": "5"}, 422, None, "/amount"),
        ({"amount": 5, "currency": "USD"}, 422, "currency_mismatch", "/currency"),
        ({"to": "bank"}, 422, None, "/to"),
        ({"lines": []}, 422, None, "/lines"),
        ({"lines": [{"line": "inv_x"}]}, 422, "id_malformed", "/lines/0/line"),
        ({"lines": [{"line": "line_01h455vb4pex5vsknk084sn02q"}]}, 422, "line_unknown", "/lines/0/line"),
        ({"lines": [{"line": "FIRST", "amount": NET}]}, 422, "credit_exceeds_rest", "/lines/0/amount"),
        ({"lines": [{"line": "FIRST", "amount": 0}]}, 422, "credit_exceeds_rest", "/lines/0/amount"),
        ({"lines": [{"line": "FIRST", "quantity": "1.000000000001"}]}, 422, "credit_exceeds_rest", "/lines/0/quantity"),
        ({"lines": [{"line": "FIRST", "quantity": "0"}]}, 422, "decimal_not_positive", "/lines/0/quantity"),
        ({"lines": [{"line": "FIRST", "quantity": 1}]}, 422, "decimal_string_expected", "/lines/0/quantity"),
        (
            {"lines": [{"line": "FIRST", "quantity": "1", "amount": 5}]},
            422,
            "amount_or_quantity",
            "/lines/0/quantity",
        ),
        ({"lines": [{"line": "FIRST"}, {"line": "FIRST"}]}, 422, "line_repeated", "/lines/1/line"),
        ({"lines": [{"line": "FIRST"}], "amount": 5}, 422, "amount_or_lines", "/amount"),
    ],
)
def test_bad_credits_are_refused_with_code_and_pointer_and_leave_nothing(
    till: Till, client: Caller, body: dict[str, Any], status: int, code: str | None, pointer: str
) -> None:
    _, invoice = owing(till)
    first = shown(client, f"/v1/invoices/{invoice}/lines")["data"][0]["id"]
    for line in body.get("lines", ()):
        line["line"] = first if line["line"] == "FIRST" else line["line"]
    answer = client.post(f"/v1/invoices/{invoice}/credit-notes", body)
    refused(answer, status, code or answer.json["code"], pointer)
    assert shown(client, "/v1/credit-notes")["data"] == []
    assert shown(client, f"/v1/invoices/{invoice}")["credited_amount"] == 0


def test_drafts_void_and_discarded_documents_are_not_credited(till: Till, client: Caller) -> None:
    client.patch("/v1/provider", {"draft_review": True})
    till.payer(None)
    till.bill()
    (draft,) = [encode("invoice", i) for i in till.invoices("draft")]
    refused(client.post(f"/v1/invoices/{draft}/credit-notes", {}), 409, "invoice_not_final")
    client.made(f"/v1/invoices/{draft}/finalize", None)
    client.made(f"/v1/invoices/{draft}/void", None)
    refused(client.post(f"/v1/invoices/{draft}/credit-notes", {}), 409, "invoice_void")
    refused(client.post(f"/v1/invoices/{draft}/write-off", {}), 409, "illegal_transition")


def test_an_invoice_that_was_credited_or_paid_is_not_voided(till: Till, client: Caller) -> None:
    account, invoice = owing(till)
    credit(client, invoice, amount=100)
    refused(client.post(f"/v1/invoices/{invoice}/void"), 409, "invoice_has_credit_notes")
    pay(client, account, TOTAL - 100)
    refused(client.post(f"/v1/invoices/{invoice}/void"), 409, "illegal_transition")


def test_a_customer_reads_its_own_credit_notes_and_makes_none(
    till: Till, client: Caller, new_caller: Callable[..., Caller]
) -> None:
    account, invoice = owing(till)
    note = credit(client, invoice, amount=100)
    other = till.payer(None, name="Other")
    customer, stranger = new_caller(decode("account", account)), new_caller(other.id)
    assert shown(customer, f"/v1/credit-notes/{note['id']}") == note
    assert customer.get(f"/v1/credit-notes/{note['id']}/pdf").data.startswith(b"%PDF")
    for path in ("", "/lines", "/pdf"):
        assert stranger.get(f"/v1/credit-notes/{note['id']}{path}").status_code == 404
    assert shown(stranger, "/v1/credit-notes")["data"] == []
    assert shown(customer, f"/v1/credit-notes?invoice={invoice}&status=issued")["data"] == [note]
    for path in ("credit-notes", "write-off"):
        for caller in (customer, stranger):
            assert caller.post(f"/v1/invoices/{invoice}/{path}", {}).status_code == 403


def test_of_two_that_credit_the_same_rest_at_once_one_is_refused(till: Till, new_caller: Callable[..., Caller]) -> None:
    _, invoice = owing(till)
    callers = [new_caller() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda c: c.post(f"/v1/invoices/{invoice}/credit-notes", {"amount": 50000}), callers))
    made = [answer for answer in answers if answer.status_code == 201]
    assert len(made) == 1
    assert {a.json["code"] for a in answers if a.status_code != 201} <= {"credit_exceeds_rest", "busy"}
    assert shown(callers[0], f"/v1/invoices/{invoice}")["credited_amount"] == 50000


def test_what_is_written_off_is_bad_debt_until_money_comes(till: Till, client: Caller) -> None:
    account, invoice = owing(till)
    pay(client, account, 4309, invoice=invoice)
    off = client.made(f"/v1/invoices/{invoice}/write-off", {"reason": "Insolvent"})
    assert (off["status"], off["write_off_reason"], off["due_amount"]) == ("uncollectible", "Insolvent", 80000)
    assert balances(till) == {"revenue": -NET, "tax": -TAX, "bad_debt": 80000, "clearing": 4309}
    refused(client.post(f"/v1/invoices/{invoice}/write-off", {}), 409, "illegal_transition")
    refused(client.post(f"/v1/invoices/{invoice}/void"), 409, "illegal_transition")
    pay(client, account, 30000, invoice=invoice)
    assert balances(till) == {"revenue": -NET, "tax": -TAX, "bad_debt": 50000, "clearing": 34309}
    credit(client, invoice, amount=20000)
    assert balances(till)["bad_debt"] == 30000
    pay(client, account, 30000)
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
    assert "bad_debt" not in balances(till)
    assert "receivable" not in balances(till)


def test_a_dunning_case_ends_when_its_invoice_is_credited_or_written_off(till: Till, client: Caller) -> None:
    till.payer(None, name="One")
    till.payer(None, name="Two")
    till.bill()
    one, two = till.invoices("open")
    due_at = till.invoice(one).due_at
    assert due_at is not None
    till.set_clock(due_at + timedelta(days=1))
    for invoice_id in (one, two):
        with till.open() as ctx:
            dunning.open_case(ctx, invoice_id)
    credit(client, encode("invoice", one))
    client.made(f"/v1/invoices/{encode('invoice', two)}/write-off", {})
    till.react()
    cases = shown(client, "/v1/dunning-cases")["data"]
    states = {case["invoice"]: case["status"] for case in cases}
    assert states == {encode("invoice", one): "recovered", encode("invoice", two): "exhausted"}


def test_credit_notes_are_told_of_and_audited(till: Till, client: Caller) -> None:
    _, invoice = owing(till)
    note = credit(client, invoice, external_id="crm-7", metadata={"ticket": "T-1"})
    assert (note["external_id"], note["metadata"]) == ("crm-7", {"ticket": "T-1"})
    (event,) = shown(client, "/v1/events?type=credit_note.issued")["data"]
    assert (event["object"], event["data"]) == ({"id": note["id"], "kind": "credit_note"}, note)
    rows = shown(client, f"/v1/audit?object={note['id']}")["data"]
    assert [row["action"] for row in rows] == ["changed", "created"]
    again = client.post(f"/v1/invoices/{invoice}/credit-notes", {"external_id": "crm-7"})
    assert again.status_code in (409, 422)
