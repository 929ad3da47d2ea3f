"""Billing runs: who is billed when, in chunks, by as many workers as there are, whatever is killed meanwhile.

A run is made with a row per payer. A worker takes a chunk (`claim`), bills it in one transaction of its own (`bill`),
and comes back for more; when no payer is left, the drafts become final in order (`finish`). What is not committed is
found again by the state of the rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, insert, literal, select, update

from billing.proposal import Parked
from core.ids import encode, new_id
from core.period import rfc3339
from models.accounts import Account
from models.billing import BillingRun, BillingRunPayer, Invoice
from models.credit_notes import CreditNote
from models.subscriptions import Subscription
from services import (
    bill_dates,
    credit_notes_issue,
    draft_approval,
    invoicing_charges,
    invoicing_documents,
    invoicing_finalize,
    invoicing_taxes,
)
from services.closing import closed_by
from services.context import Context
from services.documents import Document, drafts_of
from services.savepoints import failure_of, reason_of
from services.sets import add_rows, among, change_rows

# What is billed in one transaction: so many payers at most, and so many subscriptions, whose rows are all in memory; a
# payer who has more is billed alone.
CHUNK = 500
SUBSCRIPTIONS_MOST = 600
CHUNK_FINAL = 500
TRIES_MOST = 5
JOB = "billing_runs"
BILL_DATE, REQUEST = "bill_date", "request"


def start_due(ctx: Context) -> list[UUID]:
    """Make the runs of every bill date that has come, one per instant, and set each payer's next bill date.

    All payers that are due are taken together, so that those of one instant share a run. They are never loaded.
    """
    instants = bill_dates.lock_due(ctx)
    runs = []
    for instant in instants:
        run = _new(ctx, instant, BILL_DATE, finalizes=not ctx.provider.settings.draft_review)
        own = select(Account.provider_id, literal(run.id), Account.id, Account.next_bill_on)
        payers = own.where(Account.provider_id == ctx.provider.id, Account.next_bill_at == instant)
        into = insert(BillingRunPayer).from_select(["provider_id", "run_id", "payer_id", "bill_on"], payers)
        ctx.session.execute(into)
        bill_dates.move_on(ctx, run.id)
        runs.append(run.id)
    return runs


def make(
    ctx: Context, as_of: datetime, trigger: str, payers: Sequence[tuple[UUID, date]], *, finalizes: bool
) -> BillingRun:
    """Store a run with its payers, each with its bill date, and ask the workers to look."""
    run = _new(ctx, as_of, trigger, finalizes=finalizes)
    rows = [
        {"provider_id": ctx.provider.id, "run_id": run.id, "payer_id": payer_id, "bill_on": bill_on}
        for payer_id, bill_on in payers
    ]
    add_rows(ctx, BillingRunPayer, rows)
    return run


def _new(ctx: Context, as_of: datetime, trigger: str, *, finalizes: bool) -> BillingRun:
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
    ctx.wake(JOB, run.id)
    return run


def claim(ctx: Context, run_id: UUID) -> list[UUID]:
    """Take the next payers of a run that nobody is at, and write down that they were begun. Commit, then `bill` them.

    One that was begun before and not finished took its process down, or was with one that did: it is taken alone, and
    parked when it has been tried too often.

    Returns:
        The payers, in the order of ids; none when no payer is left.
    """
    table = BillingRunPayer
    rows = ctx.session.execute(
        _pending(ctx, run_id, table.payer_id, table.tries)
        .order_by(table.tries, table.bill_on, table.payer_id)
        .limit(CHUNK)
    ).all()
    for row in rows:
        if row.tries >= TRIES_MOST:
            detail = f"Billing was begun {row.tries} times and never finished."
            _park(ctx, run_id, row.payer_id, "interrupted", detail)
    rows = [row for row in rows if row.tries < TRIES_MOST]
    taken = _few(ctx, [row for row in rows if row.tries == 0]) or rows[:1]
    key = {"provider_id": ctx.provider.id, "run_id": run_id}
    change_rows(ctx, table, [{**key, "payer_id": row.payer_id, "tries": row.tries + 1} for row in taken])
    return sorted(row.payer_id for row in taken)


def _few(ctx: Context, rows: Sequence[Any]) -> Sequence[Any]:
    """The first of some payers, as many as have not too many subscriptions together; at least one."""
    counted = ctx.session.execute(
        select(Account.payer_id, func.count())
        .join(
            Subscription,
            and_(Subscription.provider_id == Account.provider_id, Subscription.account_id == Account.id),
        )
        .where(Account.provider_id == ctx.provider.id, among(Account.payer_id, [row.payer_id for row in rows]))
        .group_by(Account.payer_id)
    )
    subscriptions: dict[UUID, int] = dict(counted.all())
    together = list(accumulate(subscriptions.get(row.payer_id, 0) for row in rows))
    return rows[: max(1, bisect_right(together, SUBSCRIPTIONS_MOST))]


def _pending(ctx: Context, run_id: UUID, *columns: Any) -> Any:
    """Payers of a run that are not billed yet and that nobody is at, locked."""
    return (
        select(*columns)
        .where(
            BillingRunPayer.provider_id == ctx.provider.id,
            BillingRunPayer.run_id == run_id,
            BillingRunPayer.status == "pending",
        )
        .with_for_update(skip_locked=True)
    )


def prepare(ctx: Context, run_id: UUID, payers: Collection[UUID]) -> None:
    """Ask what is decided outside, about payers that were claimed and before anything of them is locked.

    Whoever cannot be billed without an answer is parked with the reason; the others go on to `bill`.
    """
    table = BillingRunPayer
    rows = ctx.session.execute(
        select(table.payer_id, table.bill_on).where(
            table.provider_id == ctx.provider.id, table.run_id == run_id, among(table.payer_id, payers)
        )
    )
    for payer_id, undecided in invoicing_taxes.ask_outside(ctx, dict(rows.all())).items():
        _park(ctx, run_id, payer_id, undecided.code, undecided.detail)


def bill(ctx: Context, run_id: UUID, payers: Collection[UUID]) -> None:
    """Bill these payers of a run: charges, then drafts. In sets; when the set fails, payer by payer.

    A payer that fails alone is parked with its reason and the others are billed. What is held or finished by another
    worker meanwhile is passed over.
    """
    run = ctx.session.get_one(BillingRun, (ctx.provider.id, run_id))
    table = BillingRunPayer
    rows = ctx.session.execute(
        _pending(ctx, run_id, table.payer_id, table.bill_on)
        .where(among(table.payer_id, payers))
        .order_by(table.payer_id)
    ).all()
    bill_on: dict[UUID, date] = dict(rows)
    _lock_payers(ctx, list(bill_on))
    if bill_on and _failure(ctx, run, bill_on) is not None:
        for payer_id, day in bill_on.items():
            failure = _failure(ctx, run, {payer_id: day})
            if failure is not None:
                _park(ctx, run_id, payer_id, *reason_of(failure))


def _lock_payers(ctx: Context, payers: Sequence[UUID]) -> None:
    """Whoever bills or moves a payer's tree holds the payer's row; rows are taken in the order of ids."""
    ctx.session.execute(
        select(Account.id)
        .where(Account.provider_id == ctx.provider.id, among(Account.id, payers))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )


def _failure(ctx: Context, run: BillingRun, bill_on: Mapping[UUID, date]) -> Exception | None:
    """Bill a set of payers, each with its bill date, all or nothing; what went wrong, if something did."""
    step = partial(_bill, ctx, run, bill_on)
    return failure_of(ctx, step, "billing failed", run=str(run.id), payers=len(bill_on))


def _bill(ctx: Context, run: BillingRun, bill_on: Mapping[UUID, date]) -> None:
    proposed = invoicing_charges.propose_for(ctx, bill_on, run.as_of, closed_by(ctx, run.as_of))
    charges = invoicing_charges.claim(ctx, proposed)
    invoicing_documents.draft(ctx, run.id, bill_on, run.as_of, charges, finalizes=run.finalizes)
    parked = proposed.parked_by_payer()
    key = {"provider_id": ctx.provider.id, "run_id": run.id, "status": "done"}
    done = [{**key, "payer_id": payer_id, "waiting": waiting_json(parked.get(payer_id, ()))} for payer_id in bill_on]
    change_rows(ctx, BillingRunPayer, done)


def waiting_json(parked: Sequence[Parked]) -> list[dict[str, Any]]:
    """What of a payer could not be billed yet, and why."""
    return [
        {
            "code": p.code,
            "detail": p.detail,
            "subscription": encode("subscription", p.subscription_id),
            "charge_code": p.charge_code,
            "span": {"start": rfc3339(p.span.start), "end": rfc3339(p.span.end)},
        }
        for p in parked
    ]


def _park(ctx: Context, run_id: UUID, payer_id: UUID, reason: str, detail: str) -> None:
    row = {"provider_id": ctx.provider.id, "run_id": run_id, "payer_id": payer_id, "status": "parked"}
    change_rows(ctx, BillingRunPayer, [row | {"reason": reason, "detail": detail}])


def finish(ctx: Context, run_id: UUID) -> bool:
    """Make the next drafts of a run final, or close it when none is left.

    Invoices, then credit notes, each in the order of (bill date, payer).

    Returns:
        Whether there is more to do here. While a payer is still being billed elsewhere there is not: numbers follow
        the order of the whole run, so whoever bills the last payer goes on.
    """
    if ctx.session.scalar(select(_unbilled(ctx, run_id).exists())):
        return False
    invoices = drafts_of(ctx, Invoice, run_id, CHUNK_FINAL)
    if invoices:
        _finalize(ctx, run_id, "invoice", invoices, invoicing_finalize.finalize_all)
        return True
    notes = drafts_of(ctx, CreditNote, run_id, CHUNK_FINAL)
    if notes:
        _finalize(ctx, run_id, "credit_note", notes, credit_notes_issue.issue_all)
        return True
    _close(ctx, run_id)
    return False


def finish_early(ctx: Context, run_id: UUID) -> None:
    """Make invoices final whose numbers nothing can come before any more, while later payers are still being billed.

    While another worker does so, or an earlier run is not done, this does nothing: `finish` does the rest.
    """
    turn = select(BillingRun.as_of).where(BillingRun.provider_id == ctx.provider.id, BillingRun.id == run_id)
    as_of = ctx.session.scalar(turn.with_for_update(key_share=True, skip_locked=True))
    first = _first_unbilled(ctx, run_id)
    if as_of is None or first is None or ctx.session.scalar(select(_earlier(ctx, as_of).exists())):
        return
    drafts = drafts_of(ctx, Invoice, run_id, CHUNK_FINAL, before=first)
    if drafts:
        _finalize(ctx, run_id, "invoice", drafts, invoicing_finalize.finalize_all)


def _earlier(ctx: Context, as_of: datetime) -> Any:
    return select(literal(1)).where(
        BillingRun.provider_id == ctx.provider.id, BillingRun.status == "running", BillingRun.as_of < as_of
    )


def _first_unbilled(ctx: Context, run_id: UUID) -> tuple[date, UUID] | None:
    """The first of a run, in the order of numbers, who is not billed yet: of those that nobody has begun, as the index
    tells, and of the few that somebody is at."""
    table = BillingRunPayer
    unbilled = (
        select(table.bill_on, table.payer_id)
        .where(table.provider_id == ctx.provider.id, table.run_id == run_id, table.status == "pending")
        .order_by(table.bill_on, table.payer_id)
        .limit(1)
    )
    found = [ctx.session.execute(unbilled.where(begun)).one_or_none() for begun in (table.tries == 0, table.tries > 0)]
    return min(((row.bill_on, row.payer_id) for row in found if row is not None), default=None)


def _unbilled(ctx: Context, run_id: UUID) -> Any:
    return select(literal(1)).where(
        BillingRunPayer.provider_id == ctx.provider.id,
        BillingRunPayer.run_id == run_id,
        BillingRunPayer.status == "pending",
    )


def _finalize(
    ctx: Context,
    run_id: UUID,
    kind: str,
    drafts: Sequence[Document],
    make_final: Callable[[Context, Sequence[Document]], None],
) -> None:
    """Make drafts final together; when that fails, one by one, and one that fails alone is left to a person."""
    if _not_final(ctx, drafts, make_final) is None:
        return
    for draft in drafts:
        failure = _not_final(ctx, [draft], make_final)
        if failure is not None:
            draft.finalizes = False
            detail = f"The draft {encode(kind, draft.id)} could not be made final: {reason_of(failure)[1]}"
            _park(ctx, run_id, draft.account_id, "not_finalized", detail)


def _not_final(
    ctx: Context, drafts: Sequence[Document], make_final: Callable[[Context, Sequence[Document]], None]
) -> Exception | None:
    """Make drafts final, all or nothing; what went wrong, if something did."""
    return failure_of(ctx, partial(make_final, ctx, drafts), "finalizing failed", drafts=len(drafts))


def _close(ctx: Context, run_id: UUID) -> None:
    closed = ctx.session.execute(
        update(BillingRun)
        .where(BillingRun.provider_id == ctx.provider.id, BillingRun.id == run_id, BillingRun.status == "running")
        .values(status="done", finished_at=ctx.now)
        .returning(BillingRun.id)
    )
    if closed.all():
        draft_approval.tell(ctx, run_id)


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
