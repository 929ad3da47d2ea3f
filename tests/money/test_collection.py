"""An open invoice and a card become a payment: once, whatever happens on the way."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from billing.postings import Kind
from core.errors import Conflict, Invalid
from core.ids import encode
from jobs import money
from models.accounts import Account
from models.payments import PaymentAttempt
from services import collection, collection_steps, ledger, payment_methods, payments_manual
from services.clock import system_now
from services.payments_manual import NewPayment
from tests.builders.payments import Till
from tests.standins.gateway_program import until

TOTAL = 84309


def owing(till: Till, token: str | None = "pm_card_visa") -> None:
    till.payer(token)
    till.bill()


def begin(till: Till, trigger: str = "finalized") -> None:
    for invoice_id in till.invoices("open"):
        with till.open() as ctx:
            collection.collect(ctx, invoice_id, trigger)


def test_a_card_pays_an_invoice_and_the_books_balance(till: Till) -> None:
    owing(till)
    begin(till)
    till.collect()
    (payment,), (attempt,) = till.payments(), till.attempts()
    invoice = till.invoice(attempt.invoice_id)
    assert (invoice.status, invoice.settled_amount, invoice.paid_at) == ("paid", TOTAL, payment.created_at)
    assert (attempt.status, attempt.next_at, attempt.amount) == ("succeeded", None, TOTAL)
    assert (payment.amount, payment.allocated_amount, payment.method) == (TOTAL, TOTAL, "card")
    assert payment.gateway_reference == attempt.intent_reference
    assert till.charges()["succeeded_amount"] == TOTAL
    with till.open() as ctx:
        assert ledger.balance(ctx, Kind.RECEIVABLE, "EUR").minor == 0
        assert ledger.balance(ctx, Kind.CLEARING, "EUR").minor == TOTAL


def test_without_a_payment_method_nothing_is_tried(till: Till) -> None:
    owing(till, None)
    begin(till)
    assert till.attempts() == []


def test_a_declined_card_leaves_the_invoice_open_and_says_why(till: Till) -> None:
    owing(till, "pm_card_visa_chargeDeclinedInsufficientFunds")
    begin(till)
    till.collect()
    (attempt,) = till.attempts()
    assert (attempt.status, attempt.failure_code, attempt.decline_code) == (
        "failed",
        "card_declined",
        "insufficient_funds",
    )
    assert (till.invoice(attempt.invoice_id).status, till.payments(), attempt.retryable) == ("open", [], True)


def test_a_second_attempt_waits_for_the_first(till: Till) -> None:
    owing(till)
    begin(till)
    begin(till, "dunning")
    assert len(till.attempts()) == 1


@pytest.mark.parametrize("route", ["payment_intents.create", "payment_intents.confirm"])
@pytest.mark.parametrize("fault", ["no_answer", "no_answer_before", "server_error", "server_error_after", "rate_limit"])
def test_whatever_the_gateway_does_there_is_one_charge(till: Till, route: str, fault: str) -> None:
    owing(till)
    begin(till)
    till.fault(route, fault)
    till.collect()
    (attempt,) = till.attempts()
    assert attempt.status == "succeeded"
    assert (till.charges()["count"], len(till.payments())) == (1, 1)


def test_a_charge_of_unknown_result_is_asked_about_until_it_is_known(till: Till) -> None:
    owing(till)
    begin(till)
    till.fault("payment_intents.confirm", "no_answer")
    till.fault("payment_intents.retrieve", "server_error", times=3)
    till.collect()
    (attempt,) = till.attempts()
    assert (attempt.status, attempt.failure_code) == ("unknown", "gateway_error")
    assert attempt.next_at is not None
    for _ in range(3):
        till.end_leases()
        till.collect()
    assert till.attempts()[0].status == "succeeded"
    assert till.charges()["count"] == 1


def test_two_collectors_at_once_charge_once(till: Till) -> None:
    owing(till)
    begin(till)
    (attempt,) = till.attempts()
    threads = [threading.Thread(target=money.attempts, args=(till.provider_id, [attempt.id])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: till.attempts()[0].status == "succeeded")
    assert (till.charges()["count"], len(till.payments())) == (1, 1)


def test_two_collectors_without_any_lease_charge_once(till: Till) -> None:
    """The lease is a courtesy: should it end too early, the gateway's intent still succeeds once only."""
    owing(till)
    begin(till)
    (attempt,) = till.attempts()
    tasks = []
    for _ in range(2):
        with till.open() as ctx:
            tasks.append(collection_steps.claim(ctx, attempt.id, system_now() + timedelta(hours=1)))
    outcomes = [collection_steps.perform(task) for task in tasks if task]
    assert len({outcome.reference for outcome in outcomes}) == len(outcomes) == 1 or len(outcomes) == 2
    for outcome in outcomes:
        with till.open() as ctx:
            collection_steps.record(ctx, attempt.id, outcome)
    till.end_leases()
    with till.open() as ctx:
        first = collection_steps.claim(ctx, attempt.id, system_now())
    till.end_leases()
    with till.open() as ctx:
        second = collection_steps.claim(ctx, attempt.id, system_now())
    assert first is not None
    assert second is not None
    assert (first.step, second.step) == ("confirm", "ask")
    for task in (first, first, second):
        outcome = collection_steps.perform(task)
        with till.open() as ctx:
            collection_steps.record(ctx, attempt.id, outcome)
    assert (till.attempts()[0].status, till.charges()["count"], len(till.payments())) == ("succeeded", 1, 1)


