"""Credit notes and contracts that go on: later changes, commitments, documents below zero; what the database holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from billing.credit_notes import Wanted
from billing.postings import Kind
from core.errors import Conflict, IllegalTransition, Invalid
from core.ids import encode
from models.billing import BillingRun, Charge, Invoice
from models.credit_notes import CreditNote, CreditNoteLine
from models.payments import Payment
from services import collection, credit_notes, invoicing, ledger, runs, runs_on_request
from services.context import Context
from services.credit_notes import NewCreditNote
from services.credit_notes_rest import creditable
from tests.builders.billing import PlanOf, PriceOf, Subscribed, a_plan, agree, an_account, subscribe
from tests.builders.metering import Metered, a_point, an_event, send
from tests.builders.runs import bill_at, invoices, lines_of, set_clock, work
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)
MIDDLE = datetime(2026, 2, 15, tzinfo=UTC)
RENTED = PriceOf("rack", {"model": "flat", "amount_price": "280"})
Contract = tuple[PlanOf, Subscribed]


@pytest.fixture
def contract(open_unit: Open) -> Contract:
    """A rack of 280 a month from 1 February on, billed on that day."""
    with open_unit() as ctx:
        plan = a_plan(ctx, RENTED)
        subscribed = subscribe(ctx, an_account(ctx), plan, start=datetime(2026, 2, 1, tzinfo=UTC))
    bill_at(open_unit, FEBRUARY)
    return plan, subscribed


def give(open_unit: Open, **what: Any) -> CreditNote:
    """A credit note of the first invoice."""
    with open_unit() as ctx:
        return credit_notes.create(ctx, invoices(ctx)[0].id, NewCreditNote(**what)).note


def end(open_unit: Open, contract: Contract, at: datetime = MIDDLE) -> None:
    with open_unit() as ctx:
        plan, subscribed = contract
        agree(ctx, subscribed.items["rack"], plan.prices["rack"], at, ended=True)


def notes(ctx: Context) -> list[CreditNote]:
    """All credit notes, in the order of their numbers."""
    statement = select(CreditNote).where(CreditNote.provider_id == ctx.provider.id)
    return list(ctx.session.scalars(statement.order_by(CreditNote.number.nulls_last(), CreditNote.id)))


def given_back(open_unit: Open) -> list[int]:
    """The charges that give back, in cents."""
    with open_unit() as ctx:
        statement = select(Charge.amount).where(Charge.provider_id == ctx.provider.id, Charge.kind == "credit")
        return list(ctx.session.scalars(statement.order_by(Charge.id)))


def balances(ctx: Context) -> dict[str, int]:
    kinds = (Kind.RECEIVABLE, Kind.CUSTOMER_CREDIT, Kind.REVENUE, Kind.TAX)
    return {kind.value: ledger.balance(ctx, kind, "EUR").minor for kind in kinds}


@pytest.mark.parametrize(
    ("amount", "back"),
    [(0, [-14000]), (10000, [-14000]), (20000, [-8000]), (28000, [])],
)
def test_a_change_after_a_credit_note_gives_back_no_more_than_is_left(
    open_unit: Open, contract: Contract, amount: int, back: list[int]
) -> None:
    if amount:
        with open_unit() as ctx:
            (line,) = lines_of(ctx, invoices(ctx)[0])
        give(open_unit, lines=[Wanted(line.id, amount=amount)])
    end(open_unit, contract)
    bill_at(open_unit, MARCH)
    assert given_back(open_unit) == back
    bill_at(open_unit, APRIL)
    assert given_back(open_unit) == back  # and only once


def test_a_contract_that_never_was_is_credited_in_full_and_taken_back_at_no_cost(
    open_unit: Open, contract: Contract
) -> None:
    give(open_unit)
    end(open_unit, contract, datetime(2026, 2, 1, tzinfo=UTC))
    bill_at(open_unit, MARCH)
    assert given_back(open_unit) == []
    with open_unit() as ctx:
        assert len(invoices(ctx)) == 1  # no document that says nothing
        assert ctx.session.scalars(select(BillingRun.status)).all().count("running") == 0
        assert balances(ctx) == dict.fromkeys(("receivable", "customer_credit", "revenue", "tax"), 0)


def test_after_a_change_has_given_back_half_only_the_other_half_is_credited(
    open_unit: Open, contract: Contract
) -> None:
    end(open_unit, contract)
    bill_at(open_unit, MARCH)  # a credit note of 140, out of the run
    with open_unit() as ctx:
        (line,) = lines_of(ctx, invoices(ctx)[0])
    with pytest.raises(Invalid, match="credit_exceeds_rest"):
        give(open_unit, lines=[Wanted(line.id, amount=14001)])
    with open_unit() as ctx:
        assert creditable(ctx, invoices(ctx)[0]) == 16940
    assert give(open_unit).net_amount == 14000
    with open_unit() as ctx:
        assert [note.total_amount for note in notes(ctx)] == [16940, 16940]
        assert balances(ctx)["revenue"] == balances(ctx)["tax"] == 0


def test_a_correction_that_was_credited_itself_can_be_credited_again_on_its_first_invoice(
    open_unit: Open, contract: Contract
) -> None:
    _, subscribed = contract
    with open_unit() as ctx:
        dearer = a_plan(ctx, PriceOf("rack", {"model": "flat", "amount_price": "560"}))
        agree(ctx, subscribed.items["rack"], dearer.prices["rack"], MIDDLE)
    bill_at(open_unit, MARCH)
    with open_unit() as ctx:
        second = invoices(ctx)[1]
        assert [line.amount for line in lines_of(ctx, second)] == [-14000, 28000, 56000]
        whole = credit_notes.create(ctx, second.id, NewCreditNote())
        assert [line.amount for line in whole.lines] == [-14000, 28000, 56000]
    assert give(open_unit).net_amount == 28000
    with open_unit() as ctx:
        assert all(invoice.credited_amount == invoice.total_amount for invoice in invoices(ctx))


def test_a_document_below_zero_is_a_credit_note_that_the_next_invoice_uses(open_unit: Open, contract: Contract) -> None:
    end(open_unit, contract)
    with open_unit() as ctx:
        february = invoices(ctx)[0]
        account = february.account_id
    (run,) = bill_at(open_unit, MARCH)
    with open_unit() as ctx:
        (note,) = notes(ctx)
        assert (note.number, note.status, note.run_id) == ("CN-2026-000001", "issued", run)
        assert (note.net_amount, note.tax_amount, note.total_amount) == (14000, 2940, 16940)
        assert [each["invoice"] for each in note.corrects] == [encode("invoice", february.id)]
        assert balances(ctx) == {"receivable": 33880, "customer_credit": -16940, "revenue": -14000, "tax": -2940}
        (line,) = ctx.session.scalars(select(CreditNoteLine).where(CreditNoteLine.credit_note_id == note.id))
        assert (line.description, line.amount, line.invoice_line_id) == ("Credit: Rack", 14000, None)
        plan, _ = contract
        another = subscribe(ctx, an_account(ctx, "Other"), plan, start=datetime(2026, 4, 1, tzinfo=UTC))
        ctx.session.execute(
            text("UPDATE subscription SET account_id = :a WHERE id = :s"), {"a": account, "s": another.id}
        )
    bill_at(open_unit, APRIL)
    with open_unit() as ctx:
        april = invoices(ctx)[-1]
        collection.collect(ctx, april.id, "finalized")
        assert (april.total_amount, april.settled_amount) == (33880, 16940)


def test_a_negative_document_of_a_dry_run_is_shown_and_not_made(open_unit: Open, contract: Contract) -> None:
    end(open_unit, contract)
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        found = runs_on_request.dry_run(ctx)
        assert found.documents == []
        (dry,) = [note.json for note in found.credit_notes]
        assert (dry["number"], dry["total_amount"], [line["amount"] for line in dry["lines"]]) == (None, 16940, [14000])
    with open_unit() as ctx:
        assert notes(ctx) == []


def test_a_draft_of_a_credit_note_waits_for_a_person_and_can_be_discarded(open_unit: Open, contract: Contract) -> None:
    end(open_unit, contract)
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        payer = invoices(ctx)[0].account_id
        run = runs.make(ctx, ctx.now, runs.REQUEST, [(payer, date(2026, 3, 1))], finalizes=False)
    work(open_unit, run.id)
    with open_unit() as ctx:
        (draft,) = notes(ctx)
        assert (draft.status, draft.number) == ("draft", None)
        assert ctx.session.scalars(select(Payment).where(Payment.provider_id == ctx.provider.id)).all() == []
        credit_notes.discard(ctx, draft.id)
    with pytest.raises(IllegalTransition), open_unit() as ctx:
        credit_notes.issue(ctx, draft.id)
    with open_unit() as ctx:
        again = runs.make(ctx, ctx.now, runs.REQUEST, [(payer, date(2026, 3, 1))], finalizes=False)
    work(open_unit, again.id)
    with open_unit() as ctx:
        second = notes(ctx)[-1]
        assert (second.status, second.net_amount) == ("draft", 14000)
        issued = credit_notes.issue(ctx, second.id)
        assert (issued.number, issued.status) == ("CN-2026-000001", "issued")


def test_an_invoice_whose_part_is_on_a_credit_note_is_not_voided(open_unit: Open, contract: Contract) -> None:
    end(open_unit, contract)
    bill_at(open_unit, MARCH)
    with pytest.raises(Conflict, match="invoice_has_corrections"), open_unit() as ctx:
        invoicing.void(ctx, invoices(ctx)[0].id)


def test_numbers_of_many_credit_notes_have_no_gap_and_follow_their_payers(open_unit: Open) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, RENTED)
        contracts = [
            (plan, subscribe(ctx, an_account(ctx, f"A{n}"), plan, start=datetime(2026, 2, 1, tzinfo=UTC)))
            for n in range(7)
        ]
    bill_at(open_unit, FEBRUARY)
    for contract in contracts:
        end(open_unit, contract)
    bill_at(open_unit, MARCH)
    with open_unit() as ctx:
        made = notes(ctx)
        assert [note.number for note in made] == [f"CN-2026-{n:06d}" for n in range(1, 8)]
        assert [note.account_id for note in made] == sorted(note.account_id for note in made)
        assert balances(ctx)["customer_credit"] == -7 * 16940


def test_usage_that_was_drawn_from_a_commitment_is_credited_with_what_was_drawn(open_unit: Open) -> None:
    spec = {"model": "committed_amount", "amount_price": "1000", "draws": ["power"]}
    power = PriceOf("power", {"model": "per_unit", "unit_price": "0.25"}, "usage", "arrears", "none")
    with open_unit() as ctx:
        commitment = PriceOf("commitment", spec, proration="none", unit="year")
        plan = a_plan(ctx, commitment, power)
        metered = Metered(a_point(ctx), plan, subscribe(ctx, an_account(ctx), plan))
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        send(ctx, [an_event(metered, "one", datetime(2026, 1, 20, tzinfo=UTC), "2400")])
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        amounts = {line.kind: line.amount for line in lines_of(ctx, invoice)}
        assert amounts == {"recurring": 100000, "usage": 60000, "drawdown": -60000}
        by_kind = {line.kind: line.id for line in lines_of(ctx, invoice)}
    both = [Wanted(by_kind["usage"]), Wanted(by_kind["drawdown"])]
    with pytest.raises(Invalid, match="credit_exceeds_rest"):
        give(open_unit, lines=both)  # together they come to nothing
    assert give(open_unit).total_amount == 121000
    with open_unit() as ctx:
        assert balances(ctx) == dict.fromkeys(("receivable", "customer_credit", "revenue", "tax"), 0)


ATTACKS = [
    ("UPDATE credit_note SET total_amount = 1, net_amount = 1, tax_amount = 0 WHERE id = :note", "never changes"),
    ("UPDATE credit_note SET reason = 'x' WHERE id = :note", "never changes"),
    ("UPDATE credit_note SET status = 'draft', number = NULL, sequence = NULL WHERE id = :note", "never changes"),
    ("DELETE FROM credit_note WHERE id = :note", "permission denied|never deleted"),
    ("UPDATE credit_note_line SET amount = 1 WHERE credit_note_id = :note", "permission denied"),
    ("DELETE FROM credit_note_line WHERE credit_note_id = :note", "permission denied"),
    ("UPDATE invoice SET credited_amount = total_amount + 1 WHERE id = :invoice", "credited"),
    ("UPDATE invoice SET status = 'void', voided_at = now() WHERE id = :invoice", "stands"),
    ("UPDATE number_series SET next = next + 1 WHERE kind = 'credit_note'", "documents took 0"),
]


@pytest.mark.parametrize(("sql", "why"), ATTACKS)
def test_an_issued_credit_note_is_frozen_by_the_database(
    open_unit: Open, contract: Contract, sql: str, why: str
) -> None:
    note = give(open_unit, amount=1000)
    with pytest.raises(DBAPIError, match=why), open_unit() as ctx:
        ctx.session.execute(text(sql), {"note": note.id, "invoice": note.invoice_id})


@pytest.mark.parametrize(
    ("net", "tax", "why"),
    [
        (28001, 0, "a line"),
        (28000, 5881, "credited_amount|ck_invoice_credited"),
        (27990, 5890, "a tax"),
        (14001, 2939, "a line"),
    ],
)
def test_the_database_refuses_credit_above_the_invoice_its_lines_and_its_taxes(
    open_unit: Open, contract: Contract, net: int, tax: int, why: str
) -> None:
    """A note of 140 stands; another is written straight into the tables."""
    if net == 14001:
        give(open_unit, amount=16940)
    with open_unit() as ctx:
        invoice = invoices(ctx)[0]
        (line,) = lines_of(ctx, invoice)
    with pytest.raises(DBAPIError, match=why), open_unit() as ctx:
        forge(ctx, invoice, line.id, net, tax)


NOTE = """
    INSERT INTO credit_note (provider_id, id, created_at, seller_id, account_id, invoice_id, currency, bill_on,
      net_amount, tax_amount, rounding_amount, total_amount, taxes)
    SELECT provider_id, gen_random_uuid(), finalized_at, seller_id, account_id, id, currency, bill_on, :net, :tax,
      0, CAST(:net AS bigint) + CAST(:tax AS bigint), jsonb_set(taxes, '{0,tax_amount}', to_jsonb(CAST(:tax AS bigint)))
    FROM invoice WHERE id = :invoice RETURNING id
