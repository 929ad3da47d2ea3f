"""What becomes of contracts up to an instant ahead, if nobody does anything more: what is due by then is done, by what
does it when its time comes. The caller takes it back (`services.savepoints.taken_back`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, literal, select, union_all

from billing.contract_terms import EXPIRE
from core.period import utc
from models.subscriptions import ScheduledChange, Subscription
from services import contract_changes, fixed_terms, subscription_steps, trials
from services.context import Context

Work = Callable[[Context, UUID], None]
# In the order in which what is due at one instant is done: as the clock's table has it (`jobs.due`).
STEPS: tuple[Work, ...] = (
    subscription_steps.start_due,
    contract_changes.apply_scheduled,
    trials.work,
    fixed_terms.work,
)


def let_pass(ctx: Context, wanted: ColumnElement[bool], until: datetime) -> None:
    """Do what falls due of subscriptions up to and including an instant, of each in order of time.

    Args:
        wanted: a condition on `Subscription`. Terms that are renewed and reminders are passed over: they change
            nothing that is billed or allowed.
    """
    for subscription_id in changing(ctx, wanted, until):
        _pass(ctx, Subscription.id == subscription_id, until)


def changing(ctx: Context, wanted: ColumnElement[bool], until: datetime) -> Sequence[UUID]:
    """The subscriptions of which something falls due up to and including an instant."""
    found = _due(ctx, wanted, until).subquery()
    return ctx.session.scalars(select(found.c.subscription_id).distinct()).all()


def _pass(ctx: Context, wanted: ColumnElement[bool], until: datetime) -> None:
    """What is done may bring more to do: a pause, the end of it. What was done and is still due is left, as the clock
    leaves it, with what comes after it.
    """
    found = _due(ctx, wanted, until).subquery()
    first = select(found).order_by(found.c.due_at, found.c.step, found.c.id).limit(1)
    done: set[tuple[Any, ...]] = set()
    while (due := ctx.session.execute(first).one_or_none()) is not None and tuple(due) not in done:
        STEPS[due.step](replace(ctx, now=utc(due.due_at)), due.id)
        done.add(tuple(due))


def _due(ctx: Context, wanted: ColumnElement[bool], until: datetime) -> CompoundSelect[Any]:
    """What is due: when, which of the steps, and of what."""
    row, change = Subscription, ScheduledChange
    of_contract = and_(change.provider_id == row.provider_id, change.subscription_id == row.id)
    expires = row.term["renewal"].astext == EXPIRE
    found = (
        _step(0, row.start_at, row.id, until).where(row.status == "pending"),
        _step(1, change.effective_at, change.id, until).join(row, of_contract).where(change.status == "scheduled"),
        _step(2, row.trial_ends_at, row.id, until).where(row.trial_next_at.is_not(None)),
        _step(3, row.term_ends_at, row.id, until).where(row.term_next_at.is_not(None), expires),
    )
    own = (row.provider_id == ctx.provider.id, wanted)
    return union_all(*(each.where(*own) for each in found))


def _step(number: int, due_at: Any, key: Any, until: datetime) -> Select[Any]:
    columns = (due_at.label("due_at"), literal(number).label("step"), key.label("id"))
    return select(*columns, Subscription.id.label("subscription_id")).where(due_at <= until)