def test_an_attempt_that_nobody_announced_for_a_day_looks_for_its_intent_first(till: Till) -> None:
    owing(till)
    begin(till)
    till.fault("payment_intents.create", "no_answer")
    till.fault("payment_intents.create", "server_error", times=5)
    till.collect()
    with till.open() as ctx:
        row = ctx.session.get_one(PaymentAttempt, (ctx.provider.id, till.attempts()[0].id))
        row.recorded_at = system_now() - timedelta(hours=30)
    till.gateway.http.delete("/_control/faults")
    till.end_leases()
    till.collect()
    client = till.gateway.client(till.key)
    assert len(client.v1.payment_intents.list({"created": {"gte": 1}}).data) == 1
    assert till.attempts()[0].status == "succeeded"


def test_an_invoice_that_was_paid_meanwhile_is_not_charged(till: Till) -> None:
    owing(till)
    begin(till)
    (attempt,) = till.attempts()
    with till.open() as ctx:
        task = collection_steps.claim(ctx, attempt.id, system_now())
    assert task is not None
    outcome = collection_steps.perform(task)
    with till.open() as ctx:
        collection_steps.record(ctx, attempt.id, outcome)
    pay_by_hand(till, TOTAL)
    till.end_leases()
    till.collect()
    (attempt,) = till.attempts()
    assert (attempt.status, attempt.failure_code) == ("failed", "canceled")
    assert till.charges()["count"] == 0


def pay_by_hand(till: Till, amount: int) -> None:
    (attempt, *_) = till.attempts()
    with till.open() as ctx:
        payments_manual.record(ctx, NewPayment(encode("account", attempt.account_id), amount, "EUR"))


def test_a_customer_who_has_to_authenticate_is_waited_for_until_another_card_is_there(till: Till) -> None:
    payer = till.payer("pm_card_authenticationRequired")
    till.bill()
    begin(till)
    till.collect()
    (attempt,) = till.attempts()
    assert (attempt.status, attempt.failure_code, attempt.next_at) == (
        "requires_action",
        "authentication_required",
        None,
    )
    with till.open() as ctx:
        till.attach(ctx, payer, "pm_card_visa")
    begin(till, "new_method")
    till.collect()
    till.collect()
    assert [a.status for a in till.attempts()] == ["failed", "succeeded"]
    assert till.charges()["succeeded"] == 1


def test_credit_of_before_pays_first(till: Till) -> None:
    owing(till)
    begin(till)
    till.collect()
    pay_by_hand(till, 10_000)
    till.bill()
    begin(till)
    till.collect()
    second = till.attempts()[1]
    assert (second.amount, second.status) == (45_000 * 121 // 100 - 10_000, "succeeded")
    with till.open() as ctx:
        assert ledger.balance(ctx, Kind.CUSTOMER_CREDIT, "EUR").minor == 0
        assert ledger.balance(ctx, Kind.RECEIVABLE, "EUR").minor == 0


def test_a_request_to_collect_says_why_it_cannot(till: Till) -> None:
    owing(till, None)
    (invoice_id,) = till.invoices("open")
    with till.open() as ctx, pytest.raises(Invalid, match="payment_method_missing"):
        collection.collect_on_request(ctx, invoice_id)
    with till.open() as ctx:
        till.attach(ctx, lookup(till), "pm_card_visa")
    with till.open() as ctx:
        assert collection.collect_on_request(ctx, invoice_id).status == "created"
    with till.open() as ctx, pytest.raises(Conflict, match="attempt_under_way"):
        collection.collect_on_request(ctx, invoice_id)
    till.collect()
    with till.open() as ctx, pytest.raises(Conflict, match="invoice_not_open"):
        collection.collect_on_request(ctx, invoice_id)


def lookup(till: Till) -> Account:
    with till.open() as ctx:
        return ctx.session.scalars(select(Account).where(Account.provider_id == ctx.provider.id)).one()


def test_a_prospect_is_poor_after_a_refusal_for_good_and_good_with_another_card(till: Till) -> None:
    payer = till.payer("pm_card_chargeDeclinedExpiredCard")
    (invoice_id,) = till.bill()
    begin(till)
    assert prospect(till, invoice_id) == collection.Prospect(chargeable=True, in_flight=True)
    till.collect()
    assert prospect(till, invoice_id) == collection.Prospect(chargeable=False, in_flight=False)
    with till.open() as ctx:
        till.attach(ctx, payer, "pm_card_visa")
    assert prospect(till, invoice_id) == collection.Prospect(chargeable=True, in_flight=False)


def prospect(till: Till, invoice_id: UUID) -> collection.Prospect:
    invoice = till.invoice(invoice_id)
    with till.open() as ctx:
        return collection.prospect(ctx, invoice)


def test_a_detached_card_is_charged_no_more_and_the_next_one_takes_over(till: Till) -> None:
    payer = till.payer("pm_card_visa")
    with till.open() as ctx:
        second = till.attach(ctx, payer, "pm_card_mastercard")
    with till.open() as ctx:
        payment_methods.detach(ctx, second)
    till.bill()
    begin(till)
    till.collect()
    with till.open() as ctx:
        counted = ctx.session.scalar(select(func.count()).where(PaymentAttempt.provider_id == ctx.provider.id))
    assert (counted, till.attempts()[0].status) == (1, "succeeded")
    assert till.attempts()[0].payment_method_id != second


def test_a_card_that_was_replaced_while_it_was_tried_gives_way_to_its_successor(till: Till) -> None:
    payer = till.payer("pm_card_visa_chargeDeclinedInsufficientFunds")
    till.bill()
    begin(till)
    with till.open() as ctx:
        till.attach(ctx, payer, "pm_card_visa")
    till.collect()
    till.collect()
    assert [(a.status, a.trigger) for a in till.attempts()] == [("failed", "finalized"), ("succeeded", "new_method")]