"""
LINE = """
    INSERT INTO credit_note_line (provider_id, id, credit_note_id, invoice_line_id, position, kind, charge_code,
      subscription_id, subscription_name, subscription_reference, beneficiary_id, beneficiary_name, description,
      start_at, end_at, amount, charged_amount, tax_inclusive, tax_category, tax_rate)
    SELECT provider_id, gen_random_uuid(), :note, id, 1, kind, charge_code, subscription_id, subscription_name,
      subscription_reference, beneficiary_id, beneficiary_name, description, start_at, end_at, :net, :net,
      tax_inclusive, tax_category, tax_rate
    FROM invoice_line WHERE id = :line
"""
SERIES = """
    INSERT INTO number_series (provider_id, id, seller_id, kind, year, prefix)
    SELECT provider_id, gen_random_uuid(), seller_id, 'credit_note', 2027, 'X' FROM invoice WHERE id = :invoice
    RETURNING id
"""
ISSUE = """
    UPDATE credit_note n SET status = 'issued', number = 'X-1', sequence = 1, series_id = :series,
      issued_at = n.created_at, issued_on = n.bill_on, seller_snapshot = '{}', buyer_snapshot = '{}'
    WHERE id = :note
"""


def forge(ctx: Context, invoice: Invoice, line: Any, net: int, tax: int) -> None:
    values = {"net": net, "tax": tax, "invoice": invoice.id, "line": line}
    note = ctx.session.execute(text(NOTE), values).scalar_one()
    ctx.session.execute(text(LINE), values | {"note": note})
    series = ctx.session.execute(text(SERIES), values).scalar_one()
    ctx.session.execute(text("UPDATE number_series SET next = 2 WHERE id = :s"), {"s": series})
    ctx.session.execute(text(ISSUE), {"note": note, "series": series})
