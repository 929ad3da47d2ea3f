"""Moving a sandbox's clock and doing billing runs, a transaction at a time, as workers do."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from models.accounts import Account
from models.billing import Invoice, InvoiceLine
from models.providers import TestClock
from services import runs
from services.context import Context
from tests.conftest import Open


def set_clock(open_unit: Open, now: datetime) -> None:
    """Where a sandbox's clock stands, without doing what falls due on the way."""
    with open_unit() as ctx:
        ctx.session.execute(update(TestClock).where(TestClock.provider_id == ctx.provider.id).values(now=now))


def work(open_unit: Open, run_id: UUID) -> None:
    """Do a whole run."""
    while True:
        with open_unit() as ctx:
            payers = runs.claim(ctx, run_id)
        if not payers:
            break
        with open_unit() as ctx:
            runs.prepare(ctx, run_id, payers)
        with open_unit() as ctx:
            runs.bill(ctx, run_id, payers)
    more = True
    while more:
        with open_unit() as ctx:
            more = runs.finish(ctx, run_id)


def start(open_unit: Open, now: datetime) -> list[UUID]:
    """Set the clock and make the runs that are due."""
    set_clock(open_unit, now)
    with open_unit() as ctx:
        return runs.start_due(ctx)


def bill_at(open_unit: Open, now: datetime) -> list[UUID]:
    """Set the clock and do every run that is due."""
    started = start(open_unit, now)
    for run_id in started:
        work(open_unit, run_id)
    return started


def invoices(ctx: Context) -> list[Invoice]:
    """All invoices, numbered ones first, in the order of their numbers."""
    statement = select(Invoice).where(Invoice.provider_id == ctx.provider.id)
    return list(ctx.session.scalars(statement.order_by(Invoice.number.nulls_last(), Invoice.id)))


def lines_of(ctx: Context, invoice: Invoice) -> list[InvoiceLine]:
    """The lines of an invoice, in order."""
    statement = select(InvoiceLine).where(
        InvoiceLine.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice.id
    )
    return list(ctx.session.scalars(statement.order_by(InvoiceLine.position)))


def picture(ctx: Context) -> list[tuple[object, ...]]:
    """Everything that a customer would see of a provider's invoices, without ids: two pictures can be compared."""
    names = dict(
        ctx.session.execute(select(Account.id, Account.name).where(Account.provider_id == ctx.provider.id)).all()
    )
    return [
        (
            names[invoice.account_id],
            invoice.number,
            invoice.status,
            invoice.total_amount,
            [(line.charge_code, line.start_at, line.end_at, line.amount) for line in lines_of(ctx, invoice)],
        )
        for invoice in invoices(ctx)
    ]
