"""Billing runs on the real database: who is billed when, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from threading import Barrier, Thread
from uuid import UUID

import pytest
from sqlalchemy import select, update

from billing.postings import Kind
from core.money import Money
from models.accounts import Account
from models.billing import BilledSpan, BillingRun, BillingRunPayer, Charge
from models.credit_notes import CreditNote
from runtime.house import House
from services import ledger, runs
from tests.builders.billing import POWER, RACK, PriceOf, a_plan, agree, an_account, subscribe
from tests.builders.runs import bill_at, invoices, lines_of, set_clock, start, work
from tests.builders.statements import statements
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
SETUP = PriceOf("setup", {"model": "flat", "amount_price": "99"}, kind="one_off", unit=None)


def test_a_month_end_makes_one_numbered_invoice(open_unit: Open) -> None:
    with open_unit() as ctx:
        account = an_account(ctx)
        subscribe(ctx, account, a_plan(ctx, RACK), start=ctx.now)
    (run,) = bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        assert [(line.description, line.amount) for line in lines_of(ctx, invoice)] == [
            ("Rack", 24677),
            ("Rack", 45000),
        ]
        assert invoice.number == "INV-2026-000001"
        assert (invoice.status, invoice.issued_on, invoice.bill_on) == ("open", date(2026, 2, 1), date(2026, 2, 1))
        assert (invoice.net_amount, invoice.tax_amount, invoice.total_amount) == (69677, 14632, 84309)
        assert invoice.due_at == datetime(2026, 2, 16, tzinfo=UTC)
        assert ctx.session.get_one(BillingRun, (ctx.provider.id, run)).status == "done"


def test_a_final_invoice_is_in_the_books(open_unit: Open) -> None:
    with open_unit() as ctx:
        account = an_account(ctx)
        subscribe(ctx, account, a_plan(ctx, RACK))
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        assert ledger.balance(ctx, Kind.RECEIVABLE, "EUR", account_id=account.id) == Money(invoice.total_amount, "EUR")
        assert ledger.balance(ctx, Kind.REVENUE, "EUR") == Money(-invoice.net_amount, "EUR")
        assert ledger.balance(ctx, Kind.TAX, "EUR") == Money(-invoice.tax_amount, "EUR")


def test_each_payer_is_billed_at_its_own_midnight(open_unit: Open) -> None:
    zones = ("Pacific/Auckland", "Europe/Amsterdam", "UTC", "America/New_York")
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        for zone in zones:
            subscribe(ctx, an_account(ctx, zone, zone=zone), plan, start=ctx.now)
    numbered = []
    for hour in (
        datetime(2026, 1, 31, 11, 30, tzinfo=UTC),
        datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
        FEBRUARY,
        datetime(2026, 2, 1, 5, 30, tzinfo=UTC),
    ):
        (run,) = bill_at(open_unit, hour)
        with open_unit() as ctx:
            newest = invoices(ctx)[-1]
            name = ctx.session.get_one(Account, (ctx.provider.id, newest.account_id)).name
            assert newest.run_id == run
            assert (newest.issued_on, newest.bill_on) == (date(2026, 2, 1), date(2026, 2, 1))
            numbered.append((name, newest.number))
    assert numbered == [(zone, f"INV-2026-00000{i}") for i, zone in enumerate(zones, start=1)]


def test_a_run_that_comes_late_makes_up_for_each_bill_date_in_order(open_unit: Open) -> None:
    with open_unit() as ctx:
        subscribe(ctx, an_account(ctx), a_plan(ctx, RACK))
    started = bill_at(open_unit, datetime(2026, 3, 20, tzinfo=UTC))
    started += bill_at(open_unit, datetime(2026, 3, 20, tzinfo=UTC))
    with open_unit() as ctx:
        assert [(i.bill_on, i.net_amount) for i in invoices(ctx)] == [
            (date(2026, 2, 1), 90000),
            (date(2026, 3, 1), 45000),
        ]
        payer = ctx.session.scalars(select(Account).where(Account.provider_id == ctx.provider.id)).one()
        assert (payer.next_bill_on, payer.next_bill_at) == (date(2026, 4, 1), datetime(2026, 4, 1, 0, 30, tzinfo=UTC))


def test_children_are_rolled_up_onto_their_payers_invoice(open_unit: Open) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        master = an_account(ctx, "Master")
        child = an_account(ctx, "Child", parent=master, payer="parent")
        grandchild = an_account(ctx, "Grandchild", parent=child, payer="parent")
        alone = an_account(ctx, "Alone", parent=master)
        for account in (grandchild, alone, child, master):
            subscribe(ctx, account, plan)
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        found = {i.account_id: [line.beneficiary_name for line in lines_of(ctx, i)] for i in invoices(ctx)}
    assert found == {
        master.id: ["Master", "Master", "Child", "Child", "Grandchild", "Grandchild"],
        alone.id: ["Alone", "Alone"],
    }


def test_each_currency_is_a_document_of_its_own(open_unit: Open) -> None:
    with open_unit() as ctx:
        account = an_account(ctx)
        plan = a_plan(ctx, PriceOf("rack", RACK.spec, currencies=("EUR", "JPY")))
        subscribe(ctx, account, plan, currency="EUR")
        subscribe(ctx, account, plan, currency="JPY")
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        assert sorted((i.currency, i.net_amount, i.tax_amount) for i in invoices(ctx)) == [
            ("EUR", 90000, 18900),
            ("JPY", 900, 189),
        ]


def test_a_change_in_the_middle_of_a_month_is_credited_and_charged_anew(open_unit: Open) -> None:
    with open_unit() as ctx:
        rented = PriceOf("rack", {"model": "per_unit", "unit_price": "310"})
        plan = a_plan(ctx, rented)
        subscription = subscribe(ctx, an_account(ctx), plan, start=datetime(2026, 2, 1, tzinfo=UTC), quantity="2")
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        agree(ctx, subscription.items["rack"], plan.prices["rack"], datetime(2026, 2, 15, tzinfo=UTC), "3")
    bill_at(open_unit, MARCH)
    with open_unit() as ctx:
        _, invoice = invoices(ctx)
        assert [(line.kind, line.description, line.amount) for line in lines_of(ctx, invoice)] == [
            ("credit", "Credit: Rack", -31000),
            ("recurring", "Rack", 46500),
            ("recurring", "Rack", 93000),
        ]
        credit = ctx.session.scalars(
            select(Charge).where(Charge.provider_id == ctx.provider.id, Charge.kind == "credit")
        ).one()
        original = ctx.session.get_one(Charge, (ctx.provider.id, credit.adjusts_id))
        assert (original.kind, original.amount, original.claim_id) == ("recurring", 62000, credit.claim_id)


def test_a_document_that_comes_to_less_than_nothing_is_a_credit_note(open_unit: Open) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, PriceOf("rack", {"model": "flat", "amount_price": "310"}))
        account = an_account(ctx)
        subscription = subscribe(ctx, account, plan, start=datetime(2026, 2, 1, tzinfo=UTC))
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        at = datetime(2026, 2, 15, tzinfo=UTC)
        agree(ctx, subscription.items["rack"], plan.prices["rack"], at, ended=True)
    (run,) = bill_at(open_unit, MARCH)
    with open_unit() as ctx:
        assert len(invoices(ctx)) == 1
        assert ctx.session.get_one(BillingRunPayer, (ctx.provider.id, run, account.id)).waiting == []
        note = ctx.session.scalars(select(CreditNote).where(CreditNote.run_id == run)).one()
        assert (note.number, note.net_amount, note.total_amount) == ("CN-2026-000001", 15500, 18755)
        assert [invoice["number"] for invoice in note.corrects] == [invoices(ctx)[0].number]
        subscribe(ctx, account, plan, start=datetime(2026, 4, 1, tzinfo=UTC))
    bill_at(open_unit, datetime(2026, 4, 1, 0, 30, tzinfo=UTC))
    with open_unit() as ctx:
        assert [line.amount for line in lines_of(ctx, invoices(ctx)[-1])] == [31000]


def test_a_one_off_is_billed_once(open_unit: Open) -> None:
    with open_unit() as ctx:
        subscribe(ctx, an_account(ctx), a_plan(ctx, SETUP, RACK))
    bill_at(open_unit, FEBRUARY)
    bill_at(open_unit, MARCH)
    with open_unit() as ctx:
        first, second = invoices(ctx)
        assert [line.charge_code for line in lines_of(ctx, first)] == ["setup", "rack", "rack"]
        assert [line.charge_code for line in lines_of(ctx, second)] == ["rack"]


def test_usage_is_billed_once_its_boundary_readings_had_time_to_arrive(open_unit: Open) -> None:
    with open_unit() as ctx:
        subscribe(ctx, an_account(ctx), a_plan(ctx, POWER))
        payers = [ctx.session.scalars(select(Account.id).where(Account.provider_id == ctx.provider.id)).one()]

    def charges_at(now: datetime) -> int:
        set_clock(open_unit, now)
        with open_unit() as ctx:
            run = runs.make(ctx, now, runs.REQUEST, [(payers[0], now.date())], finalizes=True)
        work(open_unit, run.id)
        with open_unit() as ctx:
            return len(ctx.session.scalars(select(Charge.id).where(Charge.provider_id == ctx.provider.id)).all())

    assert charges_at(datetime(2026, 2, 1, 0, 29, tzinfo=UTC)) == 0
    assert charges_at(datetime(2026, 2, 1, 0, 30, tzinfo=UTC)) == 1


def test_a_failing_payer_is_parked_with_its_reason_and_the_others_are_billed(open_unit: Open) -> None:
    with open_unit() as ctx:
        plan, broken = a_plan(ctx, RACK), a_plan(ctx, PriceOf("rack", RACK.spec, currencies=("USD",)))
        good = [an_account(ctx, f"Good {i}") for i in range(3)]
        bad = an_account(ctx, "Bad")
        for account in good:
            subscribe(ctx, account, plan)
        subscribe(ctx, bad, broken)  # its currency is not one of the plan's
    (run,) = bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        assert {invoice.account_id for invoice in invoices(ctx)} == {account.id for account in good}
        parked = ctx.session.get_one(BillingRunPayer, (ctx.provider.id, run, bad.id))
        assert (parked.status, parked.reason) == ("parked", "unexpected")
        assert ctx.session.get_one(BillingRun, (ctx.provider.id, run)).status == "done"
        assert [invoice.number for invoice in invoices(ctx)] == [f"INV-2026-00000{i}" for i in (1, 2, 3)]


def test_a_document_that_no_bigint_holds_parks_its_payer_alone_and_says_so(open_unit: Open) -> None:
    vault = {"model": "flat", "amount_price": "60000000000000000"}
    with open_unit() as ctx:
        good, bad = an_account(ctx, "Good"), an_account(ctx, "Bad")
        subscribe(ctx, good, a_plan(ctx, RACK))
        subscribe(ctx, bad, a_plan(ctx, PriceOf("vault", vault), PriceOf("annexe", vault)))
    (run,) = bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        assert [invoice.account_id for invoice in invoices(ctx)] == [good.id]
        parked = ctx.session.get_one(BillingRunPayer, (ctx.provider.id, run, bad.id))
        assert (parked.status, parked.reason) == ("parked", "amount_out_of_range")


def test_one_line_that_cannot_be_rated_does_not_stop_the_others_of_its_payer(open_unit: Open, house: House) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK, PriceOf("odd", {"model": "no_such_model"}))
        account = an_account(ctx)
        subscribe(ctx, account, plan)
    (run,) = bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        assert {line.charge_code for line in lines_of(ctx, invoice)} == {"rack"}
        waiting = ctx.session.get_one(BillingRunPayer, (ctx.provider.id, run, account.id)).waiting
        assert {(w["code"], w["charge_code"]) for w in waiting} == {("pricing_model_unknown", "odd")}


def test_a_payer_that_keeps_taking_its_worker_down_is_parked_in_the_end(open_unit: Open) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        accounts = [an_account(ctx, f"A{i}") for i in range(2)]
        for account in accounts:
            subscribe(ctx, account, plan)
    (run,) = start(open_unit, FEBRUARY)
    for _ in range(runs.TRIES_MOST):
        with open_unit() as ctx:
            ctx.session.execute(
                update(BillingRunPayer)
                .where(BillingRunPayer.provider_id == ctx.provider.id, BillingRunPayer.payer_id == accounts[0].id)
                .values(tries=BillingRunPayer.tries + 1)
            )
    work(open_unit, run)
    with open_unit() as ctx:
        row = ctx.session.get_one(BillingRunPayer, (ctx.provider.id, run, accounts[0].id))
        assert (row.status, row.reason) == ("parked", "interrupted")
        assert [invoice.account_id for invoice in invoices(ctx)] == [accounts[1].id]


def test_two_workers_share_a_run_and_nobody_is_billed_twice(open_unit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CHUNK", 3)
    monkeypatch.setattr(runs, "CHUNK_FINAL", 2)
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        for i in range(14):
            subscribe(ctx, an_account(ctx, f"A{i}"), plan)
    (run,) = start(open_unit, FEBRUARY)
    together = Barrier(3)

    def worker() -> None:
        together.wait()
        work(open_unit, run)

    threads = [Thread(target=worker) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_unit() as ctx:
        found = invoices(ctx)
        assert [invoice.number for invoice in found] == [f"INV-2026-{i:06d}" for i in range(1, 15)]
        assert [invoice.account_id for invoice in found] == sorted(invoice.account_id for invoice in found)
        assert ctx.session.get_one(BillingRun, (ctx.provider.id, run)).status == "done"


@pytest.mark.parametrize("usage", [False, True])
def test_a_chunk_takes_the_same_number_of_queries_however_many_payers_it_has(
    open_unit: Open, house: House, usage: bool
) -> None:
    counted = []
    # The first makes what is made once: series, books. The others are so many that hours are read together.
    for number in (1, 20, 60):
        with open_unit() as ctx:
            plan = a_plan(ctx, RACK, POWER) if usage else a_plan(ctx, RACK)
            payers = [an_account(ctx, f"P{number}-{i}") for i in range(number)]
            for payer in payers:
                child = an_account(ctx, "Child", parent=payer, payer="parent")
                subscribe(ctx, payer, plan)
                subscribe(ctx, child, plan)
        set_clock(open_unit, FEBRUARY)
        with open_unit() as ctx:
            dated = [(payer.id, FEBRUARY.date()) for payer in payers]
            run = runs.make(ctx, FEBRUARY, runs.REQUEST, dated, finalizes=True)
        with statements(house) as billing, open_unit() as ctx:
            runs.bill(ctx, run.id, runs.claim(ctx, run.id))
        with statements(house) as finalizing, open_unit() as ctx:
            assert runs.finish(ctx, run.id)
        with open_unit() as ctx:
            assert sum(invoice.run_id == run.id and invoice.status == "open" for invoice in invoices(ctx)) == number
        counted.append((len(billing), len(finalizing)))
    assert counted[1] == counted[2]
    assert counted[1][0] < 40


def test_a_price_changed_by_a_new_version_bills_the_new_one_from_its_day(open_unit: Open) -> None:
    with open_unit() as ctx:
        old, new = a_plan(ctx, RACK), a_plan(ctx, PriceOf("rack", {"model": "flat", "amount_price": "500"}))
        subscription = subscribe(ctx, an_account(ctx), old)
        agree(ctx, subscription.items["rack"], new.prices["rack"], datetime(2026, 2, 1, tzinfo=UTC))
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        assert [line.amount for line in lines_of(ctx, invoice)] == [45000, 50000]


def test_claims_hold_what_was_billed(open_unit: Open) -> None:
    with open_unit() as ctx:
        subscribe(ctx, an_account(ctx), a_plan(ctx, RACK))
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        spans = ctx.session.scalars(select(BilledSpan.span).where(BilledSpan.provider_id == ctx.provider.id)).all()
        assert sorted((span.lower.month, span.upper.month) for span in spans) == [(1, 2), (2, 3)]


def test_a_line_says_the_product_and_the_code_too_where_a_plan_has_several_of_it(open_unit: Open) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, PriceOf("space", RACK.spec, name="space"))
        both = a_plan(ctx, PriceOf("a", RACK.spec, name="a"), PriceOf("b", RACK.spec, name="b"))
        for chosen in (plan, both):
            subscribe(ctx, an_account(ctx), chosen, start=ctx.now)
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        first, second = ({line.description for line in lines_of(ctx, invoice)} for invoice in invoices(ctx))
        assert (first, second) == ({"Colocation"}, {"Colocation, a", "Colocation, b"})


def test_two_runs_that_finish_at_once_share_a_series_without_gap(
    open_unit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "CHUNK_FINAL", 1)
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        payers = [an_account(ctx, f"A{i}") for i in range(12)]
        for payer in payers:
            subscribe(ctx, payer, plan)
    set_clock(open_unit, FEBRUARY)
    halves = []
    for half in (payers[:6], payers[6:]):
        with open_unit() as ctx:
            dated = [(payer.id, FEBRUARY.date()) for payer in half]
            halves.append(runs.make(ctx, FEBRUARY, runs.REQUEST, dated, finalizes=True).id)
    together = Barrier(2)

    def worker(run_id: UUID) -> None:
        together.wait()
        work(open_unit, run_id)

    threads = [Thread(target=worker, args=(run_id,)) for run_id in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_unit() as ctx:
        found = invoices(ctx)
        assert [invoice.number for invoice in found] == [f"INV-2026-{i:06d}" for i in range(1, 13)]
        for run_id, half in zip(halves, (payers[:6], payers[6:]), strict=True):
            assert [i.account_id for i in found if i.run_id == run_id] == [payer.id for payer in half]
