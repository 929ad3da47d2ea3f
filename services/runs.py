"""Billing runs: who is billed when, in chunks, by as many workers as there are, whatever is killed meanwhile.

A run is made with a row per payer. A worker takes a chunk (`claim`), bills it in one transaction of its own (`bill`),
and comes back for more; when no payer is left, the drafts become final in order (`finish`). What is not committed is
found again by the state of the rows.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.exc import OperationalError

from billing.invoices import PlannedDocument
from billing.proposal import Parked
from core.errors import Refused
from core.ids import encode, new_id
from core.period import rfc3339
from models.accounts import Account
from models.billing import BillingRun, BillingRunPayer, Invoice
from services import bill_dates, invoicing_charges, invoicing_documents, invoicing_finalize
from services.context import Context
from services.sets import add_rows, among

log = logging.getLogger(__name__)

CHUNK = 200
CHUNK_FINAL = 100
TRIES_MOST = 5
JOB = "billing_runs"
BILL_DATE, REQUEST = "bill_date", "request"


def start_due(ctx: Context) -> list[UUID]:
    """Make the runs of every bill date that has come, one per instant, and set each payer's next bill date.

    All payers that are due are taken together, so that those of one instant share a run.
    """
    due = ctx.session.scalars(
        select(Account)
        .where(Account.provider_id == ctx.provider.id, Account.next_bill_at <= ctx.now)
        .order_by(Account.id)
        .with_for_update(key_share=True)
    ).all()
    by_instant: defaultdict[datetime, list[Account]] = defaultdict(list)
    for account in due:
        by_instant[_not_none(account.next_bill_at)].append(account)
    runs = []
    for instant in sorted(by_instant):
        payers = [(account.id, _not_none(account.next_bill_on)) for account in by_instant[instant]]
        runs.append(make(ctx, instant, BILL_DATE, payers, finalizes=not ctx.provider.settings.draft_review).id)
    for account in due:
        bill_dates.move_on(ctx, account)
    ctx.session.flush()
    return runs


def _not_none(value: Any) -> Any:
    assert value is not None  # payers have both, and the query asks for one
    return value


def make(
    ctx: Context, as_of: datetime, trigger: str, payers: Sequence[tuple[UUID, date]], *, finalizes: bool
) -> BillingRun:
    """Store a run with its payers, each with its bill date, and ask the workers to look."""
    run = BillingRun(
        provider_id=ctx.provider.id,
        id=new_id(),
        as_of=as_of,
        trigger=trigger,
        finalizes=finalizes,
        created_at=ctx.now,
        meta={},
        status="running",
    )
    ctx.session.add(run)
    ctx.session.flush()
    rows = [
        {"provider_id": ctx.provider.id, "run_id": run.id, "payer_id": payer_id, "bill_on": bill_on}
        for payer_id, bill_on in payers
    ]
    add_rows(ctx, BillingRunPayer, rows)
    ctx.wake(JOB, run.id)
    return run


def claim(ctx: Context, run_id: UUID) -> list[UUID]:
    """Take the next payers of a run that nobody is at, and write down that they were begun. Commit, then `bill` them.

    One that was begun before and not finished took its process down, or was with one that did: it is taken alone, and
    parked when it has been tried too often.

    Returns:
        The payers, in the order of ids; none when no payer is left.
    """
    rows = list(
        ctx.session.scalars(
            _pending(ctx, run_id).order_by(BillingRunPayer.tries, BillingRunPayer.payer_id).limit(CHUNK)
        )
    )
    for row in [row for row in rows if row.tries >= TRIES_MOST]:
        _park(row, "interrupted", f"Billing was begun {row.tries} times and never finished.")
    rows = [row for row in rows if row.status == "pending"]
    taken = [row for row in rows if row.tries == 0] or rows[:1]
    for row in taken:
        row.tries += 1
    ctx.session.flush()
    return sorted(row.payer_id for row in taken)


def _pending(ctx: Context, run_id: UUID) -> Any:
    return (
        select(BillingRunPayer)
        .where(
            BillingRunPayer.provider_id == ctx.provider.id,
            BillingRunPayer.run_id == run_id,
            BillingRunPayer.status == "pending",
        )
        .with_for_update(skip_locked=True)
    )


def bill(ctx: Context, run_id: UUID, payers: Collection[UUID]) -> None:
    """Bill these payers of a run: charges, then drafts. In sets; when the set fails, payer by payer.

    A payer that fails alone is parked with its reason and the others are billed. What is held or finished by another
    worker meanwhile is passed over.
    """
    run = ctx.session.get_one(BillingRun, (ctx.provider.id, run_id))
    rows = list(
        ctx.session.scalars(
            _pending(ctx, run_id).where(among(BillingRunPayer.payer_id, payers)).order_by(BillingRunPayer.payer_id)
        )
    )
    _lock_payers(ctx, [row.payer_id for row in rows])
    if rows and _failure(ctx, run, rows) is not None:
        for row in rows:
            failure = _failure(ctx, run, [row])
            if failure is not None:
                _park(row, *_reason(failure))
    ctx.session.flush()


def _lock_payers(ctx: Context, payers: Sequence[UUID]) -> None:
    """Whoever bills or moves a payer's tree holds the payer's row; rows are taken in the order of ids."""
    ctx.session.execute(
        select(Account.id)
        .where(Account.provider_id == ctx.provider.id, among(Account.id, payers))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )


def _failure(ctx: Context, run: BillingRun, rows: Sequence[BillingRunPayer]) -> Exception | None:
    """Bill a set of payers, all or nothing; what went wrong, if something did."""
    try:
        with ctx.session.begin_nested():  # a savepoint
            _bill(ctx, run, rows)
    except OperationalError:
        raise  # the database is in trouble, not the payer: another try will do
    except Exception as error:  # whatever is wrong with one payer must not stop the others
        log.warning("billing failed", extra={"run": str(run.id), "payers": len(rows)}, exc_info=error)
        return error
    return None


def _bill(ctx: Context, run: BillingRun, rows: Sequence[BillingRunPayer]) -> None:
    bill_on = {row.payer_id: row.bill_on for row in rows}
    proposed = invoicing_charges.propose_for(ctx, bill_on, run.as_of, invoicing_charges.closed_by(ctx, run.as_of))
    invoicing_charges.store(ctx, proposed)
    negative = invoicing_documents.draft(ctx, run.id, bill_on, run.as_of, finalizes=run.finalizes)
    parked = proposed.parked_by_payer()
    for row in rows:
        row.status = "done"
        row.waiting = waiting_json(parked.get(row.payer_id, ()), negative.get(row.payer_id, ()))
    ctx.session.flush()


def waiting_json(parked: Sequence[Parked], negative: Sequence[PlannedDocument]) -> list[dict[str, Any]]:
    """What of a payer could not be billed yet, and why."""
    spans: list[dict[str, Any]] = [
        {
            "code": p.code,
            "detail": p.detail,
            "subscription": encode("subscription", p.subscription_id),
            "charge_code": p.charge_code,
            "span": {"start": rfc3339(p.span.start), "end": rfc3339(p.span.end)},
        }
        for p in parked
    ]
    return spans + [
        {
            "code": "negative_total",
            "detail": "The document would be negative; its charges reduce the next one.",
            "currency": document.key.currency,
            "total_amount": document.totals.total.minor,
        }
        for document in negative
    ]


def _park(row: BillingRunPayer, reason: str, detail: str) -> None:
    row.status, row.reason, row.detail = "parked", reason, detail


def _reason(failure: Exception) -> tuple[str, str]:
    if isinstance(failure, Refused):
        return failure.code, failure.detail
    return "unexpected", f"{type(failure).__name__}: the log has more."


def finish(ctx: Context, run_id: UUID) -> bool:
    """Make the next drafts of a run final, or close it when none is left. In the order of (bill date, payer).

    Returns:
        Whether there is more to do here. While a payer is still being billed elsewhere there is not: numbers follow
        the order of the whole run, so whoever bills the last payer goes on.
    """
    if ctx.session.scalar(select(_unbilled(ctx, run_id).exists())):
        return False
    drafts = invoicing_finalize.drafts_of(ctx, run_id, CHUNK_FINAL)
    if not drafts:
        _close(ctx, run_id)
        return False
    if not _finalized(ctx, drafts):
        for draft in drafts:
            if not _finalized(ctx, [draft]):
                draft.finalizes = False
                _park_draft(ctx, run_id, draft)
    return True


def _unbilled(ctx: Context, run_id: UUID) -> Any:
    return select(literal(1)).where(
        BillingRunPayer.provider_id == ctx.provider.id,
        BillingRunPayer.run_id == run_id,
        BillingRunPayer.status == "pending",
    )


def _finalized(ctx: Context, drafts: Sequence[Invoice]) -> bool:
    try:
        with ctx.session.begin_nested():  # a savepoint
            invoicing_finalize.finalize_all(ctx, drafts)
    except OperationalError:
        raise
    except Exception as error:  # one document that cannot be made final must not hold up the others
        log.warning("finalizing failed", extra={"drafts": len(drafts)}, exc_info=error)
        return False
    return True


def _park_draft(ctx: Context, run_id: UUID, draft: Invoice) -> None:
    row = ctx.session.get_one(BillingRunPayer, (ctx.provider.id, run_id, draft.account_id))
    _park(row, "not_finalized", f"The draft {encode('invoice', draft.id)} could not be made final.")
    ctx.session.flush()


def _close(ctx: Context, run_id: UUID) -> None:
    ctx.session.execute(
        update(BillingRun)
        .where(BillingRun.provider_id == ctx.provider.id, BillingRun.id == run_id, BillingRun.status == "running")
        .values(status="done", finished_at=ctx.now)
    )


def counts(ctx: Context, run_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, int]]:
    """How many payers of each run are in each state."""
    rows = ctx.session.execute(
        select(BillingRunPayer.run_id, BillingRunPayer.status, func.count())
        .where(BillingRunPayer.provider_id == ctx.provider.id, among(BillingRunPayer.run_id, run_ids))
        .group_by(BillingRunPayer.run_id, BillingRunPayer.status)
    )
    found: defaultdict[UUID, dict[str, int]] = defaultdict(dict)
    for run_id, status, number in rows:
        found[run_id][status] = number
    return found
