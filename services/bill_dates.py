"""When each payer is billed next: kept on its row, set at its birth, moved on by its runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, select, update

from billing.bill_dates import bill_at, next_bill_at
from billing.periods import local_date
from billing.statements import next_statement_at
from models.accounts import Account
from models.billing import BillingRunPayer
from services.context import Context


def lock_due(ctx: Context) -> list[datetime]:
    """Lock every payer whose bill date has come, and tell the instants of those dates, in order."""
    due = (
        select(Account.next_bill_at)
        .where(Account.provider_id == ctx.provider.id, Account.next_bill_at <= ctx.now)
        .order_by(Account.id)
        .with_for_update(key_share=True)
        .cte("due")
    )
    return list(ctx.session.scalars(select(due.c.next_bill_at).distinct().order_by(due.c.next_bill_at)))


def move_on(ctx: Context, run_id: UUID) -> None:
    """After a run of their bill date was made: its payers are next billed on the 1st of the month after."""
    payers = and_(
        BillingRunPayer.provider_id == Account.provider_id,
        BillingRunPayer.payer_id == Account.id,
        BillingRunPayer.run_id == run_id,
    )
    kinds = select(BillingRunPayer.bill_on, Account.time_zone).join(Account, payers).distinct()
    for day, zone in ctx.session.execute(kinds.where(Account.provider_id == ctx.provider.id)).all():
        following = (day + timedelta(days=32)).replace(day=1)
        at = bill_at(following, zone, ctx.provider.settings.close_after_minutes)
        ctx.session.execute(
            update(Account)
            .where(Account.provider_id == ctx.provider.id, payers, Account.time_zone == zone)
            .where(BillingRunPayer.bill_on == day)
            .values(next_bill_on=following, next_bill_at=at),
            execution_options={"synchronize_session": False},
        )


def close_after(ctx: Context, minutes: int) -> None:
    """The provider waits longer or shorter for boundary readings: the next bill dates stay, their instants follow."""
    for payer in _payers(ctx):
        assert payer.next_bill_on is not None  # as above
        _set(payer, payer.next_bill_on, minutes, ctx.now)
    ctx.session.flush()


def plan_anew(ctx: Context, now: datetime) -> None:
    """Every payer's first bill date after an instant, for a clock that was set before anything was billed."""
    minutes = ctx.provider.settings.close_after_minutes
    for payer in _payers(ctx):
        _set(payer, local_date(next_bill_at(now, payer.time_zone, minutes), payer.time_zone), minutes, now)
    ctx.session.flush()


def _payers(ctx: Context) -> Sequence[Account]:
    return ctx.session.scalars(
        select(Account)
        .where(Account.provider_id == ctx.provider.id, Account.next_bill_at.is_not(None))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    ).all()


def _set(payer: Account, day: date, minutes: int, now: datetime) -> None:
    payer.next_bill_on = day
    payer.next_bill_at = bill_at(day, payer.time_zone, minutes)
    if payer.statement_schedule:
        payer.next_statement_at = next_statement_at(payer.statement_schedule, now, payer.time_zone, minutes)
