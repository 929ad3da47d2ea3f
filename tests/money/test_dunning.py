"""An unpaid invoice is followed up step by step, and every step has its way back."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from core.ids import encode
from jobs import due
from jobs.clock import Drive
from models.dunning import DunningCase
from models.outbox import OutboxEvent
from models.providers import Mail
from models.subscriptions import Subscription, Suspension
from services import dunning, payments_manual, test_clock
from services.payments_manual import NewPayment
from tests.builders.payments import Till


def advance(till: Till, to: datetime) -> None:
    """Let a sandbox's time pass by its driver."""
    with till.open() as ctx:
        test_clock.advance(ctx, to)
    Drive(till.provider_id, due.TABLE, lambda _, __: (), lambda _, __: None).run()
    with till.open() as ctx:
        clock = test_clock.get(ctx)
        assert (clock.status, clock.detail, clock.now) == ("ready", None, to)


def due_at(till: Till, invoice_id: UUID) -> datetime:
    at = till.invoice(invoice_id).due_at
    assert at is not None
    return at


def tries(till: Till, invoice_id: UUID) -> list[str]:
    return [attempt.trigger for attempt in till.attempts() if attempt.invoice_id == invoice_id]


def told(till: Till, prefix: str) -> list[str]:
    with till.open() as ctx:
        statement = select(OutboxEvent.type).where(
            OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.type.startswith(prefix)
        )
        return list(ctx.session.scalars(statement.order_by(OutboxEvent.id)))


def letters(till: Till) -> list[Mail]:
    with till.open() as ctx:
        statement = select(Mail).where(Mail.provider_id == ctx.provider.id, Mail.kind == "dunning_reminder")
        return list(ctx.session.scalars(statement.order_by(Mail.id)))


def subscription(till: Till) -> Subscription:
    with till.open() as ctx:
        return ctx.session.scalars(select(Subscription).where(Subscription.provider_id == ctx.provider.id)).one()


def case(till: Till) -> DunningCase:
    with till.open() as ctx:
        return ctx.session.scalars(select(DunningCase).where(DunningCase.provider_id == ctx.provider.id)).one()


def reasons(till: Till) -> list[tuple[str, bool]]:
    with till.open() as ctx:
        rows = ctx.session.scalars(select(Suspension).where(Suspension.provider_id == ctx.provider.id))
        return [(row.reason, row.closed_at is None) for row in rows]


def pay(till: Till, account_id: UUID, amount: int) -> None:
    with till.open() as ctx:
        payments_manual.record(ctx, NewPayment(encode("account", account_id), amount, "EUR", reference="NL-7781"))


def test_a_declined_customer_is_reminded_suspended_and_after_payment_resumed(till: Till) -> None:
    payer = till.payer("pm_card_visa_chargeDeclinedInsufficientFunds")
    (invoice_id,) = till.bill()
    due_on = due_at(till, invoice_id)
    advance(till, due_on - timedelta(seconds=1))
    assert [a.status for a in till.attempts()] == ["failed"]
    assert told(till, "invoice.overdue") == []
    advance(till, due_on + timedelta(days=8))
    assert len(letters(till)) == 2
    assert "843.09 EUR is still to be paid" in letters(till)[0].body
    assert tries(till, invoice_id) == ["finalized", "dunning", "dunning", "dunning"]
    assert subscription(till).status == "active"
    advance(till, due_on + timedelta(days=15))
    assert (subscription(till).status, reasons(till)) == ("suspended", [("dunning", True)])
    assert told(till, "subscription.suspend_") == ["subscription.suspend_requested"]
    pay(till, payer.id, till.invoice(invoice_id).total_amount)
    advance(till, due_on + timedelta(days=15, seconds=1))
    assert (subscription(till).status, case(till).status, reasons(till)) == (
        "active",
        "recovered",
        [("dunning", False)],
    )
    assert told(till, "subscription.resume_") == ["subscription.resume_requested"]
    assert len(tries(till, invoice_id)) == 5
    assert till.charges()["succeeded"] == 0
    assert till.charges()["count"] == len(till.attempts())


