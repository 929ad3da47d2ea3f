"""Billing runs on the real database: who is billed when, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import select, update

from models.billing import BillingRun, Invoice, InvoiceLine
from models.providers import TestClock
from services import runs
from services.context import Context
from tests.builders.billing import RACK, a_plan, an_account, subscribe
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)


def set_clock(open_unit: Open, now: datetime) -> None:
    with open_unit() as ctx:
        ctx.session.execute(update(TestClock).where(TestClock.provider_id == ctx.provider.id).values(now=now))


def work(open_unit: Open, run_id: UUID) -> None:
    """Do a whole run as a worker does, a transaction at a time."""
    while True:
        with open_unit() as ctx:
            payers = runs.claim(ctx, run_id)
        if not payers:
            break
        with open_unit() as ctx:
            runs.bill(ctx, run_id, payers)
    more = True
    while more:
        with open_unit() as ctx:
            more = runs.finish(ctx, run_id)


def bill_at(open_unit: Open, now: datetime) -> list[UUID]:
    """Set the clock and do every run that is due."""
    set_clock(open_unit, now)
    with open_unit() as ctx:
        started = runs.start_due(ctx)
    for run_id in started:
        work(open_unit, run_id)
    return started


def invoices(ctx: Context) -> list[Invoice]:
    return list(
        ctx.session.scalars(select(Invoice).where(Invoice.provider_id == ctx.provider.id).order_by(Invoice.number))
    )


def test_a_month_end_makes_one_numbered_invoice(open_unit: Open) -> None:
    with open_unit() as ctx:
        account = an_account(ctx)
        subscribe(ctx, account, a_plan(ctx, RACK), start=ctx.now)
    (run,) = bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        lines = ctx.session.scalars(select(InvoiceLine).where(InvoiceLine.provider_id == ctx.provider.id)).all()
        assert [(line.description, line.amount) for line in lines] == [("Rack", 24677), ("Rack", 45000)]
        assert invoice.number == "INV-2026-000001"
        assert (invoice.status, invoice.issued_on, invoice.bill_on) == ("open", date(2026, 2, 1), date(2026, 2, 1))
        assert (invoice.net_amount, invoice.tax_amount, invoice.total_amount) == (69677, 14632, 84309)
        assert invoice.due_at == datetime(2026, 2, 16, tzinfo=UTC)
        assert ctx.session.get_one(BillingRun, (ctx.provider.id, run)).status == "done"
