"""When each payer is billed next: kept on its row, set at its birth, moved on by its runs."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select

from billing.bill_dates import bill_at, next_bill_at
from billing.periods import local_date
from models.accounts import Account
from services.context import Context


def move_on(ctx: Context, payer: Account) -> None:
    """After a run of its bill date: the 1st of the month after it."""
    assert payer.next_bill_on is not None  # only payers are billed, and each has a date
    _set(ctx, payer, (payer.next_bill_on + timedelta(days=32)).replace(day=1))


def plan_anew(ctx: Context, now: datetime) -> None:
    """Every payer's first bill date after an instant, for a clock that was set before anything was billed."""
    minutes = ctx.provider.settings.close_after_minutes
    payers = ctx.session.scalars(
        select(Account)
        .where(Account.provider_id == ctx.provider.id, Account.next_bill_at.is_not(None))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    for payer in payers:
        _set(ctx, payer, local_date(next_bill_at(now, payer.time_zone, minutes), payer.time_zone))
    ctx.session.flush()


def _set(ctx: Context, payer: Account, day: date) -> None:
    payer.next_bill_on = day
    payer.next_bill_at = bill_at(day, payer.time_zone, ctx.provider.settings.close_after_minutes)
