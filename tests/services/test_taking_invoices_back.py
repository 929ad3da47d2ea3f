"""Discarding and voiding: nothing is billed twice, nothing is given back twice, nothing is forgotten."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, select, text

from billing.postings import Kind
from core.errors import Conflict, IllegalTransition
from core.ids import new_id
from core.money import Money
from models.billing import BilledSpan, Invoice
from models.payments import Allocation, Payment
from services import invoicing, ledger, runs
from services.context import Context
from tests.builders.billing import PlanOf, PriceOf, Subscribed, a_plan, agree, an_account, subscribe
from tests.builders.runs import bill_at, invoices, lines_of, work
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
RENTED = PriceOf("rack", {"model": "per_unit", "unit_price": "310"})


@pytest.fixture
def contract(open_unit: Open) -> tuple[PlanOf, Subscribed]:
    """Two racks from 1 February on, billed on that day."""
    with open_unit() as ctx:
        plan = a_plan(ctx, RENTED)
        subscribed = subscribe(ctx, an_account(ctx), plan, start=datetime(2026, 2, 1, tzinfo=UTC), quantity="2")
    bill_at(open_unit, FEBRUARY)
    return plan, subscribed


def change(open_unit: Open, contract: tuple[PlanOf, Subscribed], quantity: str) -> None:
    """Another number of racks from 15 February on, billed in March."""
    plan, subscribed = contract
    with open_unit() as ctx:
        at = datetime(2026, 2, 15, tzinfo=UTC)
        agree(ctx, subscribed.items["rack"], plan.prices["rack"], at, quantity)
    bill_at(open_unit, MARCH)


def bill_again(open_unit: Open) -> Invoice:
    """A run on request now; the newest invoice."""
    with open_unit() as ctx:
        payer = invoices(ctx)[0].account_id
        run = runs.make(ctx, ctx.now, runs.REQUEST, [(payer, date(2026, 3, 1))], finalizes=True)
    work(open_unit, run.id)
    with open_unit() as ctx:
        return invoices(ctx)[-1]


def amounts(open_unit: Open, invoice: Invoice) -> list[int]:
    with open_unit() as ctx:
        return [line.amount for line in lines_of(ctx, invoice)]


def owed(ctx: Context) -> Money:
    return ledger.balance(ctx, Kind.RECEIVABLE, "EUR")


def test_voiding_mirrors_the_books_and_frees_the_spans(open_unit: Open, contract: tuple[PlanOf, Subscribed]) -> None:
    with open_unit() as ctx:
        void = invoicing.void(ctx, invoices(ctx)[0].id)
        assert (void.status, void.voided_at, void.number) == ("void", FEBRUARY, "INV-2026-000001")
        assert owed(ctx) == Money(0, "EUR")
    again = bill_again(open_unit)
    assert (again.number, amounts(open_unit, again)) == ("INV-2026-000002", [62000])
    with open_unit() as ctx:
        assert owed(ctx) == Money(75020, "EUR")
        states = ctx.session.scalars(select(BilledSpan.status).where(BilledSpan.provider_id == ctx.provider.id)).all()
        assert sorted(states) == ["held", "released"]


def test_an_invoice_whose_part_was_credited_later_is_not_voided_alone(
    open_unit: Open, contract: tuple[PlanOf, Subscribed]
) -> None:
    change(open_unit, contract, "3")
    with pytest.raises(Conflict, match="invoice_has_corrections"), open_unit() as ctx:
        invoicing.void(ctx, invoices(ctx)[0].id)
    with open_unit() as ctx:
        assert [invoice.status for invoice in invoices(ctx)] == ["open", "open"]


def test_voiding_the_document_with_the_credit_lets_the_credit_wait_again(
    open_unit: Open, contract: tuple[PlanOf, Subscribed]
) -> None:
    change(open_unit, contract, "3")
    with open_unit() as ctx:
        second = invoices(ctx)[1]
        assert [line.amount for line in lines_of(ctx, second)] == [-31000, 46500, 93000]
        invoicing.void(ctx, second.id)
    assert sorted(amounts(open_unit, bill_again(open_unit))) == [-31000, 46500, 93000]


def test_voiding_both_from_the_newest_on_bills_only_what_is_agreed_now(
    open_unit: Open, contract: tuple[PlanOf, Subscribed]
) -> None:
    change(open_unit, contract, "3")
    with open_unit() as ctx:
        first, second = invoices(ctx)
        invoicing.void(ctx, second.id)
        invoicing.void(ctx, first.id)
    # Two racks for half of February, three for the other half, three in March; nothing was ever billed twice.
    assert amounts(open_unit, bill_again(open_unit)) == [31000, 46500, 93000]


def test_an_invoice_with_money_on_it_is_not_voided(open_unit: Open, contract: tuple[PlanOf, Subscribed]) -> None:
    with open_unit() as ctx:
        invoice = invoices(ctx)[0]
        pay(ctx, invoice, 100)
    with pytest.raises(Conflict, match="invoice_has_payments"), open_unit() as ctx:
        invoicing.void(ctx, invoice.id)


def pay(ctx: Context, invoice: Invoice, amount: int) -> None:
    payment = new_id()
    ctx.session.execute(
        insert(Payment).values(
            provider_id=ctx.provider.id,
            id=payment,
            account_id=invoice.account_id,
            seller_id=invoice.seller_id,
            method="manual",
            amount=amount,
            currency=invoice.currency,
            received_on=date(2026, 2, 2),
            created_at=ctx.now,
            meta={},
        )
    )
    ctx.session.execute(
        insert(Allocation).values(
            provider_id=ctx.provider.id,
            id=new_id(),
            payment_id=payment,
            invoice_id=invoice.id,
            amount=amount,
            created_at=ctx.now,
        )
    )


def test_an_invoice_is_paid_when_all_of_it_is_settled(open_unit: Open, contract: tuple[PlanOf, Subscribed]) -> None:
    with open_unit() as ctx:
        invoice = invoices(ctx)[0]
        pay(ctx, invoice, 75019)
        assert invoicing.settle(ctx, invoice.id).status == "open"
        pay(ctx, invoice, 1)
        paid = invoicing.settle(ctx, invoice.id)
        assert (paid.status, paid.paid_at, paid.settled_amount) == ("paid", ctx.now, 75020)
    with pytest.raises(IllegalTransition), open_unit() as ctx:
        invoicing.void(ctx, invoice.id)


def test_a_discarded_draft_lets_its_credits_wait_and_bills_the_rest_anew(
    open_unit: Open, contract: tuple[PlanOf, Subscribed]
) -> None:
    with open_unit() as ctx:
        ctx.session.execute(
            text("UPDATE provider SET settings = '{\"draft_review\": true}' WHERE id = :p"), {"p": ctx.provider.id}
        )
    change(open_unit, contract, "3")
    with open_unit() as ctx:
        draft = invoices(ctx)[-1]
        assert draft.status == "draft"
        invoicing.discard(ctx, draft.id)
    assert sorted(amounts(open_unit, bill_again(open_unit))) == [-31000, 46500, 93000]
