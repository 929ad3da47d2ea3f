"""A sandbox's clock: set while nothing was billed, then only advanced, by one driver at a time.

The driver (`jobs.clock`) holds a lease, in system time, that it renews; a driver that was killed loses it, and another
takes over where the clock stands.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, exists, select, update

from core.errors import Conflict, Invalid
from core.period import rfc3339
from models.billing import Charge, Invoice
from models.providers import TestClock
from services import bill_dates
from services.context import Context

JOB = "clock"
LEASE = timedelta(seconds=10)
ADVANCE_MAX = timedelta(days=5 * 366)


class LeaseLost(Exception):
    """Another driver has taken over, or the clock is not advancing any more."""


def get(ctx: Context) -> TestClock:
    """The sandbox's clock.

    Raises:
        Conflict: `not_a_sandbox`.
    """
    return _clock(ctx, lock=False)


def set_now(ctx: Context, now: datetime) -> TestClock:
    """Set the clock.

    Raises:
        Conflict: `not_a_sandbox`, `clock_advancing`, or `already_billed`: from then on it only goes forward.
    """
    clock = _clock(ctx, lock=True)
    _refuse_while_advancing(clock)
    billed = select(exists().where(Charge.provider_id == ctx.provider.id))
    invoiced = select(exists().where(Invoice.provider_id == ctx.provider.id))
    if ctx.session.scalar(billed) or ctx.session.scalar(invoiced):
        raise Conflict("already_billed", "Something was billed already: the clock can only be advanced.", "/now")
    clock.now, clock.status, clock.target, clock.detail = now, "ready", None, None
    ctx.session.flush()
    bill_dates.plan_anew(ctx, now)
    return clock


def advance(ctx: Context, to: datetime) -> TestClock:
    """Have everything run that falls due up to `to`, in order. The clock is `advancing` until its driver is done.

    Raises:
        Conflict: `not_a_sandbox` or `clock_advancing`.
        Invalid: `to_before_now`, or `to_too_far`.
    """
    clock = _clock(ctx, lock=True)
    _refuse_while_advancing(clock)
    if to < clock.now:
        raise Invalid("to_before_now", f"The clock stands at {rfc3339(clock.now)} and goes only forward.", "/to")
    if to - clock.now > ADVANCE_MAX:
        raise Invalid("to_too_far", "Advance by five years at most at a time.", "/to")
    clock.target, clock.status, clock.detail = to, "advancing", None
    clock.lease_token = clock.lease_until = None
    ctx.session.flush()
    ctx.wake(JOB)
    return clock


def take(ctx: Context, token: UUID, now: datetime) -> TestClock | None:
    """Become the driver of an advancing clock; None when there is none to drive, or somebody drives it."""
    clock = ctx.session.scalars(
        select(TestClock)
        .where(
            TestClock.provider_id == ctx.provider.id,
            TestClock.status == "advancing",
            TestClock.lease_until.is_(None) | (TestClock.lease_until < now),
        )
        .with_for_update(skip_locked=True)
    ).first()
    if clock is None:
        return None
    clock.lease_token, clock.lease_until = token, now + LEASE
    ctx.session.flush()
    return clock


def renew(ctx: Context, token: UUID, now: datetime) -> None:
    """Keep the lease. Raises LeaseLost."""
    _drive(ctx, token, lease_until=now + LEASE)


def move(ctx: Context, token: UUID, instant: datetime, now: datetime) -> None:
    """Set the driven clock to an instant, and keep the lease. Raises LeaseLost."""
    _drive(ctx, token, now=instant, lease_until=now + LEASE)


def remark(ctx: Context, token: UUID, detail: str) -> None:
    """Say what the clock waited for in vain. Raises LeaseLost."""
    _drive(ctx, token, detail=detail)


def give_back(ctx: Context, token: UUID) -> None:
    """Let another driver go on from here. Raises LeaseLost."""
    _drive(ctx, token, lease_token=None, lease_until=None)
    ctx.wake(JOB)


def finish(ctx: Context, token: UUID) -> None:
    """The target is reached. Raises LeaseLost."""
    _drive(ctx, token, status="ready", target=None, lease_token=None, lease_until=None)


def fail(ctx: Context, token: UUID, detail: str) -> None:
    """It cannot go on; another advance tries again from here. Raises LeaseLost."""
    _drive(ctx, token, status="failed", detail=detail[:1000], lease_token=None, lease_until=None)


def _drive(ctx: Context, token: UUID, **values: Any) -> None:
    """Change the clock as its driver."""
    done = ctx.session.execute(
        update(TestClock)
        .where(
            TestClock.provider_id == ctx.provider.id,
            TestClock.status == "advancing",
            TestClock.lease_token == token,
        )
        .values(**values)
    )
    assert isinstance(done, CursorResult)
    if done.rowcount != 1:
        raise LeaseLost


def _clock(ctx: Context, *, lock: bool) -> TestClock:
    if not ctx.provider.sandbox:
        raise Conflict("not_a_sandbox", "Only a sandbox has a clock of its own; a live provider's time is the world's.")
    statement = select(TestClock).where(TestClock.provider_id == ctx.provider.id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return ctx.session.scalars(statement).one()


def _refuse_while_advancing(clock: TestClock) -> None:
    if clock.status == "advancing":
        target = rfc3339(clock.target) if clock.target else "its target"
        raise Conflict("clock_advancing", f"The clock is on its way to {target}: wait until it is ready.")
