"""Faults, deaths, webhooks, cards and cheques in any order: the gateway and the books agree about the money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from billing.postings import Kind
from core.ids import encode
from models.payments import Allocation
from services import collection, collection_steps, ledger, payments_manual
from services.clock import system_now
from services.payments_manual import NewPayment
from tests.builders.payments import Till

FAULTS = ("no_answer", "no_answer_before", "server_error", "server_error_after", "rate_limit")
ROUTES = ("payment_intents.create", "payment_intents.confirm", "payment_intents.retrieve", "payment_intents.cancel")
CARDS = ("pm_card_visa", "pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_authenticationRequired")
HAPPENINGS = st.one_of(
    st.tuples(st.just("fault"), st.sampled_from(ROUTES), st.sampled_from(FAULTS)),
    st.tuples(st.just("card"), st.sampled_from(CARDS)),
    st.tuples(st.just("cheque"), st.integers(1, 60_000)),
    st.tuples(st.sampled_from(["begin", "collect", "die_after_claim", "die_after_call", "lease_ends", "webhook"])),
)


@dataclass
class Story:
    """One payer, one invoice, and what may happen to them."""

    till: Till
    account: Any
    invoice_id: UUID

    def fault(self, route: str, fault: str) -> None:
        self.till.fault(route, fault)

    def card(self, token: str) -> None:
        with self.till.open() as ctx:
            self.till.attach(ctx, self.account, token)

    def cheque(self, amount: int) -> None:
        with self.till.open() as ctx:
            payments_manual.record(ctx, NewPayment(encode("account", self.account.id), amount, "EUR"))

    def begin(self) -> None:
        with self.till.open() as ctx:
            collection.collect(ctx, self.invoice_id, "dunning")

    def collect(self) -> None:
        self.till.collect()

    def lease_ends(self) -> None:
        self.till.end_leases()

    def die_after_claim(self) -> None:
        for attempt in self.till.attempts():
            with self.till.open() as ctx:
                collection_steps.claim(ctx, attempt.id, system_now())

    def die_after_call(self) -> None:
        for attempt in self.till.attempts():
            with self.till.open() as ctx:
                task = collection_steps.claim(ctx, attempt.id, system_now())
            if task is not None:
                collection_steps.perform(task)

    def webhook(self) -> None:
        for attempt in self.till.attempts():
            with self.till.open() as ctx:
                collection.look_again(ctx, attempt.gateway_account_id, attempt.intent_reference, attempt.id)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(HAPPENINGS, min_size=2, max_size=14))
def test_the_gateway_and_the_books_agree_whatever_happens(
    new_till: Callable[[], Till], happenings: list[tuple[Any, ...]]
) -> None:
    till = new_till()
    account = till.payer("pm_card_visa")
    invoice_id = till.bill()[-1]
    story = Story(till, account, invoice_id)
    for name, *arguments in (("begin",), *happenings):
        getattr(story, name)(*arguments)
    till.gateway.http.delete("/_control/faults")
    for _ in range(4):
        till.end_leases()
        till.collect()
    check(till, invoice_id)


def check(till: Till, invoice_id: UUID) -> None:
    attempts = till.attempts()
    assert {attempt.status for attempt in attempts} <= {"succeeded", "failed", "requires_action"}
    paid = [charge for charge in till.charges()["data"] if charge["status"] == "succeeded"]
    charged = Counter(charge["metadata"]["busbar_attempt"] for charge in paid)
    assert max(charged.values(), default=1) == 1
    assert all(
        (attempt.status == "succeeded") == (encode("payment_attempt", attempt.id) in charged) for attempt in attempts
    )
    by_card = [payment for payment in till.payments() if payment.attempt_id is not None]
    assert sum(payment.amount for payment in by_card) == sum(charge["amount"] for charge in paid)
    assert len(by_card) == len(paid)
    with till.open() as ctx:
        allocated = select(func.coalesce(func.sum(Allocation.amount), 0)).where(Allocation.invoice_id == invoice_id)
        invoice = till.invoice(invoice_id)
        assert ctx.session.scalar(allocated) == invoice.settled_amount <= invoice.total_amount
        assert (invoice.status == "paid") == (invoice.settled_amount == invoice.total_amount)
        owed = sum(i.total_amount - i.settled_amount for i in map(till.invoice, till.invoices("open")))
        assert ledger.balance(ctx, Kind.RECEIVABLE, "EUR").minor == owed
        left = sum(p.amount - p.allocated_amount for p in till.payments())
        assert ledger.balance(ctx, Kind.CUSTOMER_CREDIT, "EUR").minor == -left
