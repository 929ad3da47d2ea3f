"""When each payer is billed next: kept on its row, set at its birth, moved on by its runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select

from billing.bill_dates import bill_at, next_bill_at
from billing.periods import local_date
from models.accounts import Account
from services.context import Context


def move_on(ctx: Context, payer: Account) -> None:
    """After a run of its bill date: the 1st of the month after it."""
    assert payer.next_bill_on is not None  # only payers are billed, and each has a date
    _set(payer, (payer.next_bill_on + timedelta(days=32)).replace(day=1), ctx.provider.settings.close_after_minutes)


def close_after(ctx: Context, minutes: int) -> None:
    """The provider waits longer or shorter for boundary readings: the next bill dates stay, their instants follow."""
    for payer in _payers(ctx):
        assert payer.next_bill_on is not None  # as above
        _set(payer, payer.next_bill_on, minutes)
    ctx.session.flush()


def plan_anew(ctx: Context, now: datetime) -> None:
    """Every payer's first bill date after an instant, for a clock that was set before anything was billed."""
    minutes = ctx.provider.settings.close_after_minutes
    for payer in _payers(ctx):
        _set(payer, local_date(next_bill_at(now, payer.time_zone, minutes), payer.time_zone), minutes)
    ctx.session.flush()


def _payers(ctx: Context) -> Sequence[Account]:
    return ctx.session.scalars(
        select(Account)
        .where(Account.provider_id == ctx.provider.id, Account.next_bill_at.is_not(None))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    ).all()


def _set(payer: Account, day: date, minutes: int) -> None:
    payer.next_bill_on = day
    payer.next_bill_at = bill_at(day, payer.time_zone, minutes)
