"""Month ends on a sandbox's clock: every payer at its own midnight, by the functions that the queue runs live."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

from sqlalchemy import func, select

from jobs import due
from jobs.clock import Drive
from models.accounts import Account
from models.billing import BillingRun, Invoice
from runtime.house import House
from services import test_clock
from services.context import Context
from tests.builders.billing import RACK, a_plan, an_account, subscribe
from tests.builders.runs import invoices, lines_of
from tests.conftest import Open, make_provider

ZONES = ("Pacific/Kiritimati", "Europe/Amsterdam", "UTC", "America/New_York", "Pacific/Pago_Pago")


# Billing alone: unpaid invoices would be dunned, and their subscriptions end.
KINDS = [due.KINDS["billing_due"], due.KINDS["billing_runs"]]


def advance(open_unit: Open, provider_id: UUID, to: datetime) -> None:
    with open_unit() as ctx:
        test_clock.advance(ctx, to)
    drive = Drive(provider_id, KINDS, lambda _, __: (), lambda _, __: None)
    while not drive.run():
        continue
    with open_unit() as ctx:
        assert test_clock.get(ctx).status == "ready"


def spans(ctx: Context, account: Account) -> list[tuple[datetime, datetime]]:
    """What was billed of an account's rack, in the order of time."""
    found = [
        (line.start_at, line.end_at)
        for invoice in invoices(ctx)
        if invoice.account_id == account.id
        for line in lines_of(ctx, invoice)
    ]
    return sorted(found)


def test_half_a_year_in_five_zones_bills_every_day_once(open_unit: Open, provider_id: UUID) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        accounts = [an_account(ctx, zone, zone=zone) for zone in ZONES]
        for account in accounts:
            subscribe(ctx, account, plan, start=ctx.now)
    advance(open_unit, provider_id, datetime(2026, 7, 15, tzinfo=UTC))
    with open_unit() as ctx:
        for account in accounts:
            billed = spans(ctx, account)
            assert billed[0][0] == datetime(2026, 1, 15, tzinfo=UTC)
            assert all(end == start for (_, end), (start, _) in pairwise(billed))
            assert len(billed) == 7
        by_month = [(i.bill_on.month, i.issued_on) for i in invoices(ctx) if i.account_id == accounts[1].id]
        assert [month for month, _ in by_month] == [2, 3, 4, 5, 6, 7]
        assert all(issued.day == 1 for _, issued in by_month if issued)


def test_numbers_begin_anew_each_year_without_gap_in_the_order_of_bill_dates(open_unit: Open, house: House) -> None:
    provider = make_provider(house, now=datetime(2026, 10, 15, tzinfo=UTC))

    def opener() -> AbstractContextManager[Context]:
        return open_unit(provider)

    with opener() as ctx:
        plan = a_plan(ctx, RACK)
        for zone in ZONES[:3]:
            subscribe(ctx, an_account(ctx, zone, zone=zone), plan, start=ctx.now)
    advance(opener, provider, datetime(2027, 2, 2, tzinfo=UTC))
    with opener() as ctx:
        for year, count in ((2026, 6), (2027, 6)):
            numbered = [i for i in invoices(ctx) if i.issued_on and i.issued_on.year == year]
            assert [i.sequence for i in numbered] == list(range(1, count + 1))
            assert [i.finalized_at for i in numbered] == sorted(i.finalized_at for i in numbered if i.finalized_at)
        running = select(func.count()).select_from(BillingRun).where(BillingRun.status == "running")
        assert ctx.session.scalar(running.where(BillingRun.provider_id == ctx.provider.id)) == 0


def test_a_pdf_is_there_soon_after_its_invoice(open_unit: Open, provider_id: UUID) -> None:
    with open_unit() as ctx:
        subscribe(ctx, an_account(ctx), a_plan(ctx, RACK))
    advance(open_unit, provider_id, datetime(2026, 2, 2, tzinfo=UTC))
    due.KINDS["invoice_pdfs"].run(provider_id, [_only(open_unit).id])
    assert _only(open_unit).pdf_blob is not None


def _only(open_unit: Open) -> Invoice:
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        return invoice