def test_a_retry_that_succeeds_ends_the_case(till: Till) -> None:
    till.payer("pm_card_visa_chargeDeclinedInsufficientFunds")
    (invoice_id,) = till.bill()
    advance(till, due_at(till, invoice_id) - timedelta(days=1))
    with till.open() as ctx:
        reference = till.gateway.client(till.key).v1.payment_methods.list({"limit": 1}).data[0].id
        assert ctx.provider.sandbox
    till.gateway.control(f"payment_methods/{reference}", behaves_as="pm_card_visa")
    advance(till, due_at(till, invoice_id) + timedelta(days=30))
    assert (till.invoice(invoice_id).status, case(till).status) == ("paid", "recovered")
    assert (len(letters(till)), subscription(till).status) == (0, "active")
    assert till.charges()["succeeded"] >= 1


def test_another_card_is_tried_as_soon_as_it_is_there(till: Till) -> None:
    payer = till.payer("pm_card_chargeDeclinedExpiredCard")
    (invoice_id,) = till.bill()
    advance(till, due_at(till, invoice_id) + timedelta(days=15))
    assert subscription(till).status == "suspended"
    assert tries(till, invoice_id) == ["finalized"]
    with till.open() as ctx:
        till.attach(ctx, payer, "pm_card_mastercard")
    advance(till, due_at(till, invoice_id) + timedelta(days=15, minutes=1))
    assert (till.invoice(invoice_id).status, subscription(till).status) == ("paid", "active")
    assert tries(till, invoice_id) == ["finalized", "new_method"]


def test_a_reminder_is_sent_once_per_step_however_often_one_looks(till: Till) -> None:
    till.payer(None)
    (invoice_id,) = till.bill()
    advance(till, due_at(till, invoice_id) + timedelta(days=1, hours=2))
    for _ in range(3):
        with till.open() as ctx:
            row = ctx.session.get_one(DunningCase, (ctx.provider.id, case(till).id))
            row.next_at = ctx.now
        with till.open() as ctx:
            dunning.work(ctx, case(till).id)
        with till.open() as ctx:
            dunning.open_case(ctx, invoice_id)
    assert len(letters(till)) == 1


def test_the_end_of_the_policy_takes_the_service_down_and_money_may_still_come(till: Till) -> None:
    payer = till.payer(None)
    (invoice_id,) = till.bill()
    advance(till, due_at(till, invoice_id) + timedelta(days=45))
    with till.open() as ctx:
        first = ctx.session.scalars(select(DunningCase).where(DunningCase.invoice_id == invoice_id)).one()
    assert first.status == "exhausted"
    assert subscription(till).ended_at is not None
    assert told(till, "subscription.deprovision_") == ["subscription.deprovision_requested"]
    pay(till, payer.id, 10_000_000)
    till.react()
    assert till.invoices("open") == []
    assert all(not is_open for _, is_open in reasons(till))


def test_two_unpaid_invoices_hold_a_service_off_until_both_are_paid(till: Till) -> None:
    payer = till.payer(None)
    (first,) = till.bill()
    advance(till, due_at(till, first) + timedelta(days=33))
    second = next(i for i in till.invoices("open") if i != first)
    assert due_at(till, second) + timedelta(days=14) > till.invoice(first).created_at
    advance(till, due_at(till, second) + timedelta(days=14, hours=2))
    assert reasons(till).count(("dunning", True)) >= 2
    pay(till, payer.id, till.invoice(first).total_amount)
    till.react()
    assert subscription(till).status == "suspended"
    pay(till, payer.id, 10_000_000)
    till.react()
    assert subscription(till).status == "active"


def test_a_paused_case_rests_and_goes_on(till: Till) -> None:
    till.payer(None)
    (invoice_id,) = till.bill()
    advance(till, due_at(till, invoice_id) + timedelta(hours=1))
    with till.open() as ctx:
        dunning.pause(ctx, case(till).id)
    advance(till, due_at(till, invoice_id) + timedelta(days=12))
    assert letters(till) == []
    with till.open() as ctx:
        dunning.unpause(ctx, case(till).id)
    advance(till, due_at(till, invoice_id) + timedelta(days=12, hours=2))
    assert len(letters(till)) == 1


def test_a_gateway_that_is_away_when_an_invoice_falls_due_suspends_nobody(till: Till) -> None:
    till.payer("pm_card_visa")
    till.fault("payment_intents.confirm", "no_answer")
    (invoice_id,) = till.bill()
    advance(till, due_at(till, invoice_id) + timedelta(days=20))
    assert (till.invoice(invoice_id).status, letters(till)) == ("paid", [])
    assert told(till, "subscription.suspend") == []
